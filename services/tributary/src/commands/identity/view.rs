//! The graph's answers, by any generation's key.

use identity::{Graph, IdentifierView};
use schemas::{Identifier, Key};

/// Keys of all generations of an identifier, the present one first.
pub(super) fn keys_of(graph: &Graph, identifier: Identifier) -> Vec<Key> {
    match graph.identifier(identifier.key) {
        Some(view) => [view.current].into_iter().chain(view.closed).collect(),
        None => vec![identifier.key],
    }
}

/// The identifier that a key of any generation belongs to, by its first key.
pub(super) fn identifier_of(graph: &Graph, key: Key) -> Option<Identifier> {
    let view = graph.identifier(key)?;
    let member = graph.members(view.current).keys.into_iter().find(|member| member.key == view.current)?;
    Some(Identifier { kind: member.kind, key: first_key(&view) })
}

/// The key of generation 0.
pub(super) fn first_key(view: &IdentifierView) -> Key {
    view.closed.first().copied().unwrap_or(view.current)
}

/// The generation of a key, and whether it is closed.
pub(super) fn generation_of(graph: &Graph, key: Key) -> (u8, bool) {
    let closed = graph.identifier(key).is_some_and(|view| view.current != key);
    (graph.resolve_identity(key).generation, closed)
}
