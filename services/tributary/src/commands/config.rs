//! `tributary config check|show`

use anyhow::{Context, ensure};
use std::io::{Write, stdout};

use crate::cli::ConfigAction;
use crate::config::{Config, Loaded, Origin, redacted};
use crate::error::Result;
use crate::logging;

/// Explains the configuration.
pub(super) fn run(action: ConfigAction, loaded: Result<Loaded>) -> anyhow::Result<()> {
    let loaded = loaded?;
    match action {
        ConfigAction::Show => show(&loaded.config),
        ConfigAction::Check => check(&loaded),
    }
}

fn show(config: &Config) -> anyhow::Result<()> {
    let set = if config.identity.secret.as_bytes().is_empty() { "not set" } else { "set" };
    writeln!(stdout(), "# identity.secret is {set}; it is never shown\n")?;
    write!(stdout(), "{}", redacted(config).context("the configuration cannot be written as TOML")?)?;
    Ok(())
}

fn check(loaded: &Loaded) -> anyhow::Result<()> {
    let mut out = stdout();
    match &loaded.origin {
        Origin::File(path) => writeln!(out, "file         {}", path.display())?,
        Origin::Defaults => writeln!(out, "file         none: the defaults, for what `tributary dev up` starts here")?,
    }
    let overrides = if loaded.overrides.is_empty() { "nothing".to_owned() } else { loaded.overrides.join(", ") };
    writeln!(out, "environment  {overrides}")?;
    let config = &loaded.config;
    contradictions(config)?;
    writeln!(out, "kafka        {}", config.kafka.brokers)?;
    writeln!(
        out,
        "clickhouse   {}, database {}",
        config.clickhouse.url_without_password(),
        config.clickhouse.database
    )?;
    if config.identity.secret.as_bytes().is_empty() {
        writeln!(
            out,
            "note         identity.secret is not set: whoever sees a hash can try out e-mails and phone numbers against it"
        )?;
    }
    writeln!(out, "ok")?;
    Ok(())
}

/// What no single section can see by itself while it is read. Nothing is connected to.
pub(super) fn contradictions(config: &Config) -> anyhow::Result<()> {
    logging::filter(&config.log)?;
    kafka(&config.kafka)?;
    stream::SchemaRegistry::new(&config.registry).context("configuration section [registry]")?;
    config.clickhouse.check()?;
    limits(&config.limits)?;
    hasher(config)?;
    enrich::Enricher::new(config.enrich.clone()).context("configuration section [enrich]")?;
    config.squash.check().map_err(anyhow::Error::msg)?;
    config.snapshots.check().map_err(anyhow::Error::msg)?;
    config.resolver.check().map_err(anyhow::Error::msg)
}

fn kafka(config: &stream::KafkaConfig) -> anyhow::Result<()> {
    for broker in config.brokers.split(',').map(str::trim) {
        let port =
            broker.rsplit_once(':').filter(|(host, _)| is_host(host)).and_then(|(_, port)| port.parse::<u16>().ok());
        ensure!(port.is_some(), "kafka.brokers: `{broker}` is not host:port");
    }
    for (key, value) in [("topic_prefix", &config.topic_prefix), ("group_prefix", &config.group_prefix)] {
        let legal = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        ensure!(
            legal && value.len() <= 100,
            "kafka.{key}: `{value}` is not made of up to 100 letters, digits, `.`, `_`, `-`"
        );
    }
    ensure!(!config.group_prefix.is_empty(), "kafka.group_prefix is empty");
    // Makes clients, which know their settings best, and connects to nothing.
    stream::Admin::connect(config).context("configuration section [kafka]")?;
    Ok(())
}

fn is_host(host: &str) -> bool {
    let name = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte))
        && (name != host || !name.contains(':'))
}

fn limits(limits: &decode::Limits) -> anyhow::Result<()> {
    let least = [
        ("max_payload_bytes", limits.max_payload_bytes, 1_024),
        ("max_identifier_bytes", limits.max_identifier_bytes, 64),
        ("max_identifiers", limits.max_identifiers, 1),
        ("max_event_type_bytes", limits.max_event_type_bytes, 8),
    ];
    for (key, value, least) in least {
        ensure!(value >= least, "limits.{key} is {value}, expected at least {least}");
    }
    ensure!(
        limits.max_event_age_ms > 0,
        "limits.max_event_age_ms is {}, expected more than 0",
        limits.max_event_age_ms
    );
    ensure!(
        limits.max_event_ahead_ms >= 0,
        "limits.max_event_ahead_ms is {}, expected 0 or more",
        limits.max_event_ahead_ms
    );
    Ok(())
}

/// The hasher of the configured rules.
pub(super) fn hasher(config: &Config) -> anyhow::Result<identity::Hasher> {
    let rules = config.identity.clone();
    identity::Hasher::new(config.identity.secret.as_bytes(), rules).context("configuration section [identity]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(text: &str, expected: &str) {
        let config: Config = toml::from_str(text).unwrap();
        let error = contradictions(&config).expect_err(text);
        assert!(format!("{error:#}").contains(expected), "{text}: {error:#}");
    }

    #[test]
    fn the_defaults_are_right() {
        contradictions(&Config::default()).unwrap();
        let config: Config = toml::from_str("[kafka]\nbrokers = \"a.example:1, [::1]:9092\"\n").unwrap();
        contradictions(&config).unwrap();
    }

    #[test]
    fn what_cannot_work_is_said() {
        for brokers in ["", "a b c:::9", "host", "host:port", ":9092", "a:1,,b:2"] {
            refused(&format!("[kafka]\nbrokers = \"{brokers}\"\n"), "is not host:port");
        }
        refused("[kafka]\ntopic_prefix = \"a b/\"\n", "kafka.topic_prefix");
        refused("[kafka]\ngroup_prefix = \"\"\n", "kafka.group_prefix is empty");
        refused("[kafka]\nsecurity_protocol = \"nosuch\"\n", "nosuch");
        refused("[kafka]\nproperties = { \"nosuch.prop\" = \"1\" }\n", "nosuch.prop");
        refused("[kafka]\nproperties = { \"group.id\" = \"mine\" }\n", "group.id");
        refused("[clickhouse]\nurl = \"nonsense\"\n", "clickhouse.url");
        refused("[clickhouse]\nurl = \"ftp://x\"\n", "clickhouse.url");
        refused("[clickhouse]\ndatabase = \"a;DROP\"\n", "clickhouse.database");
        refused("[clickhouse]\nlease_secs = 0\n", "clickhouse.lease_secs");
        refused("[registry]\nurl = \"nonsense\"\n", "registry");
        refused("[limits]\nmax_payload_bytes = 0\n", "limits.max_payload_bytes");
        refused("[enrich.sessions]\ninactivity_minutes = 0\n", "inactivity_minutes");
        refused("[log]\nlevel = \"loud\"\n", "log.level");
        refused("[snapshots]\ndir = \"\"\n", "snapshots.dir");
        refused("[squash]\nmax_keys = 0\n", "squash.max_keys");
        refused("[resolver]\ndictionary_reload_ms = 0\n", "resolver.dictionary_reload_ms");
        refused("[resolver]\nbatch_max_records = 0\n", "resolver.batch_max_records");
    }
}
