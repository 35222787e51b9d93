use clickhouse::Row;
use schemas::{Key, Session, Source};
use serde::Deserialize;
use uuid::Uuid;

use crate::{Result, Store};

/// The stored rows of one partition that state is rebuilt from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// Kafka's id of the topic.
    pub topic_id: Uuid,
    /// Partition.
    pub partition: i32,
    /// Only rows from this offset on.
    pub min_offset: i64,
    /// Only rows below this offset.
    pub below_offset: i64,
    /// Only rows received at this time or later, ms since the epoch.
    pub received_after_ms: i64,
}

/// The event ids that an import asks for: looking at a period is one pass over its rows, looking for each id is a pass
/// over all rows for every few thousand ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldSlice<'a> {
    /// Source of the records.
    pub source: Source,
    /// Stored records that happened at this time or later, ms since the epoch.
    pub from_ms: i64,
    /// Stored records that happened at this time or earlier, ms since the epoch.
    pub to_ms: i64,
    /// Only ids that begin like this.
    pub prefix: &'a str,
}

/// The session of an anonymous visitor as of the visitor's last stored event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionRow {
    /// Key of the anonymous id.
    pub anonymous_key: Key,
    /// The session.
    pub session: Session,
    /// Append time of that event.
    pub last_append_ms: i64,
}

#[derive(Row, Deserialize)]
struct WindowRow<'a> {
    event_id: &'a str,
    offset: i64,
    received_ms: i64,
}

#[derive(Row, Deserialize)]
struct HeldRow<'a> {
    event_id: &'a str,
}

#[derive(Row, Deserialize)]
struct StoredSession {
    #[serde(with = "clickhouse::serde::uuid")]
    anonymous_key: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    id: Uuid,
    started_ms: i64,
    last_ms: i64,
    touch_hash: u64,
    received_ms: i64,
}

const IN_SLICE: &str = "topic_id = {topic_id:UUID} AND partition = {partition:Int32} \
     AND offset >= {min:Int64} AND offset < {below:Int64} \
     AND received_at >= fromUnixTimestamp64Milli({after:Int64}, 'UTC')";

impl Store {
    /// Event ids of a slice, ascending by offset, each made into an entry of the caller's window by
    /// `entry(event_id, offset, received_at_ms)`: ids are long, and a window is many.
    pub async fn load_window<T>(
        &self,
        source: Source,
        slice: &Slice,
        entry: impl Fn(&str, i64, i64) -> T,
    ) -> Result<Vec<T>> {
        let sql = format!(
            "SELECT event_id, offset, toUnixTimestamp64Milli(received_at) AS received_ms \
             FROM {} WHERE {IN_SLICE} ORDER BY offset",
            self.table(source.primary_table())
        );
        self.read("loading the event-id window", || async {
            let mut rows = self.sliced(&sql, slice).fetch::<WindowRow<'_>>()?;
            let mut entries = Vec::new();
            while let Some(row) = rows.next().await? {
                entries.push(entry(row.event_id, row.offset, row.received_ms));
            }
            Ok(entries)
        })
        .await
    }

    /// The last session of every anonymous visitor in a slice.
    pub async fn load_sessions(&self, slice: &Slice) -> Result<Vec<SessionRow>> {
        let sql = format!(
            "SELECT anonymous_key, last.1 AS id, last.2 AS started_ms, last.3 AS last_ms, \
                    last.4 AS touch_hash, last.5 AS received_ms \
             FROM (SELECT anonymous_key, argMax((session_id, toUnixTimestamp64Milli(session_started_at), \
                       toUnixTimestamp64Milli(session_last_at), session_touch_hash, \
                       toUnixTimestamp64Milli(received_at)), offset) AS last \
                   FROM {} WHERE {IN_SLICE} AND session_id != toUUID('{}') GROUP BY anonymous_key)",
            self.table("events"),
            Uuid::nil()
        );
        let rows: Vec<StoredSession> = self.read("loading sessions", || self.sliced(&sql, slice).fetch_all()).await?;
        Ok(rows.into_iter().map(SessionRow::from).collect())
    }

