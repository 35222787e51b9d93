use std::time::Duration;

/// What can go wrong between us and ClickHouse.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A field of the configuration has an impossible value.
    #[error("{0}")]
    Config(String),
    /// Nothing answers at the address.
    #[error("clickhouse at {url} cannot be reached: {reason}")]
    Unreachable {
        /// Address without password.
        url: String,
        /// What the network says.
        reason: String,
    },
    /// The connection broke, or what came over it was no answer of ClickHouse.
    #[error("the connection to clickhouse broke during {doing}: {reason}")]
    Connection {
        /// What was being done.
        doing: String,
        /// What the network says.
        reason: String,
    },
    /// No answer in time.
    #[error("clickhouse did not answer within {} s during {doing}", .after.as_secs_f32())]
    TimedOut {
        /// What was being done.
        doing: String,
        /// The time allowed.
        after: Duration,
    },
    /// ClickHouse answered with an error of its own.
    #[error("clickhouse refused {doing}{}: {message}", advice(*.code))]
    Server {
        /// What was being done.
        doing: String,
        /// ClickHouse's error code, if the answer had one.
        code: Option<u32>,
        /// ClickHouse's text.
        message: String,
    },
    /// A migration that this version does not know has been applied, or one has changed since.
    #[error("{0}")]
    Migration(String),
    /// The database does not fit what exactly-once writing needs.
    #[error("clickhouse database `{database}` is not fit to be written to: {problem}")]
    Unfit {
        /// Database.
        database: String,
        /// A sentence saying what is missing and what to do.
        problem: String,
    },
    /// ST-1 does not hold for a batch; nothing was written.
    #[error(
        "ST-1 broken: {topic}/{partition} [{first}, {end}) has {records} records, but {stored} stored + {duplicate} duplicate + {rejected} rejected"
    )]
    Unbalanced {
        /// Topic name.
        topic: String,
        /// Partition.
        partition: i32,
        /// First offset.
        first: i64,
        /// Exclusive end.
        end: i64,
        /// Records read.
        records: u64,
        /// Records to be stored.
        stored: u64,
        /// Records known already.
        duplicate: u64,
        /// Records rejected.
        rejected: u64,
    },
    /// ClickHouse acknowledges a block and does not hold it, also not under a second token.
    #[error("clickhouse acknowledged {token} and does not hold it: stopping, because going on would lose rows")]
    BlockLost {
        /// Deduplication token of the insert.
        token: String,
    },
    /// Rows could not be put into columns.
    #[error("rows of `{table}` could not be encoded: {reason}")]
    Encode {
        /// Table.
        table: &'static str,
        /// What Arrow says.
        reason: String,
    },
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Codes after which trying again cannot help: the statement or the schema is wrong, or we may not.
const FATAL_CODES: &[u32] = &[
    6,   // CANNOT_PARSE_TEXT
    8,   // THERE_IS_NO_COLUMN
    10,  // NOT_FOUND_COLUMN_IN_BLOCK
    16,  // NO_SUCH_COLUMN_IN_TABLE
    20,  // NUMBER_OF_COLUMNS_DOESNT_MATCH
    36,  // BAD_ARGUMENTS
    42,  // NUMBER_OF_ARGUMENTS_DOESNT_MATCH
    43,  // ILLEGAL_TYPE_OF_ARGUMENT
    46,  // UNKNOWN_FUNCTION
    47,  // UNKNOWN_IDENTIFIER
    48,  // NOT_IMPLEMENTED
    50,  // UNKNOWN_TYPE
    53,  // TYPE_MISMATCH
    60,  // UNKNOWN_TABLE
    62,  // SYNTAX_ERROR
    70,  // CANNOT_CONVERT_TYPE
    73,  // UNKNOWN_FORMAT
    81,  // UNKNOWN_DATABASE
    115, // UNKNOWN_SETTING
    117, // INCORRECT_DATA
    179, // MULTIPLE_EXPRESSIONS_FOR_ALIAS
    192, // UNKNOWN_USER
    193, // WRONG_PASSWORD
    194, // REQUIRED_PASSWORD
    386, // NO_COMMON_TYPE
    452, // SETTING_CONSTRAINT_VIOLATION
    456, // UNKNOWN_QUERY_PARAMETER
    457, // BAD_QUERY_PARAMETER
    497, // ACCESS_DENIED
    516, // AUTHENTICATION_FAILED
];

