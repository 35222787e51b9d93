use serde::{Deserialize, Serialize};

/// What whoever writes a snapshot says about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// Kafka's id of the identity log, if it is known: another log's offsets mean nothing here.
    pub log_topic_id: Option<String>,
    /// When, ms since the epoch.
    pub created_at_ms: i64,
    /// By which program and version.
    pub created_by: String,
}

/// What a snapshot says about itself: enough to decide whether it is the one that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotHeader {
    /// Version of the graph's rules as coded.
    pub semantics_version: u32,
    /// Hash of `rules_json`, 32 hexadecimal digits.
    pub rules_hash: String,
    /// The rules in force at this offset, as the log's entry has them; the secret's check value included, not the secret.
    pub rules_json: String,
    /// Kafka's id of the identity log.
    pub log_topic_id: Option<String>,
    /// Offset of the last message applied: the log goes on at the next one.
    pub log_offset: i64,
    /// Nodes: linked identifiers and their closed generations.
    pub identifiers: u64,
    /// Places for edges, used and free.
    pub edges: u64,
    /// Fingerprint of the mapping, 32 hexadecimal digits; computed again when the snapshot is loaded.
    pub fingerprint: String,
    /// When it was made, ms since the epoch.
    pub created_at_ms: i64,
    /// By which program and version.
    pub created_by: String,
}

/// A snapshot that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotSummary {
    /// Its header.
    pub header: SnapshotHeader,
    /// The checksum over everything, 64 hexadecimal digits: two files with the same one are the same.
    pub checksum: String,
    /// Its size.
    pub bytes: u64,
    /// The most that was kept aside at one time because it changed while the snapshot was written.
    pub kept_aside_bytes: u64,
}
