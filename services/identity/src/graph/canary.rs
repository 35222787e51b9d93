//! Faults that tests switch on to see that the checks notice. Without the feature `canary` there is no way to.

use super::state::State;

/// A way to be wrong.
#[cfg_attr(not(feature = "canary"), expect(unreachable_pub, reason = "only the tests that switch it on name it"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Canary {
    /// A merge forgets members of the customer that it takes in.
    BrokenMerge,
    /// A refused link is forgotten instead of kept dormant.
    LostDormantEdge,
    /// Vetoed pairs may meet.
    ForgottenVeto,
}

#[cfg(feature = "canary")]
impl Canary {
    /// Every one.
    pub const ALL: [Canary; 3] = [Canary::BrokenMerge, Canary::LostDormantEdge, Canary::ForgottenVeto];
}

#[cfg(feature = "canary")]
impl super::Graph {
    /// Breaks this graph from now on.
    pub fn set_canary(&self, canary: Canary) {
        self.state.write().canary = Some(canary);
    }
}

impl State {
    /// Whether this fault is switched on.
    #[cfg(feature = "canary")]
    pub(super) fn sings(&self, canary: Canary) -> bool {
        self.canary == Some(canary)
    }

    /// Never.
    #[cfg(not(feature = "canary"))]
    pub(super) const fn sings(&self, _: Canary) -> bool {
        false
    }
}
