//! What one command changes: a picture of the customers concerned before and after.

use identity::{Component, Conflict, EdgeView, Error, Graph, IdentifierView};
use schemas::{Command, Identifier, Key};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use super::view;

/// Identifiers that are looked at around those that a command names. More are in no cluster but a junk value's.
const MAX_CLUSTER: usize = 200_000;

/// Everything around some identifiers: what their edges, active or dormant, reach.
#[derive(Debug, Default)]
struct Picture {
    /// Every key's customer.
    customers: HashMap<Key, Key>,
    components: BTreeMap<Key, Component>,
    /// By the two ends.
    edges: BTreeMap<(Key, Key), EdgeView>,
    /// By the first key, with the type.
    identifiers: BTreeMap<Key, (u8, IdentifierView)>,
}

/// An edge before and after.
#[derive(Debug, Clone, Copy)]
pub(super) struct EdgeChange {
    pub(super) before: Option<EdgeView>,
    pub(super) after: Option<EdgeView>,
}

/// An identifier before and after, by its first key.
#[derive(Debug, Clone)]
pub(super) struct IdentifierChange {
    pub(super) identifier: Identifier,
    pub(super) before: Option<IdentifierView>,
    pub(super) after: Option<IdentifierView>,
}

/// What a command changed.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// Customers as they were, of those that changed.
    pub(super) before: Vec<Component>,
    /// Customers as they are.
    pub(super) after: Vec<Component>,
    pub(super) edges: Vec<EdgeChange>,
    pub(super) identifiers: Vec<IdentifierChange>,
    pub(super) conflicts: Vec<Conflict>,
}

impl Change {
    /// Applies the command and looks before and after.
    pub(super) fn of(graph: &Graph, offset: i64, append_time_ms: i64, command: &Command) -> Result<Self, Error> {
        let operands: Vec<Key> = command.operands().map(|identifier| identifier.key).collect();
        let before = match command {
            Command::Rules { .. } => Picture::whole(graph),
            _ => Picture::around(graph, &operands),
        };
        let conflicts = graph.apply(offset, append_time_ms, std::slice::from_ref(command))?;
        let changed = changed_at(graph, offset);
        let seeds: Vec<Key> = changed.iter().flat_map(|component| &component.keys).map(|member| member.key).collect();
        let again: Vec<Key> = before.identifiers.keys().chain(&operands).chain(&seeds).copied().collect();
        let after = Picture::around(graph, &again);
        Ok(Change { conflicts, ..difference(&before, &after, changed) })
    }

    /// Whether the command changed nothing at all.
    pub(super) fn is_empty(&self) -> bool {
        self.after.is_empty() && self.edges.is_empty() && self.identifiers.is_empty() && self.conflicts.is_empty()
    }
}

/// The components that the message at this offset changed.
fn changed_at(graph: &Graph, offset: i64) -> Vec<Component> {
    let before = offset.unsigned_abs();
    let mut changed = Vec::new();
    let mut version = before;
    loop {
        let found = graph.changed_since(version, 100_000);
        changed.extend(found.components.into_iter().filter(|component| component.version == before + 1));
        if found.caught_up || found.complete_to > before {
            return changed;
        }
        version = found.complete_to;
    }
}

impl Picture {
    fn around(graph: &Graph, keys: &[Key]) -> Self {
        let mut picture = Picture::default();
        let mut waiting: VecDeque<Key> = keys.iter().copied().collect();
        while let Some(key) = waiting.pop_front() {
            picture.add_identifier(graph, key, &mut waiting);
            if picture.customers.contains_key(&key) || picture.customers.len() > MAX_CLUSTER {
                continue;
            }
            let component = graph.members(key);
            for member in &component.keys {
                picture.customers.insert(member.key, component.customer_id);
                picture.add_identifier(graph, member.key, &mut waiting);
            }
            for edge in graph.edges_of(key) {
                waiting.extend([edge.a.key, edge.b.key]);
                picture.edges.insert((edge.a.key, edge.b.key), edge);
            }
            picture.components.insert(component.customer_id, component);
        }
        picture
    }

    /// The other generations are looked at, too.
    fn add_identifier(&mut self, graph: &Graph, key: Key, waiting: &mut VecDeque<Key>) {
        let Some(view) = graph.identifier(key) else { return };
        let first = view::first_key(&view);
        if self.identifiers.contains_key(&first) {
            return;
        }
        let kind = view::identifier_of(graph, key).map_or(u8::MAX, |identifier| identifier.kind);
        waiting.push_back(view.current);
        waiting.extend(view.closed.iter().copied());
        self.identifiers.insert(first, (kind, view));
    }

    /// Every customer: a change of the rules can change any.
    fn whole(graph: &Graph) -> Self {
        let mut picture = Picture::default();
        let mut version = 0;
        loop {
            let found = graph.changed_since(version, 100_000);
            for component in found.components {
                let customer = component.customer_id;
                picture.customers.extend(component.keys.iter().map(|member| (member.key, customer)));
                for member in &component.keys {
                    if let Some(view) = graph.identifier(member.key) {
                        picture.identifiers.insert(view::first_key(&view), (member.kind, view));
                    }
                }
                for edge in graph.edges_of(customer) {
                    picture.edges.insert((edge.a.key, edge.b.key), edge);
                }
                picture.components.insert(customer, component);
            }
            if found.caught_up {
                return picture;
            }
            version = found.complete_to;
        }
    }
}

fn difference(before: &Picture, after: &Picture, changed: Vec<Component>) -> Change {
    let same = |component: &Component| {
        before.components.get(&component.customer_id).is_some_and(|was| was.keys == component.keys)
    };
    // A component whose edges alone changed counts as changed in the graph, but its customer is the same.
    let changed: Vec<Component> = changed.into_iter().filter(|component| !same(component)).collect();
    let were: BTreeSet<Key> = changed
        .iter()
        .flat_map(|component| &component.keys)
        .filter_map(|member| before.customers.get(&member.key).copied())
        .collect();
    let ends: BTreeSet<(Key, Key)> = before.edges.keys().chain(after.edges.keys()).copied().collect();
    let edges = ends.into_iter().filter_map(|ends| {
        let change = EdgeChange { before: before.edges.get(&ends).copied(), after: after.edges.get(&ends).copied() };
        (change.before != change.after).then_some(change)
    });
    let names: BTreeSet<Key> = before.identifiers.keys().chain(after.identifiers.keys()).copied().collect();
    let identifiers = names.into_iter().filter_map(|key| {
        let (was, is) = (before.identifiers.get(&key), after.identifiers.get(&key));
        let kind = is.or(was)?.0;
        let identifier = Identifier { kind, key };
        let [before, after] = [was, is].map(|entry| entry.map(|(_, view)| view.clone()));
        (was != is).then_some(IdentifierChange { identifier, before, after })
    });
    Change {
        before: were.iter().filter_map(|customer| before.components.get(customer).cloned()).collect(),
        edges: edges.collect(),
        identifiers: identifiers.collect(),
        after: changed,
        conflicts: Vec::new(),
    }
}
