//! Kafka: batches and plans, the identity log, dead letters, attribution requests.
//!
//! Nothing else in the workspace speaks to Kafka. [`GroupConsumer`] reads topics as a member of a group, in one thread
//! that polls, commits and does nothing else, so that no rebalance ever waits; what to read, when to pause and what to
//! commit is decided elsewhere and reaches it through a [`ConsumerHandle`]. [`Follower`] reads the identity log by
//! itself, so that a batch may wait for the graph and never the reverse.

#![deny(unsafe_code)]

mod admin;
mod backoff;
mod config;
mod consumer;
mod error;
mod identity_log;
mod lag;
mod log;
#[allow(unsafe_code, reason = "what the rdkafka crate does not offer; see its first lines")]
mod native;
mod outbox;
mod plan;
mod registry;
mod sender;
mod snapshot_topic;

pub use admin::{Admin, TopicInfo};
pub use config::KafkaConfig;
pub use consumer::{Committed, ConsumerEvent, ConsumerHandle, ConsumerLimits, Epoch, GroupConsumer, PartitionId};
pub use error::{Result, StreamError};
pub use identity_log::{Follower, LogApplier, LogProducer, RulesEntry};
pub use outbox::{DeadLetterProducer, Message, Producer, ProducerLimits, RequestProducer};
pub use plan::Plan;
pub use registry::{RegistryConfig, SchemaRegistry};
pub use snapshot_topic::{Manifest, PublishedSnapshot, SnapshotTopic};
