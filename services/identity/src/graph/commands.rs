//! R5 and R8: what operators do.

use schemas::Identifier;

use super::edges::EdgeClass;
use super::nodes::Flags;
use super::region::Region;
use super::state::{Work, day_of};

impl Work<'_> {
    /// Says that two identifiers are one person.
    pub(super) fn merge(&mut self, a: Identifier, b: Identifier) {
        if a.key == b.key || ![a, b].iter().all(|identifier| self.state.limits.links(identifier.kind)) {
            return;
        }
        let out_of_use = |identifier: &Identifier| {
            let flags = self.nodes.find(identifier.key).map(|node| self.nodes.flags(self.present(node)));
            flags.is_some_and(|flags| flags.has_any(&[Flags::SHARED, Flags::SUPPRESSED]))
        };
        if [a, b].iter().any(out_of_use) {
            return;
        }
        let (a, b) = (self.node(a), self.node(b));
        let Some(known) = self.edges.connects(self.nodes, a, b) else {
            let new = self.keep_between(a, b, EdgeClass::Forced, day_of(self.append_time_ms()));
            return self.decide(new);
        };
        self.edges.set_class(known, EdgeClass::Forced);
        self.edges.set_held(known, false);
        self.state.trigger = Some(known);
        let [stronger, weaker] = self.edges.get(known).ends;
        if !self.share_if_linked_too_often(stronger, weaker) {
            self.replay(Region::of(self.reading(), &[a, b]), None);
        }
        self.settle();
    }

    /// Says that two identifiers are two people.
    pub(super) fn unlink(&mut self, a: Identifier, b: Identifier) {
        if a.key == b.key {
            return;
        }
        let pair = [self.node(a), self.node(b)];
        let region = Region::of(self.reading(), &pair);
        if let Some(known) = self.edges.connects(self.nodes, pair[0], pair[1]) {
            self.remove(known);
        }
        let firsts = pair.map(|node| self.nodes.first_generation(node));
        for (side, node) in pair.into_iter().enumerate() {
            let vetoes = self.state.vetoes.entry(firsts[side]).or_default();
            if !vetoes.contains(&firsts[1 - side]) {
                vetoes.push(firsts[1 - side]);
            }
            self.flag(node, Flags::VETOED);
        }
        self.replay(region, None);
        self.settle();
        // What either was before leaves the other's side too.
        let mut leaving = Vec::new();
        for side in [0, 1] {
            let [own, other] = [side, 1 - side].map(|side| self.nodes.current_generation(firsts[side]));
            let anchor = self.nodes.anchor(other);
            let past = self.nodes.generations(firsts[side]).into_iter().filter(|node| *node != own);
            leaving.extend(past.filter(|node| self.nodes.anchor(*node) == anchor));
        }
        self.part_with_the_past(&leaving);
    }

    /// Closed generations stand alone from now on.
    fn part_with_the_past(&mut self, closed: &[u32]) {
        if closed.is_empty() {
            return;
        }
        let region = Region::of(self.reading(), closed);
        closed.iter().for_each(|node| self.remove_own_closed_edge(*node));
        self.replay(region, None);
        self.settle();
    }

    /// Takes a veto back.
    pub(super) fn allow(&mut self, a: Identifier, b: Identifier) {
        if a.key == b.key {
            return;
        }
        let pair = [self.node(a), self.node(b)];
        let [first_a, first_b] = pair.map(|node| self.nodes.first_generation(node));
        self.drop_veto(first_a, first_b);
        self.drop_veto(first_b, first_a);
        self.replay(Region::of(self.reading(), &pair), None);
        self.settle();
    }

    fn drop_veto(&mut self, first: u32, other: u32) {
        let Some(vetoes) = self.state.vetoes.get_mut(&first) else {
            return;
        };
        vetoes.retain(|partner| *partner != other);
        if vetoes.is_empty() {
            self.state.vetoes.remove(&first);
            self.unflag(self.nodes.current_generation(first), Flags::VETOED);
        }
    }

    /// Removes every edge of a customer.
    pub(super) fn split(&mut self, of: Identifier) {
        let node = self.node(of);
        let region = Region::of(self.reading(), &[node]);
        region.nodes.iter().for_each(|member| self.remove_normal_edges(*member));
        self.replay(region, None);
        self.settle();
    }

    /// Says that an identifier is used by several people, and always was.
    pub(super) fn share(&mut self, of: Identifier) {
        let node = self.node(of);
        let generations = self.nodes.generations(self.nodes.first_generation(node));
        let region = Region::of(self.reading(), &generations);
        self.stop_linking(node);
        self.replay(region, None);
        self.settle();
    }

    /// Marks a present node shared without closing it; what it was before stands alone. The components are wrong
    /// until they are replayed.
    pub(super) fn stop_linking(&mut self, node: u32) {
        if !self.nodes.flags(node).has(Flags::SHARED) {
            self.remove_normal_edges(node);
            self.mark_shared(node);
        }
        let generations = self.nodes.generations(self.nodes.first_generation(node));
        generations.into_iter().filter(|past| *past != node).for_each(|past| self.remove_own_closed_edge(past));
    }

    /// An identifier may link again.
    pub(super) fn unshare(&mut self, of: Identifier) {
        let node = self.node(of);
        if self.nodes.flags(node).has(Flags::SHARED) {
            self.unflag(node, Flags::SHARED);
            self.state.counts.shared -= 1;
            self.touch(node);
        }
    }

    /// R8: forgets a customer. Whoever returns is somebody new, and what was before never links again.
    pub(super) fn erase(&mut self, of: Identifier, suppress: bool) {
        let node = self.node(of);
        let region = Region::of(self.reading(), &[node]);
        for &member in &region.nodes {
            self.remove_normal_edges(member);
            self.remove_own_closed_edge(member);
        }
        let present: Vec<u32> = region.nodes.iter().copied().filter(|node| !self.reading().is_closed(*node)).collect();
        for member in present {
            let first = self.nodes.first_generation(member);
            for partner in self.state.vetoes.get(&first).cloned().unwrap_or_default() {
                self.drop_veto(first, partner);
                self.drop_veto(partner, first);
            }
            let next = self.next_generation(member);
            self.flag(next, Flags::ERASED);
            if suppress {
                self.flag(next, Flags::SUPPRESSED);
            }
            self.tombstones.write().insert(first, self.append_time_ms());
        }
        self.replay(region, None);
        self.settle();
    }
}
