use crate::{Identifier, Text};

/// One pair of identifiers that a record names together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// The record's hub: its strongest usable identifier.
    pub hub: Identifier,
    /// The other end.
    pub other: Identifier,
}

/// Where a link came from: looked up in `identity_links` when somebody asks why two identifiers are one customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkProvenance {
    /// Source name.
    pub source: Text,
    /// Event id of the record.
    pub event_id: Text,
    /// Event time, ms since the epoch.
    pub event_time_ms: i64,
}

/// An entry of the identity log. One Kafka message packs many; a command's place is (offset, index in the message).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The edges of one record that the graph did not know yet.
    Link {
        /// The edges, hub first, others by (priority, key).
        edges: Vec<Edge>,
        /// Whence.
        provenance: LinkProvenance,
    },
    /// The rules in force from here on; the first entry of every log.
    Rules {
        /// Hash over limits, normaliser versions, the secret's check value and the graph code's semantics version.
        hash: [u8; 16],
        /// The rules as JSON, so that a process with other rules can say what differs.
        rules_json: String,
    },
}
