//! Identifiers to customers: the identity graph and its rules.
//!
//! Pure: no I/O, no clock, no randomness. The whole state is a function of the identity log and the [`Rules`]; the
//! log's messages come in through [`Graph::apply`] and everything else only reads.
//!
//! The way of a batch of events: [`key_events`] turns raw identifiers into keys, [`Graph::missing_links`] says which
//! links the log does not hold yet, and, when those have been appended and applied, [`Graph::identify`] names the
//! customers.
//!
//! # What is not here yet
//!
//! Of the design's rules R1 to R4 are here, with `keep_first` and `share`. A contact limit (`max_per_customer` of a
//! contact or device type) and `max_identifiers` refuse the new link, as `keep_first` does, and leave a conflict row;
//! retiring the oldest instead (R7) is to come, as are operator commands (R5), closed generations (R6: a shared
//! identifier's past maps to the identifier itself, and every generation is 0), and erasure (R8).

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
pub use graph::{Changes, Component, Conflict, ConflictKind, ConflictRule, Graph, Stats};
pub use hasher::Hasher;
pub use keyed_event::{KeyedEvent, key_events};
pub use rules::{Normalizer, OnConflict, Rules, Secret, Tier, TypeRule};
pub use snapshot::{SnapshotError, SnapshotHeader, SnapshotInfo, SnapshotSummary};
