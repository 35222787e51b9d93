//! R6: an identifier's past stays where it was.

use super::conflict::{ConflictKind, ConflictRule};
use super::edges::{Edge, EdgeClass};
use super::nodes::Flags;
use super::region::Region;
use super::replay::Shared;
use super::state::{LAST_GENERATION, Work};

impl Work<'_> {
    /// Removes a node's edges. If it had joined anybody, it stays with the other end of its oldest edge as a closed
    /// generation, and its identifier goes on with the next one. Gives the identifier's present node and that other end.
    ///
    /// The components are wrong until they are replayed.
    pub(super) fn close(&mut self, node: u32) -> (u32, Option<u32>) {
        let oldest = self.reading().active_edges(node).next();
        self.remove_normal_edges(node);
        let Some((_, edge, other)) = oldest else {
            return (node, None);
        };
        if self.nodes.generation(node) == LAST_GENERATION {
            return (node, Some(other));
        }
        let present = self.next_generation(node);
        let (class, ends) = (EdgeClass::Closed, [other, node]);
        self.keep(Edge { ends, class, active: true, held: false, ..edge });
        (present, Some(other))
    }

    /// R3: from now on the identifier links to nobody. What was before is closed.
    pub(super) fn auto_share(&mut self, Shared { node, other, rule }: Shared) {
        self.conflict(ConflictKind::Shared, rule, node, other);
        let (present, _) = self.close(node);
        self.mark_shared(present);
    }

    pub(super) fn mark_shared(&mut self, present: u32) {
        if !self.nodes.flags(present).has(Flags::SHARED) {
            self.flag(present, Flags::SHARED);
            self.state.counts.shared += 1;
            self.touch(present);
        }
    }

    /// R7: an identifier leaves a full customer; its next records are somebody else's until they say whose.
    pub(super) fn retire(&mut self, node: u32, rule: ConflictRule) {
        let region = Region::of(self.reading(), &[node]);
        let (_, other) = self.close(node);
        self.conflict(ConflictKind::Retired, rule, node, other.unwrap_or(node));
        self.replay(region, None);
    }
}
