use std::collections::BTreeMap;
use std::fmt;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use serde::{Deserialize, Serialize};

use crate::{Result, StreamError};

/// How to reach Kafka, and the names everything there begins with.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaConfig {
    /// `host:port`, several separated by commas.
    pub brokers: String,
    /// `plaintext`, `ssl`, `sasl_plaintext` or `sasl_ssl`.
    pub security_protocol: Option<String>,
    /// `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    pub sasl_mechanism: Option<String>,
    /// User name for SASL.
    pub sasl_username: Option<String>,
    /// Password for SASL. Never logged.
    pub sasl_password: Option<String>,
    /// File with the certificates of the authorities to trust; the system's when absent.
    pub ssl_ca_location: Option<String>,
    /// Put before the name of every topic.
    pub topic_prefix: String,
    /// Put, with a dot, before the name of every consumer group.
    pub group_prefix: String,
    /// A name that this process keeps over restarts: it then gets its partitions back at once after a crash, instead
    /// of after `session_timeout_ms`. Two processes must never share one.
    pub group_instance_id: Option<String>,
    /// After this long without a heartbeat the group gives a process's partitions to others.
    pub session_timeout_ms: u32,
    /// Further librdkafka settings, by their names. Those that the protocol rests on cannot be set.
    pub properties: BTreeMap<String, String>,
}

impl Default for KafkaConfig {
    fn default() -> Self {
        Self {
            brokers: "127.0.0.1:9092".to_owned(),
            security_protocol: None,
            sasl_mechanism: None,
            sasl_username: None,
            sasl_password: None,
            ssl_ca_location: None,
            topic_prefix: String::new(),
            group_prefix: "tributary".to_owned(),
            group_instance_id: None,
            session_timeout_ms: 10_000,
            properties: BTreeMap::new(),
        }
    }
}

impl fmt::Debug for KafkaConfig {
    /// Shows which secrets are set, never what they are. Of `properties` only the names: a value may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaConfig")
            .field("brokers", &self.brokers)
            .field("security_protocol", &self.security_protocol)
            .field("sasl_mechanism", &self.sasl_mechanism)
            .field("sasl_username", &self.sasl_username)
            .field("sasl_password", &self.sasl_password.as_ref().map(|_| "(set)"))
            .field("ssl_ca_location", &self.ssl_ca_location)
            .field("topic_prefix", &self.topic_prefix)
            .field("group_prefix", &self.group_prefix)
            .field("group_instance_id", &self.group_instance_id)
            .field("session_timeout_ms", &self.session_timeout_ms)
            .field("properties", &self.properties.keys())
            .finish()
    }
}

/// What the exactly-once protocol rests on, and what has a field of its own.
const RESERVED: &[&str] = &[
    "acks",
    "auto.offset.reset",
    "bootstrap.servers",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "isolation.level",
    "metadata.broker.list",
    "partition.assignment.strategy",
    "request.required.acks",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "session.timeout.ms",
    "ssl.ca.location",
];

impl KafkaConfig {
    /// Full name of a consumer group.
    pub fn group(&self, name: &str) -> String {
        format!("{}.{name}", self.group_prefix)
    }

