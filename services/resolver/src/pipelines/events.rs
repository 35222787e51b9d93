//! Source topics → decode → identify → enrich → store → `events`, `touchpoints`, `conversions`, `ad_spend`,
//! `dead_letters`, `batches`, each record's rows exactly once.

use ::identity::Graph;
use enrich::Enricher;
use schemas::conversions::ConversionDefinitions;
use schemas::{RawBatch, RawRecord};
use std::sync::Arc;
use store::{ExactBatch, Store};
use stream::{DeadLetterProducer, Follower, LogProducer, RequestProducer};

use super::decisions::Decisions;
use super::partition_state::PartitionState;
use super::prepared::Prepared;
use super::schema_table::SharedSchemas;
use super::{deduplicate, links, months, requests};
use crate::engine::{Assignment, Cpu, Pipeline, SendMode};
use crate::metrics::{Recorder, Stage};
use crate::{ResolverConfig, Result};

/// The events pipeline.
pub(crate) struct Events {
    pub(crate) config: ResolverConfig,
    pub(crate) cluster_id: String,
    pub(crate) decisions: Decisions,
    pub(crate) cpu: Cpu,
    pub(crate) schemas: SharedSchemas,
    pub(crate) limits: decode::Limits,
    pub(crate) graph: Arc<Graph>,
    pub(crate) log: LogProducer,
    pub(crate) follower: Follower,
    pub(crate) enricher: Enricher,
    pub(crate) session_horizon_ms: i64,
    pub(crate) conversions: ConversionDefinitions,
    pub(crate) store: Store,
    pub(crate) dead_letters: DeadLetterProducer,
    pub(crate) requests: RequestProducer,
    pub(crate) recorder: Recorder,
}

impl Pipeline for Events {
    type State = PartitionState;
    type Prepared = Prepared;
    const NAME: &'static str = "events";

    fn decision_hash(&self) -> Option<u64> {
        Some(self.decisions.under(&self.graph.hasher()))
    }

    fn decided_under(&self, prepared: &Prepared) -> Option<u64> {
        Some(prepared.decision_hash)
    }

    async fn open(&self, assignment: &Assignment, next: i64, append_ms: i64) -> Result<PartitionState> {
        PartitionState::load(self, assignment, next, append_ms).await
    }

    async fn prepare(&self, raw: RawBatch, may_cut: bool) -> Result<(Prepared, Vec<RawRecord>)> {
        let _timer = self.recorder.time(Stage::Decode);
        let schemas = self.schemas.covering(&raw).await?;
        // The log may put other rules in force at any time; a batch is decided under one.
        let hasher = self.graph.hasher();
        let decision_hash = self.decisions.under(&hasher);
        Ok(self
            .cpu
            .run(|| {
                let decoded = decode::decode(&raw, &schemas, &self.limits);
                let (events, refused) = ::identity::key_events(decoded.events, &hasher);
                let rejections = deduplicate::merge(decoded.rejections, refused);
                let most_months = if may_cut { self.config.batch_max_months } else { usize::MAX };
                months::cut(Prepared { raw, events, rejections, decision_hash }, most_months)
            })
            .await)
    }

    async fn process(&self, state: &mut PartitionState, batch: Prepared, send: SendMode) -> Result<()> {
        let Prepared { raw, events, rejections, .. } = batch;
        let (events, duplicates) = self.cpu.run(|| deduplicate::fresh(events, &mut state.window)).await;
        links::apply(self, &events).await?;
        let enriched = {
            let _timer = self.recorder.time(Stage::Enrich);
            let (graph, sessions) = (&self.graph, &mut state.sessions);
            self.cpu.run(|| self.enricher.enrich(graph.identify(events), sessions, &self.conversions)).await
        };
        self.dead_letters.send(&raw, &rejections).await?;
        let cluster_id = self.cluster_id.clone();
        let raw = Arc::new(raw);
        let batch = Arc::new(ExactBatch { cluster_id, raw, events: enriched, rejections, duplicates });
        let written = {
            let _timer = self.recorder.time(Stage::Store);
            state.name_types(&self.graph.hasher());
            state.writer.write(Arc::clone(&batch), send.into()).await?
        };
        let wanted = requests::of_batch(&batch, &written, self.config.late_touch_ms);
        self.requests.send(&wanted).await?;
        self.recorder.batch(&batch, &written);
        Ok(())
    }
}
