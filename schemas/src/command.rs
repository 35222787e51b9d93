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
    /// An operator says that two identifiers are one person: an edge that limits do not refuse, only a veto.
    Merge {
        /// One identifier.
        a: Identifier,
        /// The other.
        b: Identifier,
        /// Who and why.
        note: Text,
    },
    /// An operator says that two identifiers are two people: their edge goes and no path joins them until `Allow`.
    Unlink {
        /// One identifier.
        a: Identifier,
        /// The other.
        b: Identifier,
        /// Who and why.
        note: Text,
    },
    /// Takes the veto of an `Unlink` back.
    Allow {
        /// One identifier.
        a: Identifier,
        /// The other.
        b: Identifier,
        /// Who and why.
        note: Text,
    },
    /// Removes every edge of the customer that holds an identifier; nothing is vetoed.
    Split {
        /// Any identifier of the customer.
        of: Identifier,
        /// Who and why.
        note: Text,
    },
    /// An operator says that an identifier is used by several people: it links no more, and its past stands alone.
    Share {
        /// The identifier.
        of: Identifier,
        /// Who and why.
        note: Text,
    },
    /// An identifier may link again.
    Unshare {
        /// The identifier.
        of: Identifier,
        /// Who and why.
        note: Text,
    },
    /// Forgets a customer: what was before never links again, and whoever returns is somebody new.
    Erase {
        /// Any identifier of the customer.
        of: Identifier,
        /// Whether its identifiers are refused for ever.
        suppress: bool,
        /// Who and why.
        note: Text,
    },
}

