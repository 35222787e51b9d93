use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::Duration;
use store::SquashMethod;

/// Settings of the engine and of the three pipelines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResolverConfig {
    /// Records at which a batch is closed. The protocol wants fewer than 1,000,000.
    pub batch_max_records: usize,
    /// Payload bytes at which a batch is closed. The protocol wants less than 200 MiB.
    pub batch_max_bytes: u64,
    /// Age of its oldest record at which a batch is closed, in milliseconds.
    pub batch_max_age_ms: u64,
    /// ClickHouse partitions (months) that one batch may touch.
    pub batch_max_months: usize,
    /// Bytes that wait in memory per Kafka partition before it is paused.
    pub buffer_max_bytes: u64,
    /// CPU-bound stages that run at the same time; 0 means one per core.
    pub cpu_slots: usize,
    /// Window within which an event id is unique, in milliseconds of append time.
    pub event_id_window_ms: i64,
    /// The same window in offsets: whichever is shorter holds.
    pub event_id_window_offsets: i64,
    /// How long an announced batch is its owner's, in milliseconds.
    pub lease_ms: i64,
    /// An attribution request is answered no sooner than this after its append, in milliseconds.
    pub request_delay_ms: i64,
    /// A touch acknowledged later than this after its event time asks for attribution, in milliseconds.
    pub late_touch_ms: i64,
    /// Least time between two reloads of the identity dictionary, in milliseconds.
    pub dictionary_reload_ms: u64,
    /// How long a graceful stop waits for batches in flight, in milliseconds.
    pub stop_timeout_ms: u64,
}

impl Default for ResolverConfig {
    fn default() -> Self {
        Self {
            batch_max_records: 100_000,
            batch_max_bytes: 64 << 20,
            batch_max_age_ms: 1_000,
            batch_max_months: 50,
            buffer_max_bytes: 32 << 20,
            cpu_slots: 0,
            event_id_window_ms: 24 * 3_600_000,
            event_id_window_offsets: 20_000_000,
            lease_ms: 60_000,
            request_delay_ms: 5_000,
            late_touch_ms: 2_000,
            dictionary_reload_ms: 1_000,
            stop_timeout_ms: 30_000,
        }
    }
}

impl ResolverConfig {
    /// The age limit of a batch.
    pub(crate) fn batch_max_age(&self) -> Duration {
        Duration::from_millis(self.batch_max_age_ms)
    }

    /// Number of CPU-bound stages that may run at once.
    pub(crate) fn cpu_slots(&self) -> usize {
        match self.cpu_slots {
            0 => std::thread::available_parallelism().map_or(2, usize::from),
            slots => slots,
        }
    }

    /// Checks the bounds that the protocol relies on.
    ///
    /// # Errors
    /// Names the setting, its value and the bound.
    pub fn check(&self) -> Result<(), String> {
        let bound = |name: &str, value: u64, least: u64, most: u64| {
            if (least..=most).contains(&value) {
                Ok(())
            } else {
                Err(format!("resolver.{name} is {value}, expected {least} to {most}"))
            }
        };
        bound("batch_max_records", self.batch_max_records as u64, 1, 999_999)?;
        bound("batch_max_bytes", self.batch_max_bytes, 1 << 10, 200 << 20)?;
        bound("batch_max_age_ms", self.batch_max_age_ms, 1, 600_000)?;
        bound("batch_max_months", self.batch_max_months as u64, 1, 50)?;
        bound("buffer_max_bytes", self.buffer_max_bytes, 1 << 16, 4 << 30)?;
        bound("event_id_window_ms", self.event_id_window_ms.max(0) as u64, 0, 30 * 86_400_000)?;
        bound("event_id_window_offsets", self.event_id_window_offsets.max(0) as u64, 0, 200_000_000)?;
        bound("lease_ms", self.lease_ms.max(0) as u64, 1_000, 3_600_000)?;
        bound("request_delay_ms", self.request_delay_ms.max(0) as u64, 2_000, 600_000)?;
        bound("late_touch_ms", self.late_touch_ms.max(0) as u64, 0, 2_000)?;
        bound("dictionary_reload_ms", self.dictionary_reload_ms, 100, 3_600_000)
    }
}

/// The squash: whether and how stored rows are rewritten to carry the customer that is known now. Off by default: the
/// views resolve every row as it is read; this is for readers of the raw tables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SquashConfig {
    /// Whether to squash.
    pub enabled: bool,
    /// Least time between two passes, in seconds. Each pass costs a few statements per table.
    pub interval_secs: u64,
    /// Keys that one statement rewrites the rows of, at most.
    pub max_keys: usize,
    /// How: `lightweight` (`UPDATE`, ClickHouse 25.7 and later) or `mutation` (`ALTER TABLE … UPDATE`).
    pub method: SquashMethod,
}

impl Default for SquashConfig {
    fn default() -> Self {
        Self { enabled: false, interval_secs: 60, max_keys: 5_000, method: SquashMethod::Lightweight }
    }
}

impl SquashConfig {
    /// Checks the bounds.
    ///
    /// # Errors
    /// Names the setting, its value and the bound.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=86_400).contains(&self.interval_secs) {
            return Err(format!("squash.interval_secs is {}, expected 1 to 86400", self.interval_secs));
        }
        if !(1..=100_000).contains(&self.max_keys) {
            return Err(format!("squash.max_keys is {}, expected 1 to 100000", self.max_keys));
        }
        Ok(())
    }
}

/// The port on which a process tells how it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    /// Address of `/metrics`, `/healthz`, `/readyz` and `/status`. Loopback by default: it has no password.
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 9464)) }
    }
}
