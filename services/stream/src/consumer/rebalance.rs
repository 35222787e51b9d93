//! Getting and losing partitions.

use rdkafka::consumer::Consumer;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::partition::Partition;
use super::thread::Worker;
use super::{ConsumerEvent, PartitionId};
use crate::StreamError;
use crate::native::{self, Happening, Queue};

/// How long leaving the group may take.
const LEAVE: Duration = Duration::from_secs(15);

static NEXT_EPOCH: AtomicU64 = AtomicU64::new(1);

impl Worker {
    /// Takes note of new partitions and has them looked up. librdkafka is told to read none of them yet: a partition
    /// enters its assignment with the offset to begin at, so that nothing is ever fetched that is not wanted.
    pub(super) fn assign(&mut self, partitions: &[(String, i32)]) {
        let mut fresh = Vec::with_capacity(partitions.len());
        for (topic, partition) in partitions {
            let Some(id) = self.id(topic, *partition) else {
                continue;
            };
            let epoch = NEXT_EPOCH.fetch_add(1, Ordering::Relaxed);
            self.partitions.insert(id, Partition::new(epoch));
            fresh.push((id, epoch));
        }
        if let Err(error) = self.consumer.incremental_assign(&TopicPartitionList::new()) {
            return self.fail(None, StreamError::Kafka { doing: "accept an assignment", error });
        }
        if !fresh.is_empty() {
            // The other end lives as long as this one.
            let _ = self.assigned.send(fresh);
        }
    }

    pub(super) fn revoke(&mut self, partitions: &[(String, i32)]) {
        let lost = native::assignment_lost(self.consumer.client());
        let mut read = TopicPartitionList::new();
        for (topic, number) in partitions {
            let Some(id) = self.id(topic, *number) else {
                continue;
            };
            let Some(partition) = self.partitions.remove(&id) else {
                continue;
            };
            if partition.started {
                self.unpause(id, partition.paused);
                read.add_partition(topic, *number);
            }
            if partition.announced {
                self.tell(ConsumerEvent::Revoked { partition: id, epoch: partition.epoch, lost });
            }
        }
        if let Err(error) = self.consumer.incremental_unassign(&read) {
            self.fail(None, StreamError::Kafka { doing: "give partitions back", error });
        }
    }

    /// librdkafka keeps a partition's pause over assignments.
    fn unpause(&self, id: PartitionId, paused: bool) {
        if paused && let Err(error) = self.consumer.resume(&self.list(id, Offset::Invalid)) {
            tracing::warn!(%error, "cannot lift the pause of a partition that was taken away");
        }
    }

    /// Leaves the group, serving the last revoke, and tells of every partition that it is gone.
    pub(super) fn leave(&mut self, queue: &Queue) {
        let deadline = Instant::now() + LEAVE;
        match self.consumer.close_queue() {
            Ok(()) => {
                while !self.consumer.closed() && Instant::now() < deadline {
                    if let Some(event) = queue.poll(Duration::from_millis(50))
                        && let Happening::Revoke(partitions) = event.happening()
                    {
                        self.revoke(&partitions);
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "cannot leave the consumer group in order"),
        }
        for (partition, state) in self.partitions.drain().filter(|(_, state)| state.announced) {
            let _ = self.events.send(ConsumerEvent::Revoked { partition, epoch: state.epoch, lost: true });
        }
    }
}
