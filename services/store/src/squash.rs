//! The squash: stored rows take the customer that is known now, for readers of the raw tables. Idempotent: a row is
//! rewritten only by knowledge that is newer than its own.

use clickhouse::Row;
use schemas::Key;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use uuid::Uuid;

use crate::failpoint::failpoint;
use crate::{Error, Result, Store};

/// Tables whose rows carry the customer as known at ingestion.
const TABLES: [&str; 3] = ["events", "touchpoints", "conversions"];

/// Bytes of a statement that one key takes, at most: it stands in it twice, its customer once.
const KEY_BYTES: usize = 3 * 40;

/// How rows are rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SquashMethod {
    /// `UPDATE`: writes the changed cells beside the rows (patch parts); they are merged in with the next merge. From
    /// ClickHouse 25.7 on.
    #[default]
    Lightweight,
    /// `ALTER TABLE … UPDATE`: writes the changed columns of whole parts anew. For servers without the other.
    Mutation,
}

/// A key and the customer that its rows shall carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SquashRow {
    /// What the rows are stored under.
    pub identity_key: Key,
    /// Their customer.
    pub customer_id: Key,
}

/// How far the squash has come; what ClickHouse remembers between two processes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SquashProgress {
    /// Rows of every component that changed up to this version are rewritten.
    pub version: u64,
    /// Rows stored up to this server time are, too, if they were resolved before a change and stored after it.
    pub swept_to_ms: i64,
}

#[derive(Row, Deserialize)]
struct ProgressRow {
    version: u64,
    swept_to_ms: i64,
}

#[derive(Row, Deserialize)]
struct StaleRow {
    #[serde(with = "clickhouse::serde::uuid")]
    identity_key: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    customer_id: Uuid,
}

impl Store {
    /// Makes the tables ready to be rewritten and tries the statement on no row. Can be repeated.
    ///
    /// # Errors
    /// A sentence that says what to do where the server has no such statement.
    pub async fn prepare_squash(&self, method: SquashMethod) -> Result<()> {
        for table in TABLES {
            let table = self.table(table);
            if method == SquashMethod::Lightweight {
                // A lightweight update finds its rows by the number of the block that brought them and their place in it.
                let sql = format!(
                    "ALTER TABLE {table} MODIFY SETTING enable_block_number_column = 1, enable_block_offset_column = 1"
                );
                self.attempt(&sql, &table).await?;
            }
            self.attempt(&statement(method, &table, &[], 0), &table).await?;
        }
        Ok(())
    }