impl Error {
    /// Whether trying again may help. Everything that is not known to be hopeless is retried, with readiness red:
    /// a pipeline that stops on an unknown code would need a person for what often passes by itself.
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Unreachable { .. } | Error::Connection { .. } | Error::TimedOut { .. } => true,
            Error::Server { code, .. } => code.is_none_or(|code| !FATAL_CODES.contains(&code)),
            _ => false,
        }
    }

    /// ClickHouse's error code, if there is one.
    pub fn code(&self) -> Option<u32> {
        match self {
            Error::Server { code, .. } => *code,
            _ => None,
        }
    }

    pub(crate) fn from_client(doing: &str, url: &str, error: clickhouse::error::Error) -> Self {
        use clickhouse::error::Error as Client;
        let doing = doing.to_owned();
        match error {
            Client::BadResponse(message) => {
                Error::Server { doing, code: server_code(&message), message: first_line(&message) }
            }
            Client::Network(source) => {
                let reason = with_sources(source.as_ref());
                if is_connect(source.as_ref()) {
                    Error::Unreachable { url: url.to_owned(), reason }
                } else {
                    Error::Connection { doing, reason }
                }
            }
            Client::InvalidParams(_) | Client::Unsupported(_) | Client::SchemaMismatch(_) => {
                Error::Server { doing, code: Some(36), message: error.to_string() }
            }
            other => Error::Connection { doing, reason: other.to_string() },
        }
    }
}

/// What to do about the errors that people meet first.
fn advice(code: Option<u32>) -> &'static str {
    match code {
        Some(8 | 10 | 16 | 20 | 47 | 53 | 60 | 70 | 386) => {
            " (its tables are not those of this version; run `tributary migrate`)"
        }
        Some(81) => " (the database does not exist; run `tributary migrate`)",
        Some(192 | 193 | 194 | 516) => " (check clickhouse.user and clickhouse.password)",
        Some(497) => " (the user lacks a right)",
        Some(241) => " (it is out of memory)",
        Some(243 | 75) => " (its disk is full)",
        Some(252) => " (it has too many parts)",
        _ => "",
    }
}

/// The number in `Code: 60. DB::Exception: …`.
fn server_code(message: &str) -> Option<u32> {
    let rest = &message[message.find("Code: ")? + "Code: ".len()..];
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok()
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().trim().to_owned()
}

fn with_sources(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}

fn is_connect(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<hyper_util::client::legacy::Error>().is_some_and(hyper_util::client::legacy::Error::is_connect)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(message: &str) -> Error {
        let error = clickhouse::error::Error::BadResponse(message.into());
        Error::from_client("inserting into events", "http://h", error)
    }

    #[test]
    fn load_passes_and_schema_does_not() {
        for transient in [
            "Code: 241. DB::Exception: Memory limit (total) exceeded",
            "Code: 252. DB::Exception: Too many parts (300)",
            "Code: 242. DB::Exception: Table is in readonly mode",
            "Code: 159. DB::Exception: Timeout exceeded",
            "502 Bad Gateway",
        ] {
            assert!(refused(transient).is_transient(), "{transient}");
        }
        for fatal in [
            "Code: 16. DB::Exception: No such column x in table",
            "Code: 53. DB::Exception: Type mismatch",
            "Code: 516. DB::Exception: Authentication failed",
        ] {
            assert!(!refused(fatal).is_transient(), "{fatal}");
        }
    }

    #[test]
    fn a_schema_error_says_what_to_do() {
        let text = refused("Code: 16. DB::Exception: No such column x in table t.events\nstack").to_string();
        assert_eq!(
            text,
            "clickhouse refused inserting into events (its tables are not those of this version; run `tributary \
             migrate`): Code: 16. DB::Exception: No such column x in table t.events"
        );
    }
}
