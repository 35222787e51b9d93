//! Configuration: one TOML file, then the environment. Unknown keys are errors.
//!
//! The sections belong to the crates that use them; this module only gathers them.

mod environment;
mod load;
mod show;

pub use load::{Loaded, Origin, load};
pub use show::redacted;

use attribute::AttributionConfig;
use clap::ValueEnum;
use enrich::EnrichConfig;
use identity::Rules;
use resolver::{HttpConfig, ResolverConfig, SnapshotConfig, SquashConfig};
use schemas::conversions::ConversionDefinitions;
use serde::{Deserialize, Serialize};
use store::ClickHouseConfig;
use stream::{KafkaConfig, RegistryConfig};

/// Everything that can be configured.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The Kafka cluster.
    pub kafka: KafkaConfig,
    /// The schema registry of Confluent-framed Avro.
    pub registry: RegistryConfig,
    /// The ClickHouse server.
    pub clickhouse: ClickHouseConfig,
    /// What is accepted as a record.
    pub limits: decode::Limits,
    /// Identifier types and the rules by which they link.
    pub identity: Rules,
    /// Campaigns, channels, agents, sessions.
    pub enrich: EnrichConfig,
    /// Which events are conversions.
    pub conversions: ConversionDefinitions,
    /// How credit is given.
    pub attribution: AttributionConfig,
    /// The engine.
    pub resolver: ResolverConfig,
    /// Whether stored rows are rewritten to carry the customer that is known now.
    pub squash: SquashConfig,
    /// Snapshots of the identity graph.
    pub snapshots: SnapshotConfig,
    /// Metrics and health.
    pub http: HttpConfig,
    /// Logs.
    pub log: LogConfig,
}

/// The `[log]` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// A level, or a filter like `info,stream=debug`.
    pub level: String,
    /// How.
    pub format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> Self {
        LogConfig { level: "info".to_owned(), format: LogFormat::Text }
    }
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people; coloured on a terminal.
    Text,
    /// One JSON object a line.
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_example_says_the_defaults() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/tributary.toml");
        let loaded = load(Some(&path), std::iter::empty()).unwrap();
        assert_eq!(redacted(&loaded.config).unwrap(), redacted(&Config::default()).unwrap());
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        let shown = redacted(&Config::default()).unwrap();
        let read: Config = toml::from_str(&shown).unwrap();
        assert_eq!(redacted(&read).unwrap(), shown);
    }

    #[test]
    fn secrets_of_every_section_stay_hidden() {
        let secrets = [
            ("TRIBUTARY_KAFKA_SASL_PASSWORD", "hush-1"),
            ("TRIBUTARY_CLICKHOUSE_PASSWORD", "hush-2"),
            ("TRIBUTARY_IDENTITY_SECRET", "hush-3"),
            ("TRIBUTARY_REGISTRY_PASSWORD", "hush-4"),
        ];
        let environment = secrets.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/tributary.toml");
        let loaded = load(Some(&path), environment).unwrap();
        assert_eq!(loaded.config.identity.secret.as_bytes(), b"hush-3");
        let shown = redacted(&loaded.config).unwrap() + &format!("{loaded:?}");
        assert!(!shown.contains("hush"), "{shown}");
    }
}
