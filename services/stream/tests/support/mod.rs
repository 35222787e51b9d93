//! What the tests against a real Kafka share.

#![allow(clippy::unwrap_used, dead_code, unreachable_pub, missing_docs, reason = "each test binary uses a part of it")]

use std::collections::HashMap;
use std::time::Duration;

use schemas::RawRecord;
use schemas::topics::{Topic, Topics};
use stream::{
    Admin, Committed, ConsumerEvent, ConsumerHandle, ConsumerLimits, Epoch, GroupConsumer, KafkaConfig, Message,
    PartitionId, Producer, ProducerLimits, TopicInfo,
};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

/// Long enough for a slow machine; a test that waits so long has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn brokers() -> String {
    std::env::var("TRIBUTARY_TEST_KAFKA").expect("run `make test`")
}

/// Topics and groups of its own for each test.
pub fn config(brokers: String) -> KafkaConfig {
    let unique = uuid::Uuid::new_v4().simple().to_string();
    KafkaConfig {
        brokers,
        topic_prefix: format!("t{unique}."),
        group_prefix: format!("t{unique}"),
        session_timeout_ms: 6_000,
        ..KafkaConfig::default()
    }
}

pub fn topics(config: &KafkaConfig) -> Topics {
    Topics::load_default().with_prefix(&config.topic_prefix)
}

pub struct World {
    pub config: KafkaConfig,
    pub topics: Topics,
    pub admin: Admin,
}

impl World {
    pub async fn new() -> Self {
        Self::on(brokers()).await
    }

    pub async fn on(brokers: String) -> Self {
        let config = config(brokers);
        let topics = topics(&config);
        let admin = Admin::connect(&config).unwrap();
        assert_eq!(admin.ensure_topics(&topics).await.unwrap().len(), 10);
        Self { config, topics, admin }
    }

    pub async fn info(&self, topic: &Topic) -> TopicInfo {
        self.admin.describe_topics(&[&topic.name]).await.unwrap().remove(0)
    }

    /// Writes `count` records that say their number, each to the partition of its key.
    pub async fn write(&self, topic: &Topic, range: std::ops::Range<usize>) {
        let producer = Producer::new(&self.config, ProducerLimits::default()).unwrap();
        for number in range {
            let text = number.to_string();
            let message =
                Message { topic: &topic.name, key: Some(text.as_bytes()), payload: text.as_bytes(), headers: &[] };
            producer.send(message).await.unwrap();
        }
        producer.flush().await.unwrap();
    }

    pub fn join(&self, group: &str, topics: &[TopicInfo], limits: ConsumerLimits) -> Member {
        let (handle, events) =
            GroupConsumer::spawn(&self.config, &self.config.group(group), topics.to_vec(), limits).unwrap();
        Member::of(handle, events)
    }

    pub async fn clean_up(self) {
        let names: Vec<&str> = self.topics.all().iter().map(|topic| topic.name.as_str()).collect();
        self.admin.delete_topics(&names).await.unwrap();
    }
}

/// A consumer, and what it has told.
pub struct Member {
    pub handle: ConsumerHandle,
    pub events: UnboundedReceiver<ConsumerEvent>,
    pub owned: HashMap<PartitionId, Owned>,
    pub read: HashMap<PartitionId, Vec<RawRecord>>,
    pub ends: HashMap<PartitionId, i64>,
}

#[derive(Debug, Clone)]
pub struct Owned {
    pub epoch: Epoch,
    pub committed: Option<Committed>,
    pub low: i64,
    pub high: i64,
}

impl Member {
    pub fn of(handle: ConsumerHandle, events: UnboundedReceiver<ConsumerEvent>) -> Self {
        Self { handle, events, owned: HashMap::new(), read: HashMap::new(), ends: HashMap::new() }
    }

    /// The next event, taken note of.
    pub async fn next(&mut self) -> &'static str {
        let event = timeout(PATIENCE, self.events.recv()).await.expect("an event").expect("a consumer that lives");
        self.note(event)
    }

    pub fn note(&mut self, event: ConsumerEvent) -> &'static str {
        match event {
            ConsumerEvent::Assigned { partition, epoch, committed, low, high } => {
                let before = self.owned.insert(partition, Owned { epoch, committed, low, high });
                assert!(before.is_none(), "assigned twice: {partition:?}");
                "assigned"
            }
            ConsumerEvent::Revoked { partition, epoch, .. } => {
                let owned = self.owned.remove(&partition).expect("a revoke only after its assign");
                assert_eq!(owned.epoch, epoch);
                "revoked"
            }
            ConsumerEvent::Records { partition, epoch, records, bytes } => {
                assert_eq!(self.owned[&partition].epoch, epoch);
                let read = self.read.entry(partition).or_default();
                for record in &records {
                    assert!(read.last().is_none_or(|last| last.offset < record.offset));
                }
                read.extend(records);
                self.handle.consumed(partition, epoch, bytes);
                "records"
            }
            ConsumerEvent::Eof { partition, position, .. } => {
                self.ends.insert(partition, position);
                "eof"
            }
            ConsumerEvent::Error { partition, fatal, error } => {
                assert!(!fatal, "{partition:?}: {error}");
                eprintln!("told of {error} ({partition:?})");
                "error"
            }
        }
    }

    /// Goes on until it owns so many partitions.
    pub async fn until_owns(&mut self, count: usize) {
        while self.owned.len() != count {
            self.next().await;
        }
    }

    pub fn start_all(&self, offset: i64) {
        for (partition, owned) in &self.owned {
            self.handle.start(*partition, owned.epoch, offset);
        }
    }

    pub async fn until_read(&mut self, count: usize) {
        while self.read.values().map(Vec::len).sum::<usize>() < count {
            self.next().await;
        }
    }

    pub async fn commit(&self, partition: PartitionId, offset: i64, metadata: &str) -> stream::Result<()> {
        self.handle.commit(partition, self.owned[&partition].epoch, offset, metadata.to_owned()).await
    }
}
