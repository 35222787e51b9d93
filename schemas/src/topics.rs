//! The topics: names, partitions, retention and settings, from `topics.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::Source;

const TOPICS_TOML: &str = include_str!("../topics.toml");

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Name, with the prefix in front.
    pub name: String,
    /// What is in it, for people.
    pub about: String,
    /// What its records are keyed by, for people.
    pub key: String,
    /// Number of partitions it is created with.
    pub partitions: i32,
    /// How long records are kept, ms; -1 for ever.
    pub retention_ms: i64,
    /// All settings it is created with, `retention.ms` and `message.timestamp.type` among them.
    pub config: BTreeMap<String, String>,
}

/// All topics by role.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the roles in topics.toml, which describes them")]
pub struct Topics {
    pub web: Topic,
    pub form: Topic,
    pub pos: Topic,
    pub support: Topic,
    pub crm: Topic,
    pub ad_spend: Topic,
    pub identity_log: Topic,
    pub identity_snapshots: Topic,
    pub attribution_requests: Topic,
    pub dead_letters: Topic,
}

impl Topics {
    /// The topics of the embedded `topics.toml`.
    pub fn load_default() -> Topics {
        Topics::parse(TOPICS_TOML).expect("the embedded topics.toml is parsed by a test")
    }

    /// Reads a `topics.toml`.
    pub fn parse(text: &str) -> Result<Topics, toml::de::Error> {
        let file: File = toml::from_str(text)?;
        let defaults = file.defaults;
        let topic = |wire: WireTopic| wire.into_topic(&defaults);
        Ok(Topics {
            web: topic(file.web),
            form: topic(file.form),
            pos: topic(file.pos),
            support: topic(file.support),
            crm: topic(file.crm),
            ad_spend: topic(file.ad_spend),
            identity_log: topic(file.identity_log),
            identity_snapshots: topic(file.identity_snapshots),
            attribution_requests: topic(file.attribution_requests),
            dead_letters: topic(file.dead_letters),
        })
    }

    /// The same topics under names that begin with `prefix`.
    pub fn with_prefix(mut self, prefix: &str) -> Topics {
        for topic in self.all_mut() {
            topic.name.insert_str(0, prefix);
        }
        self
    }

    /// The topic of a source.
    pub fn source(&self, source: Source) -> &Topic {
        match source {
            Source::Web => &self.web,
            Source::Form => &self.form,
            Source::Pos => &self.pos,
            Source::Support => &self.support,
            Source::Crm => &self.crm,
            Source::AdSpend => &self.ad_spend,
        }
    }

    /// All topics, in the order of the file.
    pub fn all(&self) -> [&Topic; 10] {
        [
            &self.web,
            &self.form,
            &self.pos,
            &self.support,
            &self.crm,
            &self.ad_spend,
            &self.identity_log,
            &self.attribution_requests,
            &self.dead_letters,
            &self.identity_snapshots,
        ]
    }

    fn all_mut(&mut self) -> [&mut Topic; 10] {
        [
            &mut self.web,
            &mut self.form,
            &mut self.pos,
            &mut self.support,
            &mut self.crm,
            &mut self.ad_spend,
            &mut self.identity_log,
            &mut self.attribution_requests,
            &mut self.dead_letters,
            &mut self.identity_snapshots,
        ]
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    web: WireTopic,
    form: WireTopic,
    pos: WireTopic,
    support: WireTopic,
    crm: WireTopic,
    ad_spend: WireTopic,
    identity_log: WireTopic,
    identity_snapshots: WireTopic,
    attribution_requests: WireTopic,
    dead_letters: WireTopic,
    defaults: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireTopic {
    name: String,
    about: String,
    key: String,
    partitions: i32,
    retention_ms: i64,
    #[serde(default)]
    config: BTreeMap<String, String>,
}

impl WireTopic {
    fn into_topic(self, defaults: &BTreeMap<String, String>) -> Topic {
        let mut config = defaults.clone();
        config.extend(self.config);
        config.insert("retention.ms".to_owned(), self.retention_ms.to_string());
        Topic {
            name: self.name,
            about: self.about,
            key: self.key,
            partitions: self.partitions,
            retention_ms: self.retention_ms,
            config,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_carries_the_brokers_time() {
        for topic in Topics::load_default().all() {
            assert_eq!(topic.config["message.timestamp.type"], "LogAppendTime", "{}", topic.name);
            assert_eq!(topic.config["retention.ms"], topic.retention_ms.to_string());
            assert!(topic.partitions > 0);
        }
    }

    #[test]
    fn names_are_distinct_and_take_a_prefix() {
        let topics = Topics::load_default().with_prefix("test.");
        let mut names: Vec<_> = topics.all().map(|topic| topic.name.clone()).to_vec();
        assert!(names.iter().all(|name| name.starts_with("test.")));
        assert_eq!(topics.source(Source::AdSpend).name, "test.ad.spend");
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 10);
    }

    #[test]
    fn the_identity_log_is_one_partition_kept_for_ever() {
        let log = Topics::load_default().identity_log;
        assert_eq!((log.partitions, log.retention_ms), (1, -1));
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        let text = TOPICS_TOML.replace("partitions = 4", "partitons = 4");
        assert!(Topics::parse(&text).unwrap_err().to_string().contains("partitons"));
    }
}
