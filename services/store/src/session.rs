use clickhouse::query::Query;
use clickhouse::{Client, RowOwned, RowRead};
use std::time::Instant;

use crate::columns::Encoded;
use crate::connection::OneConnection;
use crate::store::{now_ms, within};
use crate::{Error, Result, Store};

/// A writer's own connection, with the server's clock read over it. Once broken it stays broken.
pub(crate) struct Session {
    store: Store,
    connection: OneConnection,
    server_ms: i64,
    read_at: Instant,
    skew_ms: i64,
}

impl Session {
    pub(crate) async fn dial(store: &Store) -> Result<Self> {
        let mut connection = OneConnection::new(store.config().connect_timeout())?;
        connection.client = store.configure(connection.client.clone());
        let now = Instant::now();
        let mut session = Self { store: store.clone(), connection, server_ms: 0, read_at: now, skew_ms: 0 };
        session.read_clock().await?;
        Ok(session)
    }

    pub(crate) fn client(&self) -> &Client {
        &self.connection.client
    }

    pub(crate) fn table(&self, name: &str) -> String {
        self.store.table(name)
    }

    /// Reads the server's clock again; a session can live for days.
    pub(crate) async fn read_clock(&mut self) -> Result<()> {
        let query = self.client().query("SELECT toUnixTimestamp64Milli(now64(3))");
        let server_ms = self.run("reading the server's time", only::<i64>(query)).await?;
        self.server_ms = server_ms;
        self.read_at = Instant::now();
        self.skew_ms = server_ms - now_ms();
        Ok(())
    }

    /// The server's time, carried on by our monotonic clock.
    pub(crate) fn server_now_ms(&self) -> i64 {
        let since = i64::try_from(self.read_at.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.server_ms.saturating_add(since)
    }

    pub(crate) fn skew_ms(&self) -> i64 {
        self.skew_ms
    }

    pub(crate) async fn run<T>(
        &self,
        doing: &str,
        future: impl Future<Output = clickhouse::error::Result<T>>,
    ) -> Result<T> {
        let config = self.store.config();
        within(config.query_timeout(), doing, &config.url, future).await
    }

    /// Sends one insert. `Ok` means that ClickHouse has acknowledged it; after an error nothing is known of it.
    pub(crate) async fn insert(&self, encoded: &Encoded, token: Option<&str>) -> Result<()> {
        let lease = token.map(|_| {
            let life = i64::try_from(self.store.config().lease_secs * 1_000).unwrap_or(i64::MAX);
            self.server_now_ms().saturating_add(life)
        });
        let sql = insert_sql(&self.table(encoded.table), encoded, lease);
        send(&self.store, self.client(), sql, encoded, token).await
    }
}

/// The one row of an answer that is read to its end: `fetch_one` stops after the row, and an answer that is not at its
/// end by then closes the connection, which is not dialled again.
pub(crate) async fn only<T: RowOwned + RowRead>(query: Query) -> clickhouse::error::Result<T> {
    query.fetch_all().await?.pop().ok_or(clickhouse::error::Error::RowNotFound)
}

/// Sends one insert over any client.
pub(crate) async fn send(
    store: &Store,
    client: &Client,
    sql: String,
    encoded: &Encoded,
    token: Option<&str>,
) -> Result<()> {
    let config = store.config();
    let mut client = client.clone();
    for (name, value) in store.pins() {
        client.set_setting(*name, value);
    }
    if let Some(token) = token {
        client.set_setting("insert_deduplication_token", token);
        client.set_setting("log_comment", token);
    }
    let timeout = config.insert_timeout();
    let doing = format!("inserting into {}", encoded.table);
    let run = async {
        let mut insert = client.insert_formatted_with(sql);
        if config.compression {
            let data = clickhouse::insert_formatted::CompressedData::new(&encoded.body, clickhouse::Compression::Lz4)?;
            insert.send_compressed(data).await?;
        } else {
            insert.send(encoded.body.clone()).await?;
        }
        insert.end().await
    };
    within(timeout, &doing, &config.url, run).await
}

/// The lease is added by the statement, so that renewing it encodes nothing again.
pub(crate) fn insert_sql(table: &str, encoded: &Encoded, lease_until_ms: Option<i64>) -> String {
    let names: Vec<&str> = encoded.columns.iter().map(|(name, _)| name.as_str()).collect();
    let names = names.join(", ");
    let Some(lease) = lease_until_ms else {
        return format!("INSERT INTO {table} ({names}) FORMAT ArrowStream");
    };
    let structure: Vec<String> = encoded.columns.iter().map(|(name, kind)| format!("{name} {kind}")).collect();
    let structure = structure.join(", ").replace('\'', "\\'");
    format!(
        "INSERT INTO {table} ({names}, lease_until) \
         SELECT {names}, fromUnixTimestamp64Milli(toInt64({lease}), 'UTC') \
         FROM input('{structure}') FORMAT ArrowStream"
    )
}

/// An error of a session that is to be dropped with its connection.
pub(crate) fn broken(doing: &str, reason: &str) -> Error {
    Error::Connection { doing: doing.to_owned(), reason: reason.to_owned() }
}
