//! Source topics → decode → identify → enrich → store → `events`, `touchpoints`, `conversions`, `ad_spend`,
//! `dead_letters`, `batches`, each record's rows exactly once.

use ::identity::{Graph, Hasher, KeyedEvent};
use enrich::{Enricher, SessionRow, SessionState};
use schemas::conversions::ConversionDefinitions;
use schemas::{RawBatch, RawRecord, Rejection, Source, Text};
use std::sync::Arc;
use store::{ExactBatch, ExactWriter, Mode, Slice, Store};
use stream::{DeadLetterProducer, Follower, LogProducer, RequestProducer};

use super::schema_table::SharedSchemas;
use super::{deduplicate, months, requests};
use crate::engine::{Assignment, Cpu, Pipeline, SendMode};
use crate::metrics::{Recorder, Stage};
use crate::window::EventIdWindow;
use crate::{ResolverConfig, Result};

/// The events pipeline.
pub(crate) struct Events {
    pub(crate) config: ResolverConfig,
    pub(crate) cluster_id: String,
    pub(crate) decision_hash: u64,
    pub(crate) cpu: Cpu,
    pub(crate) schemas: SharedSchemas,
    pub(crate) limits: decode::Limits,
    pub(crate) hasher: Arc<Hasher>,
    pub(crate) graph: Arc<Graph>,
    pub(crate) log: LogProducer,
    pub(crate) follower: Follower,
    pub(crate) type_names: Arc<[Text]>,
    pub(crate) enricher: Enricher,
    pub(crate) session_horizon_ms: i64,
    pub(crate) conversions: ConversionDefinitions,
    pub(crate) store: Store,
    pub(crate) dead_letters: DeadLetterProducer,
    pub(crate) requests: RequestProducer,
    pub(crate) recorder: Recorder,
}

/// What one partition keeps between batches: functions of its stored rows.
pub(crate) struct State {
    window: EventIdWindow,
    sessions: SessionState,
    writer: ExactWriter,
}

/// A batch whose records were decoded and whose identifiers are keys.
pub(crate) struct Prepared {
    pub(crate) raw: RawBatch,
    pub(crate) events: Vec<KeyedEvent>,
    pub(crate) rejections: Vec<Rejection>,
}

impl Pipeline for Events {
    type State = State;
    type Prepared = Prepared;
    const NAME: &'static str = "events";

    fn decision_hash(&self) -> Option<u64> {
        Some(self.decision_hash)
    }

    async fn open(&self, assignment: &Assignment, next: i64, append_ms: i64) -> Result<State> {
        let source = assignment.source;
        let (id, partition) = (assignment.topic.id, assignment.partition);
        let mut window = EventIdWindow::new(self.config.event_id_window_ms, self.config.event_id_window_offsets);
        let (min_offset, received_after_ms) = window.reaches_back_to(next, append_ms);
        let slice = Slice { topic_id: id, partition, min_offset, below_offset: next, received_after_ms };
        window.restore(self.store.load_window(source, &slice, EventIdWindow::entry).await?);
        let sessions = match source {
            Source::Web => {
                let received_after_ms = append_ms - self.session_horizon_ms;
                let rows = self.store.load_sessions(&Slice { min_offset: 0, received_after_ms, ..slice }).await?;
                SessionState::restore(rows.into_iter().map(|row| SessionRow {
                    anonymous_key: row.anonymous_key,
                    session: row.session,
                    last_append_ms: row.last_append_ms,
                }))
            }
            _ => SessionState::default(),
        };
        Ok(State { window, sessions, writer: self.store.writer(Arc::clone(&self.type_names)) })
    }

    async fn prepare(&self, raw: RawBatch, may_cut: bool) -> Result<(Prepared, Vec<RawRecord>)> {
        let _timer = self.recorder.time(Stage::Decode);
        let schemas = self.schemas.covering(&raw).await?;
        Ok(self.cpu.run(|| {
            let decoded = decode::decode(&raw, &schemas, &self.limits);
            let (events, refused) = ::identity::key_events(decoded.events, &self.hasher);
            let rejections = super::deduplicate::merge(decoded.rejections, refused);
            let most_months = if may_cut { self.config.batch_max_months } else { usize::MAX };
            months::cut(Prepared { raw, events, rejections }, most_months)
        }).await)
    }

    async fn process(&self, state: &mut State, batch: Prepared, send: SendMode) -> Result<()> {
        let Prepared { raw, events, rejections } = batch;
        let (events, duplicates) = self.cpu.run(|| deduplicate::fresh(events, &mut state.window)).await;
        self.apply_links(&events).await?;
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
            state.writer.write(Arc::clone(&batch), mode(send)).await?
        };
        let wanted = requests::of_batch(&batch, &written, self.config.late_touch_ms);
        self.requests.send(&wanted).await?;
        self.recorder.batch(&batch, &written);
        Ok(())
    }
}

impl Events {
    /// A record's own links are applied before the record is resolved.
    async fn apply_links(&self, events: &[KeyedEvent]) -> Result<()> {
        let _timer = self.recorder.time(Stage::Identify);
        let links = self.cpu.run(|| self.graph.missing_links(events)).await;
        if let Some(offset) = self.log.append(&links).await? {
            self.follower.wait_applied(offset).await?;
        }
        Ok(())
    }
}

fn mode(send: SendMode) -> Mode {
    match send {
        SendMode::First => Mode::First,
        SendMode::Replay => Mode::Replay,
        SendMode::Fill { decision_hash } => Mode::Fill { decision_hash },
    }
}
