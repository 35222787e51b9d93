//! The graph's own check of its invariants; reads everything, so it is for tests, simulation and people in doubt.

use rustc_hash::FxHashSet;

use super::Graph;
use super::conflict::ConflictKind;
use super::fingerprint::contribution;
use super::published::{Published, pair};
use super::region::{Partition, Region};
use super::state::State;
use crate::invariants::{Invariant, Violation};

impl Graph {
    /// Every invariant that is broken; empty when all hold.
    pub fn verify(&self) -> Vec<Violation> {
        let state = self.state.read();
        let mut violations = Vec::new();
        let mut report = |invariant, detail| violations.push(Violation { invariant, detail });
        check_fingerprint(&self.published, &state, &mut report);
        check_rings(&self.published, &state, &mut report);
        check_limits(&self.published, &state, &mut report);
        check_replay(&self.published, &state, &mut report);
        violations
    }
}

fn all_nodes(state: &State) -> impl Iterator<Item = u32> + use<> {
    0..state.nodes.len() as u32
}

fn check_fingerprint(published: &Published, state: &State, report: &mut impl FnMut(Invariant, String)) {
    let customer = |node| published.key(published.current(node).anchor);
    let sum =
        all_nodes(state).map(|node| contribution(published.key(node), customer(node))).fold(0u128, u128::wrapping_add);
    if sum != state.fingerprint {
        report(Invariant::Fingerprint, format!("kept {:032x}, computed {sum:032x}", state.fingerprint));
    }
}

/// The rings of members partition the nodes, and every member maps to its ring's anchor.
fn check_rings(published: &Published, state: &State, report: &mut impl FnMut(Invariant, String)) {
    let mut seen = FxHashSet::default();
    for node in all_nodes(state) {
        let key = published.key(node);
        if published.find(key) != Some(node) {
            report(Invariant::OneCustomer, format!("{key} is not found where it stands"));
        }
        if published.current(node).anchor != node {
            continue;
        }
        let (mut size, mut types) = (0, 0);
        for member in state.members(node) {
            if published.current(member).anchor != node || !seen.insert(member) {
                report(Invariant::OneCustomer, format!("{} is in the ring of {key}", published.key(member)));
                return;
            }
            size += 1;
            types |= 1 << state.nodes[member as usize].kind;
        }
        let component = &state.nodes[node as usize];
        if (component.size, component.types) != (size, types) {
            report(Invariant::OneCustomer, format!("{key} has {size} members, not {}", component.size));
        }
    }
    if seen.len() != state.nodes.len() {
        report(Invariant::OneCustomer, format!("{} of {} nodes are in a ring", seen.len(), state.nodes.len()));
    }
}

fn check_limits(published: &Published, state: &State, report: &mut impl FnMut(Invariant, String)) {
    for node in all_nodes(state).filter(|node| published.current(*node).anchor == *node) {
        let kinds: Vec<u8> = state.members(node).map(|member| state.nodes[member as usize].kind).collect();
        for kind in super::limits::bits(state.limits.limited) {
            let count = kinds.iter().filter(|k| **k == kind).count();
            if count > state.limits.max_per_customer(kind) as usize {
                report(Invariant::Limits, format!("{} holds {count} of type {kind}", published.key(node)));
            }
        }
        if kinds.len() > state.limits.max_identifiers as usize {
            report(Invariant::Limits, format!("{} holds {} identifiers", published.key(node), kinds.len()));
        }
    }
    let refused = state.conflicts.iter().filter(|kept| kept.kind == ConflictKind::Refused);
    let refused: FxHashSet<u64> = refused.map(|kept| pair(kept.a, kept.b)).collect();
    for node in all_nodes(state) {
        for (edge, other) in state.edges_of(node) {
            if !state.edges[edge as usize].active && !refused.contains(&pair(node, other)) {
                let (a, b) = (published.key(node), published.key(other));
                report(Invariant::Limits, format!("the dormant edge {a} – {b} has no conflict row"));
            }
        }
    }
}

fn check_replay(published: &Published, state: &State, report: &mut impl FnMut(Invariant, String)) {
    let region = Region::of_all(state);
    let edges = region.canonical_edges(state);
    let mut partition = Partition::new(state, &region);
    let Ok(verdicts) = state.verdicts(&region, &edges, &mut partition) else {
        return report(Invariant::Replay, "the replay finds an identifier to share".to_owned());
    };
    for (edge, verdict) in edges.iter().zip(&verdicts) {
        let kept = &state.edges[*edge as usize];
        if kept.active != verdict.is_none() {
            let [a, b] = kept.ends.map(|end| published.key(end));
            report(Invariant::Replay, format!("the edge {a} – {b} has active = {}, replayed {verdict:?}", kept.active));
        }
    }
    for node in all_nodes(state) {
        let anchor = published.current(node).anchor;
        let oldest = state.nodes[anchor as usize].oldest_edge;
        if partition.root(node) != partition.root(anchor) {
            report(Invariant::Replay, format!("{} is replayed out of its component", published.key(node)));
        }
        if oldest != super::state::NONE && state.edges[oldest as usize].ends[0] != anchor {
            report(Invariant::Replay, format!("{} is not at its oldest edge", published.key(anchor)));
        }
    }
}
