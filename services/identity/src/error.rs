/// Why the identity rules or the identity log cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The configured rules contradict themselves.
    #[error("identity rules: {0}")]
    Rules(String),
    /// The log was written under other rules than this process was started with.
    #[error("the identity log was written under other rules; what differs:\n{}", .0.join("\n"))]
    RulesDiffer(Vec<String>),
    /// Log messages must be applied in ascending order of their offsets.
    #[error("identity log offset {offset} was applied after {applied}")]
    OffsetNotAscending {
        /// The offset of the refused message.
        offset: i64,
        /// The last offset applied.
        applied: i64,
    },
    /// A log message does not fit these rules or the graph's limits.
    #[error("identity log message at offset {offset}: {reason}")]
    InvalidMessage {
        /// Its offset.
        offset: i64,
        /// What is wrong with it.
        reason: String,
    },
}
