//! Identifiers to customers: the identity graph and its rules.
//!
//! Pure: no I/O, no clock, no randomness. The whole state is a function of the identity log and the [`Rules`]; the
//! log's messages come in through [`Graph::apply`] and everything else only reads.
//!
//! The way of a batch of events: [`key_events`] turns raw identifiers into keys, [`Graph::missing_links`] says which
//! links the log does not hold yet, and, when those have been appended and applied, [`Graph::identify`] names the
//! customers.

mod error;
mod graph;
mod hasher;
mod hygiene;
pub mod invariants;
mod keyed_event;
mod normalize;
mod rules;
mod rules_difference;
mod snapshot;

pub use error::Error;
#[cfg(feature = "canary")]
pub use graph::Canary;
pub use graph::{
    Changes, Component, Conflict, ConflictKind, ConflictRule, EdgeClass, EdgeView, Graph, IdentifierView, Stats,
    generation_key,
};
pub use hasher::Hasher;
pub use keyed_event::{KeyedEvent, key_events};
pub use rules::{Normalizer, OnConflict, Rules, Secret, Tier, TypeRule};
pub use snapshot::{
    SnapshotError, SnapshotHeader, SnapshotInfo, SnapshotSummary, check_snapshot, read_snapshot_header,
};
