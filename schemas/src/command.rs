//! Commands of the identity log, and their bytes.

use crate::wire::WireError;
use crate::{Identifier, Text};

/// One pair of identifiers that a record names together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// The record's hub: its strongest usable identifier.
    pub hub: Identifier,
    /// The other end.
    pub other: Identifier,
}

/// Where a link came from: looked up in `identity_links` when somebody asks why two identifiers are one customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkProvenance {
    /// Source name.
    pub source: Text,
    /// Event id of the record.
    pub event_id: Text,
    /// Event time, ms since the epoch.
    pub event_time_ms: i64,
}

/// An entry of the identity log. One Kafka message packs many; a command's place is (offset, index in the message).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The edges of one record that the graph did not know yet.
    Link {
        /// The edges, hub first, others by (priority, key).
        edges: Vec<Edge>,
        /// Whence.
        provenance: LinkProvenance,
    },
    /// The rules in force from here on; the first entry of every log.
    Rules {
        /// Hash over limits, normaliser versions, the secret's check value and the graph code's semantics version.
        hash: [u8; 16],
        /// The rules as JSON, so that a process with other rules can say what differs.
        rules_json: String,
    },
}

/// Writes commands as one message of `identity.log`.
pub fn encode_commands(commands: &[Command]) -> Vec<u8> {
    let message = wire::Message { commands: commands.iter().map(wire::Command::from).collect() };
    wire::CODEC.encode(&message).expect("the wire types mirror the schema, which a test round-trips")
}

/// Reads one message of `identity.log`.
pub fn decode_commands(bytes: &[u8]) -> Result<Vec<Command>, WireError> {
    let message: wire::Message = wire::CODEC.decode(bytes)?;
    message.commands.into_iter().map(Command::try_from).collect()
}

/// The same types in the shape of `identity_commands.avsc`.
mod wire {
    use std::sync::LazyLock;

    use serde::{Deserialize, Serialize};

    use crate::wire::{Codec, Fixed16, WireError};
    use crate::{Key, avro};

    pub(super) static CODEC: LazyLock<Codec> = Codec::lazy(|| Codec::new(avro::IDENTITY_COMMANDS));

    #[derive(Serialize, Deserialize)]
    pub(super) struct Message {
        pub(super) commands: Vec<Command>,
    }

    #[derive(Serialize, Deserialize)]
    pub(super) enum Command {
        #[serde(rename = "tributary.Link")]
        Link { edges: Vec<Edge>, source: String, event_id: String, event_time: i64 },
        #[serde(rename = "tributary.Rules")]
        Rules { hash: Fixed16, rules_json: String },
    }

    #[derive(Serialize, Deserialize)]
    pub(super) struct Edge {
        hub: Identifier,
        other: Identifier,
    }

    #[derive(Serialize, Deserialize)]
    struct Identifier {
        kind: i32,
        key: Fixed16,
    }

    impl From<&super::Command> for Command {
        fn from(command: &super::Command) -> Self {
            match command {
                super::Command::Link { edges, provenance } => Command::Link {
                    edges: edges.iter().map(|edge| Edge { hub: edge.hub.into(), other: edge.other.into() }).collect(),
                    source: provenance.source.as_str().to_owned(),
                    event_id: provenance.event_id.as_str().to_owned(),
                    event_time: provenance.event_time_ms,
                },
                super::Command::Rules { hash, rules_json } => {
                    Command::Rules { hash: Fixed16(*hash), rules_json: rules_json.clone() }
                }
            }
        }
    }

    impl TryFrom<Command> for super::Command {
        type Error = WireError;

        fn try_from(command: Command) -> Result<Self, WireError> {
            Ok(match command {
                Command::Link { edges, source, event_id, event_time } => super::Command::Link {
                    edges: edges
                        .into_iter()
                        .map(|edge| Ok(super::Edge { hub: edge.hub.try_into()?, other: edge.other.try_into()? }))
                        .collect::<Result<_, WireError>>()?,
                    provenance: super::LinkProvenance {
                        source: source.into(),
                        event_id: event_id.into(),
                        event_time_ms: event_time,
                    },
                },
                Command::Rules { hash, rules_json } => super::Command::Rules { hash: hash.0, rules_json },
            })
        }
    }

    impl From<crate::Identifier> for Identifier {
        fn from(identifier: crate::Identifier) -> Self {
            Identifier { kind: i32::from(identifier.kind), key: Fixed16(identifier.key.0.to_be_bytes()) }
        }
    }

    impl TryFrom<Identifier> for crate::Identifier {
        type Error = WireError;

        fn try_from(identifier: Identifier) -> Result<Self, WireError> {
            let kind = u8::try_from(identifier.kind).map_err(|_| WireError::Invalid {
                schema: avro::IDENTITY_COMMANDS.name,
                detail: format!("identifier kind {} is not in 0..=255", identifier.kind),
            })?;
            Ok(crate::Identifier { kind, key: Key(u128::from_be_bytes(identifier.key.0)) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Key;

    fn commands() -> Vec<Command> {
        let identifier = |kind, key| Identifier { kind, key: Key(key) };
        let edge = |a, b| Edge { hub: identifier(0, a), other: identifier(255, b) };
        let provenance = |event_id: &str| LinkProvenance {
            source: "web".into(),
            event_id: event_id.into(),
            event_time_ms: -62_135_596_800_000,
        };
        vec![
            Command::Rules { hash: *b"0123456789abcdef", rules_json: "{\"types\":[]}".into() },
            Command::Link { edges: vec![edge(1, u128::MAX), edge(1, 0)], provenance: provenance("é-1") },
            Command::Link { edges: vec![], provenance: provenance("") },
        ]
    }

    #[test]
    fn commands_come_back_as_they_were() {
        let bytes = encode_commands(&commands());
        assert_eq!(decode_commands(&bytes).unwrap(), commands());
        assert_eq!(decode_commands(&encode_commands(&[])).unwrap(), []);
    }

    #[test]
    fn another_avro_reader_sees_the_same() {
        let schema = apache_avro::Schema::parse_str(crate::avro::IDENTITY_COMMANDS.current).unwrap();
        let bytes = encode_commands(&commands());
        assert_eq!(bytes[2..10], crate::avro::fingerprints(crate::avro::IDENTITY_COMMANDS.current).unwrap()[0]);
        let mut datum = &bytes[10..];
        let value = apache_avro::reader::datum::GenericDatumReader::builder(&schema)
            .build()
            .unwrap()
            .read_value(&mut datum)
            .unwrap();
        assert!(datum.is_empty());
        assert!(format!("{value:?}").contains("é-1"));
    }

    #[test]
    fn damaged_messages_are_errors() {
        let bytes = encode_commands(&commands());
        for end in 0..bytes.len() {
            assert!(decode_commands(&bytes[..end]).is_err(), "cut at {end}");
        }
        let mut other = bytes.clone();
        other[5] ^= 1;
        assert!(decode_commands(&other).unwrap_err().to_string().contains("no released version of identity_commands"));
    }
}