impl Command {
    /// Name in `identity_links` and in messages to people.
    pub const fn name(&self) -> &'static str {
        match self {
            Command::Link { .. } => "link",
            Command::Rules { .. } => "rules",
            Command::Merge { .. } => "merge",
            Command::Unlink { .. } => "unlink",
            Command::Allow { .. } => "allow",
            Command::Split { .. } => "split",
            Command::Share { .. } => "share",
            Command::Unshare { .. } => "unshare",
            Command::Erase { .. } => "erase",
        }
    }

    /// What an operator wrote to explain it.
    pub fn note(&self) -> Option<&Text> {
        match self {
            Command::Link { .. } | Command::Rules { .. } => None,
            Command::Merge { note, .. }
            | Command::Unlink { note, .. }
            | Command::Allow { note, .. }
            | Command::Split { note, .. }
            | Command::Share { note, .. }
            | Command::Unshare { note, .. }
            | Command::Erase { note, .. } => Some(note),
        }
    }

    /// The identifiers that an operator named, in order; none for `Link` (its edges say) and `Rules`.
    pub fn operands(&self) -> impl Iterator<Item = Identifier> + use<> {
        let (first, second) = match *self {
            Command::Link { .. } | Command::Rules { .. } => (None, None),
            Command::Merge { a, b, .. } | Command::Unlink { a, b, .. } | Command::Allow { a, b, .. } => {
                (Some(a), Some(b))
            }
            Command::Split { of, .. }
            | Command::Share { of, .. }
            | Command::Unshare { of, .. }
            | Command::Erase { of, .. } => (Some(of), None),
        };
        first.into_iter().chain(second)
    }
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
        #[serde(rename = "tributary.Merge")]
        Merge { a: Identifier, b: Identifier, note: String },
        #[serde(rename = "tributary.Unlink")]
        Unlink { a: Identifier, b: Identifier, note: String },
        #[serde(rename = "tributary.Allow")]
        Allow { a: Identifier, b: Identifier, note: String },
        #[serde(rename = "tributary.Split")]
        Split { of: Identifier, note: String },
        #[serde(rename = "tributary.Share")]
        Share { of: Identifier, note: String },
        #[serde(rename = "tributary.Unshare")]
        Unshare { of: Identifier, note: String },
        #[serde(rename = "tributary.Erase")]
        Erase { of: Identifier, suppress: bool, note: String },
    }

    #[derive(Serialize, Deserialize)]
    pub(super) struct Edge {
        hub: Identifier,
        other: Identifier,
    }

    #[derive(Serialize, Deserialize)]
    pub(super) struct Identifier {
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
                super::Command::Merge { a, b, note } => {
                    Command::Merge { a: (*a).into(), b: (*b).into(), note: note.as_str().to_owned() }
                }
                super::Command::Unlink { a, b, note } => {
                    Command::Unlink { a: (*a).into(), b: (*b).into(), note: note.as_str().to_owned() }
                }
                super::Command::Allow { a, b, note } => {
                    Command::Allow { a: (*a).into(), b: (*b).into(), note: note.as_str().to_owned() }
                }
                super::Command::Split { of, note } => {
                    Command::Split { of: (*of).into(), note: note.as_str().to_owned() }
                }
                super::Command::Share { of, note } => {
                    Command::Share { of: (*of).into(), note: note.as_str().to_owned() }
                }
                super::Command::Unshare { of, note } => {
                    Command::Unshare { of: (*of).into(), note: note.as_str().to_owned() }
                }
                super::Command::Erase { of, suppress, note } => {
                    Command::Erase { of: (*of).into(), suppress: *suppress, note: note.as_str().to_owned() }
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
                Command::Merge { a, b, note } => {
                    super::Command::Merge { a: a.try_into()?, b: b.try_into()?, note: note.into() }
                }
                Command::Unlink { a, b, note } => {
                    super::Command::Unlink { a: a.try_into()?, b: b.try_into()?, note: note.into() }
                }
                Command::Allow { a, b, note } => {
                    super::Command::Allow { a: a.try_into()?, b: b.try_into()?, note: note.into() }
                }
                Command::Split { of, note } => super::Command::Split { of: of.try_into()?, note: note.into() },
                Command::Share { of, note } => super::Command::Share { of: of.try_into()?, note: note.into() },
                Command::Unshare { of, note } => super::Command::Unshare { of: of.try_into()?, note: note.into() },
                Command::Erase { of, suppress, note } => {
                    super::Command::Erase { of: of.try_into()?, suppress, note: note.into() }
                }
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
            Command::Merge { a: identifier(0, 1), b: identifier(1, 2), note: "jo: zwei Konten, eine Frau".into() },
            Command::Unlink { a: identifier(0, 3), b: identifier(4, 5), note: "ticket 12".into() },
            Command::Allow { a: identifier(6, 7), b: identifier(8, 9), note: "".into() },
            Command::Split { of: identifier(10, 11), note: "n".into() },
            Command::Share { of: identifier(12, 13), note: "till".into() },
            Command::Unshare { of: identifier(14, 15), note: "no till".into() },
            Command::Erase { of: identifier(16, 17), suppress: false, note: "request 1".into() },
            Command::Erase { of: identifier(16, 17), suppress: true, note: "request 2".into() },
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

    /// What the first release wrote is in logs for ever.
    #[test]
    fn messages_of_the_first_version_stay_readable() {
        let first = crate::avro::IDENTITY_COMMANDS.released[0];
        let bytes = encode_commands(&commands()[..3]);
        let mut older = bytes.clone();
        // Branches are appended to the union, so that the datum is the same.
        older[2..10].copy_from_slice(&crate::avro::fingerprints(first).unwrap()[0]);
        assert_ne!(bytes, older);
        assert_eq!(decode_commands(&older).unwrap(), commands()[..3]);
    }

    #[test]
    fn operator_commands_say_what_they_name_and_why() {
        let told: Vec<String> = commands()
            .iter()
            .map(|command| {
                let named: Vec<u128> = command.operands().map(|identifier| identifier.key.0).collect();
                format!("{} {named:?} {:?}", command.name(), command.note().map(crate::Text::as_str))
            })
            .collect();
        assert_eq!(told[1], "link [] None");
        assert_eq!(told[4], "unlink [3, 5] Some(\"ticket 12\")");
        assert_eq!(told[9], "erase [17] Some(\"request 1\")");
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
