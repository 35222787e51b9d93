use identity::Graph;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{Archive, Directory, Result, SnapshotConfig, SnapshotFile, blocking};
use crate::metrics::name;

/// How often it is looked whether one is due.
const LOOK: Duration = Duration::from_millis(500);

/// The conflict rows of so many messages stay with the graph, where `tributary identity show` finds them at once.
const CONFLICTS_OF_MESSAGES: i64 = 1_000_000;

/// Writes a snapshot now and then.
pub(crate) struct Keeper {
    pub(crate) config: SnapshotConfig,
    pub(crate) directory: Directory,
    pub(crate) archive: Archive,
    pub(crate) graph: Arc<Graph>,
    /// Partitions of the identity log that this process writes to ClickHouse.
    pub(crate) owned: Arc<AtomicUsize>,
}

impl Keeper {
    /// Runs for as long as the process does. What goes wrong is reported, and tried again when the next one is due.
    pub(crate) async fn run(self) {
        if (self.config.every_entries, self.config.every_secs) == (0, 0) {
            return;
        }
        let (mut tried, mut at) = (self.newest_offset().max(self.graph.applied()), Instant::now());
        loop {
            tokio::time::sleep(LOOK).await;
            let applied = self.graph.applied();
            if !self.is_due(applied - tried, at.elapsed()) {
                continue;
            }
            // Another process of this machine may have written one.
            let newest = self.newest_offset();
            if !self.is_due(applied - newest, at.elapsed()) {
                (tried, at) = (newest, Instant::now());
                continue;
            }
            (tried, at) = (applied, Instant::now());
            self.forget_conflicts().await;
            match self.write().await {
                Ok(file) => self.publish(&file).await,
                Err(error) => {
                    metrics::counter!(name::SNAPSHOTS, "outcome" => "failed").increment(1);
                    tracing::warn!(%error, "no snapshot was written");
                }
            }
        }
    }

    fn is_due(&self, entries: i64, age: Duration) -> bool {
        let SnapshotConfig { every_entries, every_secs, .. } = self.config;
        let entries = u64::try_from(entries).unwrap_or(0);
        (every_entries > 0 && entries >= every_entries)
            || (every_secs > 0 && entries > 0 && age.as_secs() >= every_secs)
    }

    fn newest_offset(&self) -> i64 {
        self.directory.list().ok().and_then(|files| files.first().map(|file| file.log_offset)).unwrap_or(-1)
    }

    /// Old conflict rows are let go when ClickHouse has them.
    async fn forget_conflicts(&self) {
        let old = self.graph.applied() - CONFLICTS_OF_MESSAGES;
        if old <= 0 {
            return;
        }
        match self.archive.written_below().await {
            Ok(Some(offset)) => self.graph.forget_conflicts(offset.min(old)),
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, "how far the identity pipeline came cannot be asked"),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "metrics are doubles")]
    async fn write(&self) -> Result<SnapshotFile> {
        let (directory, graph, most) = (self.directory.clone(), Arc::clone(&self.graph), self.config.aside_max_bytes);
        let start = Instant::now();
        let (file, summary) = blocking(move || directory.write(&graph, most, now_ms())).await?;
        metrics::counter!(name::SNAPSHOTS, "outcome" => "written").increment(1);
        metrics::gauge!(name::SNAPSHOT_OFFSET).set(file.log_offset as f64);
        metrics::gauge!(name::SNAPSHOT_BYTES).set(file.bytes as f64);
        metrics::gauge!(name::SNAPSHOT_SECONDS).set(start.elapsed().as_secs_f64());
        tracing::info!(
            offset = file.log_offset,
            bytes = file.bytes,
            aside_bytes = summary.kept_aside_bytes,
            ms = start.elapsed().as_millis() as u64,
            "a snapshot of the identity graph was written"
        );
        Ok(file)
    }

    async fn publish(&self, file: &SnapshotFile) {
        if !self.config.publish || self.owned.load(Ordering::Relaxed) == 0 {
            return;
        }
        match self.archive.publish(file).await {
            Ok(published) => {
                metrics::counter!(name::SNAPSHOTS, "outcome" => "published").increment(1);
                let (offset, position) = (file.log_offset, published.snapshot.position);
                tracing::info!(offset, position, deleted = published.deleted, "a snapshot was published");
            }
            Err(error) => {
                metrics::counter!(name::SNAPSHOTS, "outcome" => "failed").increment(1);
                tracing::warn!(%error, "the snapshot was not published");
            }
        }
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
