//! R1 to R4: one edge tried.

use schemas::Identifier;

use super::canary::Canary;
use super::conflict::{ConflictKind, ConflictRule};
use super::edges::{Edge, EdgeClass};
use super::limits::{Side, bits};
use super::nodes::{Flags, Summary};
use super::region::{Outside, Region};
use super::replay::Shared;
use super::state::{ComponentSide, Reading, Work, day_of};
use crate::{OnConflict, Tier};

/// Two identifiers of a link, with their present nodes as far as they have some.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    pub(super) identifiers: [Identifier; 2],
    /// The nodes of their first generations, as found before the message was begun.
    pub(super) found: [Option<u32>; 2],
}

impl Work<'_> {
    /// Tries one edge of the message in flight. One that is known, or that cannot link, changes nothing.
    pub(super) fn link(&mut self, ends: Ends, event_time_ms: i64, command: u32) {
        let [hub, other] = ends.identifiers;
        let links = |identifier: Identifier| self.state.limits.links(identifier.kind);
        if hub.key == other.key || !links(hub) || !links(other) {
            return;
        }
        let found = [0, 1].map(|side| ends.found[side].or_else(|| self.nodes.find(ends.identifiers[side].key)));
        let present = found.map(|first| first.map(|first| self.present(first)));
        if present.into_iter().flatten().any(|node| self.is_out_of_reach(node, event_time_ms)) {
            return;
        }
        if let [Some(a), Some(b)] = present
            && self.edges.connects(self.nodes, a, b).is_some()
        {
            return;
        }
        self.begin_command(command);
        let [a, b] = [0, 1].map(|side| present[side].unwrap_or_else(|| self.node(ends.identifiers[side])));
        let class = self.state.limits.class(self.nodes.kind(a), self.nodes.kind(b));
        let edge = self.keep_between(a, b, class, day_of(event_time_ms));
        self.decide(edge);
        if self.state.sings(Canary::LostDormantEdge) && self.edges.connects(self.nodes, a, b) == Some(edge) {
            self.lose(edge);
        }
    }

    /// What [`Canary::LostDormantEdge`] does.
    fn lose(&mut self, edge: u32) {
        if !self.edges.get(edge).active {
            self.remove(edge);
        }
    }

    /// The present node of an identifier by the node of any of its generations.
    pub(super) fn present(&self, node: u32) -> u32 {
        let plain = self.nodes.generation(node) == 0 && !self.nodes.flags(node).has(Flags::CLOSED);
        if plain { node } else { self.reading().current_of(node) }
    }

    /// Whether a link of this event time can never use a node.
    fn is_out_of_reach(&self, node: u32, event_time_ms: i64) -> bool {
        let flags = self.nodes.flags(node);
        if flags.is_empty() {
            return false;
        }
        let erased_after = || {
            let first = self.nodes.first_generation(node);
            self.tombstones.read().get(&first).is_some_and(|erased_ms| event_time_ms < *erased_ms)
        };
        flags.has_any(&[Flags::SHARED, Flags::SUPPRESSED]) || (flags.has(Flags::ERASED) && erased_after())
    }

    /// Keeps an edge of the message in flight, dormant for now.
    pub(super) fn keep_between(&mut self, a: u32, b: u32, class: EdgeClass, day: u16) -> u32 {
        let reading = self.reading();
        let ends = if reading.rank(a) <= reading.rank(b) { [a, b] } else { [b, a] };
        self.keep(Edge { ends, class, active: false, held: false, offset: self.offset(), day })
    }

    /// What an edge that is newly kept brings about.
    pub(super) fn decide(&mut self, number: u32) {
        self.state.trigger = Some(number);
        self.decide_trigger(number);
        self.state.trigger = None;
    }

    fn decide_trigger(&mut self, number: u32) {
        let edge = self.edges.get(number);
        let [stronger, weaker] = edge.ends;
        if self.share_if_linked_too_often(stronger, weaker) {
            return self.settle();
        }
        let (a, b) = (self.nodes.anchor(stronger), self.nodes.anchor(weaker));
        if edge.class == EdgeClass::Forced {
            return self.replay_new(number);
        }
        if a == b {
            // It joins what is one customer by weaker edges, which stay: none of them parts accounts of one type.
            return self.set_active(number, true);
        }
        if self.reading().moves(weaker)
            && let Some(rule) = self.reading().move_rule(&edge, a, b)
        {
            return self.move_to(number, rule);
        }
        let (of_a, of_b) = (self.nodes.summary(a), self.nodes.summary(b));
        let accounts_in_both = of_a.types & of_b.types & self.state.limits.accounts != 0;
        if !(accounts_in_both || of_a.special && of_b.special) {
            return self.join(number, a, b);
        }
        if edge.class != EdgeClass::Device {
            return self.replay_new(number);
        }
        // The newest edge of the weakest class is the last in canonical order: it is decided on what is there, and
        // changes nothing that stands before it.
        let reading = self.reading();
        let refused = reading.refusal(&reading.side(a), &reading.side(b), edge.class);
        match refused {
            None => self.join(number, a, b),
            Some(rule) if rule.is_about_accounts() && reading.shares(weaker) => self.replay_new(number),
            Some(rule) => self.conflict(ConflictKind::Refused, rule, stronger, weaker),
        }
    }

    fn replay_new(&mut self, number: u32) {
        let region = Region::of(self.reading(), &self.edges.get(number).ends);
        self.replay(region, Some(number));
        self.settle();
    }

    /// R3: the weaker end first; when it becomes shared, the edge is gone and counts for the stronger one no more.
    pub(super) fn share_if_linked_too_often(&mut self, stronger: u32, weaker: u32) -> bool {
        for (node, other) in [(weaker, stronger), (stronger, weaker)] {
            if self.reading().links_too_many(node, self.nodes.kind(other)) {
                let region = Region::of(self.reading(), &[node]);
                self.auto_share(Shared { node, other, rule: ConflictRule::MaxLinks });
                self.replay(region, None);
                return true;
            }
        }
        false
    }

    /// R2, `move`: the weaker end follows the new edge; what it was before stays where it was.
    fn move_to(&mut self, number: u32, rule: ConflictRule) {
        let edge = self.edges.get(number);
        let [stronger, weaker] = edge.ends;
        let mut region = Region::of(self.reading(), &[stronger, weaker]);
        self.conflict(ConflictKind::Moved, rule, stronger, weaker);
        self.remove(number);
        let (present, _) = self.close(weaker);
        region.add(self.reading(), present);
        let moved = self.keep_between(stronger, present, edge.class, edge.day);
        self.state.trigger = Some(moved);
        self.replay(region, Some(moved));
        self.settle();
    }

    fn join(&mut self, number: u32, a: u32, b: u32) {
        self.set_active(number, true);
        if self.unite(a, b, number) {
            let anchor = self.nodes.anchor(a);
            self.state.unsettled.push(anchor);
            self.settle();
        }
    }

    /// Joins two components by an active edge, `a` being that of its stronger end. The one with the older edge gives
    /// the anchor (R4). Says whether the result may be over a limit.
    fn unite(&mut self, a: u32, b: u32, number: u32) -> bool {
        let reading = self.reading();
        // Alone, `a` is the edge's stronger end.
        let b_is_older = match [a, b].map(|anchor| reading.oldest_place(anchor, number)) {
            [_, None] => false,
            [None, Some(_)] => true,
            [Some(place_a), Some(place_b)] => place_b < place_a,
        };
        let (winner, loser) = if b_is_older { (b, a) } else { (a, b) };
        let (of_winner, of_loser) = (self.nodes.summary(winner), self.nodes.summary(loser));
        let full = reading.may_be_full(winner, of_winner, loser, of_loser);
        let [lone_winner, lone_loser] = [winner, loser].map(|anchor| self.nodes.next_member(anchor) == anchor);
        self.state.counts.components += 1;
        self.state.counts.components -= u64::from(!lone_winner) + u64::from(!lone_loser);
        self.state.counts.merges += 1;
        let mut member = loser;
        loop {
            let next = self.nodes.next_member(member);
            self.set_anchor(member, winner);
            if next == loser || self.state.sings(Canary::BrokenMerge) {
                break;
            }
            member = next;
        }
        // `member` is the last of the ring now: its successor is the winner's.
        self.nodes.set_next_member(member, self.nodes.next_member(winner));
        self.nodes.set_next_member(winner, loser);
        let summary = Summary {
            types: of_winner.types | of_loser.types,
            size: of_winner.size + of_loser.size,
            special: of_winner.special || of_loser.special,
        };
        self.nodes.set_summary(winner, summary);
        self.touch(winner);
        full
    }
}

