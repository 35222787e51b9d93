//! Where edges come from: the records, as ClickHouse remembers them by log offset and pair.

use anyhow::Context;
use identity::{EdgeView, generation_key};
use schemas::Key;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;
use store::Store;

use crate::config::Config;

/// ClickHouse is only asked for what the log does not hold; without its answer there are offsets still.
const PATIENCE: Duration = Duration::from_secs(10);

/// Offsets in one query.
const OFFSETS_PER_QUERY: usize = 2_000;

/// Generations of an identifier that are tried; more are in no log but a test's.
const GENERATIONS: u8 = 32;

/// The record, or the operator, that made an edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Evidence {
    pub(super) source: String,
    pub(super) event_id: String,
    pub(super) event_time: String,
    /// What the operator wrote.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) note: String,
}

#[derive(Deserialize)]
struct LinkRow {
    log_offset: String,
    key_a: uuid::Uuid,
    key_b: uuid::Uuid,
    #[serde(flatten)]
    evidence: Evidence,
}

/// A command of an operator's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) log_offset: String,
    pub(super) command: String,
    pub(super) note: String,
    pub(super) logged_at: String,
}

/// What ClickHouse says of some edges.
#[derive(Debug, Default)]
pub(super) struct Evidences {
    by_offset: HashMap<i64, Vec<((Key, Key), Evidence)>>,
    /// Why there is none.
    pub(super) missing: Option<String>,
    /// What operators said of the identifiers asked about.
    pub(super) told: Vec<Told>,
}

impl Evidences {
    /// Asks for the edges' records, and for what operators said of these identifiers. Never fails: an explanation
    /// without the records' names is better than none.
    pub(super) async fn load(config: &Config, edges: &[EdgeView], identifiers: &[Key]) -> Self {
        let load = async {
            let store = Store::connect(&config.clickhouse).await?;
            let mut evidences = Evidences { told: told(&store, identifiers).await?, ..Evidences::default() };
            let offsets: Vec<i64> =
                edges.iter().map(|edge| edge.log_offset).collect::<BTreeSet<_>>().into_iter().collect();
            for offsets in offsets.chunks(OFFSETS_PER_QUERY) {
                for row in links(&store, offsets).await? {
                    let offset: i64 = row.log_offset.parse()?;
                    let pair = (Key(row.key_a.as_u128()), Key(row.key_b.as_u128()));
                    evidences.by_offset.entry(offset).or_default().push((pair, row.evidence));
                }
            }
            anyhow::Ok(evidences)
        };
        match tokio::time::timeout(PATIENCE, load).await {
            Ok(Ok(evidences)) => evidences,
            Ok(Err(error)) => Evidences { missing: Some(format!("{error:#}")), ..Evidences::default() },
            Err(_) => {
                let url = config.clickhouse.url_without_password();
                Evidences { missing: Some(format!("clickhouse at {url} does not answer")), ..Evidences::default() }
            }
        }
    }

    /// The record of an edge. Its ends may be of later generations than the keys that were logged.
    pub(super) fn of(&self, edge: &EdgeView) -> Option<&Evidence> {
        let logged = self.by_offset.get(&edge.log_offset)?;
        let ends = |a: Key, b: Key| is_generation_of(edge.a.key, a) && is_generation_of(edge.b.key, b);
        logged.iter().find(|((a, b), _)| ends(*a, *b) || ends(*b, *a)).map(|(_, evidence)| evidence)
    }
}

fn is_generation_of(key: Key, base: Key) -> bool {
    key == base || (1..=GENERATIONS).any(|generation| generation_key(base, generation) == key)
}

async fn links(store: &Store, offsets: &[i64]) -> anyhow::Result<Vec<LinkRow>> {
    let list: Vec<String> = offsets.iter().map(ToString::to_string).collect();
    let sql = "SELECT toString(l.log_offset) AS log_offset, l.key_a AS key_a, l.key_b AS key_b, l.source AS source, \
               l.event_id AS event_id, toString(l.event_time) AS event_time, c.note AS note \
               FROM (SELECT * FROM identity_links FINAL WHERE log_offset IN {offsets:Array(Int64)}) AS l \
               LEFT JOIN (SELECT log_offset, key_a, key_b, any(note) AS note FROM identity_commands FINAL \
                   WHERE log_offset IN {offsets:Array(Int64)} AND command = 'merge' GROUP BY log_offset, key_a, key_b) AS c \
               ON c.log_offset = l.log_offset AND c.key_a = l.key_a AND c.key_b = l.key_b";
    rows(store, sql, &[("offsets", &format!("[{}]", list.join(",")))]).await
}

async fn told(store: &Store, identifiers: &[Key]) -> anyhow::Result<Vec<Told>> {
    let list: Vec<String> = identifiers.iter().map(|key| format!("'{key}'")).collect();
    let sql = "SELECT toString(log_offset) AS log_offset, command, note, toString(logged_at) AS logged_at \
               FROM identity_commands FINAL WHERE key_a IN {keys:Array(UUID)} OR key_b IN {keys:Array(UUID)} \
               ORDER BY log_offset, ordinal";
    rows(store, sql, &[("keys", &format!("[{}]", list.join(",")))]).await
}

async fn rows<T: for<'a> Deserialize<'a>>(store: &Store, sql: &str, params: &[(&str, &str)]) -> anyhow::Result<Vec<T>> {
    let text = store.query_text(sql, "JSONEachRow", params).await?;
    text.lines()
        .map(|line| serde_json::from_str(line).context("ClickHouse answered with something that is no row"))
        .collect()
}
