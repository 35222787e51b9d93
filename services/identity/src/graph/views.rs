//! What people ask who want to know why.

use schemas::{Identifier, Key};

use super::Graph;
use super::edges::EdgeClass;
use super::nodes::Flags;
use super::state::Reading;

/// A kept edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EdgeView {
    /// The stronger end, by its key in this generation. Of a closed generation's edge: whom it belonged to.
    pub a: Identifier,
    /// The other end.
    pub b: Identifier,
    /// Whose word it is.
    pub class: EdgeClass,
    /// Whether it joins.
    pub active: bool,
    /// Whether it is set aside: only a `Merge` of the pair has it tried again.
    pub held: bool,
    /// Offset of the message that brought it: `identity_links` has its source, event and time. Of a closed
    /// generation's edge: that of the oldest edge that it replaces.
    pub log_offset: i64,
    /// Day of the event, days since 1970.
    pub day: u16,
}

/// What the graph knows of one identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentifierView {
    /// Its key in its present generation: what new records are stored with.
    pub current: Key,
    /// How often it was closed.
    pub generation: u8,
    /// Whether several people use it.
    pub shared: bool,
    /// Whether it is never linked again.
    pub suppressed: bool,
    /// When it was erased last, ms since the epoch.
    pub erased_at_ms: Option<i64>,
    /// Its keys in earlier generations, oldest first.
    pub closed: Vec<Key>,
    /// Who an operator said are other people.
    pub vetoes: Vec<Identifier>,
}

impl Graph {
    /// The kept edges of the customer that an identity key belongs to, with those that were refused and lead to
    /// others; oldest first.
    pub fn edges_of(&self, identity_key: Key) -> Vec<EdgeView> {
        let state = self.state.read();
        let reading = Reading::new(&self.tables, &state);
        let Some(node) = self.tables.nodes.find(identity_key) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for member in reading.members(node) {
            found.extend(self.tables.edges.of(&self.tables.nodes, member).map(|(number, _)| number));
        }
        found.sort_unstable_by_key(|number| (self.tables.edges.get(*number).offset, *number));
        found.dedup();
        let view = |number| {
            let edge = self.tables.edges.get(number);
            let [a, b] = edge.ends.map(|end| reading.identifier(end));
            let log_offset = edge.offset as i64;
            EdgeView { a, b, class: edge.class, active: edge.active, held: edge.held, log_offset, day: edge.day }
        };
        found.into_iter().map(view).collect()
    }

    /// What is known of an identifier, by its own key; `None` when it was never linked nor named by an operator.
    pub fn identifier(&self, key: Key) -> Option<IdentifierView> {
        let state = self.state.read();
        let reading = Reading::new(&self.tables, &state);
        let nodes = &self.tables.nodes;
        let first = nodes.first_generation(nodes.find(key)?);
        let current = nodes.current_generation(first);
        let flags = nodes.flags(current);
        let past = nodes.generations(first).into_iter().filter(|node| *node != current);
        let vetoed = state.vetoes.get(&first).into_iter().flatten();
        Some(IdentifierView {
            current: nodes.key(current),
            generation: nodes.generation(current),
            shared: flags.has(Flags::SHARED),
            suppressed: flags.has(Flags::SUPPRESSED),
            erased_at_ms: self.tables.tombstones.read().get(&first).copied(),
            closed: past.map(|node| nodes.key(node)).collect(),
            vetoes: vetoed.map(|partner| reading.identifier(*partner)).collect(),
        })
    }
}
