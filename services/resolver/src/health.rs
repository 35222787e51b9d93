//! How this process is: what `/readyz`, `/status` and `tributary status` say.

use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use stream::Follower;

use crate::engine::Stuck;
use crate::metrics::Totals;

/// One screen's worth of a resolver process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusReport {
    /// Whether it does its work.
    pub ready: bool,
    /// Why not, a sentence each.
    pub obstacles: Vec<String>,
    /// Process id.
    pub pid: u32,
    /// Partitions owned, by pipeline.
    pub partitions: Vec<(String, usize)>,
    /// Records by outcome since this process started.
    pub records: RecordTotals,
    /// The identity graph.
    pub graph: GraphReport,
}

/// Records by outcome since the process started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the outcomes of DESIGN's ST-1")]
pub struct RecordTotals {
    pub stored: u64,
    pub duplicate: u64,
    pub rejected: u64,
    pub batches: u64,
}

/// The identity graph of this process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GraphReport {
    /// Linked identifiers.
    pub identifiers: u64,
    /// Customers with more than one identifier.
    pub components: u64,
    /// Unions since the log began.
    pub merges: u64,
    /// Refusals and shares since the log began.
    pub conflicts: u64,
    /// Offset of the last message applied, -1 before the first.
    pub applied_offset: i64,
    /// Messages not applied yet.
    pub log_lag: i64,
    /// Fingerprint of the mapping, hexadecimal.
    pub fingerprint: String,
}

/// Shared by the parts of a process.
pub(crate) struct Health {
    pub(crate) caught_up: Arc<AtomicBool>,
    pub(crate) graph: Arc<identity::Graph>,
    pub(crate) follower: Follower,
    pub(crate) store: store::Store,
    pub(crate) stuck: Stuck,
    pub(crate) owned: Vec<(&'static str, Arc<AtomicUsize>)>,
    pub(crate) totals: Arc<Totals>,
}

impl Health {
    /// What keeps this process from its work, a sentence each; empty when it is ready.
    pub(crate) fn obstacles(&self) -> Vec<String> {
        let mut obstacles = Vec::new();
        if !self.caught_up.load(Ordering::Relaxed) {
            obstacles.push(format!("the identity log is being replayed, {} messages to go", self.follower.lag()));
        }
        obstacles.extend(self.follower.failure().map(|error| error.to_string()));
        obstacles.extend(self.stuck.sentences());
        let clickhouse = self.store.health().borrow().clone();
        if clickhouse.retrying > 0 {
            obstacles.push(format!("clickhouse: {}", clickhouse.last_error.unwrap_or_default()));
        }
        obstacles
    }

    /// Everything on one screen.
    pub(crate) fn report(&self) -> StatusReport {
        let obstacles = self.obstacles();
        let stats = self.graph.stats();
        let (fingerprint, applied_offset) = self.graph.fingerprint_at();
        let total = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        StatusReport {
            ready: obstacles.is_empty(),
            obstacles,
            pid: std::process::id(),
            partitions: self
                .owned
                .iter()
                .map(|(name, owned)| ((*name).to_owned(), owned.load(Ordering::Relaxed)))
                .collect(),
            records: RecordTotals {
                stored: total(&self.totals.stored),
                duplicate: total(&self.totals.duplicate),
                rejected: total(&self.totals.rejected),
                batches: total(&self.totals.batches),
            },
            graph: GraphReport {
                identifiers: stats.identifiers,
                components: stats.components,
                merges: stats.merges,
                conflicts: stats.conflicts,
                applied_offset,
                log_lag: self.follower.lag(),
                fingerprint: format!("{fingerprint:032x}"),
            },
        }
    }
}
