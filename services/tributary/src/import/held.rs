//! Which rows ClickHouse holds already.
//!
//! Asked once, for the period that the files cover: a pass over the months in question. Asking for each row instead is
//! a pass over every row ever stored for each few thousand.

use jiff::Timestamp;
use schemas::Source;
use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use store::{HeldSlice, Store};

use super::apply::when;
use super::mapping::Mapping;
use super::progress::Progress;
use super::reader::RowReader;
use super::record::{ID_PREFIX, first_16};

/// What stands for an event id of a source in memory.
pub(crate) fn id_hash(source: Source, event_id: &str) -> u128 {
    first_16(blake3::hash(format!("{source} {event_id}").as_bytes()))
}

/// Event ids of the files' sources and period that are stored or rejected. `ahead_ms`: how far ahead of its receipt an
/// event may claim to be; it is stored under its receipt time then.
pub(crate) async fn held(
    store: &Store,
    mapping: &Mapping,
    files: &[PathBuf],
    ahead_ms: i64,
    progress: &mut Progress,
) -> anyhow::Result<HashSet<u128>> {
    let mut found = HashSet::new();
    let mut filled = Vec::new();
    for source in mapping.sources() {
        if holds_any(store, source).await? {
            filled.push(source);
        }
    }
    // Nothing there, nothing to look for: a first import need not read its files twice.
    if filled.is_empty() {
        return Ok(found);
    }
    let own_ids = mapping.fields.iter().any(|(path, _)| path == "event_id");
    let prefix = if own_ids { "" } else { ID_PREFIX };
    for (source, (from, to)) in periods(mapping, files, progress)? {
        if !filled.contains(&source) {
            continue;
        }
        let from_ms = from.as_millisecond().saturating_sub(ahead_ms);
        let slice = HeldSlice { source, from_ms, to_ms: to.as_millisecond(), prefix };
        found.extend(store.held_event_ids(&slice, |id| id_hash(source, id)).await?);
    }
    Ok(found)
}

async fn holds_any(store: &Store, source: Source) -> anyhow::Result<bool> {
    let primary = match source {
        Source::AdSpend => "SELECT 1 FROM ad_spend LIMIT 1",
        _ => "SELECT 1 FROM events WHERE source = {source:String} LIMIT 1",
    };
    let sql = format!(
        "SELECT * FROM ({primary} UNION ALL SELECT 1 FROM dead_letters WHERE source = {{source:String}} LIMIT 1)"
    );
    Ok(!store.query_text(&sql, "TabSeparated", &[("source", source.as_str())]).await?.is_empty())
}

/// First and last time of each source's rows.
fn periods(
    mapping: &Mapping,
    files: &[PathBuf],
    progress: &mut Progress,
) -> anyhow::Result<BTreeMap<Source, (Timestamp, Timestamp)>> {
    let mut periods = BTreeMap::new();
    let mut bytes_before = 0;
    for path in files {
        let mut reader = RowReader::open(path, mapping)?;
        let mut rows: u64 = 0;
        while let Some(row) = reader.next() {
            rows += 1;
            if rows.is_multiple_of(10_000) {
                progress.at(bytes_before + reader.bytes_read(), || "looking at times".to_owned());
            }
            let Some((source, instant)) = row.ok().and_then(|row| when(mapping, &row.row)) else { continue };
            let (from, to) = periods.entry(source).or_insert((instant, instant));
            *from = instant.min(*from);
            *to = instant.max(*to);
        }
        bytes_before += reader.bytes_read();
    }
    Ok(periods)
}
