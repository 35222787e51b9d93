//! What ClickHouse holds of a batch: asked before anything is sent again.

use clickhouse::Row;
use clickhouse::query::Query;
use schemas::{Key, RawBatch};
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

use crate::Result;
use crate::batch::{ExactBatch, ExactTable, Place};
use crate::columns::Who;
use crate::session::{Session, only};

/// Rows may carry append times a little before that of the first record; an hour covers any broker's clock step.
const APPEND_SLACK_MS: i64 = 3_600_000;

/// What a table holds of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Held {
    /// Whole blocks, by ClickHouse partition.
    Blocks(HashSet<u32>),
    /// Single positions.
    Offsets(HashSet<i64>),
}

impl Held {
    pub(crate) fn contains(&self, place: &Place) -> bool {
        match self {
            Held::Blocks(months) => months.contains(&place.month),
            Held::Offsets(offsets) => offsets.contains(&place.offset),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Held::Blocks(months) => months.is_empty(),
            Held::Offsets(offsets) => offsets.is_empty(),
        }
    }
}

/// A row of `batches` that overlaps a batch.
#[derive(Debug, Clone, Copy, Row, Deserialize)]
pub(crate) struct Range {
    pub(crate) batch_first: i64,
    pub(crate) batch_end: i64,
}

#[derive(Row, Deserialize)]
struct Block {
    month: u32,
    batch_first: i64,
    batch_end: i64,
}

#[derive(Row, Deserialize)]
struct Reason {
    offset: i64,
    reason: String,
}

#[derive(Row, Deserialize)]
struct StoredWho {
    offset: i64,
    #[serde(with = "clickhouse::serde::uuid")]
    identity_key: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    customer_id: Uuid,
    customer_version: u64,
    generation: u8,
}

/// Blocks of exactly this batch.
pub(crate) async fn blocks(session: &Session, table: ExactTable, batch: &ExactBatch) -> Result<Held> {
    let mut held = HashSet::new();
    for block in all_blocks(session, table, batch).await? {
        if block.batch_first == batch.raw.first && block.batch_end == batch.raw.end {
            held.insert(block.month);
        }
    }
    Ok(Held::Blocks(held))
}

/// Whether any table holds rows of this range under other boundaries.
pub(crate) async fn has_other_boundaries(session: &Session, batch: &ExactBatch) -> Result<bool> {
    let own = (batch.raw.first, batch.raw.end);
    for table in ExactTable::of(batch.raw.source) {
        let blocks = all_blocks(session, *table, batch).await?;
        if blocks.iter().any(|block| (block.batch_first, block.batch_end) != own) {
            return Ok(true);
        }
    }
    // A range of nothing but duplicates shows in `batches` alone.
    let ranges = finished_ranges(session, batch).await?;
    Ok(ranges.iter().any(|range| (range.batch_first, range.batch_end) != own))
}

/// Positions of this range that a table holds.
pub(crate) async fn offsets(session: &Session, table: ExactTable, batch: &ExactBatch) -> Result<HashSet<i64>> {
    let sql = format!("SELECT offset FROM {} WHERE {IN_RANGE}", session.table(table.name()));
    let query = in_range(session.client().query_raw(&sql), batch);
    let doing = format!("asking {} for positions", table.name());
    Ok(session.run(&doing, query.fetch_all::<i64>()).await?.into_iter().collect())
}

/// Rejected positions of this range, with their reasons.
pub(crate) async fn reasons(session: &Session, batch: &ExactBatch) -> Result<HashMap<i64, String>> {
    let table = session.table("dead_letters");
    let sql = format!("SELECT offset, toString(reason) AS reason FROM {table} WHERE {IN_RANGE}");
    let query = in_range(session.client().query_raw(&sql), batch);
    let rows = session.run("asking dead_letters for positions", query.fetch_all::<Reason>()).await?;
    Ok(rows.into_iter().map(|row| (row.offset, row.reason)).collect())
}

/// Ranges of `batches` that overlap this one: every row of their positions has been acknowledged.
pub(crate) async fn finished_ranges(session: &Session, batch: &ExactBatch) -> Result<Vec<Range>> {
    // A batch that began earlier has an earlier append time, so the usual bound would hide it.
    let sql = format!(
        "SELECT batch_first, batch_end FROM {} WHERE topic_id = {{topic_id:UUID}} AND partition = {{partition:Int32}} \
         AND batch_first < {{end:Int64}} AND batch_end > {{first:Int64}}",
        session.table("batches")
    );
    let query = in_range(session.client().query_raw(&sql), batch);
    session.run("asking batches for ranges", query.fetch_all::<Range>()).await
}

/// The identity columns of the rows of this range that `events` holds.
pub(crate) async fn identities(session: &Session, batch: &ExactBatch) -> Result<HashMap<i64, Who>> {
    let sql = format!(
        "SELECT offset, identity_key, customer_id, customer_version, generation FROM {} WHERE {IN_RANGE}",
        session.table("events")
    );
    let query = in_range(session.client().query_raw(&sql), batch);
    let rows = session.run("reading stored identities", query.fetch_all::<StoredWho>()).await?;
    let who = |row: StoredWho| Who {
        identity_key: Key(row.identity_key.as_u128()),
        customer_id: Key(row.customer_id.as_u128()),
        customer_version: row.customer_version,
        generation: row.generation,
    };
    Ok(rows.into_iter().map(|row| (row.offset, who(row))).collect())
}

/// Whether an insert with this token is still running, on whichever connection.
pub(crate) async fn is_running(session: &Session, token: &str) -> Result<bool> {
    let sql = "SELECT count() FROM system.processes WHERE Settings['log_comment'] = {token:String}";
    let query = session.client().query_raw(sql).param("token", token);
    Ok(session.run("asking for running inserts", only::<u64>(query)).await? > 0)
}

/// `partition` holds rows whose offset lies in the batch's range; the bound on `received_at` keeps it to recent parts.
const IN_RANGE: &str = "topic_id = {topic_id:UUID} AND partition = {partition:Int32} \
     AND offset >= {first:Int64} AND offset < {end:Int64} \
     AND received_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')";

async fn all_blocks(session: &Session, table: ExactTable, batch: &ExactBatch) -> Result<Vec<Block>> {
    let sql = format!(
        "SELECT DISTINCT toUInt32(_partition_id) AS month, batch_first, batch_end FROM {} WHERE {IN_RANGE}",
        session.table(table.name())
    );
    let query = in_range(session.client().query_raw(&sql), batch);
    let doing = format!("asking {} for blocks", table.name());
    session.run(&doing, query.fetch_all::<Block>()).await
}

fn in_range(query: Query, batch: &ExactBatch) -> Query {
    let raw: &RawBatch = &batch.raw;
    query
        .param("topic_id", raw.topic_id.to_string())
        .param("partition", raw.partition)
        .param("first", raw.first)
        .param("end", raw.end)
        .param("since", batch.first_append_ms() - APPEND_SLACK_MS)
}
