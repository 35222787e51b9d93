//! The invariants of identity. Tests, simulation and metrics share their ids.

use std::fmt;

/// An invariant that the graph keeps at every log offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Invariant {
    /// ID-1: the same log prefix and rules give the same fingerprint, in every process, after every restart. Here: the
    /// fingerprint kept up to date equals the one computed from scratch.
    Fingerprint,
    /// ID-2: the partition equals the full canonical replay of the kept edges under the same rules.
    Replay,
    /// ID-3: no component breaks a limit, and every refused link is a conflict row.
    Limits,
    /// ID-4: an identifier maps to exactly one customer.
    OneCustomer,
}

impl Invariant {
    /// The id that the design, the metrics and the simulation use.
    pub const fn id(self) -> &'static str {
        match self {
            Invariant::Fingerprint => "ID-1",
            Invariant::Replay => "ID-2",
            Invariant::Limits => "ID-3",
            Invariant::OneCustomer => "ID-4",
        }
    }
}

/// An invariant found broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// What was found, by keys.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant.id(), self.detail)
    }
}
