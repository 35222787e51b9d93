use thiserror::Error;

/// What can be wrong with the configured tables.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EnrichError {
    /// A rule names a pattern that is not defined.
    #[error("the rule of channel `{channel}` names the pattern `{pattern}`, which is not defined")]
    UnknownPattern {
        /// Channel of the rule.
        channel: String,
        /// Name it uses.
        pattern: String,
    },
    /// A rule without conditions would swallow every visit.
    #[error("the rule of channel `{channel}` has no condition")]
    NoCondition {
        /// Channel of the rule.
        channel: String,
    },
    /// A name is empty or cannot occur in a URL.
    #[error("`{name}` cannot be the name of a click id: letters, digits, `_` and `-` only, at most 32")]
    ClickIdName {
        /// The name.
        name: String,
    },
    /// A host was expected.
    #[error("`{entry}` in {place} is no host: write it without scheme, port and path")]
    Host {
        /// What stands there.
        entry: String,
        /// Where.
        place: &'static str,
    },
    /// One entry of the same table names two sources.
    #[error("`{entry}` belongs to both `{first}` and `{second}`")]
    SourceTwice {
        /// The entry.
        entry: String,
        /// Source that has it already.
        first: String,
        /// Source that claims it too.
        second: String,
    },
    /// A length of time is out of range.
    #[error("{key} must be {expected}")]
    Duration {
        /// Key in the configuration.
        key: &'static str,
        /// What is accepted.
        expected: &'static str,
    },
}
