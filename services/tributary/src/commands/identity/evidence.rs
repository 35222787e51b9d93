//! Where edges come from: the records, as ClickHouse remembers them by log offset and pair.

use anyhow::Context;
use identity::{Conflict, EdgeView, Hasher, generation_key};
use schemas::{Command, Identifier, Key};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;
use store::Store;

use crate::config::Config;

/// ClickHouse is only asked for what the log does not hold; without its answer there are offsets still.
const PATIENCE: Duration = Duration::from_secs(10);

/// Offsets in one query.
const OFFSETS_PER_QUERY: usize = 2_000;

/// Keys in one query.
const KEYS_PER_QUERY: usize = 2_000;

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) log_offset: String,
    pub(super) command: String,
    pub(super) note: String,
    pub(super) logged_at: String,
    /// The identifiers that it names.
    #[serde(skip)]
    about: Vec<Key>,
}

impl Told {
    pub(super) fn new(log_offset: i64, append_time_ms: i64, command: &Command) -> Self {
        let logged_at = jiff::Timestamp::from_millisecond(append_time_ms).unwrap_or_default();
        Told {
            log_offset: log_offset.to_string(),
            command: command.name().to_owned(),
            note: command.note().map(ToString::to_string).unwrap_or_default(),
            logged_at: logged_at.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string(),
            about: command.operands().map(|identifier| identifier.key).collect(),
        }
    }

    pub(super) fn is_about(&self, identifiers: &[Key]) -> bool {
        self.about.iter().any(|key| identifiers.contains(key))
    }
}

/// What a rule decided, as `identity_conflicts` has it.
#[derive(Debug, Deserialize)]
struct ConflictRow {
    log_offset: String,
    kind: String,
    rule: String,
    key_a: uuid::Uuid,
    type_a: String,
    key_b: uuid::Uuid,
    type_b: String,
}

/// What a rule decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) log_offset: i64,
    /// `refused`, `shared`, `moved` or `retired`.
    pub(super) kind: String,
    pub(super) rule: String,
    pub(super) a: Identifier,
    pub(super) b: Identifier,
}

impl From<&Conflict> for Decision {
    fn from(conflict: &Conflict) -> Self {
        Decision {
            log_offset: conflict.log_offset,
            kind: conflict.kind.as_str().to_owned(),
            rule: conflict.rule.as_str().to_owned(),
            a: conflict.a,
            b: conflict.b,
        }
    }
}

/// A pair as it was logged.
#[derive(Debug)]
struct Logged {
    pair: (Key, Key),
    evidence: Evidence,
}

/// What ClickHouse says of some edges.
#[derive(Debug, Default)]
pub(super) struct Evidences {
    by_offset: HashMap<i64, Vec<Logged>>,
    /// Why there is none.
    pub(super) missing: Option<String>,
    /// What operators said of the identifiers asked about.
    pub(super) told: Vec<Told>,
    /// What rules decided about them and about the edges that were refused.
    pub(super) decisions: Vec<Decision>,
}

/// What is asked about.
pub(super) struct Question<'a> {
    pub(super) edges: &'a [EdgeView],
    /// The identifiers, by their first keys.
    pub(super) identifiers: &'a [Key],
    /// All keys of the identifiers.
    pub(super) keys: &'a [Key],
    pub(super) hasher: &'a Hasher,
}

impl Evidences {
    /// Asks for the edges' records, and for what operators said of these identifiers beside what was read in the log.
    /// Never fails: an explanation without the records' names is better than none.
    pub(super) async fn load(config: &Config, question: Question<'_>, mut read: Vec<Told>) -> Self {
        let edges = question.edges;
        let load = async {
            let store = Store::connect(&config.clickhouse).await?;
            let mut evidences = Evidences {
                told: told(&store, question.identifiers).await?,
                decisions: decisions(&store, &question).await?,
                ..Evidences::default()
            };
            let offsets: Vec<i64> =
                edges.iter().map(|edge| edge.log_offset).collect::<BTreeSet<_>>().into_iter().collect();
            for offsets in offsets.chunks(OFFSETS_PER_QUERY) {
                for row in links(&store, offsets).await? {
                    let offset: i64 = row.log_offset.parse()?;
                    let pair = (Key(row.key_a.as_u128()), Key(row.key_b.as_u128()));
                    evidences.by_offset.entry(offset).or_default().push(Logged { pair, evidence: row.evidence });
                }
            }
            anyhow::Ok(evidences)
        };
        let mut evidences = match tokio::time::timeout(PATIENCE, load).await {
            Ok(Ok(evidences)) => evidences,
            Ok(Err(error)) => Evidences { missing: Some(format!("{error:#}")), ..Evidences::default() },
            Err(_) => {
                let url = config.clickhouse.url_without_password();
                Evidences { missing: Some(format!("clickhouse at {url} does not answer")), ..Evidences::default() }
            }
        };
        // What a snapshot replaced in the log is in ClickHouse only, the newest may be in the log only.
        let held: Vec<String> = evidences.told.iter().map(|told| told.log_offset.clone()).collect();
        read.retain(|told| !held.contains(&told.log_offset));
        evidences.told.extend(read);
        evidences.told.sort_by_key(|told| told.log_offset.parse::<i64>().unwrap_or(i64::MAX));
        evidences
    }

    /// The record of an edge. Its ends may be of later generations than the keys that were logged.
    pub(super) fn of(&self, edge: &EdgeView) -> Option<&Evidence> {
        let logged = self.by_offset.get(&edge.log_offset)?;
        let ends = |a: Key, b: Key| is_generation_of(edge.a.key, a) && is_generation_of(edge.b.key, b);
        let of_edge = |logged: &&Logged| {
            let (a, b) = logged.pair;
            ends(a, b) || ends(b, a)
        };
        logged.iter().find(of_edge).map(|logged| &logged.evidence)
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

async fn decisions(store: &Store, question: &Question<'_>) -> anyhow::Result<Vec<Decision>> {
    let dormant = question.edges.iter().filter(|edge| !edge.active).flat_map(|edge| [edge.a.key, edge.b.key]);
    let keys: BTreeSet<Key> = dormant.chain(question.keys.iter().copied()).take(KEYS_PER_QUERY).collect();
    let list: Vec<String> = keys.iter().map(|key| format!("'{key}'")).collect();
    let sql = "SELECT toString(log_offset) AS log_offset, kind, rule, key_a, type_a, key_b, type_b \
               FROM identity_conflicts FINAL WHERE key_a IN {keys:Array(UUID)} OR key_b IN {keys:Array(UUID)} \
               ORDER BY log_offset, ordinal";
    let found: Vec<ConflictRow> = rows(store, sql, &[("keys", &format!("[{}]", list.join(",")))]).await?;
    let identifier = |kind: &str, key: uuid::Uuid| Identifier {
        kind: question.hasher.rules().type_index(kind).unwrap_or(u8::MAX),
        key: Key(key.as_u128()),
    };
    let decision = |row: ConflictRow| {
        let (a, b) = (identifier(&row.type_a, row.key_a), identifier(&row.type_b, row.key_b));
        Ok(Decision { log_offset: row.log_offset.parse()?, kind: row.kind, rule: row.rule, a, b })
    };
    found.into_iter().map(decision).collect()
}

async fn rows<T: for<'a> Deserialize<'a>>(store: &Store, sql: &str, params: &[(&str, &str)]) -> anyhow::Result<Vec<T>> {
    let text = store.query_text(sql, "JSONEachRow", params).await?;
    text.lines()
        .map(|line| serde_json::from_str(line).context("ClickHouse answered with something that is no row"))
        .collect()
}
