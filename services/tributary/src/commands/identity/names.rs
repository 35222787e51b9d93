//! Identifiers as people see them: by their type and a short key, by their value only where they typed it.

use anyhow::{Context, ensure};
use identity::{Graph, Hasher};
use schemas::{Identifier, Key};
use serde::Serialize;
use std::collections::HashMap;
use std::sync::Arc;

use super::view;
use crate::cli::Target;

/// How identifiers are called.
pub(super) struct Names {
    hasher: Arc<Hasher>,
    typed: HashMap<Key, String>,
}

/// An identifier as it is printed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Named {
    /// Type.
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// Key, of a generation if it is not the first.
    pub(super) key: Key16,
    /// What the user typed, if it is this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<String>,
}

/// A key that is written as the tables show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key16(pub(super) Key);

impl Serialize for Key16 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{} {value}", self.kind),
            None => write!(f, "{} {}", self.kind, short(self.key.0)),
        }
    }
}

/// The first eight digits: enough to tell a customer's identifiers apart.
pub(super) fn short(key: Key) -> String {
    key.to_string()[..8].to_owned()
}

impl Names {
    pub(super) fn new(hasher: Arc<Hasher>) -> Self {
        Names { hasher, typed: HashMap::new() }
    }

    /// The identifier that was typed. A key is looked up in the graph, which knows its type.
    pub(super) fn resolve(&mut self, graph: &Graph, target: &Target) -> anyhow::Result<Identifier> {
        match target {
            Target::Value { kind, value } => {
                let types = &self.hasher.rules().types;
                let known = || types.iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>().join(", ");
                ensure!(
                    types.iter().any(|rule| rule.name == *kind),
                    "no identifier type `{kind}`; there are {}",
                    known()
                );
                let found = self.hasher.key(kind, value).with_context(|| {
                    format!("this {kind} identifies nobody: it is a placeholder, malformed, too long or blocked by the rules")
                })?;
                self.typed.insert(found.key, value.clone());
                for key in view::keys_of(graph, found) {
                    self.typed.insert(key, value.clone());
                }
                Ok(found)
            }
            Target::Key(uuid) => {
                let key = Key(uuid.as_u128());
                view::identifier_of(graph, key).with_context(|| {
                    format!("the graph knows no key {key}: it was never linked, or is of another secret (write type:value instead)")
                })
            }
        }
    }

    /// How an identifier is called.
    pub(super) fn of(&self, identifier: Identifier) -> Named {
        let kind = match self.hasher.type_name(identifier.kind) {
            "" => "identifier",
            name => name,
        };
        Named { kind: kind.to_owned(), key: Key16(identifier.key), value: self.typed.get(&identifier.key).cloned() }
    }
}
