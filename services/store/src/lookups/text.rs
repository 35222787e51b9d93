use bytes::Bytes;
use clickhouse::query::BytesCursor;

use crate::{Error, Result, Store};

/// The answer to a query, in the format that was asked for, as it comes.
pub struct TextCursor {
    cursor: BytesCursor,
    url: String,
}

impl TextCursor {
    /// The next piece; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        self.cursor.next().await.map_err(|error| Error::from_client(DOING, &self.url, error))
    }
}

const DOING: &str = "the query";

impl Store {
    /// Runs one statement of the user's. `format` is used unless the statement names one itself; `params` fill
    /// `{name:Type}` in it: text as it is, arrays, tuples and maps as ClickHouse writes them (`['a','b']`).
    pub fn query(&self, sql: &str, format: &str, params: &[(&str, &str)]) -> Result<TextCursor> {
        let sql = sql.trim_end().trim_end_matches(';');
        let mut query = self.pool().clone().with_database(self.database()).query_raw(sql);
        for (name, value) in params {
            query = if is_literal(value) {
                query.with_setting(format!("param_{name}"), *value)
            } else {
                query.param(name, value)
            };
        }
        let url = self.config().url.clone();
        let cursor = query.fetch_bytes(format).map_err(|error| Error::from_client(DOING, &url, error))?;
        Ok(TextCursor { cursor, url })
    }

    /// As [`Store::query`], with the whole answer as text.
    pub async fn query_text(&self, sql: &str, format: &str, params: &[(&str, &str)]) -> Result<String> {
        let mut cursor = self.query(sql, format, params)?;
        let mut text = Vec::new();
        while let Some(piece) = cursor.next().await? {
            text.extend_from_slice(&piece);
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

/// Whether a value is written as an array, a tuple or a map: escaped like text, none of them would be read as one.
fn is_literal(value: &str) -> bool {
    let value = value.trim();
    [('[', ']'), ('(', ')'), ('{', '}')].iter().any(|(open, close)| value.starts_with(*open) && value.ends_with(*close))
}
