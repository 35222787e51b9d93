use smallvec::SmallVec;
use std::fmt;
use uuid::Uuid;

use crate::Event;

/// A 128-bit keyed hash of (type, normalised value). Shown and stored as a UUID. A customer id is the key of the
/// customer's anchor.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Key(pub u128);

impl Key {
    /// The key that stands for "nobody" (advertising cost has no customer).
    pub const NIL: Key = Key(0);

    /// As a UUID, big-endian: the text form sorts as the number does.
    pub fn uuid(self) -> Uuid {
        Uuid::from_u128(self.0)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uuid().fmt(f)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uuid().fmt(f)
    }
}

/// A normalised, hashed identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identifier {
    /// Index of the type in the identity rules (`Rules::type_name` gives the name).
    pub kind: u8,
    /// Its key.
    pub key: Key,
}

/// What the graph says of one key at the moment of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolved {
    /// What a record of this identifier is stored under: its key in its present generation.
    pub identity_key: Key,
    /// The generation of `identity_key`.
    pub generation: u8,
    /// Key of the component's anchor; the key itself when it was never linked.
    pub customer_id: Key,
    /// Log offset of the component's last change plus one; 0 when it was never linked.
    pub customer_version: u64,
    /// Whether the identifier is shared, and so says nothing about who acted.
    pub shared: bool,
}

/// An event with its customer as known now.
#[derive(Debug, Clone, PartialEq)]
pub struct IdentifiedEvent {
    /// The event.
    pub event: Event,
    /// Its usable identifiers, strongest first (priority, then key).
    pub identifiers: SmallVec<[Identifier; 4]>,
    /// Key of the strongest identifier that is not shared. Never changes once stored.
    pub identity_key: Key,
    /// Generation of `identity_key`: how often the identifier was closed before.
    pub generation: u8,
    /// Customer as known now.
    pub customer_id: Key,
    /// Version of that knowledge, see [`crate::Resolved`].
    pub customer_version: u64,
    /// Key of the anonymous id: what sessions are kept by.
    pub anonymous_key: Option<Key>,
}
