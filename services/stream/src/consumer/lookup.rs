//! Looks up what an assignment needs to know, on a thread of its own so that the polling one never waits.

use rdkafka::consumer::{BaseConsumer, Consumer};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::thread;
use std::time::Duration;

use super::handle::Request;
use super::{Committed, Epoch, PartitionId};
use crate::admin;
use crate::backoff::Backoff;
use crate::log::LogContext;
use crate::{Result, StreamError, TopicInfo, native};

const WAIT: Duration = Duration::from_secs(10);

/// What was found out about a partition.
pub(super) struct Found {
    pub(super) partition: PartitionId,
    pub(super) epoch: Epoch,
    /// An error ends the consumer: the topic is not what it was.
    pub(super) result: Result<Position>,
}

/// What `Assigned` tells.
pub(super) struct Position {
    pub(super) committed: Option<Committed>,
    pub(super) low: i64,
    pub(super) high: i64,
}

/// Looks up until the sender of `assigned` is dropped. Every entry of it is one assignment's partitions.
pub(super) fn run(
    consumer: &BaseConsumer<LogContext>,
    topics: &Arc<[TopicInfo]>,
    assigned: &Receiver<Vec<(PartitionId, Epoch)>>,
    found: &Sender<Request>,
    wake: impl Fn(),
    ended: &AtomicBool,
) {
    while let Ok(partitions) = assigned.recv() {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
        let results = loop {
            if ended.load(Ordering::Relaxed) {
                return;
            }
            match look_up(consumer, topics, &partitions) {
                Err(error) if !is_final(&error) => {
                    tracing::warn!(%error, "cannot look up newly assigned partitions yet");
                    thread::sleep(backoff.next_delay());
                }
                results => break results,
            }
        };
        match results {
            Ok(results) => {
                for ((partition, epoch), position) in partitions.into_iter().zip(results) {
                    // Nobody listens any more once the consumer has ended.
                    let _ = found.send(Request::LookedUp(Found { partition, epoch, result: Ok(position) }));
                }
            }
            Err(error) => {
                if let Some((partition, epoch)) = partitions.first().copied() {
                    let _ = found.send(Request::LookedUp(Found { partition, epoch, result: Err(error) }));
                }
            }
        }
        wake();
    }
}

/// Whether the topic is no longer what this process was started for.
fn is_final(error: &StreamError) -> bool {
    matches!(error, StreamError::TopicRecreated { .. } | StreamError::PartitionsAdded { .. })
}

fn look_up(
    consumer: &BaseConsumer<LogContext>,
    topics: &Arc<[TopicInfo]>,
    partitions: &[(PartitionId, Epoch)],
) -> Result<Vec<Position>> {
    let topic = |partition: &PartitionId| &topics[usize::from(partition.topic_index)];
    let mut names: Vec<&str> = partitions.iter().map(|(partition, _)| &*topic(partition).name).collect();
    names.sort_unstable();
    names.dedup();
    for now in admin::describe(consumer.client(), &names, WAIT)? {
        let before = topics.iter().find(|topic| topic.name == now.name);
        let Some(before) = before else { continue };
        if before.id != now.id {
            return Err(StreamError::TopicRecreated { name: now.name.to_string() });
        }
        if before.partitions != now.partitions {
            return Err(StreamError::PartitionsAdded { name: now.name.to_string(), before: before.partitions });
        }
    }
    let named: Vec<(&str, i32)> = partitions.iter().map(|(p, _)| (&*topic(p).name, p.partition)).collect();
    let committed = native::committed(consumer.client(), &named, WAIT)?;
    named
        .iter()
        .zip(committed)
        .map(|((topic, partition), committed)| {
            let (low, high) = consumer
                .client()
                .fetch_watermarks(topic, *partition, WAIT)
                .map_err(StreamError::kafka("read the ends of a partition"))?;
            Ok(Position { committed, low, high })
        })
        .collect()
}
