//! The identity graph: many readers, one applier.
//!
//! Readers work on what has been published ([`nodes`], [`edges`]) and never wait for the applier; the applier works on
//! its own [`state`] behind a lock that only the slower questions (members, changes, statistics) share with it.

mod adopt;
mod arena;
mod canary;
mod changes;
mod close;
mod commands;
mod conflict;
mod edges;
mod fingerprint;
mod index;
mod journal;
mod limits;
mod link;
mod load;
mod memory;
mod message;
mod nodes;
mod pages;
mod read;
mod region;
mod replay;
#[cfg(test)]
mod rule_tests;
mod save;
mod settle;
mod snapshot;
mod state;
mod verify;
mod views;
mod word;

use parking_lot::{Mutex, RwLock};
use rustc_hash::FxHashMap;
use schemas::{Identifier, Key};
use std::sync::Arc;

use crate::Hasher;
use edges::Edges;
use nodes::Nodes;
use state::{State, Tables};

#[cfg(feature = "canary")]
pub use canary::Canary;
pub use conflict::{Conflict, ConflictKind, ConflictRule};
pub use edges::EdgeClass;
pub use views::{EdgeView, IdentifierView};

const MS_PER_DAY: i64 = 86_400_000;

/// The identity graph of one process: a function of the identity log's prefix that was applied.
#[derive(Debug)]
pub struct Graph {
    hasher: RwLock<Arc<Hasher>>,
    tables: Tables,
    state: RwLock<State>,
    scan: Mutex<Option<changes::Scan>>,
}

/// The key of one generation of an identifier, under which records are stored: that of the first is the identifier's
/// own.
pub fn generation_key(base: Key, generation: u8) -> Key {
    if generation == 0 {
        return base;
    }
    let mut named = [0; 17];
    named[..16].copy_from_slice(&base.0.to_be_bytes());
    named[16] = generation;
    let mut key = [0; 16];
    key.copy_from_slice(&blake3::hash(&named).as_bytes()[..16]);
    Key(u128::from_be_bytes(key))
}

/// One customer: the identifiers that are one component of the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Key of the component's anchor.
    pub customer_id: Key,
    /// Log offset of the component's last change plus one; 0 when it was never linked.
    pub version: u64,
    /// Its identifiers by their keys in each generation that belongs to it, closed ones included, ascending by key. One
    /// that was never linked has the kind [`u8::MAX`]: the graph does not know it.
    pub keys: Vec<Identifier>,
}

/// Components that changed, see [`Graph::changed_since`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// Each as it is now, ascending by (version, anchor's age in the graph).
    pub components: Vec<Component>,
    /// Ask for what changed since this version next.
    pub complete_to: u64,
    /// Whether that is all there is for now.
    pub caught_up: bool,
}

/// Size and counts of a graph.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Identifiers that were ever part of a link.
    pub identifiers: u64,
    /// Edges that join.
    pub edges_active: u64,
    /// Edges that were refused and are kept.
    pub edges_dormant: u64,
    /// Customers with two identifiers or more.
    pub components: u64,
    /// How often two customers became one.
    pub merges: u64,
    /// Conflict rows since the log began.
    pub conflicts: u64,
    /// Generations of identifiers that were closed.
    pub closed: u64,
    /// Identifiers that are shared.
    pub shared: u64,
    /// Memory that the graph holds, by the capacities of its parts.
    pub bytes: u64,
}

impl Graph {
    /// An empty graph under these rules.
    pub fn new(hasher: Arc<Hasher>) -> Self {
        Graph {
            tables: Tables { nodes: Nodes::new(), edges: Edges::new(), tombstones: RwLock::new(FxHashMap::default()) },
            state: RwLock::new(State::new(hasher.rules())),
            scan: Mutex::default(),
            hasher: RwLock::new(hasher),
        }
    }

    /// The same with a journal of changes of another length than the default of a million components. What changed
    /// longer ago is found by looking at every identifier.
    pub fn with_journal_capacity(hasher: Arc<Hasher>, capacity: usize) -> Self {
        let graph = Graph::new(hasher);
        graph.state.write().journal_capacity = capacity.max(1);
        graph
    }

    /// The rules in force at the last message applied, and the way from values to keys. The log may change them.
    pub fn hasher(&self) -> Arc<Hasher> {
        Arc::clone(&self.hasher.read())
    }

    /// Offset of the last message applied; -1 when there was none.
    pub fn applied(&self) -> i64 {
        self.tables.nodes.applied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_generation_has_a_key_of_its_own() {
        let base = Key(42);
        let keys: std::collections::BTreeSet<Key> = (0..=u8::MAX).map(|g| generation_key(base, g)).collect();
        assert_eq!(keys.len(), 256);
        assert!(keys.contains(&base));
        assert_ne!(generation_key(base, 1), generation_key(Key(43), 1));
    }
}
