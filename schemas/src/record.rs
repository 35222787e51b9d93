use bytes::Bytes;
use std::sync::Arc;
use uuid::Uuid;

use crate::Source;

/// Where a record stands in the log: unique for ever, because a recreated topic has another id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// Kafka's id of the topic, not its name.
    pub topic_id: Uuid,
    /// Partition number.
    pub partition: i32,
    /// Offset within the partition.
    pub offset: i64,
}

/// One message as Kafka gave it, bytes untouched.
#[derive(Debug, Clone)]
pub struct RawRecord {
    /// Offset within the batch's partition.
    pub offset: i64,
    /// Receipt time: the broker's append time, milliseconds since the epoch.
    pub append_time_ms: i64,
    /// Message key.
    pub key: Option<Bytes>,
    /// Message value; `None` is a tombstone, which source topics do not have.
    pub payload: Option<Bytes>,
}

/// A contiguous range `[first, end)` of one partition, by log position: gaps left by transactions and
/// compaction are part of it.
#[derive(Debug, Clone)]
pub struct RawBatch {
    /// What kind of records these are.
    pub source: Source,
    /// Name of the topic, for messages to people.
    pub topic: Arc<str>,
    /// Kafka's id of the topic.
    pub topic_id: Uuid,
    /// Partition number.
    pub partition: i32,
    /// First offset of the range.
    pub first: i64,
    /// Exclusive end of the range.
    pub end: i64,
    /// The records in it, ascending by offset.
    pub records: Vec<RawRecord>,
}

impl RawBatch {
    /// The position of one of this batch's offsets.
    pub fn position(&self, offset: i64) -> Position {
        Position { topic_id: self.topic_id, partition: self.partition, offset }
    }
}
