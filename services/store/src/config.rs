use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use url::Url;

use crate::Error;

/// Where ClickHouse is and how to write to it: the section `[clickhouse]` of the configuration.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClickHouseConfig {
    /// HTTP or HTTPS address. A user, a password and `?database=` in it win over the fields below.
    pub url: String,
    /// Database that holds all tables.
    pub database: String,
    /// User.
    pub user: String,
    /// Password; never shown.
    pub password: String,
    /// Whether insert bodies and results are compressed on the wire (LZ4). Costs CPU, pays on a network.
    pub compression: bool,
    /// Days that rows are kept, by table; tables that are not named keep theirs for ever. Applied by `migrate`.
    pub ttl_days: BTreeMap<String, u32>,
    /// Time allowed to connect, in milliseconds.
    pub connect_timeout_ms: u64,
    /// Time allowed to a read, in milliseconds.
    pub query_timeout_ms: u64,
    /// `max_execution_time` of every insert, in seconds: how long a stale owner's last insert can live.
    pub insert_timeout_secs: u64,
    /// Life of the lease that every exact row carries, in seconds.
    pub lease_secs: u64,
    /// First pause before something is tried again, in milliseconds; doubled each time, with jitter.
    pub retry_min_ms: u64,
    /// Longest pause before something is tried again, in milliseconds.
    pub retry_max_ms: u64,
}

impl Default for ClickHouseConfig {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:8123".into(),
            database: "tributary".into(),
            user: "default".into(),
            password: String::new(),
            compression: false,
            ttl_days: BTreeMap::new(),
            connect_timeout_ms: 5_000,
            query_timeout_ms: 300_000,
            insert_timeout_secs: 120,
            lease_secs: 300,
            retry_min_ms: 100,
            retry_max_ms: 10_000,
        }
    }
}

// By hand, so that the password cannot end up in a log.
impl fmt::Debug for ClickHouseConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClickHouseConfig")
            .field("url", &self.url_without_password())
            .field("database", &self.database)
            .field("user", &self.user)
            .field("compression", &self.compression)
            .field("ttl_days", &self.ttl_days)
            .finish_non_exhaustive()
    }
}

impl ClickHouseConfig {
    /// The address as it may be shown.
    pub fn url_without_password(&self) -> String {
        let Ok(mut url) = Url::parse(&self.url) else {
            return "<no valid url>".into();
        };
        // Both fail only on addresses that cannot carry a user, where there is nothing to hide.
        let _ = url.set_password(None);
        let _ = url.set_username("");
        url.set_query(None);
        url.to_string()
    }

    /// Says what is wrong with this configuration, if anything is. Connects to nothing.
    pub fn check(&self) -> Result<(), Error> {
        self.resolved().map(drop)
    }

    /// Checks every field and moves user, password and database out of the address.
    pub(crate) fn resolved(&self) -> Result<Self, Error> {
        let url = Url::parse(&self.url)
            .map_err(|error| Error::Config(format!("clickhouse.url is not an address: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(Error::Config(format!(
                "clickhouse.url is `{}`, expected http://host:port or https://host:port",
                self.url_without_password()
            )));
        }
        let mut resolved = self.clone();
        let decode = |text: &str| percent_decode(text);
        if !url.username().is_empty() {
            resolved.user = decode(url.username());
        }
        if let Some(password) = url.password() {
            resolved.password = decode(password);
        }
        if let Some((_, database)) = url.query_pairs().find(|(name, _)| name == "database") {
            resolved.database = database.into_owned();
        }
        resolved.url = self.url_without_password();
        if !is_identifier(&resolved.database) {
            return Err(Error::Config(format!(
                "clickhouse.database is `{}`, expected letters, digits and underscores",
                resolved.database
            )));
        }
        if resolved.retry_min_ms == 0 || resolved.retry_max_ms < resolved.retry_min_ms {
            return Err(Error::Config(
                "clickhouse.retry_min_ms must be at least 1 and not above clickhouse.retry_max_ms".into(),
            ));
        }
        if resolved.insert_timeout_secs == 0 || resolved.lease_secs == 0 {
            return Err(Error::Config(
                "clickhouse.insert_timeout_secs and clickhouse.lease_secs must be at least 1".into(),
            ));
        }
        Ok(resolved)
    }

    pub(crate) fn query_timeout(&self) -> Duration {
        Duration::from_millis(self.query_timeout_ms)
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    /// The server ends an insert itself after `insert_timeout_secs`; the client waits a little longer for its word.
    pub(crate) fn insert_timeout(&self) -> Duration {
        Duration::from_secs(self.insert_timeout_secs + 10)
    }
}

fn percent_decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn is_identifier(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_url(url: &str) -> ClickHouseConfig {
        ClickHouseConfig { url: url.into(), ..ClickHouseConfig::default() }
    }

    #[test]
    fn user_password_and_database_in_the_address_win() {
        let config = with_url("https://ana:p%40ss@ch.example:8443/?database=shop").resolved().unwrap();
        assert_eq!(config.url, "https://ch.example:8443/");
        assert_eq!((config.user.as_str(), config.password.as_str()), ("ana", "p@ss"));
        assert_eq!(config.database, "shop");
    }

    #[test]
    fn impossible_values_are_named() {
        for (config, expected) in [
            (with_url("localhost:8123"), "expected http://"),
            (with_url("not an address"), "is not an address"),
            (with_url("http://h:1/?database=a-b"), "clickhouse.database is `a-b`"),
            (ClickHouseConfig { retry_min_ms: 0, ..ClickHouseConfig::default() }, "retry_min_ms"),
        ] {
            let error = config.resolved().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn the_password_is_not_shown() {
        let shown = format!("{:?}", with_url("http://ana:secret@h:1/?password=secret"));
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn unknown_keys_are_errors() {
        assert!(toml::from_str::<ClickHouseConfig>("databse = 'x'").is_err());
    }
}