    /// Exclusive end of what any table holds of a partition from `committed` on: below it nothing is a first send.
    /// `received_after_ms` is the append time of the record at `committed`; without one, everything is looked at.
    pub async fn floor(
        &self,
        source: Source,
        topic_id: Uuid,
        partition: i32,
        committed: i64,
        received_after_ms: Option<i64>,
    ) -> Result<Option<i64>> {
        let primary = source.primary_table();
        let tables = ["batches", primary, "dead_letters"].map(|name| {
            format!(
                "SELECT batch_end FROM {} WHERE topic_id = {{topic_id:UUID}} AND partition = {{partition:Int32}} \
                 AND batch_end > {{min:Int64}} AND received_at >= fromUnixTimestamp64Milli({{after:Int64}}, 'UTC')",
                self.table(name)
            )
        });
        let sql = format!("SELECT count(), max(batch_end) FROM ({})", tables.join(" UNION ALL "));
        let slice = Slice {
            topic_id,
            partition,
            min_offset: committed,
            below_offset: i64::MAX,
            received_after_ms: received_after_ms.map_or(0, |ms| ms - 3_600_000),
        };
        let read = || self.sliced(&sql, &slice).fetch_one::<(u64, i64)>();
        let (rows, end) = self.read("looking for the floor", read).await?;
        Ok((rows > 0).then_some(end))
    }

    /// The event ids of a slice that are known, each made into an entry by `entry(event_id)`: stored in the period, or
    /// rejected at any time, because a rejected record may have none. An id may come more than once.
    pub async fn held_event_ids<T>(&self, slice: &HeldSlice<'_>, entry: impl Fn(&str) -> T) -> Result<Vec<T>> {
        let primary = slice.source.primary_table();
        let period = match slice.source {
            Source::AdSpend => {
                "day BETWEEN toDate(fromUnixTimestamp64Milli({from:Int64}, 'UTC')) \
                 AND toDate(fromUnixTimestamp64Milli({to:Int64}, 'UTC'))"
            }
            _ => {
                "source = {source:String} AND event_time BETWEEN fromUnixTimestamp64Milli({from:Int64}, 'UTC') \
                 AND fromUnixTimestamp64Milli({to:Int64}, 'UTC')"
            }
        };
        let conditions = [(primary, period), ("dead_letters", "source = {source:String} AND event_id != ''")];
        let mut held = Vec::new();
        for (table, condition) in conditions {
            let sql = format!(
                "SELECT event_id FROM {} WHERE {condition} AND startsWith(event_id, {{prefix:String}})",
                self.table(table)
            );
            let read = || async {
                let query = self.pool().query_raw(&sql).param("from", slice.from_ms).param("to", slice.to_ms);
                let query = query.param("source", slice.source.as_str()).param("prefix", slice.prefix);
                let mut ids = query.fetch::<HeldRow<'_>>()?;
                let mut entries = Vec::new();
                while let Some(row) = ids.next().await? {
                    entries.push(entry(row.event_id));
                }
                Ok(entries)
            };
            held.append(&mut self.read("looking for event ids", read).await?);
        }
        Ok(held)
    }

    fn sliced(&self, sql: &str, slice: &Slice) -> clickhouse::query::Query {
        self.pool()
            .query_raw(sql)
            .param("topic_id", slice.topic_id.to_string())
            .param("partition", slice.partition)
            .param("min", slice.min_offset)
            .param("below", slice.below_offset)
            .param("after", slice.received_after_ms)
    }
}

impl From<StoredSession> for SessionRow {
    fn from(row: StoredSession) -> Self {
        SessionRow {
            anonymous_key: Key(row.anonymous_key.as_u128()),
            session: Session {
                id: Key(row.id.as_u128()),
                started_at_ms: row.started_ms,
                last_event_ms: row.last_ms,
                touch_hash: row.touch_hash,
            },
            last_append_ms: row.received_ms,
        }
    }
}