impl<'a> Reading<'a> {
    pub(super) fn side(self, anchor: u32) -> ComponentSide<'a> {
        ComponentSide { reading: self, anchor }
    }

    fn moves(self, node: u32) -> bool {
        self.state.limits.on_conflict(self.nodes.kind(node)) == OnConflict::Move
    }

    /// R2, `move`: the rule by which the weaker end leaves its component for the stronger one's, if it does: not for
    /// an edge older than those it has, nor when it could not join alone either.
    fn move_rule(self, edge: &Edge, a: u32, b: u32) -> Option<ConflictRule> {
        let rule = self.state.limits.refuses(&self.side(a), &self.side(b), edge.class)?;
        let weaker = edge.ends[1];
        let latest = self.active_edges(weaker).map(|(_, active, _)| active.day).max()?;
        let alone = Outside::alone(self, weaker);
        let joins = self.refusal(&self.side(a), &alone, edge.class).is_none();
        (edge.day >= latest && joins).then_some(rule)
    }

    /// R3: kept edges to more values of a type than its own type's `max_links`.
    pub(super) fn links_too_many(self, node: u32, counted: u8) -> bool {
        if self.state.limits.tier(counted) == Tier::Device {
            return false;
        }
        let limit = self.state.limits.max_links(self.nodes.kind(node)) as usize;
        // Edges are kept once a pair, so edges to a type are values of it.
        self.normal_edges(node).filter(|(.., other)| self.nodes.kind(*other) == counted).nth(limit).is_some()
    }

    /// Place of a component's oldest active edge, which R4 makes one of its anchor's, leaving out a new one.
    fn oldest_place(self, anchor: u32, new_edge: u32) -> Option<(u64, u32)> {
        let mut active = self.active_edges(anchor).filter(|(number, ..)| *number != new_edge);
        active.next().map(|(number, edge, _)| (edge.offset, number))
    }

    /// Whether two components may be over a limit of R7 together.
    fn may_be_full(self, a: u32, of_a: Summary, b: u32, of_b: Summary) -> bool {
        let limits = &self.state.limits;
        let both = of_a.types & of_b.types & limits.limited & !limits.accounts;
        let over = |kind: u8| {
            let [in_a, in_b] = [(a, of_a), (b, of_b)].map(|(anchor, summary)| match summary.size {
                1 => 1,
                _ => self.side(anchor).count(kind),
            });
            in_a + in_b > limits.max_per_customer(kind)
        };
        let saturated = of_a.size == Summary::MANY || of_b.size == Summary::MANY;
        let size = if saturated { self.size(a) + self.size(b) } else { of_a.size + of_b.size };
        size > limits.max_identifiers || bits(both).any(over)
    }
}
