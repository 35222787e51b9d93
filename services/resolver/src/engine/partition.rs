//! One partition, from being dealt to this process until it is taken away.

use schemas::{RawBatch, RawRecord, Source};
use std::sync::Arc;
use std::time::Instant;
use stream::{Committed, ConsumerHandle, Epoch, PartitionId, Plan};
use tokio::sync::mpsc::UnboundedReceiver;

use super::collector::{Collector, Range};
use super::pipeline::{self, Assignment, Pipeline, SendMode};
use super::{GroupSettings, Limits};
use crate::failpoint;
use crate::{Result, Shutdown};

/// What the consumer's thread has read for this partition.
#[derive(Debug)]
pub(crate) enum Inbound {
    Records(Vec<RawRecord>, usize),
    Eof(i64),
}

/// Everything one partition's task needs.
pub(crate) struct PartitionTask<P: Pipeline> {
    pub(crate) pipeline: Arc<P>,
    pub(crate) consumer: ConsumerHandle,
    pub(crate) assignment: Assignment,
    pub(crate) epoch: Epoch,
    pub(crate) committed: Option<Committed>,
    pub(crate) low: i64,
    pub(crate) inbox: UnboundedReceiver<Inbound>,
    pub(crate) shutdown: Shutdown,
    pub(crate) settings: GroupSettings,
}

/// A running partition: what it holds between two batches.
struct Running<P: Pipeline> {
    task: PartitionTask<P>,
    collector: Collector,
    /// Loaded with the first batch, because what must be loaded depends on its first record's append time.
    state: Option<P::State>,
    /// End of a finished batch whose commit has not been made, so that it can ride on the next announcement.
    finished: Option<i64>,
}

impl<P: Pipeline> PartitionTask<P> {
    /// Replays what was announced, then goes on with new batches until told to stop. Ends early, without an error, when
    /// the partition was taken away.
    pub(crate) async fn run(self) -> Result<()> {
        match self.run_to_end().await {
            Err(error) if error.is_not_assigned() => Ok(()),
            other => other,
        }
    }

    async fn run_to_end(self) -> Result<()> {
        let (next, plan) = self.resume_point()?;
        let limits = self.settings.limits;
        self.consumer.start(self.id(), self.epoch, next);
        let collector = Collector::new(next, limits);
        let mut running = Running { task: self, collector, state: None, finished: None };
        if let Some(plan) = plan {
            running.replay(plan).await?;
        }
        running.go_on().await
    }

    fn id(&self) -> PartitionId {
        PartitionId { topic_index: self.assignment.topic_index, partition: self.assignment.partition }
    }

    /// Where to begin, and what was announced there. A plan for a topic of another id is void: the topic was recreated.
    fn resume_point(&self) -> Result<(i64, Option<Plan>)> {
        let Some(committed) = &self.committed else {
            return Ok((self.low, None));
        };
        let offset = committed.offset.max(self.low);
        match Plan::decode(&committed.metadata, committed.offset)? {
            Some(plan) if plan.topic_id == self.assignment.topic.id => Ok((offset, Some(plan))),
            Some(plan) => {
                tracing::warn!(
                    topic = %self.assignment.topic.name, partition = self.assignment.partition,
                    announced = %plan.topic_id, now = %self.assignment.topic.id,
                    "the topic was recreated: starting at its beginning"
                );
                Ok((self.low, None))
            }
            None => Ok((offset, None)),
        }
    }
}

impl<P: Pipeline> Running<P> {
    async fn replay(&mut self, plan: Plan) -> Result<()> {
        if self.task.pipeline.decision_hash().is_none() {
            return Ok(());
        }
        // Where retention has taken the announced batch's beginning, its boundaries are no longer those of its tokens.
        let is_whole = self.task.committed.as_ref().is_some_and(|committed| committed.offset >= self.task.low);
        let mode = |decision_hash: u64| match plan.decision_hash == decision_hash && is_whole {
            true => SendMode::Replay,
            false => SendMode::Fill { decision_hash },
        };
        // An end below the log's beginning was lost to retention: there is nothing left to replay.
        let mut ends = plan.ends.iter().copied().filter(|end| *end > self.task.low).collect::<Vec<_>>().into_iter();
        while let Some(end) = ends.next() {
            while !self.collector.covers(end) {
                if !self.receive(None).await {
                    return Ok(());
                }
                // A planned range may be larger than the buffer: give it back at once, or it would never be covered.
                self.release_waiting();
            }
            let range = self.collector.cut_at(end);
            tracing::info!(
                topic = %self.task.assignment.topic.name, partition = self.task.assignment.partition,
                first = range.first, end, records = range.records.len(), "replaying an announced batch"
            );
            if !range.records.is_empty() {
                let (prepared, _) = self.prepare(range, false).await?;
                let send = mode(self.task.pipeline.decided_under(&prepared).unwrap_or_default());
                self.process(prepared, send).await?;
            }
            // The rest stays announced under the rules it was announced under: it may hold blocks of those.
            self.commit(end, Some(plan.decision_hash), ends.as_slice()).await?;
        }
        Ok(())
    }

