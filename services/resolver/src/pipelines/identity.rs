//! `identity.log` → wait for the graph → read its state → store → `identity_map`, `identity_links`,
//! `identity_conflicts`. At least once, idempotent by version.

use ::identity::Graph;
use schemas::{RawBatch, RawRecord};
use std::sync::Arc;
use store::Store;
use stream::{Follower, RequestProducer};

use super::log_entry::{self, Entry};
use super::requests;
use crate::Result;
use crate::dictionary::DictionaryReloader;
use crate::engine::{Assignment, Pipeline, SendMode};
use crate::metrics::{Recorder, Stage};

/// Components read from the graph at once.
const COMPONENTS_AT_ONCE: usize = 50_000;

/// The identity pipeline.
pub(crate) struct IdentityMap {
    pub(crate) graph: Arc<Graph>,
    pub(crate) follower: Follower,
    pub(crate) store: Store,
    pub(crate) requests: RequestProducer,
    pub(crate) dictionary: DictionaryReloader,
    pub(crate) recorder: Recorder,
}

/// Every component that changed up to this version is in `identity_map`.
#[derive(Default)]
pub(crate) struct Written {
    up_to: u64,
}

impl Pipeline for IdentityMap {
    type State = Written;
    type Prepared = Vec<Entry>;
    const NAME: &'static str = "identity";

    fn decision_hash(&self) -> Option<u64> {
        None
    }

    async fn open(&self, _: &Assignment, next: i64, _: i64) -> Result<Written> {
        // A crash may have come between the map and the dictionary.
        self.dictionary.ask(next.unsigned_abs());
        Ok(Written::default())
    }

    async fn prepare(&self, raw: RawBatch, _: bool) -> Result<(Vec<Entry>, Vec<RawRecord>)> {
        let entries: Result<Vec<_>> = raw.records.iter().map(|record| log_entry::decode(&raw, record)).collect();
        Ok((entries?, Vec::new()))
    }

    async fn process(&self, written: &mut Written, entries: Vec<Entry>, _: SendMode) -> Result<()> {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            return Ok(());
        };
        let _timer = self.recorder.time(Stage::Map);
        self.follower.wait_applied(last.offset).await?;
        // Types are only ever added: the newest rules name those of older entries, too.
        let hasher = self.graph.hasher();
        self.store.write_links(&log_entry::links(&entries, &hasher)).await?;
        self.store.write_commands(&log_entry::commands(&entries, &hasher)).await?;
        let conflicts = self.graph.conflicts_in(first.offset..=last.offset);
        self.store.write_conflicts(&log_entry::conflicts(&entries, conflicts, &hasher)).await?;
        // From state, not from the messages: a replica that is ahead of the store loses nothing.
        let mut version = u64::try_from(first.offset).unwrap_or(0).max(written.up_to);
        loop {
            let changes = self.graph.changed_since(version, COMPONENTS_AT_ONCE);
            self.store.write_identity_map(&log_entry::map_rows(&changes.components)).await?;
            self.requests.send(&requests::of_changes(&changes.components)).await?;
            version = changes.complete_to;
            written.up_to = version;
            if changes.caught_up {
                break;
            }
        }
        self.dictionary.ask(written.up_to);
        self.recorder.plain_batch();
        Ok(())
    }
}
