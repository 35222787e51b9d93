//! Whether the graph tells what the oracle says.

use super::model::{Class, Oracle, Row, generation_key};
use identity::{Conflict, EdgeClass, Graph};
use schemas::Key;
use std::collections::{BTreeMap, BTreeSet};

/// One edge as both can tell it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Told {
    ends: [Key; 2],
    class: &'static str,
    active: bool,
    held: bool,
    log_offset: i64,
    day: u16,
}

/// The conflict rows of one message: the same ones, whatever their order.
pub fn rows(graph: &Graph, expected: &[Row], conflicts: &[Conflict]) -> Result<(), String> {
    let text = |kind, rule, a, b| format!("{kind:?} {rule:?} {a} {b}");
    let mut expected: Vec<String> = expected.iter().map(|r| text(r.kind, r.rule, r.a, r.b)).collect();
    let mut told: Vec<String> = conflicts.iter().map(|c| text(c.kind, c.rule, c.a.key, c.b.key)).collect();
    expected.sort();
    told.sort();
    if told != expected {
        return Err(format!("ID-3: conflict rows\n  {told:#?}\nexpected\n  {expected:#?}"));
    }
    let offset = graph.applied();
    if conflicts.iter().enumerate().any(|(i, c)| (c.log_offset, c.ordinal) != (offset, i as u32)) {
        return Err(format!("ID-3: conflict rows are numbered otherwise than by their order: {conflicts:?}"));
    }
    if graph.conflicts_of(offset) != conflicts {
        return Err("ID-3: conflict rows cannot be asked for again".to_owned());
    }
    Ok(())
}

pub fn everything(graph: &Graph, oracle: &Oracle) -> Result<(), String> {
    let customers = oracle.customers();
    nodes(graph, oracle, &customers)?;
    identifiers(graph, oracle, &customers)?;
    edges(graph, oracle, &customers)?;
    stats(graph, oracle, &customers)?;
    match graph.verify().first() {
        Some(violation) => Err(violation.to_string()),
        None => Ok(()),
    }
}

fn nodes(graph: &Graph, oracle: &Oracle, customers: &BTreeMap<Key, Key>) -> Result<(), String> {
    let mut members: BTreeMap<Key, Vec<Key>> = BTreeMap::new();
    customers.iter().for_each(|(node, customer)| members.entry(*customer).or_default().push(*node));
    for (node, customer) in customers {
        let resolved = graph.resolve_identity(*node);
        if resolved.customer_id != *customer {
            return Err(format!("ID-2: {node} is {} and should be {customer}", resolved.customer_id));
        }
        if (resolved.identity_key, resolved.generation) != (*node, oracle.nodes[node].generation) {
            return Err(format!("ID-4: {node} is told as {resolved:?}"));
        }
        let component = graph.members(*node);
        let told: Vec<Key> = component.keys.iter().map(|identifier| identifier.key).collect();
        if component.customer_id != *customer || told != members[customer] {
            return Err(format!("ID-4: {node} has the members {told:?}, expected {:?}", members[customer]));
        }
        if component.keys.iter().any(|identifier| identifier.kind != oracle.kind(identifier.key)) {
            return Err(format!("ID-4: {node} has members of another type: {:?}", component.keys));
        }
        if component.version != resolved.customer_version {
            return Err(format!(
                "{node} has the version {}, members say {}",
                resolved.customer_version, component.version
            ));
        }
    }
    Ok(())
}