    /// Gives the stored rows of these keys their customer, unless their own knowledge is of this version or newer. One
    /// statement a table: the caller bounds the number of keys.
    pub async fn squash(&self, method: SquashMethod, rows: &[SquashRow], version: u64) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        for table in TABLES {
            failpoint("squash", table);
            let sql = statement(method, &self.table(table), rows, version);
            let size = (sql.len() + 1_024).to_string();
            let doing = format!("squashing {table}");
            self.read(&doing, || self.pool().query_raw(&sql).with_setting("max_query_size", size.as_str()).execute())
                .await?;
        }
        Ok(())
    }

    /// Keys of rows that were stored after this server time with less than the dictionary knows of changes up to
    /// `version`, each with its customer; at most `limit` of each table. Such a row was resolved before a change and
    /// stored after its squash.
    pub async fn stale_rows(&self, stored_after_ms: i64, version: u64, limit: usize) -> Result<Vec<SquashRow>> {
        // A row's lease ends after the insert began, and the insert may run for its time-out: nothing that became
        // visible after `stored_after_ms` has a lease that ended before.
        let margin_ms = i64::try_from(self.config().insert_timeout_secs.saturating_mul(1_000)).unwrap_or(i64::MAX);
        let after_ms = stored_after_ms.saturating_sub(margin_ms).max(0);
        let dictionary = self.table("identity_map_dict");
        let mut found = Vec::new();
        for table in TABLES {
            let sql = format!(
                "SELECT identity_key, dictGet('{dictionary}', 'customer_id', tuple(identity_key)) AS customer_id \
                 FROM (SELECT identity_key, min(customer_version) AS held, \
                              dictGetOrDefault('{dictionary}', 'version', tuple(identity_key), toUInt64(0)) AS known \
                       FROM {} WHERE lease_until > fromUnixTimestamp64Milli({{after:Int64}}, 'UTC') \
                       GROUP BY identity_key) \
                 WHERE held < known AND known <= {version} LIMIT {limit}",
                self.table(table)
            );
            let rows: Vec<StaleRow> = self
                .read("looking for rows to squash", || self.pool().query_raw(&sql).param("after", after_ms).fetch_all())
                .await?;
            found.extend(rows.into_iter().map(|row| SquashRow {
                identity_key: Key(row.identity_key.as_u128()),
                customer_id: Key(row.customer_id.as_u128()),
            }));
        }
        Ok(found)
    }

    /// How far the squash has come.
    pub async fn squash_progress(&self) -> Result<SquashProgress> {
        let sql = format!(
            "SELECT max(version) AS version, toUnixTimestamp64Milli(max(swept_to)) AS swept_to_ms FROM {}",
            self.table("squash_progress")
        );
        let row: ProgressRow =
            self.read("reading how far the squash is", || self.pool().query_raw(&sql).fetch_one()).await?;
        Ok(SquashProgress { version: row.version, swept_to_ms: row.swept_to_ms.max(0) })
    }

    /// Remembers how far the squash has come.
    pub async fn remember_squash(&self, progress: SquashProgress) -> Result<()> {
        let sql = format!(
            "INSERT INTO {} (name, version, swept_to) VALUES ('identity', {}, fromUnixTimestamp64Milli({}, 'UTC'))",
            self.table("squash_progress"),
            progress.version,
            progress.swept_to_ms
        );
        failpoint("squash", "progress");
        self.read("remembering how far the squash is", || self.pool().query_raw(&sql).execute()).await
    }

    async fn attempt(&self, sql: &str, table: &str) -> Result<()> {
        let tried = self.once("preparing the squash", self.pool().query_raw(sql).execute()).await;
        tried.map_err(|error| match error {
            Error::Server { message, .. } => Error::Unfit {
                database: self.database().to_owned(),
                problem: format!("rows of {table} cannot be squashed ({message}); set squash.method = \"mutation\", or squash.enabled = false"),
            },
            other => other,
        })
    }
}

/// Arrays are literals: one element of the statement's tree each, however long, and the same on every replica.
fn statement(method: SquashMethod, table: &str, rows: &[SquashRow], version: u64) -> String {
    let keys = array(rows.iter().map(|row| row.identity_key), rows.len());
    let customers = array(rows.iter().map(|row| row.customer_id), rows.len());
    let customer = if rows.is_empty() {
        "customer_id".to_owned()
    } else {
        // `transform` knows texts but not UUIDs.
        format!("toUUID(transform(toString(identity_key), {keys}, {customers}, toString(customer_id)))")
    };
    let matching = if rows.is_empty() { "0".to_owned() } else { format!("identity_key IN {keys}") };
    let set = format!("customer_id = {customer}, customer_version = {version}");
    let filter = format!("WHERE {matching} AND customer_version < {version}");
    match method {
        SquashMethod::Lightweight => format!("UPDATE {table} SET {set} {filter}"),
        SquashMethod::Mutation => format!("ALTER TABLE {table} UPDATE {set} {filter} SETTINGS mutations_sync = 2"),
    }
}

fn array(keys: impl Iterator<Item = Key>, count: usize) -> String {
    let mut text = String::with_capacity(count * KEY_BYTES / 3 + 2);
    text.push('[');
    for key in keys {
        let separator = if text.len() > 1 { "," } else { "" };
        // Writing into a text cannot fail.
        let _ = write!(text, "{separator}'{key}'");
    }
    text.push(']');
    text
}
