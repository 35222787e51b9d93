use serde::{Deserialize, Serialize};

/// What is published, and where its chunks stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the manifest and of the chunks.
    pub version: u32,
    /// Offset of the last message of the identity log that is in the snapshot.
    pub log_offset: i64,
    /// Kafka's id of the identity log.
    pub log_topic_id: String,
    /// The snapshot's own checksum; also what tells the chunks of two snapshots apart.
    pub checksum: String,
    /// Size of the whole.
    pub bytes: u64,
    /// How many chunks.
    pub chunks: u32,
    /// Offset of the first chunk; later ones follow, perhaps with others' between them.
    pub first_chunk: i64,
}

/// A manifest that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedSnapshot {
    /// The manifest.
    pub manifest: Manifest,
    /// Its own offset: later ones are newer publications.
    pub position: i64,
    /// When it was published, ms since the epoch.
    pub published_at_ms: i64,
}

pub(super) const VERSION: u32 = 1;

/// Headers of a chunk.
pub(super) mod header {
    /// The snapshot's checksum.
    pub(crate) const SNAPSHOT: &str = "tributary.snapshot";
    /// The snapshot's log offset.
    pub(crate) const OFFSET: &str = "tributary.offset";
    /// `3/57`: the fourth of 57.
    pub(crate) const CHUNK: &str = "tributary.chunk";
    /// BLAKE3 of the chunk.
    pub(crate) const CHECKSUM: &str = "tributary.checksum";
}