    /// Full name of a topic.
    pub fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.topic_prefix)
    }

    /// Says what is wrong with this configuration, if anything is.
    pub fn check(&self) -> Result<()> {
        if self.brokers.trim().is_empty() {
            return Err(StreamError::Config("kafka.brokers is empty".to_owned()));
        }
        for name in self.properties.keys() {
            if RESERVED.contains(&name.as_str()) {
                return Err(StreamError::Config(format!(
                    "kafka.properties cannot set `{name}`: exactly-once rests on it, or it has a field of its own"
                )));
            }
        }
        Ok(())
    }

    /// What every client shares.
    fn client(&self) -> Result<ClientConfig> {
        self.check()?;
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &self.brokers);
        client.set("client.id", "tributary");
        client.set("socket.keepalive.enable", "true");
        client.set("reconnect.backoff.ms", "50");
        client.set("reconnect.backoff.max.ms", "1000");
        client.set("topic.metadata.refresh.interval.ms", "30000");
        client.set("allow.auto.create.topics", "false");
        let optional = [
            ("security.protocol", &self.security_protocol),
            ("sasl.mechanism", &self.sasl_mechanism),
            ("sasl.username", &self.sasl_username),
            ("sasl.password", &self.sasl_password),
            ("ssl.ca.location", &self.ssl_ca_location),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                client.set(name, value);
            }
        }
        client.set_log_level(RDKafkaLogLevel::Warning);
        Ok(client)
    }

    /// For [`crate::Admin`]: speaks to the cluster, joins nothing.
    pub(crate) fn admin_client(&self, group: Option<&str>) -> Result<ClientConfig> {
        let mut client = self.client()?;
        if let Some(group) = group {
            client.set("group.id", group);
            client.set("enable.auto.commit", "false");
        }
        self.add_properties(&mut client);
        Ok(client)
    }

    /// For a consumer: by `subscribe` as a member of `group`, or by `assign`, when the group is only a name.
    pub(crate) fn consumer_client(&self, group: &str, subscribes: bool) -> Result<ClientConfig> {
        let mut client = self.client()?;
        client.set("group.id", group);
        client.set("enable.auto.commit", "false");
        client.set("enable.auto.offset.store", "false");
        client.set("enable.partition.eof", "true");
        client.set("auto.offset.reset", "error");
        client.set("isolation.level", "read_committed");
        client.set("check.crcs", "true");
        // A long poll returns as soon as there is a record; a short one lets newly started partitions join in sooner.
        client.set("fetch.wait.max.ms", "100");
        client.set("fetch.queue.backoff.ms", "20");
        client.set("fetch.error.backoff.ms", "100");
        client.set("queued.max.messages.kbytes", "16384");
        if subscribes {
            client.set("partition.assignment.strategy", "cooperative-sticky");
            client.set("session.timeout.ms", self.session_timeout_ms.to_string());
            client.set("heartbeat.interval.ms", (self.session_timeout_ms / 4).to_string());
            if let Some(instance) = &self.group_instance_id {
                client.set("group.instance.id", instance);
            }
        }
        self.add_properties(&mut client);
        Ok(client)
    }

    /// For a producer: acknowledged by all in-sync replicas, never twice, never out of order.
    pub(crate) fn producer_client(&self) -> Result<ClientConfig> {
        let mut client = self.client()?;
        client.set("acks", "all");
        client.set("enable.idempotence", "true");
        client.set("linger.ms", "2");
        client.set("compression.type", "lz4");
        // As Kafka's own clients do, so that any producer's records of one key meet in one partition.
        client.set("partitioner", "murmur2_random");
        // Long enough for a broker that restarts; after it the sender is told, and sends again.
        client.set("message.timeout.ms", "60000");
        client.set("message.max.bytes", MAX_MESSAGE_BYTES.to_string());
        self.add_properties(&mut client);
        Ok(client)
    }

    fn add_properties(&self, client: &mut ClientConfig) {
        for (name, value) in &self.properties {
            client.set(name, value);
        }
    }
}

/// What a producer will try to send; each topic's own limit is the broker's to enforce.
const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_never_shows_a_secret() {
        let config: KafkaConfig = toml::from_str(
            "sasl_username = 'me'\nsasl_password = 'hunter2'\n[properties]\n'ssl.key.password' = 'hunter3'\n",
        )
        .unwrap();
        let shown = format!("{config:?}");
        assert!(!shown.contains("hunter"), "{shown}");
        assert!(shown.contains("(set)") && shown.contains("ssl.key.password"), "{shown}");
    }

    #[test]
    fn unknown_keys_and_reserved_properties_are_refused() {
        assert!(toml::from_str::<KafkaConfig>("broker = 'x'").is_err());
        let config: KafkaConfig = toml::from_str("[properties]\n'enable.auto.commit' = 'true'").unwrap();
        assert!(config.check().unwrap_err().to_string().contains("enable.auto.commit"));
    }

    #[test]
    fn security_settings_reach_the_client() {
        let config: KafkaConfig = toml::from_str(
            "security_protocol = 'sasl_ssl'\nsasl_mechanism = 'SCRAM-SHA-512'\nsasl_username = 'me'\n\
             sasl_password = 'x'\nssl_ca_location = '/ca.pem'",
        )
        .unwrap();
        let client = config.producer_client().unwrap();
        assert_eq!(client.get("security.protocol"), Some("sasl_ssl"));
        assert_eq!(client.get("sasl.mechanism"), Some("SCRAM-SHA-512"));
        assert_eq!(client.get("sasl.password"), Some("x"));
        assert_eq!(client.get("ssl.ca.location"), Some("/ca.pem"));
    }
}
