/// Why the resolver stops. Everything that passes by itself is retried where it happens and never comes here.
#[derive(Debug, thiserror::Error)]
pub enum ResolverError {
    /// Kafka refuses for good, or its settings cannot work.
    #[error(transparent)]
    Stream(#[from] stream::StreamError),
    /// ClickHouse refuses for good, or its tables are not what is expected.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The identity rules contradict themselves or the log.
    #[error(transparent)]
    Identity(#[from] identity::Error),
    /// This process was configured with other rules than those in force in the identity log.
    #[error(
        "the configured identity rules are not those in force in the identity log: {}; change the configuration back, or put \
         it in force with `tributary identity rules apply`",
        differences.join("; ")
    )]
    RulesDiffer {
        /// One line for every setting that differs.
        differences: Vec<String>,
    },
    /// No snapshot can be used, and the log alone is not enough.
    #[error(transparent)]
    Snapshots(#[from] crate::snapshots::Error),
    /// The enrichment settings contradict themselves.
    #[error(transparent)]
    Enrich(#[from] enrich::EnrichError),
    /// A setting is out of its bounds.
    #[error("{0}")]
    Config(String),
    /// The number of partitions of a source topic changed: event ids and sessions would be looked up in the wrong place.
    #[error(
        "topic `{topic}` has {now} partitions but had {before} when its first record was stored: \
         drain it and create a new topic instead, or go back to {before} partitions"
    )]
    PartitionsChanged {
        /// Topic name.
        topic: String,
        /// Partitions recorded in ClickHouse.
        before: i32,
        /// Partitions that Kafka reports.
        now: i32,
    },
    /// The port for metrics and health cannot be opened.
    #[error("cannot listen on {address} for metrics and health: {source}")]
    Listen {
        /// The configured address.
        address: std::net::SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// An entry of a topic that only Tributary writes cannot be read.
    #[error("{topic} partition {partition} offset {offset}: {detail}")]
    Undecodable {
        /// Topic name.
        topic: String,
        /// Partition number.
        partition: i32,
        /// Offset.
        offset: i64,
        /// What is wrong.
        detail: String,
    },
    /// A task of ours panicked.
    #[error("a task of the resolver failed: {0}")]
    Task(String),
}

/// Result of this crate.
pub type Result<T, E = ResolverError> = std::result::Result<T, E>;

impl ResolverError {
    /// Whether the partition was taken away meanwhile: its task ends, nothing is wrong.
    pub(crate) fn is_not_assigned(&self) -> bool {
        matches!(self, ResolverError::Stream(stream::StreamError::NotAssigned))
    }
}
