//! Where a stack lives and what it consists of.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::external;
use crate::part::Part;
use crate::parts::{Cache, Machine};
use crate::progress::Progress;

/// Where a stack lives and what it consists of.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder of everything that this stack writes.
    pub state_dir: PathBuf,
    /// The folder of fetched parts, shared by all stacks.
    pub cache_dir: PathBuf,
    /// The port of Kafka; 0 takes a free one and keeps it.
    pub kafka_port: u16,
    /// The port of ClickHouse's HTTP interface; 0 takes a free one and keeps it.
    pub clickhouse_port: u16,
    /// Brokers that run already: no Kafka is started.
    pub brokers: Option<String>,
    /// A ClickHouse that runs already: none is started.
    pub clickhouse_url: Option<String>,
    /// The parts to start; tests of one need not wait for the other.
    pub parts: Vec<Part>,
    /// The command that runs the front, to which `--port`, `--data` and `--library` are added.
    pub front_command: Vec<OsString>,
    /// What must be free on the disk of `state_dir` for a start.
    pub min_free_bytes: u64,
    /// How long a started part may take until it answers.
    pub patience: Duration,
    /// The machine's programs.
    pub machine: Machine,
    /// How progress is shown.
    pub progress: Progress,
}

impl Options {
    /// The port that Kafka's clients expect.
    pub const KAFKA_PORT: u16 = 9092;
    /// The port that ClickHouse's clients expect.
    pub const CLICKHOUSE_PORT: u16 = 8123;
    const MIN_FREE_BYTES: u64 = 500_000_000;
    /// Kafka takes four seconds; a busy machine and a killed broker's old session take the rest.
    const PATIENCE: Duration = Duration::from_secs(120);

    /// The usual stack in `state_dir`, with `KAFKA_BROKERS`, `CLICKHOUSE_URL` and `TRIBUTARY_CACHE` of the environment.
    ///
    /// The front is run by this very program, as `dev front`.
    pub fn from_env(state_dir: impl Into<PathBuf>) -> Self {
        let named = |variable| std::env::var(variable).ok().filter(|value| !value.trim().is_empty());
        let this_program = std::env::current_exe().map_or_else(|_| "tributary".into(), PathBuf::into_os_string);
        Self {
            state_dir: state_dir.into(),
            cache_dir: Cache::default_root(),
            kafka_port: Self::KAFKA_PORT,
            clickhouse_port: Self::CLICKHOUSE_PORT,
            brokers: named(external::KAFKA_VARIABLE),
            clickhouse_url: named(external::CLICKHOUSE_VARIABLE),
            parts: Part::ALL.to_vec(),
            front_command: vec![this_program, "dev".into(), "front".into()],
            min_free_bytes: Self::MIN_FREE_BYTES,
            patience: Self::PATIENCE,
            machine: Machine::here(),
            progress: Progress::auto(),
        }
    }
}
