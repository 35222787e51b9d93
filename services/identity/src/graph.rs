//! The identity graph: many readers, one applier.
//!
//! Readers work on what has been published ([`published`]) and never wait for the applier; the applier works on its
//! own [`state`] behind a lock that only the slower questions (members, changes, statistics) share with it.

mod arena;
mod changes;
mod conflict;
mod edges;
mod fingerprint;
mod index;
mod journal;
mod limits;
mod link;
mod load;
mod memory;
mod nodes;
mod pages;
mod published;
mod read;
mod region;
mod replay;
mod save;
mod state;
mod verify;
mod word;

use parking_lot::{Mutex, RwLock};
use schemas::{Command, Identifier, Key};
use std::sync::Arc;

use crate::{Error, Hasher};
use published::Published;
use state::State;

pub use conflict::{Conflict, ConflictKind, ConflictRule};

/// The identity graph of one process: a function of the identity log's prefix that was applied.
#[derive(Debug)]
pub struct Graph {
    hasher: Arc<Hasher>,
    published: Published,
    state: RwLock<State>,
    scan: Mutex<Option<changes::Scan>>,
}

/// One customer: the identifiers that are one component of the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Key of the component's anchor.
    pub customer_id: Key,
    /// Log offset of the component's last change plus one; 0 when it was never linked.
    pub version: u64,
    /// Its identifiers, ascending by key. One that was never linked has the kind [`u8::MAX`]: the graph does not know it.
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
    /// Conflict rows, refused and shared.
    pub conflicts: u64,
    /// Identifiers that are shared.
    pub shared: u64,
    /// Memory that the graph holds, by the capacities of its parts.
    pub bytes: u64,
}

impl Graph {
    /// An empty graph under these rules.
    pub fn new(hasher: Arc<Hasher>) -> Self {
        Graph {
            published: Published::new(),
            state: RwLock::new(State::new(hasher.rules())),
            scan: Mutex::default(),
            hasher,
        }
    }

    /// The same with a journal of changes of another length than the default of a million components. What changed
    /// longer ago is found by looking at every identifier.
    pub fn with_journal_capacity(hasher: Arc<Hasher>, capacity: usize) -> Self {
        let graph = Graph::new(hasher);
        graph.state.write().journal_capacity = capacity.max(1);
        graph
    }

    /// The rules, and the way from values to keys.
    pub fn hasher(&self) -> &Arc<Hasher> {
        &self.hasher
    }

    /// Applies one message of the identity log. It becomes visible to readers as a whole when this returns; an error
    /// leaves the graph as it was. Called by one thread, in the order of the offsets.
    pub fn apply(&self, offset: i64, append_time_ms: i64, commands: &[Command]) -> Result<Vec<Conflict>, Error> {
        self.check_message(offset, commands)?;
        let mut state = self.state.write();
        state.begin(offset, append_time_ms);
        let mut ordinal = 0;
        for (index, command) in (0u32..).zip(commands) {
            match command {
                Command::Link { edges, .. } => {
                    for edge in edges {
                        state.link(&self.published, edge, ordinal, index);
                        ordinal += 1;
                    }
                }
                // Compared in `check_message`; equal rules change nothing, and operator commands are refused there.
                _ => {}
            }
        }
        Ok(state.publish(&self.published, offset))
    }

    /// Everything that could make a message inapplicable, before anything is touched.
    fn check_message(&self, offset: i64, commands: &[Command]) -> Result<(), Error> {
        let applied = self.applied();
        if offset <= applied {
            return Err(Error::OffsetNotAscending { offset, applied });
        }
        let invalid = |reason: String| Err(Error::InvalidMessage { offset, reason });
        if offset >= state::MAX_OFFSET {
            return invalid(format!("offsets end at {}", state::MAX_OFFSET));
        }
        let types = self.hasher.rules().types.len();
        let mut edges_total = 0;
        for command in commands {
            match command {
                Command::Link { edges, .. } => {
                    edges_total += edges.len();
                    let kinds = edges.iter().flat_map(|edge| [edge.hub.kind, edge.other.kind]);
                    if let Some(kind) = kinds.into_iter().find(|kind| usize::from(*kind) >= types) {
                        return invalid(format!("it names type {kind}, but {types} types are configured"));
                    }
                }
                Command::Rules { hash, rules_json } => {
                    if *hash != self.hasher.rules_hash() {
                        return Err(Error::RulesDiffer(self.hasher.difference_from(rules_json)));
                    }
                }
                operator => return invalid(format!("`{}` is not applied yet", operator.name())),
            }
        }
        if edges_total > state::MAX_EDGES_PER_MESSAGE {
            return invalid(format!("it holds {edges_total} edges, expected at most {}", state::MAX_EDGES_PER_MESSAGE));
        }
        Ok(())
    }

    /// Offset of the last message applied; -1 when there was none.
    pub fn applied(&self) -> i64 {
        self.published.applied()
    }
}
