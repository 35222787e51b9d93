use serde::{Deserialize, Serialize};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// What a record may hold at most. Part of the decision hash: another limit, another fate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Longest payload, bytes.
    pub max_payload_bytes: usize,
    /// How long before its receipt an event may have happened, ms. Wide, because imports bring years of history; what
    /// it keeps out are clocks that start in 1970.
    pub max_event_age_ms: i64,
    /// How far ahead of its receipt an event may claim to be, ms. Up to here it is taken as a clock that is fast, and
    /// set to the receipt time.
    pub max_event_ahead_ms: i64,
    /// Longest identifier or event id, bytes.
    pub max_identifier_bytes: usize,
    /// Most identifiers in one record.
    pub max_identifiers: usize,
    /// Longest event type, bytes.
    pub max_event_type_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_payload_bytes: 1 << 20,
            max_event_age_ms: 50 * 365 * DAY_MS,
            max_event_ahead_ms: DAY_MS,
            max_identifier_bytes: 256,
            max_identifiers: 32,
            max_event_type_bytes: 128,
        }
    }
}