fn identifiers(graph: &Graph, oracle: &Oracle, customers: &BTreeMap<Key, Key>) -> Result<(), String> {
    let bases: Vec<Key> = oracle.known.keys().copied().collect();
    let mut at_once = Vec::new();
    graph.resolve_many(&bases, &mut at_once);
    if at_once != bases.iter().map(|base| graph.resolve(*base)).collect::<Vec<_>>() {
        return Err("ID-4: many keys at once are resolved otherwise than one by one".to_owned());
    }
    for (base, known) in &oracle.known {
        let (current, resolved) = (oracle.current(*base), graph.resolve(*base));
        let told = (resolved.identity_key, resolved.generation, resolved.customer_id, resolved.shared);
        if told != (current, known.generation, customers[&current], known.shared) {
            return Err(format!("ID-2: {base} is {resolved:?}, expected {known:?}"));
        }
        let Some(view) = graph.identifier(*base) else {
            return Err(format!("ID-4: {base} is not known"));
        };
        let told = (view.current, view.generation, view.shared, view.suppressed, view.erased_at_ms);
        if told != (current, known.generation, known.shared, known.suppressed, known.erased_at_ms) {
            return Err(format!("{base} is {view:?}, expected {known:?}"));
        }
        let closed: BTreeSet<Key> = (0..known.generation).map(|generation| generation_key(*base, generation)).collect();
        if view.closed.iter().copied().collect::<BTreeSet<Key>>() != closed || view.closed.len() != closed.len() {
            return Err(format!("{base} has the closed nodes {:?}, expected {closed:?}", view.closed));
        }
        let of = |(x, y): &(Key, Key)| (x == base).then_some(*y).or((y == base).then_some(*x));
        let vetoes: BTreeSet<Key> = oracle.vetoes.iter().filter_map(of).collect();
        if view.vetoes.iter().map(|identifier| identifier.key).collect::<BTreeSet<Key>>() != vetoes {
            return Err(format!("{base} has the vetoes {:?}, expected {vetoes:?}", view.vetoes));
        }
    }
    Ok(())
}

fn class_name(class: EdgeClass) -> &'static str {
    match class {
        EdgeClass::Forced => "forced",
        EdgeClass::Account => "account",
        EdgeClass::Contact => "contact",
        EdgeClass::Device => "device",
        EdgeClass::Closed => "closed",
    }
}

/// Every edge, as the customers of both its ends tell it.
fn edges(graph: &Graph, oracle: &Oracle, customers: &BTreeMap<Key, Key>) -> Result<(), String> {
    let mut expected: BTreeSet<Told> = BTreeSet::new();
    for edge in &oracle.edges {
        let class = match edge.class {
            Class::Forced => "forced",
            Class::Account => "account",
            Class::Contact => "contact",
            Class::Device => "device",
        };
        let (active, held, day) = (edge.active, edge.held, edge.day);
        expected.insert(Told { ends: edge.ends, class, active, held, log_offset: edge.place.0, day });
    }
    for (node, leaf) in &oracle.leaves {
        let (ends, class) = (both(*node, leaf.to), "closed");
        expected.insert(Told { ends, class, active: true, held: false, log_offset: leaf.place.0, day: leaf.day });
    }
    let ids: BTreeSet<Key> = customers.values().copied().collect();
    for customer in ids {
        let mine = |end: &Key| customers[end] == customer;
        let of_mine = expected.iter().filter(|told| told.ends.iter().any(mine));
        let of_mine: Vec<Told> = of_mine.cloned().collect();
        let mut told: Vec<Told> = Vec::new();
        for view in graph.edges_of(customer) {
            let class = class_name(view.class);
            let ends = if class == "closed" { both(view.a.key, view.b.key) } else { [view.a.key, view.b.key] };
            let (active, held, day) = (view.active, view.held, view.day);
            told.push(Told { ends, class, active, held, log_offset: view.log_offset, day });
        }
        told.sort();
        if told != of_mine {
            return Err(format!("ID-2: {customer} has the edges\n  {told:#?}\nexpected\n  {of_mine:#?}"));
        }
    }
    Ok(())
}

fn both(x: Key, y: Key) -> [Key; 2] {
    [x.min(y), x.max(y)]
}

fn stats(graph: &Graph, oracle: &Oracle, customers: &BTreeMap<Key, Key>) -> Result<(), String> {
    let stats = graph.stats();
    let dormant = oracle.edges.iter().filter(|edge| !edge.active).count() as u64;
    let active = oracle.edges.len() as u64 - dormant;
    let shared = oracle.known.values().filter(|known| known.shared).count() as u64;
    let mut sizes: BTreeMap<Key, u64> = BTreeMap::new();
    customers.values().for_each(|customer| *sizes.entry(*customer).or_default() += 1);
    let components = sizes.values().filter(|size| **size > 1).count() as u64;
    let leaves = oracle.leaves.len() as u64;
    // Whether a closed node's edge counts as an active one is the graph's choice.
    let edges_fit = stats.edges_active == active || stats.edges_active == active + leaves;
    if !edges_fit || stats.edges_dormant != dormant || stats.shared != shared || stats.components != components {
        return Err(format!(
            "{stats:?}, expected {active} edges active, {dormant} dormant, {leaves} closed, {shared} shared, \
             {components} components"
        ));
    }
    Ok(())
}
