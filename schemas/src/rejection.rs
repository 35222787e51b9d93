use crate::{Position, Text};

/// Why a record cannot be stored. The code is a contract: it stands in `dead_letters.reason`, in the headers of the
/// dead-letter topic and in metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// No payload at all.
    EmptyPayload,
    /// The payload is larger than the limit.
    TooLarge,
    /// The first bytes are none of JSON, Avro single-object, Confluent framing.
    UnknownEncoding,
    /// Not valid UTF-8.
    InvalidUtf8,
    /// Not a JSON object, or broken JSON.
    InvalidJson,
    /// The Avro bytes do not fit their schema.
    InvalidAvro,
    /// The fingerprint or registry id names no schema that is known for this source.
    UnknownSchema,
    /// A required field is absent.
    MissingField,
    /// A field has the wrong type or an impossible value.
    InvalidField,
    /// The event time cannot be read.
    InvalidTime,
    /// The event time is outside the accepted range.
    TimeOutOfRange,
    /// An amount of money or its currency cannot be read.
    InvalidMoney,
    /// Nothing in the record says whose it is.
    NoIdentifier,
}

impl Reason {
    /// All reasons, in the order in which a record meets them.
    pub const ALL: [Reason; 13] = [
        Reason::EmptyPayload,
        Reason::TooLarge,
        Reason::UnknownEncoding,
        Reason::InvalidUtf8,
        Reason::InvalidJson,
        Reason::InvalidAvro,
        Reason::UnknownSchema,
        Reason::MissingField,
        Reason::InvalidField,
        Reason::InvalidTime,
        Reason::TimeOutOfRange,
        Reason::InvalidMoney,
        Reason::NoIdentifier,
    ];

    /// The code of this reason.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::EmptyPayload => "empty_payload",
            Reason::TooLarge => "too_large",
            Reason::UnknownEncoding => "unknown_encoding",
            Reason::InvalidUtf8 => "invalid_utf8",
            Reason::InvalidJson => "invalid_json",
            Reason::InvalidAvro => "invalid_avro",
            Reason::UnknownSchema => "unknown_schema",
            Reason::MissingField => "missing_field",
            Reason::InvalidField => "invalid_field",
            Reason::InvalidTime => "invalid_time",
            Reason::TimeOutOfRange => "time_out_of_range",
            Reason::InvalidMoney => "invalid_money",
            Reason::NoIdentifier => "no_identifier",
        }
    }
}

/// A record that goes to `dead-letters` and into `dead_letters`, with everything a person needs to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Where the record stands; its bytes are looked up in the batch by offset.
    pub position: Position,
    /// Reason code.
    pub reason: Reason,
    /// Path of the offending field (`order.currency`), empty when it is the whole record.
    pub field: Text,
    /// Byte position in the payload where reading failed, if known.
    pub byte_offset: Option<u64>,
    /// A lower-case sentence: what was found and what was expected. Never holds the value of an identifier.
    pub detail: String,
    /// The event id, if it could be read, else empty.
    pub event_id: Text,
}
