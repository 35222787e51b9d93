//! The graph's own check of its invariants; reads everything, so it is for tests, simulation and people in doubt.

use rustc_hash::FxHashSet;

use super::Graph;
use super::conflict::ConflictKind;
use super::edges::{Edge, EdgeClass};
use super::fingerprint::contribution;
use super::limits::bits;
use super::nodes::{Flags, Summary};
use super::region::{Partition, Region};
use super::replay::Verdict;
use super::state::Reading;
use crate::invariants::{Invariant, Violation};

impl Graph {
    /// Every invariant that is broken; empty when all hold.
    pub fn verify(&self) -> Vec<Violation> {
        let state = self.state.read();
        let mut check = Check { reading: Reading::new(&self.tables, &state), violations: Vec::new() };
        check.fingerprint();
        check.generations();
        check.rings();
        check.limits();
        check.conflict_rows();
        check.vetoes();
        check.replay();
        check.violations
    }
}

struct Check<'a> {
    reading: Reading<'a>,
    violations: Vec<Violation>,
}

impl<'a> Check<'a> {
    fn report(&mut self, invariant: Invariant, detail: String) {
        self.violations.push(Violation { invariant, detail });
    }

    fn nodes(&self) -> std::ops::Range<u32> {
        0..self.reading.nodes.len()
    }

