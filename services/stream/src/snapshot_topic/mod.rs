//! Snapshots of the identity graph in Kafka, so that a new process need not read the whole identity log and the log's
//! old part may go.
//!
//! The topic has two partitions. [`CHUNKS`] holds the snapshots cut into records of at most [`CHUNK_BYTES`];
//! [`MANIFESTS`] holds one small record a snapshot, written after its last chunk was acknowledged: what has no manifest
//! is not there. So finding the newest one reads a few records, however large the snapshots are.

mod fetch;
mod manifest;
mod publish;

pub use manifest::{Manifest, PublishedSnapshot};

use crate::sender::Sender;
use crate::{Admin, KafkaConfig, Result, StreamError, TopicInfo};

const CHUNKS: i32 = 0;
const MANIFESTS: i32 = 1;
const PARTITIONS: i32 = 2;
/// Small enough for any broker's default limit.
const CHUNK_BYTES: usize = 900 * 1000;
/// So many chunks are on their way at once; only within them may a retry change the order.
const WINDOW: usize = 16;

/// The topic that snapshots are published in. Cheap to clone.
#[derive(Clone)]
pub struct SnapshotTopic {
    config: KafkaConfig,
    admin: Admin,
    topic: TopicInfo,
    sender: Sender,
}

impl SnapshotTopic {
    /// For this topic.
    pub fn new(config: &KafkaConfig, admin: &Admin, topic: &TopicInfo) -> Result<Self> {
        if topic.partitions != PARTITIONS {
            return Err(StreamError::Config(format!(
                "topic `{}` has {} partitions, expected {PARTITIONS}: one for chunks, one for manifests",
                topic.name, topic.partitions
            )));
        }
        let sender = Sender::new(config)?;
        Ok(Self { config: config.clone(), admin: admin.clone(), topic: topic.clone(), sender })
    }

    /// Deletes all but the `count` newest snapshots, and what unfinished ones left between them; how many it deleted.
    pub async fn keep_newest(&self, count: usize) -> Result<usize> {
        let published = self.list().await?;
        let Some(oldest_kept) = published.iter().take(count.max(1)).min_by_key(|each| each.position) else {
            return Ok(0);
        };
        let gone = published.iter().filter(|each| each.position < oldest_kept.position).count();
        self.admin.delete_records(&self.topic.name, MANIFESTS, oldest_kept.position).await?;
        self.admin.delete_records(&self.topic.name, CHUNKS, oldest_kept.manifest.first_chunk).await?;
        Ok(gone)
    }

    fn failed(&self, detail: String) -> StreamError {
        StreamError::Snapshot { topic: self.topic.name.to_string(), detail }
    }
}
