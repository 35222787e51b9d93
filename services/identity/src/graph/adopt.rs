//! R9: the rules change at one place of the log.

use rustc_hash::FxHashSet;

use super::conflict::ConflictRule;
use super::edges::EdgeClass;
use super::limits::Limits;
use super::nodes::Flags;
use super::region::Region;
use super::replay::Shared;
use super::state::{Reading, Work};
use crate::Hasher;

impl Work<'_> {
    /// Goes on under other rules. What they say of values counts for new records; newly blocked exact values are
    /// shared, and everything that is kept is replayed.
    pub(super) fn adopt(&mut self, before: &Hasher, now: &Hasher) {
        for blocked in now.newly_blocked(before) {
            if let Some(node) = self.nodes.find(blocked.key) {
                self.stop_linking(self.present(node));
            }
        }
        self.state.limits = Limits::new(now.rules());
        self.class_edges_anew();
        self.share_what_links_too_often();
        self.replay_everything();
    }

    fn class_edges_anew(&mut self) {
        for node in 0..self.nodes.len() {
            let normal: Vec<_> =
                self.reading().normal_edges(node).filter(|(_, edge, _)| edge.ends[0] == node).collect();
            for (number, edge, other) in normal {
                if edge.class != EdgeClass::Forced {
                    self.edges
                        .set_class(number, self.state.limits.class(self.nodes.kind(node), self.nodes.kind(other)));
                }
                if self.reading().rank(other) < self.reading().rank(node) {
                    self.edges.swap_ends(number);
                }
            }
        }
    }

    /// R3 for every identifier, the least key first. The components are wrong afterwards.
    fn share_what_links_too_often(&mut self) {
        let reading = self.reading();
        let mut over: Vec<u32> =
            (0..self.nodes.len()).filter(|node| reading.overlinked_type(*node).is_some()).collect();
        // Sharing one removes edges of others, so that none comes to be over by it.
        over.sort_unstable_by_key(|node| self.nodes.key(*node));
        for node in over {
            if let Some(other) = self.reading().overlinked_type(node) {
                self.auto_share(Shared { node, other, rule: ConflictRule::MaxLinks });
            }
        }
    }

    /// Each cluster by itself: no edge leaves one.
    fn replay_everything(&mut self) {
        let mut seen = FxHashSet::default();
        for node in 0..self.nodes.len() {
            if seen.contains(&node) || self.is_lone(node) {
                continue;
            }
            let region = Region::cluster(self.reading(), node);
            seen.extend(region.nodes.iter().copied());
            self.replay(region, None);
            self.settle();
        }
    }

    fn is_lone(&self, node: u32) -> bool {
        self.nodes.next_member(node) == node && self.edges.of(self.nodes, node).next().is_none()
    }
}

impl Reading<'_> {
    /// The other end of the oldest edge to a type of which a node links too many.
    fn overlinked_type(self, node: u32) -> Option<u32> {
        if self.nodes.flags(node).has(Flags::CLOSED) {
            return None;
        }
        let mut kinds: Vec<u8> = self.normal_edges(node).map(|(.., other)| self.nodes.kind(other)).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let kind = kinds.into_iter().find(|kind| self.links_too_many(node, *kind))?;
        self.normal_edges(node).map(|(.., other)| other).find(|other| self.nodes.kind(*other) == kind)
    }
}
