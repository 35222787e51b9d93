//! `identity.log` → wait for the graph → read its state → store → `identity_map`, `identity_links`,
//! `identity_conflicts`. At least once, idempotent by version.

use ::identity::{Component, Conflict, Graph, Hasher};
use schemas::{Command, Identifier, RawBatch, RawRecord};
use std::ops::RangeInclusive;
use std::sync::Arc;
use store::{ConflictRow, IdentityMapRow, LinkEnd, LinkRow, Store};
use stream::{Follower, RequestProducer};

use super::requests;
use crate::engine::{Assignment, Pipeline, SendMode};
use crate::metrics::{Recorder, Stage};
use crate::run::DictionaryReloader;
use crate::{ResolverError, Result};

/// Components read from the graph at once.
const COMPONENTS_AT_ONCE: usize = 50_000;

/// The identity pipeline.
pub(crate) struct IdentityMap {
    pub(crate) graph: Arc<Graph>,
    pub(crate) hasher: Arc<Hasher>,
    pub(crate) follower: Follower,
    pub(crate) store: Store,
    pub(crate) requests: RequestProducer,
    pub(crate) dictionary: DictionaryReloader,
    pub(crate) recorder: Recorder,
}

/// One message of the log.
pub(crate) struct Entry {
    offset: i64,
    append_time_ms: i64,
    commands: Vec<Command>,
}

impl Pipeline for IdentityMap {
    type State = ();
    type Prepared = Vec<Entry>;
    const NAME: &'static str = "identity";

    fn decision_hash(&self) -> Option<u64> {
        None
    }

    async fn open(&self, _: &Assignment, _: i64, _: i64) -> Result<()> {
        // A crash may have come between the map and the dictionary.
        self.dictionary.ask();
        Ok(())
    }

    async fn prepare(&self, raw: RawBatch, _: bool) -> Result<(Vec<Entry>, Vec<RawRecord>)> {
        let entries: Result<Vec<_>> = raw.records.iter().map(|record| entry(&raw, record)).collect();
        Ok((entries?, Vec::new()))
    }

    async fn process(&self, (): &mut (), entries: Vec<Entry>, _: SendMode) -> Result<()> {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(()) };
        let _timer = self.recorder.time(Stage::Map);
        self.follower.wait_applied(last.offset).await?;
        self.store.write_links(&self.links(&entries)).await?;
        self.store.write_conflicts(&self.conflicts(&entries, first.offset..=last.offset)).await?;
        // From state, not from the messages: a replica that is ahead of the store loses nothing.
        let mut version = u64::try_from(first.offset).unwrap_or(0);
        loop {
            let changes = self.graph.changed_since(version, COMPONENTS_AT_ONCE);
            self.store.write_identity_map(&map_rows(&changes.components)).await?;
            self.requests.send(&requests::of_changes(&changes.components)).await?;
            if changes.caught_up {
                break;
            }
            version = changes.complete_to;
        }
        self.dictionary.ask();
        Ok(())
    }
}

impl IdentityMap {
    /// The edges as logged, one row each.
    fn links(&self, entries: &[Entry]) -> Vec<LinkRow> {
        let mut rows = Vec::new();
        for entry in entries {
            let links = entry.commands.iter().filter_map(|command| match command {
                Command::Link { edges, provenance } => Some((edges, provenance)),
                Command::Rules { .. } => None,
            });
            let edges = links.flat_map(|(edges, provenance)| edges.iter().map(move |edge| (edge, provenance)));
            for (ordinal, (edge, provenance)) in (0..).zip(edges) {
                rows.push(LinkRow {
                    log_offset: entry.offset,
                    ordinal,
                    a: self.end(edge.hub),
                    b: self.end(edge.other),
                    source: provenance.source.clone(),
                    event_id: provenance.event_id.clone(),
                    event_time_ms: provenance.event_time_ms,
                    logged_at_ms: entry.append_time_ms,
                });
            }
        }
        rows
    }

    /// The conflicts that the graph met in these messages, each with the provenance of the command that brought it about.
    fn conflicts(&self, entries: &[Entry], offsets: RangeInclusive<i64>) -> Vec<ConflictRow> {
        let row = |conflict: Conflict| {
            let entry = entries.binary_search_by_key(&conflict.log_offset, |entry| entry.offset).ok()?;
            let Command::Link { provenance, .. } = entries[entry].commands.get(conflict.command as usize)? else {
                return None;
            };
            Some(ConflictRow {
                log_offset: conflict.log_offset,
                ordinal: conflict.ordinal,
                kind: conflict.kind.as_str().into(),
                rule: conflict.rule.as_str().into(),
                a: self.end(conflict.a),
                b: self.end(conflict.b),
                source: provenance.source.clone(),
                event_id: provenance.event_id.clone(),
                event_time_ms: provenance.event_time_ms,
                logged_at_ms: conflict.logged_at_ms,
            })
        };
        self.graph.conflicts_in(offsets).into_iter().filter_map(row).collect()
    }

    fn end(&self, identifier: Identifier) -> LinkEnd {
        LinkEnd { key: identifier.key, kind: self.hasher.type_name(identifier.kind).into() }
    }
}

fn map_rows(components: &[Component]) -> Vec<IdentityMapRow> {
    let rows = components.iter().flat_map(|component| {
        let (customer_id, version) = (component.customer_id, component.version);
        component.keys.iter().map(move |member| IdentityMapRow { identity_key: member.key, customer_id, version })
    });
    rows.collect()
}

fn entry(raw: &RawBatch, record: &RawRecord) -> Result<Entry> {
    let commands = schemas::command::decode_commands(record.payload.as_deref().unwrap_or_default());
    let commands = commands.map_err(|error| ResolverError::Undecodable {
        topic: raw.topic.to_string(),
        partition: raw.partition,
        offset: record.offset,
        detail: error.to_string(),
    })?;
    Ok(Entry { offset: record.offset, append_time_ms: record.append_time_ms, commands })
}
