//! Why two identifiers are one customer, or are not: from the graph's edges.

use identity::{Component, EdgeView, Graph, IdentifierView};
use schemas::{Identifier, Key};
use serde::Serialize;
use std::collections::{HashMap, HashSet, VecDeque};

use super::evidence::{Decision, Evidence, Evidences, Told};
use super::names::{Key16, Named, Names};
use super::view;

/// What the graph says of an identifier and its customer.
pub(super) struct Facts {
    pub(super) identifier: Identifier,
    pub(super) view: Option<IdentifierView>,
    pub(super) component: Component,
    /// Edges with an end in the component, active and dormant.
    pub(super) edges: Vec<EdgeView>,
}

/// Everything that is printed.
#[derive(Debug, Serialize)]
pub(super) struct Explanation {
    pub(super) identifier: Named,
    pub(super) customer_id: Key16,
    /// Log offset of the customer's last change; none when the identifier was never linked.
    pub(super) changed_at: Option<u64>,
    pub(super) log_offset: i64,
    pub(super) generations: Vec<Generation>,
    pub(super) shared: bool,
    pub(super) suppressed: bool,
    pub(super) erased_at_ms: Option<i64>,
    /// Identifiers it must never be one customer with, by an operator's word.
    pub(super) vetoes: Vec<Named>,
    /// What the path leads to: the customer's anchor, or the identifier asked about.
    pub(super) to: Named,
    pub(super) same_customer: bool,
    /// The edges from the identifier to `to`.
    pub(super) path: Vec<Edge>,
    /// The customer's identifiers, the anchor first.
    pub(super) identifiers: Vec<Named>,
    /// The edges that make the customer.
    pub(super) edges: Vec<Edge>,
    /// Edges that are kept and do not join.
    pub(super) dormant: Vec<Edge>,
    /// When the identifier became shared, moved or was retired by a rule, oldest first.
    pub(super) events: Vec<Event>,
    /// What operators said of the identifier.
    pub(super) told: Vec<Told>,
    /// Why records are not named, if they are not.
    pub(super) without_records: Option<String>,
}

/// A key of the identifier.
#[derive(Debug, Serialize)]
pub(super) struct Generation {
    pub(super) number: usize,
    pub(super) identity_key: Key16,
    pub(super) closed: bool,
    pub(super) customer_id: Key16,
}

/// What a rule did to an identifier.
#[derive(Debug, Serialize)]
pub(super) struct Event {
    pub(super) kind: String,
    pub(super) rule: String,
    /// The identifier that it was about, and the one that brought it about.
    pub(super) a: Named,
    pub(super) b: Named,
    pub(super) log_offset: i64,
}

/// An edge as it is printed; on a path, `a` is nearer to its beginning.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Edge {
    pub(super) a: Named,
    pub(super) b: Named,
    pub(super) class: &'static str,
    pub(super) log_offset: i64,
    /// Why it does not join, if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refused_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) evidence: Option<Evidence>,
}

impl Facts {
    pub(super) fn of(graph: &Graph, identifier: Identifier) -> Self {
        let key = view::keys_of(graph, identifier)[0];
        Facts {
            identifier,
            view: graph.identifier(identifier.key),
            component: graph.members(key),
            edges: graph.edges_of(key),
        }
    }

    /// The present node of the identifier.
    fn node(&self) -> Identifier {
        let key = self.view.as_ref().map_or(self.identifier.key, |view| view.current);
        Identifier { key, ..self.identifier }
    }

    fn anchor(&self) -> Identifier {
        let key = self.component.customer_id;
        self.component.keys.iter().find(|member| member.key == key).copied().unwrap_or(self.node())
    }
}

