//! The squash: stored rows take the customer that is known now, for readers of the raw tables.
//!
//! One process squashes: the owner of the identity log's partition. Two that both believe to be the owner do no harm,
//! for a row is rewritten only by knowledge newer than its own. What is done is remembered in ClickHouse after it is
//! done, so that a pass that was interrupted is repeated.

use identity::{Component, Graph};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use store::{SquashProgress, SquashRow, Store};
use stream::{Admin, Follower, TopicInfo};

use crate::dictionary::DictionaryReloader;
use crate::metrics::name;
use crate::{Result, Shutdown, SquashConfig};

/// What a pass needs.
pub(crate) struct Squasher {
    pub(crate) config: SquashConfig,
    pub(crate) admin: Admin,
    pub(crate) store: Store,
    pub(crate) graph: Arc<Graph>,
    pub(crate) follower: Follower,
    pub(crate) dictionary: DictionaryReloader,
    pub(crate) log_topic: TopicInfo,
    /// The identity pipeline's consumer group, by its full name.
    pub(crate) group: String,
    /// Partitions of the identity log that this process owns.
    pub(crate) owned: Arc<AtomicUsize>,
    pub(crate) shutdown: Shutdown,
}

impl Squasher {
    /// A pass every now and then, until a stop. A pass that fails is tried again with the next.
    pub(crate) async fn run(self) {
        let interval = Duration::from_secs(self.config.interval_secs);
        let pass = async {
            loop {
                tokio::time::sleep(interval).await;
                if self.owned.load(Ordering::Relaxed) == 0 {
                    continue;
                }
                if let Err(error) = self.pass().await {
                    tracing::warn!(%error, "the squash did not end, trying again");
                }
            }
        };
        tokio::select! {
            () = pass => {}
            () = self.shutdown.stopping() => {}
        }
    }

    async fn pass(&self) -> Result<()> {
        let begun_ms = self.store.server_time_ms().await?;
        let committed = self.admin.committed(&self.group, &self.log_topic.name, 1).await?;
        let Some(next) = committed.into_iter().flatten().next().map(|committed| committed.offset) else {
            return Ok(());
        };
        // The map holds every change below the commit. Raw rows must not say what the views do not say yet.
        let target = next.unsigned_abs();
        self.dictionary.ask(target);
        let mut loaded = self.dictionary.loaded();
        // An error means that this process is ending.
        let _ = loaded.wait_for(|loaded| *loaded >= target).await;
        self.follower.wait_applied(next - 1).await?;
        let mut progress = self.store.squash_progress().await?;
        let changed = self.squash_changed(&mut progress, target).await?;
        let late = self.squash_late(progress.swept_to_ms, target).await?;
        progress.swept_to_ms = begun_ms;
        self.store.remember_squash(progress).await?;
        if changed + late > 0 {
            tracing::info!(changed, late, version = progress.version, "squashed the rows of these keys");
        }
        metrics::counter!(name::SQUASHED_KEYS).increment((changed + late) as u64);
        #[expect(clippy::cast_precision_loss, reason = "a metric is a double")]
        metrics::gauge!(name::SQUASH_VERSION).set(progress.version as f64);
        Ok(())
    }

    /// The rows of every component that changed in (progress, target]. One that changed again since comes with the next
    /// pass, whole.
    async fn squash_changed(&self, progress: &mut SquashProgress, target: u64) -> Result<usize> {
        let mut keys = 0;
        while progress.version < target {
            let changes = self.graph.changed_since(progress.version, self.config.max_keys);
            let settled = changes.components.iter().filter(|component| component.version <= target);
            let rows: Vec<SquashRow> = settled.flat_map(rows_of).collect();
            self.squash(&rows, target).await?;
            keys += rows.len();
            progress.version = if changes.caught_up { target } else { changes.complete_to.min(target) };
            self.store.remember_squash(*progress).await?;
        }
        Ok(keys)
    }

    /// The rows that were resolved before a change and stored after its pass.
    async fn squash_late(&self, stored_after_ms: i64, target: u64) -> Result<usize> {
        let mut keys = 0;
        loop {
            let rows = self.store.stale_rows(stored_after_ms, target, self.config.max_keys).await?;
            if rows.is_empty() {
                return Ok(keys);
            }
            self.squash(&rows, target).await?;
            keys += rows.len();
        }
    }

    async fn squash(&self, rows: &[SquashRow], version: u64) -> Result<()> {
        for rows in rows.chunks(self.config.max_keys) {
            self.store.squash(self.config.method, rows, version).await?;
        }
        Ok(())
    }
}

fn rows_of(component: &Component) -> impl Iterator<Item = SquashRow> + '_ {
    let customer_id = component.customer_id;
    component.keys.iter().map(move |member| SquashRow { identity_key: member.key, customer_id })
}
