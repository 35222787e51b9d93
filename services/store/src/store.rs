use clickhouse::{Client, Compression};
use schemas::Text;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

use crate::retry::{Backoff, Trouble};
use crate::{ClickHouseConfig, Error, ExactWriter, Health, Result};

/// ClickHouse, as the rest of the pipeline sees it. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    config: ClickHouseConfig,
    version: String,
    /// Pooled connections, for everything but exact writes.
    pool: Client,
    pins: Vec<(&'static str, String)>,
    health: watch::Sender<Health>,
}

/// Above the rows and bytes of any batch, so that an insert is one block per ClickHouse partition.
const BLOCK_ROWS: u64 = 2_000_000;

impl Store {
    /// Looks who answers at the configured address. One attempt.
    pub async fn connect(config: &ClickHouseConfig) -> Result<Self> {
        let config = config.resolved()?;
        let pool = configure(Client::default(), &config);
        let url = config.url.clone();
        let hello = async {
            let version: String = pool.query("SELECT version()").fetch_one().await?;
            let known: Vec<String> =
                pool.query("SELECT name FROM system.settings WHERE name LIKE '%deduplicate%'").fetch_all().await?;
            Ok((version, known))
        };
        let doing = "saying hello";
        let (version, known) = within(config.connect_timeout() * 2, doing, &url, hello).await?;
        tracing::debug!(url, version, "connected to clickhouse");
        let pins = pins(&config, &known);
        let inner = Inner { config, version, pool, pins, health: watch::Sender::default() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// As [`Store::connect`], but waits for a ClickHouse that is away, for ever. Dropping the future cancels.
    pub async fn connect_patiently(config: &ClickHouseConfig) -> Result<Self> {
        let mut backoff = Backoff::new(&config.resolved()?);
        loop {
            match Self::connect(config).await {
                Err(error) if error.is_transient() => {
                    tracing::warn!(%error, "clickhouse is not there yet, trying again");
                    backoff.pause().await;
                }
                other => return other,
            }
        }
    }

    /// Version of the server.
    pub fn version(&self) -> &str {
        &self.inner.version
    }

    /// Name of the database with our tables.
    pub fn database(&self) -> &str {
        &self.inner.config.database
    }

    /// Whether anything waits to be tried again, now and in future.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.inner.health.subscribe()
    }

    /// A writer for one partition. `type_names` are the names of the identifier types by their index in the rules.
    pub fn writer(&self, type_names: Arc<[Text]>) -> ExactWriter {
        ExactWriter::new(self.clone(), type_names)
    }

    /// Server's time, ms since the epoch.
    pub async fn server_time_ms(&self) -> Result<i64> {
        let sql = "SELECT toUnixTimestamp64Milli(now64(3))";
        self.read("reading the server's time", || self.pool().query(sql).fetch_one::<i64>()).await
    }

    /// Loads the dictionary over `identity_map` again; views see the present customers from then on.
    pub async fn reload_dictionary(&self) -> Result<()> {
        let sql = format!("SYSTEM RELOAD DICTIONARY {}.identity_map_dict", self.database());
        self.read("reloading the dictionary", || self.pool().query_raw(&sql).execute()).await
    }

    pub(crate) fn config(&self) -> &ClickHouseConfig {
        &self.inner.config
    }

    pub(crate) fn pool(&self) -> &Client {
        &self.inner.pool
    }

    pub(crate) fn pins(&self) -> &[(&'static str, String)] {
        &self.inner.pins
    }

    pub(crate) fn health_sender(&self) -> &watch::Sender<Health> {
        &self.inner.health
    }

    pub(crate) fn table(&self, name: &str) -> String {
        format!("{}.{name}", self.database())
    }

    /// Settings that every client carries, on another connection than the pool's.
    pub(crate) fn configure(&self, client: Client) -> Client {
        configure(client, &self.inner.config).with_database(self.database())
    }

    /// Runs something that can be repeated without harm until it succeeds or cannot.
    pub(crate) async fn read<T, F>(&self, doing: &str, mut run: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = clickhouse::error::Result<T>>,
    {
        let mut backoff = Backoff::new(self.config());
        let mut trouble = Trouble::none(self.health_sender());
        loop {
            match self.once(doing, run()).await {
                Err(error) if error.is_transient() => {
                    tracing::warn!(%error, "clickhouse failed, trying again");
                    trouble.with(&error);
                    backoff.pause().await;
                }
                other => return other,
            }
        }
    }

    /// One attempt, within the time allowed to a read.
    pub(crate) async fn once<T>(
        &self,
        doing: &str,
        run: impl Future<Output = clickhouse::error::Result<T>>,
    ) -> Result<T> {
        within(self.config().query_timeout(), doing, &self.inner.config.url, run).await
    }
}

pub(crate) async fn within<T>(
    after: Duration,
    doing: &str,
    url: &str,
    run: impl Future<Output = clickhouse::error::Result<T>>,
) -> Result<T> {
    match tokio::time::timeout(after, run).await {
        Ok(result) => result.map_err(|error| Error::from_client(doing, url, error)),
        Err(_) => Err(Error::TimedOut { doing: doing.to_owned(), after }),
    }
}

pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn configure(client: Client, config: &ClickHouseConfig) -> Client {
    let compression = if config.compression { Compression::Lz4 } else { Compression::None };
    client
        .with_url(&config.url)
        .with_user(&config.user)
        .with_password(&config.password)
        .with_product_info("tributary", env!("CARGO_PKG_VERSION"))
        .with_compression(compression)
}

/// Clause 14 of the protocol: what an insert's meaning depends on is said with it, not left to a profile. Those that
/// older servers do not know are said only where they exist.
fn pins(config: &ClickHouseConfig, known: &[String]) -> Vec<(&'static str, String)> {
    let mut pins = vec![
        ("async_insert", "0".to_owned()),
        ("insert_deduplicate", "1".to_owned()),
        ("max_insert_threads", "1".to_owned()),
        ("max_insert_block_size", BLOCK_ROWS.to_string()),
        ("min_insert_block_size_rows", BLOCK_ROWS.to_string()),
        ("min_insert_block_size_bytes", "0".to_owned()),
        ("max_execution_time", config.insert_timeout_secs.to_string()),
    ];
    for (name, value) in [
        ("deduplicate_insert", "enable"),
        ("deduplicate_insert_select", "force_enable"),
        ("deduplicate_blocks_in_dependent_materialized_views", "1"),
    ] {
        if known.iter().any(|known| known == name) {
            pins.push((name, value.to_owned()));
        }
    }
    pins
}
