//! File and environment to [`Config`].

use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

use super::Config;
use super::environment::{self, Override};
use crate::error::{Error, Result};
use crate::toml_error::describe;

/// The file that is read when none is named.
const DEFAULT_FILE: &str = "tributary.toml";

/// A configuration and where it came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What is in force.
    pub config: Config,
    /// Which file was read.
    pub origin: Origin,
    /// Environment variables that changed it.
    pub overrides: Vec<String>,
}

/// Where the configuration came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file.
    File(PathBuf),
    /// No file: the defaults, which fit what `tributary dev up` starts.
    Defaults,
}

/// Reads the file (the named one, else `tributary.toml` in the current folder, else none), then applies the environment.
pub fn load(named: Option<&Path>, environment: impl Iterator<Item = (String, String)>) -> Result<Loaded> {
    let overrides = environment::overrides(environment)?;
    let (text, origin) = match named {
        Some(path) => (read(path)?, Origin::File(path.to_owned())),
        None if Path::new(DEFAULT_FILE).exists() => {
            let path = PathBuf::from(DEFAULT_FILE);
            (read(&path)?, Origin::File(path))
        }
        None => (String::new(), Origin::Defaults),
    };
    let path = match &origin {
        Origin::File(path) => path.clone(),
        Origin::Defaults => PathBuf::from("defaults"),
    };
    let config = parse(&text, &path, &overrides)?;
    let overrides = overrides.into_iter().map(|found| found.variable).collect();
    Ok(Loaded { config, origin, overrides })
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })
}

/// The file is read by itself first, so that its mistakes are reported with their line.
fn parse<C: DeserializeOwned>(text: &str, path: &Path, overrides: &[Override]) -> Result<C> {
    let broken = |error: toml::de::Error| Error::Toml { message: describe(path, text, &error) };
    let mut config: C = toml::from_str(text).map_err(broken)?;
    let mut table: toml::Table = toml::from_str(text).map_err(broken)?;
    for found in overrides {
        (table, config) = environment::apply::<C>(table, found)?;
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Sample {
        kafka: Kafka,
        clickhouse: Tables,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Kafka {
        brokers: String,
        password: Option<String>,
        retries: u32,
        verify: bool,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Tables {
        url: String,
        ttl_days: BTreeMap<String, u32>,
    }

    fn sample(text: &str, variables: &[(&str, &str)]) -> Result<Sample> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        parse(text, Path::new("t.toml"), &environment::overrides(variables)?)
    }

    #[test]
    fn environment_wins_and_types_follow_the_key() {
        let found = sample(
            "[kafka]\nbrokers = \"file:1\"\nretries = 1\n",
            &[
                ("KAFKA_BROKERS", "short:1"),
                ("TRIBUTARY_KAFKA_PASSWORD", "12345"),
                ("TRIBUTARY_KAFKA_RETRIES", "7"),
                ("TRIBUTARY_KAFKA_VERIFY", "true"),
                ("CLICKHOUSE_URL", "http://a:1"),
                ("TRIBUTARY_CLICKHOUSE_TTL_DAYS__EVENTS", "30"),
                ("TRIBUTARY_TEST_KAFKA", "ignored"),
                ("PATH", "/bin"),
            ],
        )
        .unwrap();
        let kafka =
            Kafka { brokers: "short:1".to_owned(), password: Some("12345".to_owned()), retries: 7, verify: true };
        let clickhouse = Tables { url: "http://a:1".to_owned(), ttl_days: [("events".to_owned(), 30)].into() };
        assert_eq!(found, Sample { kafka, clickhouse });
    }

    #[test]
    fn the_longer_name_wins() {
        let found = sample("", &[("TRIBUTARY_KAFKA_BROKERS", "long:1"), ("KAFKA_BROKERS", "short:1")]).unwrap();
        assert_eq!(found.kafka.brokers, "long:1");
    }

    #[test]
    fn mistakes_name_file_and_line_or_variable() {
        let message = |text: &str, variables: &[(&str, &str)]| sample(text, variables).unwrap_err().to_string();
        assert_eq!(
            message("[kafka]\n\nbroker = \"x\"\n", &[]),
            "t.toml, line 3: unknown key `broker`, did you mean `brokers`?"
        );
        assert!(message("[kafka]\nretries = \"x\"\n", &[]).starts_with("t.toml, line 2: invalid type"));
        assert!(message("[kafka\n", &[]).starts_with("t.toml, line 1: "));
        assert_eq!(
            message("", &[("TRIBUTARY_KAFKA_BROKER", "x")]),
            "environment variable TRIBUTARY_KAFKA_BROKER: unknown key `broker`, did you mean `brokers`?"
        );
        assert!(message("", &[("TRIBUTARY_KAFKA_RETRIES", "many")]).contains("TRIBUTARY_KAFKA_RETRIES: invalid type"));
        assert!(message("", &[("TRIBUTARY_KAFKAS_X", "1")]).contains("unknown key `kafkas`, did you mean `kafka`?"));
        assert!(message("", &[("TRIBUTARY_OOPS", "1")]).contains("TRIBUTARY_<SECTION>_<KEY>"));
    }
}
