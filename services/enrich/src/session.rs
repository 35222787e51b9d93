use rustc_hash::FxHashMap;
use schemas::{Key, Session, TouchKind};

use crate::SessionConfig;

/// What the last stored row of an anonymous key says of its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionRow {
    /// Key of the anonymous id.
    pub anonymous_key: Key,
    /// The row's session columns.
    pub session: Session,
    /// The row's receipt time: the broker's append time.
    pub last_append_ms: i64,
}

/// The sessions of one partition of the web topic.
///
/// What it holds of an anonymous key is a function of that key's last stored row, so that whoever takes the partition
/// over computes the same rows. An entry is forgotten by append time alone; the sweep that frees its memory never
/// changes an answer.
#[derive(Debug, Default)]
pub struct SessionState {
    entries: FxHashMap<Key, Entry>,
    newest_append_ms: Option<i64>,
    sweep_at: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    session: Session,
    last_append_ms: i64,
}

/// A web event as sessions see it.
pub(crate) struct Visit<'a> {
    pub(crate) anonymous_key: Key,
    pub(crate) event_id: &'a str,
    pub(crate) event_time_ms: i64,
    pub(crate) append_time_ms: i64,
    /// Hash of the campaign that led here, if one did.
    pub(crate) campaign_hash: Option<u64>,
}

impl SessionState {
    /// The state as it was after the last of these rows: one row, the last stored one that has a session, per anonymous
    /// key. Rows without a session (nil id) are passed over.
    pub fn restore(rows: impl IntoIterator<Item = SessionRow>) -> SessionState {
        let mut state = SessionState::default();
        for row in rows.into_iter().filter(|row| row.session.id != Key::NIL) {
            let entry = Entry { session: row.session, last_append_ms: row.last_append_ms };
            state.entries.insert(row.anonymous_key, entry);
            state.newest_append_ms = state.newest_append_ms.max(Some(row.last_append_ms));
        }
        state
    }

    /// Number of visitors held, for a gauge.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nobody is held.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes the next event of the partition: its session, and why it is a touch, if it is.
    ///
    /// An event joins the session when it lies within the inactivity time of either end, so that events out of order
    /// join; otherwise it starts the next one, also when it is older than the session that is held: that is a visit
    /// whose events came late or were imported backwards.
    pub(crate) fn advance(&mut self, visit: &Visit<'_>, config: &SessionConfig) -> (Session, Option<TouchKind>) {
        self.newest_append_ms = self.newest_append_ms.max(Some(visit.append_time_ms));
        self.sweep(config);
        let held = self.entries.get(&visit.anonymous_key).filter(|entry| entry.joins(visit, config));
        let hash = visit.campaign_hash;
        let (session, touch) = match held {
            Some(Entry { session, .. }) => {
                let changed = hash.is_some_and(|hash| hash != session.touch_hash);
                if changed && config.split_on_campaign {
                    (start(visit), Some(TouchKind::SessionStart))
                } else {
                    let joined = Session {
                        id: session.id,
                        started_at_ms: session.started_at_ms.min(visit.event_time_ms),
                        last_event_ms: session.last_event_ms.max(visit.event_time_ms),
                        touch_hash: hash.unwrap_or(session.touch_hash),
                    };
                    (joined, changed.then_some(TouchKind::CampaignChange))
                }
            }
            None => (start(visit), Some(TouchKind::SessionStart)),
        };
        self.entries.insert(visit.anonymous_key, Entry { session, last_append_ms: visit.append_time_ms });
        (session, touch)
    }

    /// Frees what can never be asked for again, once for every doubling. An hour is added to the horizon because append
    /// times may step back a little when a partition changes its leader.
    fn sweep(&mut self, config: &SessionConfig) {
        const FEW: usize = 4096;
        const MARGIN_MS: i64 = 3_600_000;
        if self.entries.len() < self.sweep_at.max(FEW) {
            return;
        }
        let newest = self.newest_append_ms.unwrap_or(i64::MIN);
        let oldest = newest.saturating_sub(config.horizon_ms()).saturating_sub(MARGIN_MS);
        self.entries.retain(|_, entry| entry.last_append_ms >= oldest);
        self.sweep_at = self.entries.len() * 2;
    }
}

impl Entry {
    fn joins(&self, visit: &Visit<'_>, config: &SessionConfig) -> bool {
        let remembered = visit.append_time_ms.saturating_sub(self.last_append_ms) <= config.horizon_ms();
        let earliest = self.session.started_at_ms.saturating_sub(config.inactivity_ms());
        let latest = self.session.last_event_ms.saturating_add(config.inactivity_ms());
        remembered && (earliest..=latest).contains(&visit.event_time_ms)
    }
}

fn start(visit: &Visit<'_>) -> Session {
    Session {
        id: session_id(visit.anonymous_key, visit.event_id),
        started_at_ms: visit.event_time_ms,
        last_event_ms: visit.event_time_ms,
        touch_hash: visit.campaign_hash.unwrap_or(0),
    }
}

/// A hash of the anonymous key and the first event's id, so that a replay finds the same session. Never nil.
fn session_id(anonymous_key: Key, event_id: &str) -> Key {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"tributary session 1\0");
    hasher.update(&anonymous_key.0.to_be_bytes());
    hasher.update(event_id.as_bytes());
    let mut bytes = [0; 16];
    hasher.finalize_xof().fill(&mut bytes);
    Key(u128::from_be_bytes(bytes).max(1))
}

#[cfg(test)]
mod tests;
