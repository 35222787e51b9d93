//! Writers of the tables in which the greatest version wins: written at least once, so a plain retry is enough.

use schemas::{AttributionPath, Key, Text};

use crate::columns::{self, Encoded};
use crate::retry::{Backoff, Trouble};
use crate::session::{insert_sql, send};
use crate::{Result, Store};

/// A row of `identity_map`: a key of a component that changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdentityMapRow {
    /// Identifier key.
    pub identity_key: Key,
    /// The component's customer.
    pub customer_id: Key,
    /// Log offset + 1 of the component's last change.
    pub version: u64,
}

/// One end of a link: a key and the name of its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkEnd {
    /// Identifier key.
    pub key: Key,
    /// Type name.
    pub kind: Text,
}

/// A row of `identity_links`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRow {
    /// Offset of the log message.
    pub log_offset: i64,
    /// Index of the edge within its message.
    pub ordinal: u32,
    /// The hub.
    pub a: LinkEnd,
    /// The other end.
    pub b: LinkEnd,
    /// Source that named them together.
    pub source: Text,
    /// Event id of that record.
    pub event_id: Text,
    /// Event time of that record.
    pub event_time_ms: i64,
    /// Append time of the log message.
    pub logged_at_ms: i64,
}

/// A row of `identity_conflicts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictRow {
    /// Offset of the log message.
    pub log_offset: i64,
    /// Index of the conflict within its message.
    pub ordinal: u32,
    /// `refused`, `shared`, `moved` or `retired`.
    pub kind: Text,
    /// Which rule decided.
    pub rule: Text,
    /// One end.
    pub a: LinkEnd,
    /// The other end.
    pub b: LinkEnd,
    /// Source that named them together.
    pub source: Text,
    /// Event id of that record.
    pub event_id: Text,
    /// Event time of that record.
    pub event_time_ms: i64,
    /// Append time of the log message.
    pub logged_at_ms: i64,
}

/// A row of `identity_commands`: what an operator told the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandRow {
    /// Offset of the log message.
    pub log_offset: i64,
    /// Index of the command within its message.
    pub ordinal: u32,
    /// Its name.
    pub command: Text,
    /// The identifier that it names, if any.
    pub a: Option<LinkEnd>,
    /// The other identifier, if it names two.
    pub b: Option<LinkEnd>,
    /// Whether an erased customer's identifiers are refused for ever.
    pub suppress: bool,
    /// Who and why.
    pub note: Text,
    /// The rules in force from here on, as JSON.
    pub rules: String,
    /// Append time of the log message.
    pub logged_at_ms: i64,
}

impl Store {
    /// Writes components that changed.
    pub async fn write_identity_map(&self, rows: &[IdentityMapRow]) -> Result<()> {
        self.write_plain(columns::identity_map(rows)?).await
    }

    /// Writes links of a range of the identity log.
    pub async fn write_links(&self, rows: &[LinkRow]) -> Result<()> {
        self.write_plain(columns::links(rows)?).await
    }

    /// Writes conflicts of a range of the identity log.
    pub async fn write_conflicts(&self, rows: &[ConflictRow]) -> Result<()> {
        self.write_plain(columns::conflicts(rows)?).await
    }

    /// Writes operators' commands of a range of the identity log.
    pub async fn write_commands(&self, rows: &[CommandRow]) -> Result<()> {
        self.write_plain(columns::commands(rows)?).await
    }

    /// Writes attribution paths.
    pub async fn write_paths(&self, rows: &[AttributionPath]) -> Result<()> {
        self.write_plain(columns::paths(rows)?).await
    }

    async fn write_plain(&self, encoded: Encoded) -> Result<()> {
        if encoded.rows == 0 {
            return Ok(());
        }
        let mut backoff = Backoff::new(self.config());
        let mut trouble = Trouble::none(self.health_sender());
        loop {
            let sql = insert_sql(&self.table(encoded.table), &encoded, None);
            match send(self, self.pool(), sql, &encoded, None).await {
                Err(error) if error.is_transient() => {
                    tracing::warn!(%error, "clickhouse failed, trying again");
                    trouble.with(&error);
                    backoff.pause().await;
                }
                other => return other,
            }
        }
    }
}
