//! The parts of a stack, how they are, and where clients find them.

use std::path::PathBuf;

use serde::Serialize;

use crate::external;

/// A part of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Apache Kafka.
    Kafka,
    /// ClickHouse, embedded or a server.
    ClickHouse,
}

impl Part {
    /// Every part, in the order of their start.
    pub const ALL: [Self; 2] = [Self::ClickHouse, Self::Kafka];

    /// The name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kafka => "Kafka",
            Self::ClickHouse => "ClickHouse",
        }
    }

    pub(crate) fn port_flag(self) -> &'static str {
        match self {
            Self::Kafka => "--kafka-port",
            Self::ClickHouse => "--clickhouse-port",
        }
    }
}

/// How a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It runs and answers.
    Running,
    /// Its process runs and does not answer (yet).
    Silent,
    /// It is not running.
    Stopped,
    /// It is not running, and was not stopped by `down`.
    Died,
    /// A server of the user's, which answers.
    External,
    /// A server of the user's, which does not answer.
    ExternalSilent,
}

/// One line of `status`.
#[derive(Debug, Clone, Serialize)]
pub struct PartStatus {
    /// The part.
    pub part: Part,
    /// How it is.
    pub state: State,
    /// Its process, if it is ours.
    pub pid: Option<i32>,
    /// Where clients find it: `host:port` for Kafka, a URL for ClickHouse, without credentials.
    pub address: String,
    /// Memory that its process holds.
    pub resident_bytes: Option<u64>,
    /// Its version, if known.
    pub version: Option<String>,
    /// Its log file, if it is ours.
    pub log: Option<PathBuf>,
}

/// Where the stack's clients find its servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Endpoints {
    /// Kafka's bootstrap brokers.
    pub brokers: String,
    /// ClickHouse's HTTP interface.
    pub clickhouse_url: String,
}

impl Endpoints {
    /// The environment variables that hand these to other programs.
    pub fn variables(&self) -> [(&'static str, &str); 2] {
        [(external::KAFKA_VARIABLE, &self.brokers), (external::CLICKHOUSE_VARIABLE, &self.clickhouse_url)]
    }
}