    fn anchors(&self) -> impl Iterator<Item = u32> + use<'a> {
        let nodes = self.reading.nodes;
        self.nodes().filter(move |node| nodes.anchor(*node) == *node)
    }

    fn fingerprint(&mut self) {
        let nodes = self.reading.nodes;
        let of = |node| contribution(nodes.key(node), nodes.key(nodes.anchor(node)));
        let sum = self.nodes().map(of).fold(0u128, u128::wrapping_add);
        let kept = self.reading.state.fingerprint;
        if sum != kept {
            self.report(Invariant::Fingerprint, format!("kept {kept:032x}, computed {sum:032x}"));
        }
    }

    /// Every identifier has one present generation, the last; closed ones have no normal edge and at most one own.
    fn generations(&mut self) {
        let Reading { nodes, edges, .. } = self.reading;
        for node in self.nodes() {
            let (first, key) = (nodes.first_generation(node), nodes.key(node));
            let current = nodes.current_generation(first);
            if nodes.find(key) != Some(node) || key != super::generation_key(nodes.key(first), nodes.generation(node)) {
                self.report(Invariant::OneCustomer, format!("{key} is not found where it stands"));
            }
            if self.reading.is_closed(node) == (node == current) {
                self.report(Invariant::OneCustomer, format!("{key} is closed and present, or neither"));
            }
            let own = |(number, _): &(u32, u32)| {
                let edge = edges.get(*number);
                edge.class == EdgeClass::Closed && edge.ends[1] == node
            };
            let own = edges.of(nodes, node).filter(own).count();
            let closed = self.reading.is_closed(node);
            if own > usize::from(closed) || (closed && self.reading.normal_edges(node).next().is_some()) {
                self.report(Invariant::Replay, format!("{key} has {own} edges of a closed generation, or others"));
            }
        }
    }

    /// The rings of members partition the nodes, and every member maps to its ring's anchor.
    fn rings(&mut self) {
        let mut seen = FxHashSet::default();
        let nodes = self.reading.nodes;
        for anchor in self.anchors().collect::<Vec<_>>() {
            let mut counted = Summary::default();
            for member in self.reading.members(anchor) {
                if nodes.anchor(member) != anchor || !seen.insert(member) {
                    let (member, key) = (nodes.key(member), nodes.key(anchor));
                    return self.report(Invariant::OneCustomer, format!("{member} is in the ring of {key}"));
                }
                let flags = nodes.flags(member);
                if !flags.has(Flags::CLOSED) {
                    counted.size = (counted.size + 1).min(Summary::MANY);
                    counted.types |= 1 << nodes.kind(member);
                    counted.special |= flags.has(Flags::VETOED);
                }
            }
            let kept = nodes.summary(anchor);
            // A veto that was taken back may leave its mark.
            if (kept.size, kept.types) != (counted.size, counted.types) || (counted.special && !kept.special) {
                let key = nodes.key(anchor);
                self.report(Invariant::OneCustomer, format!("{key} is {counted:?}, kept as {kept:?}"));
            }
        }
        if seen.len() != nodes.len() as usize {
            self.report(Invariant::OneCustomer, format!("{} of {} nodes are in a ring", seen.len(), nodes.len()));
        }
    }

    fn limits(&mut self) {
        let (reading, limits) = (self.reading, &self.reading.state.limits);
        for anchor in self.anchors().collect::<Vec<_>>() {
            let key = reading.nodes.key(anchor);
            let forced = |node| reading.active_edges(node).any(|(_, edge, _)| edge.class == EdgeClass::Forced);
            let merged_by_hand = reading.members(anchor).any(forced);
            for kind in bits(limits.limited) {
                let count = reading.retirable(anchor, kind).count();
                let exempt = merged_by_hand && limits.accounts & 1 << kind != 0;
                if count > limits.max_per_customer(kind) as usize && !exempt {
                    self.report(Invariant::Limits, format!("{key} holds {count} of type {kind}"));
                }
            }
            let size = reading.members(anchor).filter(|node| !reading.is_closed(*node)).count();
            if size > limits.max_identifiers as usize {
                self.report(Invariant::Limits, format!("{key} holds {size} identifiers"));
            }
        }
    }

    /// Every edge that does not join has a row that says why, as far as rows are kept.
    fn conflict_rows(&mut self) {
        let (nodes, state) = (self.reading.nodes, self.reading.state);
        let pair = |a: u32, b: u32| (a.min(b), a.max(b));
        let refused = state.conflicts.iter().filter(|kept| kept.kind == ConflictKind::Refused);
        let refused: FxHashSet<(u32, u32)> = refused.map(|kept| pair(kept.a, kept.b)).collect();
        for node in self.nodes() {
            let dormant = |(_, edge, _): &(u32, Edge, u32)| !edge.active && edge.offset as i64 >= state.conflicts_from;
            for (_, _, other) in self.reading.normal_edges(node).filter(dormant) {
                if !refused.contains(&pair(nodes.first_generation(node), nodes.first_generation(other))) {
                    let (a, b) = (nodes.key(node), nodes.key(other));
                    self.report(Invariant::Limits, format!("the dormant edge {a} – {b} has no conflict row"));
                }
            }
        }
    }

    fn vetoes(&mut self) {
        let (reading, nodes) = (self.reading, self.reading.nodes);
        for (first, partners) in &reading.state.vetoes {
            let node = nodes.current_generation(*first);
            for partner in partners {
                let other = nodes.current_generation(*partner);
                let both_ways = reading.state.vetoes.get(partner).is_some_and(|back| back.contains(first));
                if nodes.anchor(node) == nodes.anchor(other) || !both_ways || !nodes.flags(node).has(Flags::VETOED) {
                    let (a, b) = (nodes.key(node), nodes.key(other));
                    self.report(Invariant::Replay, format!("the vetoed pair {a} – {b} meets, or is half forgotten"));
                }
            }
        }
    }

    fn replay(&mut self) {
        let mut seen = FxHashSet::default();
        for node in self.nodes() {
            if !seen.contains(&node) {
                let cluster = Region::cluster(self.reading, node);
                seen.extend(cluster.nodes.iter().copied());
                self.replay_cluster(&cluster);
            }
        }
    }

    fn replay_cluster(&mut self, cluster: &Region) {
        let (reading, nodes) = (self.reading, self.reading.nodes);
        let edges = cluster.canonical_edges(reading);
        let mut partition = Partition::new(reading, cluster);
        let Ok(verdicts) = reading.verdicts(cluster, &edges, &mut partition) else {
            return self.report(Invariant::Replay, "the replay finds an identifier to share".to_owned());
        };
        for (number, verdict) in edges.iter().zip(&verdicts) {
            let edge = reading.edges.get(*number);
            if edge.active != (*verdict == Verdict::Joins) {
                let [a, b] = edge.ends.map(|end| nodes.key(end));
                let active = edge.active;
                self.report(Invariant::Replay, format!("the edge {a} – {b} has active = {active}, not {verdict:?}"));
            }
        }
        let edges: Vec<_> = edges.into_iter().map(|number| (number, reading.edges.get(number))).collect();
        let anchors = reading.anchors(cluster, &edges, &partition);
        for (local, node) in (0..).zip(&cluster.nodes) {
            let (kept, replayed) = (nodes.anchor(*node), anchors[partition.root(local) as usize]);
            if kept != replayed {
                self.report(Invariant::Replay, format!("{} is replayed out of its component", nodes.key(*node)));
            }
        }
    }
}
