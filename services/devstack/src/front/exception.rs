//! ClickHouse's errors: their numbers, their texts, and the HTTP status a server gives to each.

use hyper::StatusCode;

/// An error as ClickHouse reports it: a number and a text that repeats it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exception {
    pub(super) code: u32,
    pub(super) message: String,
}

impl Exception {
    /// An error of the front's own, in ClickHouse's form.
    pub(super) fn new(code: u32, message: impl AsRef<str>) -> Self {
        let name = name(code);
        Self { code, message: format!("Code: {code}. DB::Exception: {}. ({name})", message.as_ref()) }
    }

    /// An error of the engine. Texts without a number come from the library around it.
    pub(super) fn parse(text: &str) -> Self {
        let number =
            text.strip_prefix("Code: ").map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
        match number.and_then(|digits| digits.parse().ok()) {
            Some(code) => Self { code, message: text.trim_end().to_owned() },
            None => Self::new(1001, text.trim_end().trim_end_matches('.')),
        }
    }

    /// The text of a response: with the version, as a server writes it.
    pub(super) fn body(&self, version: &str) -> String {
        if self.message.contains("(version ") {
            format!("{}\n", self.message)
        } else {
            format!("{} (version {version})\n", self.message)
        }
    }

    /// The HTTP status a ClickHouse server gives to this error.
    pub(super) fn status(&self) -> StatusCode {
        match self.code {
            194 => StatusCode::UNAUTHORIZED,
            192 | 193 | 516 | 497 | 512 => StatusCode::FORBIDDEN,
            6 | 25 | 26 | 27 | 36 | 38 | 41 | 62 | 69 | 72 | 117 | 15 | 44 | 16 | 53 | 168 | 183 | 190 | 223 | 224
            | 321 | 376 | 427 | 441 | 675 | 676 => StatusCode::BAD_REQUEST,
            46 | 47 | 50 | 56 | 60 | 63 | 73 | 78 | 81 | 106 | 115 | 336 | 511 => StatusCode::NOT_FOUND,
            159 => StatusCode::REQUEST_TIMEOUT,
            381 => StatusCode::LENGTH_REQUIRED,
            66 => StatusCode::PAYLOAD_TOO_LARGE,
            48 => StatusCode::NOT_IMPLEMENTED,
            76 | 209 | 439 => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// Names of the numbers that the front itself uses.
fn name(code: u32) -> &'static str {
    match code {
        3 => "UNEXPECTED_END_OF_FILE",
        36 => "BAD_ARGUMENTS",
        40 => "CHECKSUM_DOESNT_MATCH",
        48 => "NOT_IMPLEMENTED",
        49 => "LOGICAL_ERROR",
        62 => "SYNTAX_ERROR",
        73 => "UNKNOWN_FORMAT",
        74 => "CANNOT_READ_FROM_FILE_DESCRIPTOR",
        78 => "UNKNOWN_TYPE_OF_QUERY",
        89 => "UNKNOWN_COMPRESSION_METHOD",
        164 => "READONLY",
        202 => "TOO_MANY_SIMULTANEOUS_QUERIES",
        210 => "NETWORK_ERROR",
        216 => "QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING",
        243 => "NOT_ENOUGH_SPACE",
        344 => "SUPPORT_IS_DISABLED",
        371 => "INVALID_SESSION_TIMEOUT",
        372 => "SESSION_NOT_FOUND",
        373 => "SESSION_IS_LOCKED",
        394 => "QUERY_WAS_CANCELLED",
        516 => "AUTHENTICATION_FAILED",
        _ => "STD_EXCEPTION",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_from_the_engines_texts() {
        let exception = Exception::parse("Code: 60. DB::Exception: Table x does not exist. (UNKNOWN_TABLE)\n");
        assert_eq!((exception.code, exception.status()), (60, StatusCode::NOT_FOUND));
        assert_eq!(
            exception.body("26.7"),
            "Code: 60. DB::Exception: Table x does not exist. (UNKNOWN_TABLE) (version 26.7)\n"
        );
        let other = Exception::parse("Another streaming query is already active.");
        assert_eq!((other.code, other.status()), (1001, StatusCode::INTERNAL_SERVER_ERROR));
    }
}
