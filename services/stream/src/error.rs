use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// The crate's result.
pub type Result<T, E = StreamError> = std::result::Result<T, E>;

/// What can go wrong with Kafka.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StreamError {
    /// The configuration cannot work.
    #[error("the Kafka configuration is wrong: {0}")]
    Config(String),
    /// A request to Kafka failed.
    #[error("cannot {doing}: {error}")]
    Kafka {
        /// What was being done.
        doing: &'static str,
        /// What librdkafka says.
        error: KafkaError,
    },
    /// Kafka answered with an error code.
    #[error("cannot {doing}: {code}{}", detail_suffix(.detail))]
    Broker {
        /// What was being done.
        doing: &'static str,
        /// The code.
        code: RDKafkaErrorCode,
        /// More words, may be empty.
        detail: String,
    },
    /// The cluster does not answer.
    #[error("cannot {doing}: Kafka at {brokers} does not answer{}", reason_suffix(.reason.as_ref()))]
    Unreachable {
        /// What was being done.
        doing: &'static str,
        /// Where it was looked for.
        brokers: String,
        /// Why, if librdkafka knows.
        reason: Option<String>,
    },
    /// A topic does not exist.
    #[error("there is no topic `{name}`: run `tributary migrate`, or create it")]
    UnknownTopic {
        /// Its name.
        name: String,
    },
    /// Receipt time must be the broker's.
    #[error(
        "message.timestamp.type is not LogAppendTime for {topics}: receipt time must be the broker's; mend it with \
         `kafka-configs.sh --alter --entity-type topics --entity-name <topic> --add-config \
         message.timestamp.type=LogAppendTime`"
    )]
    NotLogAppendTime {
        /// The topics, separated by commas.
        topics: String,
    },
    /// A topic was deleted and created again while it was being read.
    #[error("topic `{name}` was deleted and created again while it was read: restart to read the new one")]
    TopicRecreated {
        /// Its name.
        name: String,
    },
    /// Partitions were added to a topic while it was being read.
    #[error(
        "topic `{name}` had {before} partitions and now has more: state is kept by partition, so that cannot go on"
    )]
    PartitionsAdded {
        /// Its name.
        name: String,
        /// How many there were.
        before: i32,
    },
    /// The partition is not this process's any more, or not in this epoch.
    #[error("the partition is no longer assigned to this process")]
    NotAssigned,
    /// The broker did not answer a commit in time; it may or may not have happened.
    #[error("the commit was not answered in time: whether it happened is unknown")]
    CommitTimeout,
    /// The consumer, producer or follower has been closed.
    #[error("the Kafka client is closed")]
    Closed,
    /// The offset to read from is not in the log any more.
    #[error("offset {offset} is not in the log")]
    OffsetOutOfRange {
        /// The offset.
        offset: i64,
    },
    /// A plan does not fit in a commit's metadata.
    #[error("a plan of {ends} batches takes {bytes} bytes, more than a commit's metadata may have")]
    PlanTooLarge {
        /// How many batches.
        ends: usize,
        /// How many bytes.
        bytes: usize,
    },
    /// A commit's metadata is no plan.
    #[error("the committed metadata is no plan of a version known here: {0}")]
    PlanInvalid(String),
    /// A message of the identity log cannot be used; going on without it would make another graph than elsewhere.
    #[error("cannot follow the identity log past offset {offset}: {detail}")]
    Log {
        /// Its offset.
        offset: i64,
        /// Why.
        detail: String,
    },
    /// A published snapshot cannot be written or read.
    #[error("snapshots in topic `{topic}`: {detail}")]
    Snapshot {
        /// The topic.
        topic: String,
        /// What is wrong.
        detail: String,
    },
    /// A command or request cannot be encoded.
    #[error("cannot encode {what}: {detail}")]
    Encode {
        /// What.
        what: &'static str,
        /// Why.
        detail: String,
    },
    /// The schema registry refuses to answer.
    #[error("the schema registry refuses: {0}")]
    Registry(String),
}

impl StreamError {
    pub(crate) fn kafka(doing: &'static str) -> impl FnOnce(KafkaError) -> Self {
        move |error| StreamError::Kafka { doing, error }
    }

    /// The code, if Kafka or librdkafka gave one.
    pub fn code(&self) -> Option<RDKafkaErrorCode> {
        match self {
            StreamError::Kafka { error: KafkaError::AdminOp(code), .. } => Some(*code),
            StreamError::Kafka { error, .. } => error.rdkafka_error_code(),
            StreamError::Broker { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether doing the same again later may work: brokers away, time-outs, elections.
    pub fn is_retriable(&self) -> bool {
        match self {
            StreamError::CommitTimeout | StreamError::Unreachable { .. } => true,
            _ => self.code().is_some_and(is_retriable_code),
        }
    }
}

fn detail_suffix(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(" ({detail})") }
}

fn reason_suffix(reason: Option<&String>) -> String {
    reason.map_or_else(String::new, |reason| format!(": {reason}"))
}

fn is_retriable_code(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::AllBrokersDown
            | Code::BrokerDestroy
            | Code::BrokerNotAvailable
            | Code::BrokerTransportFailure
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::LeaderNotAvailable
            | Code::MessageTimedOut
            | Code::NetworkException
            | Code::NotCoordinator
            | Code::NotEnoughReplicas
            | Code::NotEnoughReplicasAfterAppend
            | Code::NotLeaderForPartition
            | Code::OperationTimedOut
            | Code::QueueFull
            | Code::RebalanceInProgress
            | Code::ReplicaNotAvailable
            | Code::RequestTimedOut
            | Code::Resolve
            | Code::TimedOutQueue
            | Code::WaitingForCoordinator
    )
}
