//! Reading topics as a member of a consumer group.

mod commits;
mod handle;
mod lookup;
mod partition;
mod rebalance;
mod thread;

use schemas::RawRecord;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{self, UnboundedReceiver};

pub use handle::ConsumerHandle;

use crate::{KafkaConfig, Result, StreamError, TopicInfo};

/// A partition of one of the topics that [`GroupConsumer::spawn`] was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartitionId {
    /// Index of the topic in what `spawn` was given.
    pub topic_index: u16,
    /// Partition number.
    pub partition: i32,
}

/// Counts the assignments of partitions to this process, over all partitions: no two have the same number. What was
/// begun in one epoch is void in the next.
pub type Epoch = u64;

/// What a group has committed for a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The next offset to read.
    pub offset: i64,
    /// What was written beside it: a [`crate::Plan`].
    pub metadata: String,
}

/// What bounds a consumer.
#[derive(Debug, Clone)]
pub struct ConsumerLimits {
    /// Above so many bytes handed over and not given back by [`ConsumerHandle::consumed`], a partition is paused; below
    /// half of it, it goes on.
    pub buffer_bytes_per_partition: usize,
    /// Records are handed over in pieces of about so many bytes at most,
    pub chunk_bytes: usize,
    /// and of so many records.
    pub chunk_records: usize,
    /// A commit that is not answered in this time ends as [`StreamError::CommitTimeout`].
    pub commit_timeout: Duration,
}

impl Default for ConsumerLimits {
    fn default() -> Self {
        Self {
            buffer_bytes_per_partition: 32 * 1024 * 1024,
            chunk_bytes: 1024 * 1024,
            chunk_records: 4096,
            commit_timeout: Duration::from_secs(10),
        }
    }
}

/// What a consumer tells.
#[derive(Debug)]
pub enum ConsumerEvent {
    /// A partition is this process's now. Nothing of it is read before [`ConsumerHandle::start`].
    Assigned {
        /// Which.
        partition: PartitionId,
        /// The epoch that begins with this.
        epoch: Epoch,
        /// What the group had committed, read after the assignment.
        committed: Option<Committed>,
        /// Lowest offset in the log.
        low: i64,
        /// The log's exclusive end.
        high: i64,
    },
    /// A partition is this process's no longer: what is in flight must be dropped. Comes only after its `Assigned`.
    Revoked {
        /// Which.
        partition: PartitionId,
        /// The epoch that ends.
        epoch: Epoch,
        /// Whether the group took it without asking: another process may already have it.
        lost: bool,
    },
    /// Records, ascending; with those before and after them they are all records of the partition.
    Records {
        /// Of which partition.
        partition: PartitionId,
        /// In which epoch.
        epoch: Epoch,
        /// The records.
        records: Vec<RawRecord>,
        /// What they count for against the buffer's limit; to be given back by [`ConsumerHandle::consumed`].
        bytes: usize,
    },
    /// All records below `position` were handed over, and the log has no more now.
    Eof {
        /// Of which partition.
        partition: PartitionId,
        /// In which epoch.
        epoch: Epoch,
        /// The log's exclusive end: greater than the last record's offset plus one when the log ends with a
        /// transaction's marker.
        position: i64,
    },
    /// Something is wrong.
    Error {
        /// With one partition, or with all.
        partition: Option<(PartitionId, Epoch)>,
        /// Whether the consumer has given up; if not, it goes on by itself.
        fatal: bool,
        /// What.
        error: StreamError,
    },
}

/// A member of a consumer group, on a thread of its own.
pub struct GroupConsumer;

impl GroupConsumer {
    /// Joins `group` (a full name) and subscribes to `topics`. The receiver ends after the consumer has.
    pub fn spawn(
        config: &KafkaConfig,
        group: &str,
        topics: Vec<TopicInfo>,
        limits: ConsumerLimits,
    ) -> Result<(ConsumerHandle, UnboundedReceiver<ConsumerEvent>)> {
        // Unbounded, because a bounded one would make a revoke wait; what can be in it is bounded by `limits`.
        let (events, receiver) = mpsc::unbounded_channel();
        let handle = thread::spawn(config, group, Arc::from(topics), limits, events)?;
        Ok((handle, receiver))
    }
}
