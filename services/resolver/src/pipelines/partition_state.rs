//! What the events pipeline keeps between the batches of one partition: a pure function of the rows stored below the next
//! offset, so that whoever takes the partition over computes the same rows (clause 10 of the protocol).

use ::identity::Hasher;
use enrich::{SessionRow, SessionState};
use schemas::{Source, Text};
use std::sync::Arc;
use store::{ExactWriter, Mode, Slice};

use super::events::Events;
use crate::Result;
use crate::engine::{Assignment, SendMode};
use crate::window::EventIdWindow;

/// State of one partition, and its own connection to ClickHouse.
pub(crate) struct PartitionState {
    pub(super) window: EventIdWindow,
    pub(super) sessions: SessionState,
    pub(super) writer: ExactWriter,
}

impl PartitionState {
    /// Reads the state as it was at `next`, whose record was appended at `append_ms`.
    pub(super) async fn load(events: &Events, assignment: &Assignment, next: i64, append_ms: i64) -> Result<Self> {
        let (topic_id, partition) = (assignment.topic.id, assignment.partition);
        let config = &events.config;
        let mut window = EventIdWindow::new(config.event_id_window_ms, config.event_id_window_offsets);
        let (min_offset, received_after_ms) = window.reaches_back_to(next, append_ms);
        let slice = Slice { topic_id, partition, min_offset, below_offset: next, received_after_ms };
        window.restore(events.store.load_window(assignment.source, &slice, EventIdWindow::entry).await?);
        let sessions = match assignment.source {
            Source::Web => {
                let received_after_ms = append_ms - events.session_horizon_ms;
                let rows = events.store.load_sessions(&Slice { min_offset: 0, received_after_ms, ..slice }).await?;
                SessionState::restore(rows.into_iter().map(session))
            }
            // Only a site or an app has visits.
            _ => SessionState::default(),
        };
        Ok(Self { window, sessions, writer: events.store.writer(type_names(&events.graph.hasher())) })
    }

    /// The names of identifier types as the rules in force have them: they may have added some.
    pub(super) fn name_types(&mut self, hasher: &Hasher) {
        self.writer.name_types(type_names(hasher));
    }
}

/// Names of the identifier types by their index.
fn type_names(hasher: &Hasher) -> Arc<[Text]> {
    hasher.rules().types.iter().map(|rule| rule.name.as_str().into()).collect()
}

fn session(row: store::SessionRow) -> SessionRow {
    SessionRow { anonymous_key: row.anonymous_key, session: row.session, last_append_ms: row.last_append_ms }
}

impl From<SendMode> for Mode {
    fn from(send: SendMode) -> Self {
        match send {
            SendMode::First => Mode::First,
            SendMode::Replay => Mode::Replay,
            SendMode::Fill { decision_hash } => Mode::Fill { decision_hash },
        }
    }
}