    async fn go_on(&mut self) -> Result<()> {
        while self.wait_for_batch().await? {
            let Some(range) = self.collector.cut() else {
                continue;
            };
            let (first, mut end) = (range.first, range.end);
            let (prepared, tail) = self.prepare(range, true).await?;
            end = tail.first().map_or(end, |record| record.offset);
            self.collector.put_back(tail, Instant::now());
            let decision_hash = self.task.pipeline.decided_under(&prepared);
            if decision_hash.is_some() {
                self.commit(first, decision_hash, &[end]).await?;
                failpoint("engine.after_plan");
            }
            self.process(prepared, SendMode::First).await?;
            failpoint("engine.before_end");
            self.finished = Some(end);
        }
        self.commit_finished().await
    }

    /// Waits until a batch is due. False when there will be none: a graceful stop, or the partition is gone.
    async fn wait_for_batch(&mut self) -> Result<bool> {
        loop {
            if self.task.shutdown.is_stopping() {
                return Ok(false);
            }
            if self.collector.is_due(Instant::now()) {
                // A pipeline that announces its batches commits this end together with the next announcement.
                if self.task.pipeline.decision_hash().is_none() {
                    self.commit_finished().await?;
                }
                return Ok(true);
            }
            self.commit_finished().await?;
            if !self.receive(self.collector.due_at()).await {
                return Ok(false);
            }
        }
    }

    /// Takes in what the consumer has read. False when the partition is gone or a stop was asked for.
    async fn receive(&mut self, until: Option<Instant>) -> bool {
        let deadline = async {
            match until {
                Some(until) => tokio::time::sleep_until(until.into()).await,
                None => std::future::pending().await,
            }
        };
        let first = tokio::select! {
            inbound = self.task.inbox.recv() => inbound,
            () = deadline => return true,
            () = self.task.shutdown.stopping() => return false,
        };
        let Some(first) = first else { return false };
        self.take_in(first);
        while let Ok(more) = self.task.inbox.try_recv() {
            self.take_in(more);
        }
        true
    }

    fn take_in(&mut self, inbound: Inbound) {
        match inbound {
            Inbound::Records(records, bytes) => self.collector.push(records, bytes, Instant::now()),
            Inbound::Eof(position) => self.collector.reached(position),
        }
    }

    fn release_waiting(&mut self) {
        let bytes = self.collector.release();
        self.task.consumer.consumed(self.task.id(), self.task.epoch, bytes);
    }

    /// Runs the stages without state and, with the first batch, loads the state.
    async fn prepare(&mut self, range: Range, may_cut: bool) -> Result<(P::Prepared, Vec<RawRecord>)> {
        let Range { first, end, records, released_bytes } = range;
        self.task.consumer.consumed(self.task.id(), self.task.epoch, released_bytes);
        if self.state.is_none() {
            let append_ms = records.first().map_or(0, |record| record.append_time_ms);
            self.state = Some(self.task.pipeline.open(&self.task.assignment, first, append_ms).await?);
        }
        let topic = &self.task.assignment.topic;
        let batch = RawBatch {
            source: self.task.assignment.source,
            topic: Arc::clone(&topic.name),
            topic_id: topic.id,
            partition: self.task.assignment.partition,
            first,
            end,
            records,
        };
        self.task.pipeline.prepare(batch, may_cut).await
    }

    async fn process(&mut self, prepared: P::Prepared, send: SendMode) -> Result<()> {
        let Some(state) = self.state.as_mut() else {
            return Ok(());
        };
        self.task.pipeline.process(state, prepared, send).await
    }

    async fn commit_finished(&mut self) -> Result<()> {
        match self.finished.take() {
            Some(end) => self.commit(end, self.task.pipeline.decision_hash(), &[]).await,
            None => Ok(()),
        }
    }

    /// Commits `offset` with the announcement of the batches that end at `ends`, if the pipeline announces any.
    async fn commit(&mut self, offset: i64, decision_hash: Option<u64>, ends: &[i64]) -> Result<()> {
        self.finished = None;
        let metadata = match decision_hash {
            Some(hash) => {
                let lease_ms = self.task.settings.lease_ms;
                pipeline::plan(self.task.assignment.topic.id, hash, lease_ms, ends.to_vec()).encode(offset)?
            }
            None => String::new(),
        };
        let mut backoff = crate::Backoff::new();
        loop {
            let sent = self.task.consumer.commit(self.task.id(), self.task.epoch, offset, metadata.clone()).await;
            match sent {
                Err(error) if error.is_retriable() => {
                    tracing::warn!(
                        topic = %self.task.assignment.topic.name, partition = self.task.assignment.partition,
                        offset, %error, "a commit was not acknowledged, trying again"
                    );
                    backoff.wait().await;
                }
                other => return Ok(other?),
            }
        }
    }
}

impl GroupSettings {
    /// Settings for a pipeline of ours.
    pub(crate) fn new(limits: Limits, lease_ms: i64, sources: Vec<Source>) -> Self {
        Self { limits, lease_ms, sources }
    }
}
