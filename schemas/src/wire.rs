//! Reading and writing our own messages: Avro single-object encoding, by serde.

use std::fmt;
use std::sync::LazyLock;

use serde::de::{DeserializeOwned, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::avro::{AvroSchema, split_single_object};

/// Why a message of ours cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Not the single-object encoding.
    #[error("{len} bytes are no avro single-object message")]
    NotFramed {
        /// Length of the message.
        len: usize,
    },
    /// Written with a schema of a later release, or with somebody else's.
    #[error("schema fingerprint {fingerprint:016x} is no released version of {schema}")]
    UnknownVersion {
        /// Name of the schema that was expected.
        schema: &'static str,
        /// What the message carries.
        fingerprint: u64,
    },
    /// The bytes do not fit the schema.
    #[error("message does not fit {schema}: {detail}")]
    Invalid {
        /// Name of the schema.
        schema: &'static str,
        /// What the reader says.
        detail: String,
    },
    /// The value does not fit the schema.
    #[error("value cannot be written as {schema}: {detail}")]
    Unwritable {
        /// Name of the schema.
        schema: &'static str,
        /// What the writer says.
        detail: String,
    },
}

/// A schema ready for use.
pub(crate) struct Codec {
    name: &'static str,
    current: serde_avro_fast::Schema,
    /// Every released version with its fingerprint: what is in a log stays readable.
    released: Vec<([u8; 8], serde_avro_fast::Schema)>,
}

impl Codec {
    pub(crate) const fn lazy(make: fn() -> Codec) -> LazyLock<Codec> {
        LazyLock::new(make)
    }

    pub(crate) fn new(schema: AvroSchema) -> Codec {
        let parse = |text: &str| {
            text.parse::<serde_avro_fast::Schema>().expect("every schema in the repository is parsed by a test")
        };
        let released =
            schema.released.iter().map(|text| parse(text)).map(|schema| (*schema.rabin_fingerprint(), schema));
        Codec { name: schema.name, current: parse(schema.current), released: released.collect() }
    }

    pub(crate) fn encode<T: Serialize>(&self, value: &T) -> Result<Vec<u8>, WireError> {
        let mut config = serde_avro_fast::ser::SerializerConfig::new(&self.current);
        serde_avro_fast::to_single_object_vec(value, &mut config)
            .map_err(|error| WireError::Unwritable { schema: self.name, detail: error.to_string() })
    }

    pub(crate) fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, WireError> {
        let (fingerprint, datum) = split_single_object(bytes).ok_or(WireError::NotFramed { len: bytes.len() })?;
        let (_, writer) = self
            .released
            .iter()
            .find(|(known, _)| *known == fingerprint)
            .ok_or(WireError::UnknownVersion { schema: self.name, fingerprint: u64::from_le_bytes(fingerprint) })?;
        serde_avro_fast::from_datum_slice(datum, writer)
            .map_err(|error| WireError::Invalid { schema: self.name, detail: error.to_string() })
    }
}

/// Sixteen bytes as Avro `fixed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fixed16(pub(crate) [u8; 16]);

impl Serialize for Fixed16 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Fixed16 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Sixteen;
        impl Visitor<'_> for Sixteen {
            type Value = Fixed16;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("sixteen bytes")
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Fixed16, E> {
                bytes.try_into().map(Fixed16).map_err(|_| E::invalid_length(bytes.len(), &self))
            }
        }
        deserializer.deserialize_bytes(Sixteen)
    }
}
