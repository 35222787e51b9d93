//! One message of the log, from its check to its publication.

use schemas::{Command, Edge, Identifier, Key};
use std::sync::Arc;

use super::link::Ends;
use super::state::{MAX_EDGES_PER_MESSAGE, MAX_OFFSET, Work};
use super::{Conflict, Graph};
use crate::{Error, Hasher};

/// Edges whose identifiers are looked up together: their cache misses overlap.
const LOOKED_UP_TOGETHER: usize = 32;

/// An edge to try, with its event's time and its command's index.
type Tried = (Edge, i64, u32);

impl Graph {
    /// Applies one message of the identity log. It becomes visible to readers as a whole when this returns; an error
    /// leaves the graph as it was. Called by one thread, in the order of the offsets.
    pub fn apply(&self, offset: i64, append_time_ms: i64, commands: &[Command]) -> Result<Vec<Conflict>, Error> {
        let mut adopted = self.check_message(offset, commands)?.into_iter();
        let mut state = self.state.write();
        let mut work = Work::begin(&self.tables, &mut state, offset, append_time_ms);
        let mut tried: Vec<Tried> = Vec::with_capacity(LOOKED_UP_TOGETHER);
        for (index, command) in (0u32..).zip(commands) {
            if let Command::Link { edges, provenance } = command {
                for edge in edges {
                    tried.push((*edge, provenance.event_time_ms, index));
                    if tried.len() == LOOKED_UP_TOGETHER {
                        work.try_edges(&mut tried);
                    }
                }
                continue;
            }
            work.try_edges(&mut tried);
            work.begin_command(index);
            match command {
                Command::Rules { .. } => {
                    if let Some(now) = adopted.next().flatten() {
                        work.adopt(&self.hasher(), &now);
                        *self.hasher.write() = now;
                    }
                }
                operator => work.operate(operator),
            }
        }
        work.try_edges(&mut tried);
        Ok(work.publish())
    }

    /// Everything that could make a message inapplicable, before anything is touched. Gives, for each `Rules`, what
    /// they change to, if they change anything.
    fn check_message(&self, offset: i64, commands: &[Command]) -> Result<Vec<Option<Arc<Hasher>>>, Error> {
        let applied = self.applied();
        if offset <= applied {
            return Err(Error::OffsetNotAscending { offset, applied });
        }
        let invalid = |reason: String| Err(Error::InvalidMessage { offset, reason });
        if offset >= MAX_OFFSET {
            return invalid(format!("offsets end at {MAX_OFFSET}"));
        }
        let mut hasher = self.hasher();
        let mut nothing_known = self.tables.nodes.len() == 0;
        let mut adopted = Vec::new();
        let mut edges_total = 0;
        for command in commands {
            if let Command::Rules { hash, rules_json } = command {
                let other = if *hash == hasher.rules_hash() { None } else { Some(rules_json) };
                let other =
                    other.map(|json| hasher.adopt(json, nothing_known).map(Arc::new).map_err(Error::RulesDiffer));
                let other = other.transpose()?;
                if other.as_ref().is_some_and(|other| other.rules_hash() != *hash) {
                    return invalid("the hash of its rules is not that of their text".to_owned());
                }
                hasher = other.clone().unwrap_or(hasher);
                adopted.push(other);
                continue;
            }
            nothing_known &= !makes_known(command, &hasher);
            let types = hasher.rules().types.len();
            let edges: &[Edge] = if let Command::Link { edges, .. } = command { edges } else { &[] };
            edges_total += edges.len();
            let kinds = edges.iter().flat_map(|edge| [edge.hub.kind, edge.other.kind]);
            let mut kinds = kinds.chain(command.operands().map(|identifier| identifier.kind));
            if let Some(kind) = kinds.find(|kind| usize::from(*kind) >= types) {
                return invalid(format!("it names type {kind}, but {types} types are configured"));
            }
        }
        if edges_total > MAX_EDGES_PER_MESSAGE {
            return invalid(format!("it holds {edges_total} edges, expected at most {MAX_EDGES_PER_MESSAGE}"));
        }
        Ok(adopted)
    }
}

/// Whether a command makes identifiers known to a graph that knows none.
fn makes_known(command: &Command, hasher: &Hasher) -> bool {
    let links = |kind: u8| hasher.rules().types.get(usize::from(kind)).is_some_and(|rule| rule.links);
    let two = |a: Identifier, b: Identifier| a.key != b.key && links(a.kind) && links(b.kind);
    match command {
        Command::Rules { .. } => false,
        Command::Link { edges, .. } => edges.iter().any(|edge| two(edge.hub, edge.other)),
        Command::Merge { a, b, .. } => two(*a, *b),
        Command::Unlink { a, b, .. } | Command::Allow { a, b, .. } => a.key != b.key,
        Command::Split { .. } | Command::Share { .. } | Command::Unshare { .. } | Command::Erase { .. } => true,
    }
}

impl Work<'_> {
    /// Tries edges that were gathered, in order.
    fn try_edges(&mut self, tried: &mut Vec<Tried>) {
        if tried.is_empty() {
            return;
        }
        let keys: Vec<Key> = tried.iter().flat_map(|(edge, ..)| [edge.hub.key, edge.other.key]).collect();
        let mut found = Vec::with_capacity(keys.len());
        self.nodes.find_many(&keys, &mut found);
        for node in found.iter().flatten() {
            self.nodes.prefetch_component(*node);
            self.edges.prefetch_of(self.nodes, *node);
        }
        for node in found.iter().flatten() {
            self.edges.prefetch_beyond(self.nodes, *node);
        }
        for ((edge, event_time_ms, command), found) in tried.drain(..).zip(found.chunks_exact(2)) {
            let ends = Ends { identifiers: [edge.hub, edge.other], found: [found[0], found[1]] };
            self.link(ends, event_time_ms, command);
        }
    }

    fn operate(&mut self, command: &Command) {
        match *command {
            Command::Merge { a, b, .. } => self.merge(a, b),
            Command::Unlink { a, b, .. } => self.unlink(a, b),
            Command::Allow { a, b, .. } => self.allow(a, b),
            Command::Split { of, .. } => self.split(of),
            Command::Share { of, .. } => self.share(of),
            Command::Unshare { of, .. } => self.unshare(of),
            Command::Erase { of, suppress, .. } => self.erase(of, suppress),
            Command::Link { .. } | Command::Rules { .. } => unreachable!("these are no operator's commands"),
        }
    }
}