impl Explanation {
    pub(super) fn new(graph: &Graph, names: &Names, facts: &Facts, and: Option<&Facts>, evidences: &Evidences) -> Self {
        let decisions = decisions(graph, evidences);
        let refusals = Refusals::of(&decisions, &facts.edges);
        let printed = |edge: &EdgeView| Edge {
            a: names.of(edge.a),
            b: names.of(edge.b),
            class: edge.class.as_str(),
            log_offset: edge.log_offset,
            refused_by: (!edge.active).then(|| refusals.reason(edge)),
            evidence: evidences.of(edge).cloned(),
        };
        let goal = and.map_or(facts.anchor(), Facts::node);
        let path = path(&facts.edges, facts.node().key, goal.key).unwrap_or_default();
        let path = path.into_iter().map(|(edge, turned)| {
            let edge = printed(&edge);
            if turned { Edge { a: edge.b.clone(), b: edge.a.clone(), ..edge } } else { edge }
        });
        let (active, dormant): (Vec<EdgeView>, Vec<EdgeView>) = facts.edges.iter().partition(|edge| edge.active);
        let of_subject = |edge: &&EdgeView| {
            let ends = [edge.a.key, edge.b.key];
            and.is_none_or(|and| and.component.customer_id == facts.component.customer_id)
                || and.is_some_and(|and| and.component.keys.iter().any(|member| ends.contains(&member.key)))
        };
        let view = facts.view.as_ref();
        Explanation {
            identifier: names.of(facts.node()),
            customer_id: Key16(facts.component.customer_id),
            changed_at: facts.component.version.checked_sub(1),
            log_offset: graph.applied(),
            generations: generations(graph, facts),
            shared: view.is_some_and(|view| view.shared),
            suppressed: view.is_some_and(|view| view.suppressed),
            erased_at_ms: view.and_then(|view| view.erased_at_ms),
            vetoes: view.map(|view| view.vetoes.iter().map(|veto| names.of(*veto)).collect()).unwrap_or_default(),
            to: names.of(goal),
            same_customer: facts.component.keys.iter().any(|member| member.key == goal.key),
            path: path.collect(),
            identifiers: identifiers(facts, names),
            edges: active.iter().map(printed).collect(),
            dormant: dormant.iter().filter(of_subject).map(printed).collect(),
            events: events(&decisions, &view::keys_of(graph, facts.identifier), names),
            told: evidences.told.clone(),
            without_records: evidences.missing.clone(),
        }
    }
}

fn identifiers(facts: &Facts, names: &Names) -> Vec<Named> {
    let anchor = facts.anchor();
    let others = facts.component.keys.iter().filter(|member| member.key != anchor.key);
    std::iter::once(&anchor).chain(others).map(|member| names.of(*member)).collect()
}

/// What the graph remembers of its rules' decisions, and ClickHouse of older ones; oldest first.
fn decisions(graph: &Graph, evidences: &Evidences) -> Vec<Decision> {
    let mut decisions: Vec<Decision> = graph.conflicts_in(0..=graph.applied()).iter().map(Decision::from).collect();
    let oldest = decisions.first().map_or(i64::MAX, |decision| decision.log_offset);
    decisions.extend(evidences.decisions.iter().filter(|decision| decision.log_offset < oldest).cloned());
    decisions.sort_by_key(|decision| decision.log_offset);
    decisions
}

fn events(decisions: &[Decision], keys: &[Key], names: &Names) -> Vec<Event> {
    let about = |decision: &&Decision| {
        decision.kind != "refused" && [decision.a.key, decision.b.key].iter().any(|key| keys.contains(key))
    };
    let event = |decision: &Decision| Event {
        kind: decision.kind.clone(),
        rule: decision.rule.clone(),
        a: names.of(decision.a),
        b: names.of(decision.b),
        log_offset: decision.log_offset,
    };
    decisions.iter().filter(about).map(event).collect()
}

fn generations(graph: &Graph, facts: &Facts) -> Vec<Generation> {
    let Some(view) = &facts.view else { return Vec::new() };
    let closed = view.closed.iter().map(|key| (*key, true));
    let keys = closed.chain([(view.current, false)]).enumerate();
    keys.map(|(number, (key, closed))| Generation {
        number,
        identity_key: Key16(key),
        closed,
        customer_id: Key16(graph.members(key).customer_id),
    })
    .collect()
}

