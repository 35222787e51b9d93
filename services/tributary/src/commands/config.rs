//! `tributary config check|show`

use anyhow::Context;

use crate::cli::ConfigAction;
use crate::config::{Config, Loaded, Origin, redacted};
use crate::error::Result;

/// Explains the configuration.
pub(super) fn run(action: ConfigAction, loaded: Result<Loaded>) -> anyhow::Result<()> {
    let loaded = loaded?;
    match action {
        ConfigAction::Show => {
            let set = if loaded.config.identity.secret.as_bytes().is_empty() { "not set" } else { "set" };
            println!("# identity.secret is {set}; it is never shown\n");
            print!("{}", redacted(&loaded.config).context("the configuration cannot be written as TOML")?);
            Ok(())
        }
        ConfigAction::Check => check(&loaded),
    }
}

fn check(loaded: &Loaded) -> anyhow::Result<()> {
    match &loaded.origin {
        Origin::File(path) => println!("file         {}", path.display()),
        Origin::Defaults => {
            println!("file         none: the defaults, for what `tributary dev up` starts here")
        }
    }
    if loaded.overrides.is_empty() {
        println!("environment  nothing");
    } else {
        println!("environment  {}", loaded.overrides.join(", "));
    }
    let config = &loaded.config;
    println!("kafka        {}", config.kafka.brokers);
    println!("clickhouse   {}, database {}", config.clickhouse.url_without_password(), config.clickhouse.database);
    contradictions(config)?;
    if config.identity.secret.as_bytes().is_empty() {
        println!(
            "note         identity.secret is not set: whoever sees a hash can try out e-mails and phone numbers against it"
        );
    }
    println!("ok");
    Ok(())
}

/// What no single section can see by itself while it is read.
pub(super) fn contradictions(config: &Config) -> anyhow::Result<()> {
    config.resolver.check().map_err(anyhow::Error::msg)?;
    hasher(config)?;
    Ok(())
}

/// The hasher of the configured rules.
pub(super) fn hasher(config: &Config) -> anyhow::Result<identity::Hasher> {
    let rules = config.identity.clone();
    identity::Hasher::new(config.identity.secret.as_bytes(), rules).context("configuration section [identity]")
}
