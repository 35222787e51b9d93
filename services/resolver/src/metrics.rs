//! Every metric this process exports, and handles to them that are looked up once.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use schemas::{Reason, Source};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use store::{ExactBatch, Written};

/// Names of the metrics. Labels are given beside each.
pub(crate) mod name {
    /// Records by `source` and `outcome` (`stored`, `duplicate`, `rejected`), and `reason` for the rejected (ST-1).
    pub(crate) const RECORDS: &str = "tributary_records_total";
    /// Batches by `pipeline`.
    pub(crate) const BATCHES: &str = "tributary_batches_total";
    /// Seconds spent by one batch in a stage, by `pipeline` and `stage`.
    pub(crate) const STAGE_SECONDS: &str = "tributary_stage_seconds";
    /// Records that wait in Kafka, by `group` and `topic`.
    pub(crate) const LAG: &str = "tributary_consumer_lag_records";
    /// Partitions that this process owns, by `pipeline`.
    pub(crate) const PARTITIONS: &str = "tributary_partitions_owned";
    /// Linked identifiers in the graph.
    pub(crate) const IDENTIFIERS: &str = "tributary_identity_identifiers";
    /// Edges, by `state` (`active`, `dormant`).
    pub(crate) const EDGES: &str = "tributary_identity_edges";
    /// Unions of two customers since the log began.
    pub(crate) const MERGES: &str = "tributary_identity_merges";
    /// Links refused and identifiers shared since the log began.
    pub(crate) const CONFLICTS: &str = "tributary_identity_conflicts";
    /// Identifiers that are shared now.
    pub(crate) const SHARED: &str = "tributary_identity_shared";
    /// Bytes of the graph.
    pub(crate) const GRAPH_BYTES: &str = "tributary_identity_graph_bytes";
    /// Offset of the last log message applied (ID-1 compares fingerprints at equal offsets).
    pub(crate) const LOG_OFFSET: &str = "tributary_identity_log_offset";
    /// Messages of the log that are not applied yet.
    pub(crate) const LOG_LAG: &str = "tributary_identity_log_lag_messages";
    /// Low 48 bits of the mapping's fingerprint: a number that a double holds exactly (ID-1).
    pub(crate) const FINGERPRINT: &str = "tributary_identity_fingerprint";
    /// Snapshots by `outcome` (`written`, `published`, `failed`).
    pub(crate) const SNAPSHOTS: &str = "tributary_identity_snapshots_total";
    /// Snapshots that were passed over at the start because they are damaged or do not fit, by `kind` (`file`,
    /// `published`).
    pub(crate) const SNAPSHOTS_SKIPPED: &str = "tributary_identity_snapshots_skipped_total";
    /// Log offset of the last snapshot that this process wrote.
    pub(crate) const SNAPSHOT_OFFSET: &str = "tributary_identity_snapshot_log_offset";
    /// Its size.
    pub(crate) const SNAPSHOT_BYTES: &str = "tributary_identity_snapshot_bytes";
    /// How long writing it took.
    pub(crate) const SNAPSHOT_SECONDS: &str = "tributary_identity_snapshot_seconds";
    /// Attribution requests by `outcome` (`computed`, `no_conversion`, `forwarded`).
    pub(crate) const REQUESTS: &str = "tributary_attribution_requests_total";
    /// Keys whose rows the squash rewrote.
    pub(crate) const SQUASHED_KEYS: &str = "tributary_squash_keys_total";
    /// The squash has come up to this version of the map.
    pub(crate) const SQUASH_VERSION: &str = "tributary_squash_version";
    /// Whether this process is ready, 0 or 1.
    pub(crate) const READY: &str = "tributary_ready";
}

/// What a batch spends time on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Decode,
    Identify,
    Enrich,
    Store,
    Map,
    Attribute,
}

impl Stage {
    const ALL: [(Stage, &str); 6] = [
        (Stage::Decode, "decode"),
        (Stage::Identify, "identify"),
        (Stage::Enrich, "enrich"),
        (Stage::Store, "store"),
        (Stage::Map, "map"),
        (Stage::Attribute, "attribute"),
    ];
}

/// Totals since this process started.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) stored: AtomicU64,
    pub(crate) duplicate: AtomicU64,
    pub(crate) rejected: AtomicU64,
    pub(crate) batches: AtomicU64,
}

/// The handles of one pipeline.
#[derive(Clone)]
pub(crate) struct Recorder {
    stages: [Histogram; 6],
    batches: Counter,
    /// By source: stored, duplicate, and rejected by reason.
    records: Vec<(Counter, Counter, Vec<Counter>)>,
    requests: [Counter; 3],
    pub(crate) totals: Arc<Totals>,
}

