//! R1 and R2: one edge tried.

use schemas::{Edge, Identifier};

use super::conflict::{ConflictKind, ConflictRule};
use super::published::{Mapping, Published};
use super::replay::Shared;
use super::state::{ComponentSide, NONE, State};
use crate::Tier;

impl State {
    /// Tries one edge of the message in flight. One that is known, or that cannot link, changes nothing.
    pub(super) fn link(&mut self, published: &Published, edge: &Edge, ordinal: u32, command: u32) {
        let Edge { hub, other } = *edge;
        let usable = |identifier: Identifier| {
            self.limits.links(identifier.kind)
                && !published.find(identifier.key).is_some_and(|node| published.current(node).shared)
        };
        if hub.key == other.key || !usable(hub) || !usable(other) {
            return;
        }
        let (a, b) = (self.node(published, hub), self.node(published, other));
        if self.knows(published, a, b) {
            return;
        }
        self.begin_command(command);
        let ends = if self.rank(published, a) <= self.rank(published, b) { [a, b] } else { [b, a] };
        let tier = self.tier(a).max(self.tier(b));
        let edge = self.keep(ends, tier, self.place(ordinal));
        self.decide(published, edge);
    }

    fn decide(&mut self, published: &Published, edge: u32) {
        let [stronger, weaker] = self.edges[edge as usize].ends;
        // The weaker end first: when it becomes shared, this edge is gone and counts for the stronger one no more.
        for (node, other) in [(weaker, stronger), (stronger, weaker)] {
            if self.links_too_many(node, other) {
                let shared = Shared { node, other, rule: ConflictRule::MaxLinks };
                return self.share_and_replay(published, shared);
            }
        }
        let (a, b) = (published.current(stronger).anchor, published.current(weaker).anchor);
        if self.edges[edge as usize].tier == Tier::Device {
            return self.decide_last(published, edge, a, b);
        }
        let unsettled = [a, b].into_iter().any(|anchor| self.nodes[anchor as usize].unsettled);
        if unsettled || (a != b && !self.limits.harmless(&self.side(a), &self.side(b))) {
            self.replay(published, edge);
        } else {
            self.join(published, a, b, edge);
        }
    }

    /// The newest edge of the weakest tier is the last in canonical order: it is decided on what is there, and changes
    /// nothing that stands before it.
    fn decide_last(&mut self, published: &Published, edge: u32, a: u32, b: u32) {
        let [stronger, weaker] = self.edges[edge as usize].ends;
        let refused = match a == b {
            true => None,
            false => self.limits.refuses(&self.side(a), &self.side(b), false),
        };
        let shares = self.limits.shares(self.nodes[weaker as usize].kind);
        match refused {
            None => self.join(published, a, b, edge),
            Some(rule) if shares && rule.is_about_accounts() => {
                self.share_and_replay(published, Shared { node: weaker, other: stronger, rule });
            }
            Some(rule) => {
                self.conflict(ConflictKind::Refused, rule, stronger, weaker);
                for anchor in [a, b] {
                    self.nodes[anchor as usize].unsettled |= shares;
                }
            }
        }
    }

    fn join(&mut self, published: &Published, a: u32, b: u32, edge: u32) {
        self.set_active(edge, true);
        if a != b {
            self.unite(published, a, b, edge);
        }
    }

    fn side(&self, anchor: u32) -> ComponentSide<'_> {
        ComponentSide { state: self, anchor }
    }

    /// R3: kept edges to more values of `other`'s type than its own type's `max_links`.
    fn links_too_many(&self, node: u32, other: u32) -> bool {
        let counted = self.nodes[other as usize].kind;
        if self.limits.tier(counted) == Tier::Device {
            return false;
        }
        let limit = self.limits.max_links(self.nodes[node as usize].kind) as usize;
        // Edges are kept once a pair, so edges to a type are values of it.
        self.edges_of(node).filter(|(_, end)| self.nodes[*end as usize].kind == counted).nth(limit).is_some()
    }

    /// Joins two components by an active edge. The one with the older edge gives the anchor (R4).
    fn unite(&mut self, published: &Published, a: u32, b: u32, edge: u32) {
        let place = |anchor: u32| {
            let oldest = self.nodes[anchor as usize].oldest_edge;
            (oldest != NONE).then(|| self.edges[oldest as usize].place)
        };
        let (winner, loser) = match (place(a), place(b)) {
            // `a` holds the edge's stronger end: alone, it is that end.
            (None, None) => (a, b),
            (Some(_), None) => (a, b),
            (None, Some(_)) => (b, a),
            (Some(place_a), Some(place_b)) if place_a < place_b => (a, b),
            (Some(_), Some(_)) => (b, a),
        };
        let members: Vec<u32> = self.members(loser).collect();
        for member in members {
            self.set_mapping(published, member, Mapping { anchor: winner, shared: false });
        }
        let next = (self.nodes[winner as usize].next_member, self.nodes[loser as usize].next_member);
        (self.nodes[loser as usize].next_member, self.nodes[winner as usize].next_member) = next;
        let (size, types) = (self.nodes[loser as usize].size, self.nodes[loser as usize].types);
        let unsettled = self.nodes[loser as usize].unsettled;
        let components = u64::from(self.nodes[winner as usize].size > 1) + u64::from(size > 1);
        self.counts.components = self.counts.components + 1 - components;
        self.counts.merges += 1;
        let component = &mut self.nodes[winner as usize];
        component.size += size;
        component.types |= types;
        component.unsettled |= unsettled;
        if component.oldest_edge == NONE {
            component.oldest_edge = edge;
        }
        self.touch(winner);
    }

    fn tier(&self, node: u32) -> Tier {
        self.limits.tier(self.nodes[node as usize].kind)
    }
}
