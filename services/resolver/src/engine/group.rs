//! Starts and stops partitions as the consumer group deals them out.

use schemas::Source;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use stream::{ConsumerEvent, ConsumerHandle, Epoch, PartitionId, StreamError, TopicInfo};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::partition::{Inbound, PartitionTask};
use super::pipeline::{Assignment, Pipeline};
use super::{Limits, Stuck};
use crate::{ResolverError, Result, Shutdown};

/// What a group's partitions have in common.
#[derive(Debug, Clone)]
pub(crate) struct GroupSettings {
    /// When a batch is closed.
    pub(crate) limits: Limits,
    /// How long an announced batch is its owner's.
    pub(crate) lease_ms: i64,
    /// What the records of each topic are, by topic index; empty for topics of our own.
    pub(crate) sources: Vec<Source>,
}

/// One pipeline on one consumer group.
pub(crate) struct Group<P: Pipeline> {
    pub(crate) pipeline: Arc<P>,
    pub(crate) consumer: ConsumerHandle,
    pub(crate) events: UnboundedReceiver<ConsumerEvent>,
    pub(crate) topics: Vec<TopicInfo>,
    pub(crate) settings: GroupSettings,
    pub(crate) shutdown: Shutdown,
    /// Partitions that this process owns now, for the status page.
    pub(crate) owned: Arc<AtomicUsize>,
    /// Partitions that cannot be read, for the status page.
    pub(crate) stuck: Stuck,
}

struct Owned {
    inbox: UnboundedSender<Inbound>,
    abort: tokio::task::AbortHandle,
}

impl<P: Pipeline> Group<P> {
    /// Runs until told to stop: then lets the batches in flight end, and leaves the group.
    pub(crate) async fn run(mut self) -> Result<()> {
        let mut owned: HashMap<(PartitionId, Epoch), Owned> = HashMap::new();
        let mut tasks: JoinSet<Result<()>> = JoinSet::new();
        loop {
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(event) => self.on_event(event, &mut owned, &mut tasks)?,
                    None => return self.ended(),
                },
                Some(ended) = tasks.join_next() => Self::on_task_end(ended)?,
                () = self.shutdown.stopping() => break,
            }
            self.owned.store(owned.len(), Ordering::Relaxed);
        }
        // Revokes are still served while the tasks end: a task whose partition is gone must not wait for anything.
        while !tasks.is_empty() {
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(event) => self.on_event(event, &mut owned, &mut tasks)?,
                    None => break,
                },
                Some(ended) = tasks.join_next() => Self::on_task_end(ended)?,
            }
        }
        self.owned.store(0, Ordering::Relaxed);
        Ok(self.consumer.close().await?)
    }

    fn ended(&self) -> Result<()> {
        if self.shutdown.is_stopping() {
            return Ok(());
        }
        Err(ResolverError::Task(format!("the consumer of the {} pipeline ended by itself", P::NAME)))
    }

    fn on_task_end(ended: Result<Result<()>, tokio::task::JoinError>) -> Result<()> {
        match ended {
            Ok(result) => result,
            Err(error) if error.is_cancelled() => Ok(()),
            Err(error) => Err(ResolverError::Task(error.to_string())),
        }
    }

    fn assignment(&self, partition: PartitionId) -> Option<Assignment> {
        let index = usize::from(partition.topic_index);
        Some(Assignment {
            topic: self.topics.get(index)?.clone(),
            topic_index: partition.topic_index,
            partition: partition.partition,
            source: self.settings.sources.get(index).copied().unwrap_or(Source::Web),
        })
    }

    fn on_event(
        &self,
        event: ConsumerEvent,
        owned: &mut HashMap<(PartitionId, Epoch), Owned>,
        tasks: &mut JoinSet<Result<()>>,
    ) -> Result<()> {
        match event {
            ConsumerEvent::Assigned { partition, epoch, committed, low, high } => {
                let Some(assignment) = self.assignment(partition) else { return Ok(()) };
                tracing::info!(
                    pipeline = P::NAME, topic = %assignment.topic.name, partition = partition.partition, epoch,
                    committed = committed.as_ref().map(|committed| committed.offset), low, high, "partition assigned"
                );
                let (inbox, receiver) = unbounded_channel();
                let task = PartitionTask {
                    pipeline: Arc::clone(&self.pipeline),
                    consumer: self.consumer.clone(),
                    assignment,
                    epoch,
                    committed,
                    low,
                    inbox: receiver,
                    shutdown: self.shutdown.clone(),
                    settings: self.settings.clone(),
                };
                owned.insert((partition, epoch), Owned { inbox, abort: tasks.spawn(task.run()) });
            }
            ConsumerEvent::Revoked { partition, epoch, lost } => {
                tracing::info!(pipeline = P::NAME, ?partition, epoch, lost, "partition taken away");
                // In-flight work is dropped at once: its announcement lets the next owner replay it.
                self.stuck.clear(P::NAME, partition);
                if let Some(gone) = owned.remove(&(partition, epoch)) {
                    gone.abort.abort();
                }
            }
            ConsumerEvent::Records { partition, epoch, records, bytes } => {
                self.stuck.clear(P::NAME, partition);
                if let Some(task) = owned.get(&(partition, epoch)) {
                    // A closed inbox means that the task has ended; its end is handled as such.
                    let _ = task.inbox.send(Inbound::Records(records, bytes));
                }
            }
            ConsumerEvent::Eof { partition, epoch, position } => {
                if let Some(task) = owned.get(&(partition, epoch)) {
                    let _ = task.inbox.send(Inbound::Eof(position));
                }
            }
            ConsumerEvent::Error { fatal: true, error, .. } => return Err(error.into()),
            // Retention took records that were not read: a person must know, and the next start begins at what is left.
            ConsumerEvent::Error {
                partition: Some(_), error: error @ StreamError::OffsetOutOfRange { .. }, ..
            } => {
                return Err(error.into());
            }
            ConsumerEvent::Error { partition: Some((partition, _)), error, .. } => {
                let topic = self.topics.get(usize::from(partition.topic_index)).map_or("", |topic| &topic.name);
                let said = format!("{topic} partition {} cannot be read: {error}", partition.partition);
                self.stuck.set(P::NAME, partition, said);
            }
            ConsumerEvent::Error { partition, error, .. } => {
                tracing::warn!(pipeline = P::NAME, ?partition, %error, "the consumer reports an error and goes on");
            }
        }
        Ok(())
    }
}