/// Records the time until it is dropped.
pub(crate) struct Timer {
    histogram: Histogram,
    start: Instant,
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.histogram.record(self.start.elapsed().as_secs_f64());
    }
}

impl Recorder {
    pub(crate) fn new(pipeline: &'static str, totals: Arc<Totals>) -> Self {
        let stages =
            Stage::ALL.map(|(_, stage)| histogram!(name::STAGE_SECONDS, "pipeline" => pipeline, "stage" => stage));
        let outcome = |outcome| counter!(name::REQUESTS, "outcome" => outcome);
        Self {
            stages,
            batches: counter!(name::BATCHES, "pipeline" => pipeline),
            records: Source::ALL.map(outcomes).into(),
            requests: ["computed", "no_conversion", "forwarded"].map(outcome),
            totals,
        }
    }

    /// Times a stage until the returned value is dropped.
    pub(crate) fn time(&self, stage: Stage) -> Timer {
        let index = Stage::ALL.iter().position(|(each, _)| *each == stage).unwrap_or_default();
        Timer { histogram: self.stages[index].clone(), start: Instant::now() }
    }

    /// Counts the fate of every record of an acknowledged batch.
    pub(crate) fn batch(&self, batch: &ExactBatch, written: &Written) {
        self.batches.increment(1);
        self.totals.batches.fetch_add(1, Ordering::Relaxed);
        self.totals.stored.fetch_add(written.stored, Ordering::Relaxed);
        self.totals.duplicate.fetch_add(written.duplicate, Ordering::Relaxed);
        self.totals.rejected.fetch_add(written.rejected.values().sum(), Ordering::Relaxed);
        let source = batch.raw.source as usize;
        let Some((stored, duplicate, rejected)) = self.records.get(source) else {
            return;
        };
        stored.increment(written.stored);
        duplicate.increment(written.duplicate);
        for (reason, counter) in Reason::ALL.iter().zip(rejected) {
            counter.increment(written.rejected.get(reason.as_str()).copied().unwrap_or(0));
        }
    }

    /// Counts an acknowledged batch of a pipeline whose records have no fates.
    pub(crate) fn plain_batch(&self) {
        self.batches.increment(1);
    }

    /// Counts answered attribution requests.
    pub(crate) fn requests(&self, customers: usize, forwarded: usize, with_conversions: usize) {
        self.batches.increment(1);
        let computed = with_conversions.min(customers);
        self.requests[0].increment(computed as u64);
        self.requests[1].increment((customers - computed) as u64);
        self.requests[2].increment(forwarded as u64);
    }
}

fn outcomes(source: Source) -> (Counter, Counter, Vec<Counter>) {
    let source = source.as_str();
    let rejected = Reason::ALL.map(
        |reason| counter!(name::RECORDS, "source" => source, "outcome" => "rejected", "reason" => reason.as_str()),
    );
    (
        counter!(name::RECORDS, "source" => source, "outcome" => "stored"),
        counter!(name::RECORDS, "source" => source, "outcome" => "duplicate"),
        rejected.into(),
    )
}

/// The gauges of the graph.
pub(crate) struct GraphGauges {
    identifiers: Gauge,
    active: Gauge,
    dormant: Gauge,
    merges: Gauge,
    conflicts: Gauge,
    shared: Gauge,
    bytes: Gauge,
    fingerprint: Gauge,
    offset: Gauge,
    lag: Gauge,
}

impl GraphGauges {
    pub(crate) fn new() -> Self {
        Self {
            identifiers: gauge!(name::IDENTIFIERS),
            active: gauge!(name::EDGES, "state" => "active"),
            dormant: gauge!(name::EDGES, "state" => "dormant"),
            merges: gauge!(name::MERGES),
            conflicts: gauge!(name::CONFLICTS),
            shared: gauge!(name::SHARED),
            bytes: gauge!(name::GRAPH_BYTES),
            fingerprint: gauge!(name::FINGERPRINT),
            offset: gauge!(name::LOG_OFFSET),
            lag: gauge!(name::LOG_LAG),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "metrics are doubles; all of these are below 2^53 in practice")]
    pub(crate) fn set(&self, stats: &identity::Stats, fingerprint: u128, applied: i64, lag: i64) {
        const LOW_48_BITS: u128 = (1 << 48) - 1;
        self.identifiers.set(stats.identifiers as f64);
        self.active.set(stats.edges_active as f64);
        self.dormant.set(stats.edges_dormant as f64);
        self.merges.set(stats.merges as f64);
        self.conflicts.set(stats.conflicts as f64);
        self.shared.set(stats.shared as f64);
        self.bytes.set(stats.bytes as f64);
        self.fingerprint.set((fingerprint & LOW_48_BITS) as f64);
        self.offset.set(applied as f64);
        self.lag.set(lag as f64);
    }
}