/// The fewest active edges from one key to another; of equally many the strongest and oldest. The flag says that an
/// edge is walked from its `b` to its `a`.
fn path(edges: &[EdgeView], from: Key, to: Key) -> Option<Vec<(EdgeView, bool)>> {
    let mut ordered: Vec<&EdgeView> = edges.iter().filter(|edge| edge.active).collect();
    ordered.sort_by_key(|edge| (edge.class, edge.log_offset));
    let mut around: HashMap<Key, Vec<&EdgeView>> = HashMap::new();
    for edge in ordered {
        around.entry(edge.a.key).or_default().push(edge);
        around.entry(edge.b.key).or_default().push(edge);
    }
    let mut came_by: HashMap<Key, &EdgeView> = HashMap::new();
    let mut waiting = VecDeque::from([from]);
    while let Some(at) = waiting.pop_front() {
        if at == to {
            return Some(walk_back(&came_by, from, to));
        }
        for edge in around.get(&at).into_iter().flatten() {
            let next = if edge.a.key == at { edge.b.key } else { edge.a.key };
            if next != from && !came_by.contains_key(&next) {
                came_by.insert(next, edge);
                waiting.push_back(next);
            }
        }
    }
    None
}

fn walk_back(came_by: &HashMap<Key, &EdgeView>, from: Key, to: Key) -> Vec<(EdgeView, bool)> {
    let mut steps = Vec::new();
    let mut at = to;
    while at != from {
        let Some(edge) = came_by.get(&at) else { break };
        let turned = edge.a.key == at;
        at = if turned { edge.b.key } else { edge.a.key };
        steps.push((**edge, turned));
    }
    steps.reverse();
    steps
}

/// Why dormant edges are dormant, as the graph remembers.
struct Refusals(Vec<Decision>);

impl Refusals {
    fn of(decisions: &[Decision], edges: &[EdgeView]) -> Self {
        let dormant: HashSet<(Key, Key)> = edges.iter().filter(|edge| !edge.active).map(ends).collect();
        let of_these = |decision: &&Decision| dormant.contains(&pair(decision));
        Refusals(decisions.iter().filter(of_these).cloned().collect())
    }

    fn reason(&self, edge: &EdgeView) -> String {
        match self.0.iter().rev().find(|decision| pair(decision) == ends(edge)) {
            Some(decision) => format!("{}, at log offset {}", decision.rule, decision.log_offset),
            None if edge.held => "set aside until a merge of the pair".to_owned(),
            None => "a rule that is no longer remembered".to_owned(),
        }
    }
}

fn pair(decision: &Decision) -> (Key, Key) {
    let (a, b) = (decision.a.key, decision.b.key);
    (a.min(b), a.max(b))
}

fn ends(edge: &EdgeView) -> (Key, Key) {
    (edge.a.key.min(edge.b.key), edge.a.key.max(edge.b.key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use identity::EdgeClass;

    fn edge(a: u128, b: u128, class: EdgeClass, log_offset: i64, active: bool) -> EdgeView {
        let identifier = |key| Identifier { kind: 0, key: Key(key) };
        EdgeView { a: identifier(a), b: identifier(b), class, active, held: false, log_offset, day: 0 }
    }

    #[track_caller]
    fn check(edges: &[EdgeView], from: u128, to: u128, expected: Option<&[(i64, bool)]>) {
        let found = path(edges, Key(from), Key(to));
        let found =
            found.map(|steps| steps.iter().map(|(edge, turned)| (edge.log_offset, *turned)).collect::<Vec<_>>());
        assert_eq!(found.as_deref(), expected);
    }

    #[test]
    fn the_shortest_path_of_active_edges() {
        use EdgeClass::{Account, Contact, Device};
        let edges = [
            edge(1, 2, Contact, 10, true),
            edge(3, 2, Contact, 11, true),
            edge(3, 4, Account, 12, true),
            edge(1, 4, Device, 13, false),
            edge(1, 5, Device, 14, true),
            edge(5, 4, Device, 15, true),
        ];
        check(&edges, 1, 4, Some(&[(14, false), (15, false)]));
        check(&edges[..4], 1, 4, Some(&[(10, false), (11, true), (12, false)]));
        check(&edges[..4], 4, 1, Some(&[(12, true), (11, false), (10, true)]));
        check(&edges, 1, 1, Some(&[]));
        check(&edges, 1, 9, None);
    }

    #[test]
    fn of_equal_paths_the_strongest() {
        use EdgeClass::{Contact, Device};
        let edges = [
            edge(1, 2, Device, 1, true),
            edge(2, 4, Device, 2, true),
            edge(1, 3, Contact, 3, true),
            edge(3, 4, Contact, 4, true),
        ];
        check(&edges, 1, 4, Some(&[(3, false), (4, false)]));
    }
}
