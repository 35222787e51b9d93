use rustc_hash::FxHashMap;
use schemas::{Identifier, Key};

use super::Conflict;
use super::conflict::{ConflictKind, ConflictRule, KeptConflict};
use super::fingerprint::contribution;
use super::journal::{self, Journal};
use super::limits::{Limits, Side};
use super::published::{Mapping, Published, pair};
use crate::{Rules, Tier};

/// "No such node or edge."
pub(super) const NONE: u32 = u32::MAX;

/// Offsets and the place within a message share one word.
const ORDINAL_BITS: u32 = 24;
pub(super) const MAX_EDGES_PER_MESSAGE: usize = 1 << ORDINAL_BITS;
pub(super) const MAX_OFFSET: i64 = 1 << (63 - ORDINAL_BITS);

/// What the applier knows of an identifier beside its [`Mapping`].
#[derive(Debug)]
pub(super) struct Node {
    /// First kept edge.
    pub(super) first_edge: u32,
    /// Next member of its component, in a ring.
    pub(super) next_member: u32,
    pub(super) kind: u8,
    /// The following hold for the component and are right only in its anchor.
    pub(super) size: u32,
    pub(super) oldest_edge: u32,
    pub(super) types: u64,
    /// Whether an edge of the component was refused for a contact limit or a full customer alone, and would share its
    /// weaker end if accounts conflicted as well: any growth may bring that about, so it needs a replay.
    pub(super) unsettled: bool,
}

/// A kept edge.
#[derive(Debug)]
pub(super) struct KeptEdge {
    /// Stronger end first.
    pub(super) ends: [u32; 2],
    /// The next edge of either end.
    next: [u32; 2],
    /// (log offset, index in the message): the order in which edges came.
    pub(super) place: u64,
    pub(super) tier: Tier,
    pub(super) active: bool,
}

/// The message being applied.
#[derive(Debug, Default)]
struct Message {
    offset: i64,
    append_time_ms: i64,
    command: u32,
    /// A member of each component that changed.
    touched: Vec<u32>,
    /// Nodes with pending words.
    pending: Vec<u32>,
    /// Pairs whose edge was added (true) or removed.
    edges: FxHashMap<u64, bool>,
    first_conflict: usize,
}

/// The applier's own state.
#[derive(Debug)]
pub(super) struct State {
    pub(super) limits: Limits,
    pub(super) nodes: Vec<Node>,
    pub(super) edges: Vec<KeptEdge>,
    free_edges: Vec<u32>,
    message: Message,
    pub(super) journal: Journal,
    pub(super) journal_capacity: usize,
    pub(super) conflicts: Vec<KeptConflict>,
    pub(super) counts: Counts,
    pub(super) fingerprint: u128,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) active: u64,
    pub(super) dormant: u64,
    pub(super) components: u64,
    pub(super) merges: u64,
    pub(super) shared: u64,
}

/// A component as one side of an edge.
pub(super) struct ComponentSide<'a> {
    pub(super) state: &'a State,
    pub(super) anchor: u32,
}

impl Side for ComponentSide<'_> {
    fn types(&self) -> u64 {
        self.state.nodes[self.anchor as usize].types
    }

    fn size(&self) -> u32 {
        self.state.nodes[self.anchor as usize].size
    }

    fn count(&self, kind: u8) -> u32 {
        self.state.members(self.anchor).filter(|n| self.state.nodes[*n as usize].kind == kind).count() as u32
    }
}

/// Reading.
impl State {
    pub(super) fn new(rules: &Rules) -> Self {
        State {
            limits: Limits::new(rules),
            nodes: Vec::new(),
            edges: Vec::new(),
            free_edges: Vec::new(),
            message: Message::default(),
            journal: Journal::default(),
            journal_capacity: journal::CAPACITY,
            conflicts: Vec::new(),
            counts: Counts::default(),
            fingerprint: 0,
        }
    }

    /// The members of a node's component, itself first.
    pub(super) fn members(&self, node: u32) -> impl Iterator<Item = u32> + '_ {
        let mut next = Some(node);
        std::iter::from_fn(move || {
            let current = next?;
            let following = self.nodes[current as usize].next_member;
            next = (following != node).then_some(following);
            Some(current)
        })
    }

    /// The kept edges of a node with their other ends.
    pub(super) fn edges_of(&self, node: u32) -> impl Iterator<Item = (u32, u32)> + '_ {
        let mut next = self.nodes[node as usize].first_edge;
        std::iter::from_fn(move || {
            let edge = (next != NONE).then_some(next)?;
            let kept = &self.edges[edge as usize];
            let side = usize::from(kept.ends[1] == node);
            next = kept.next[side];
            Some((edge, kept.ends[1 - side]))
        })
    }

    pub(super) fn identifier(&self, published: &Published, node: u32) -> Identifier {
        Identifier { kind: self.nodes[node as usize].kind, key: published.key(node) }
    }

    /// Order of strength: smaller is stronger.
    pub(super) fn rank(&self, published: &Published, node: u32) -> (u16, Key) {
        (self.limits.priority(self.nodes[node as usize].kind), published.key(node))
    }

    pub(super) fn bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>()
            + self.edges.capacity() * size_of::<KeptEdge>()
            + self.free_edges.capacity() * size_of::<u32>()
            + self.conflicts.capacity() * size_of::<KeptConflict>()
            + self.journal.bytes()
    }
}

/// The course of a message.
impl State {
    pub(super) fn begin(&mut self, offset: i64, append_time_ms: i64) {
        self.message.offset = offset;
        self.message.append_time_ms = append_time_ms;
        self.message.first_conflict = self.conflicts.len();
    }

    pub(super) fn begin_command(&mut self, command: u32) {
        self.message.command = command;
    }

    pub(super) fn publish(&mut self, published: &Published, offset: i64) -> Vec<Conflict> {
        let version = offset as u64 + 1;
        let mut message = std::mem::take(&mut self.message);
        for &node in &message.touched {
            let anchor = published.current(node).anchor;
            if published.version(anchor) != version {
                published.set_version(anchor, version, &mut message.pending);
                self.journal.push(version, anchor, self.journal_capacity);
            }
        }
        published.publish(offset, &message.pending, message.edges.drain());
        let conflicts = self.conflict_rows(published, message.first_conflict..self.conflicts.len());
        message.touched.clear();
        message.pending.clear();
        self.message = message;
        conflicts
    }

    /// Conflicts as rows; the range holds whole messages.
    pub(super) fn conflict_rows(&self, published: &Published, range: std::ops::Range<usize>) -> Vec<Conflict> {
        let mut rows: Vec<Conflict> = Vec::with_capacity(range.len());
        for kept in &self.conflicts[range] {
            let ordinal = rows.last().filter(|row| row.log_offset == kept.offset).map_or(0, |row| row.ordinal + 1);
            rows.push(Conflict {
                log_offset: kept.offset,
                ordinal,
                command: kept.command,
                logged_at_ms: kept.append_time_ms,
                kind: kept.kind,
                rule: kept.rule,
                a: self.identifier(published, kept.a),
                b: self.identifier(published, kept.b),
            });
        }
        rows
    }

    pub(super) fn place(&self, ordinal: u32) -> u64 {
        (self.message.offset as u64) << ORDINAL_BITS | u64::from(ordinal)
    }

    /// Whether an edge between two nodes is kept, this message included.
    pub(super) fn knows(&self, published: &Published, a: u32, b: u32) -> bool {
        let pair = pair(a, b);
        self.message.edges.get(&pair).copied().unwrap_or_else(|| published.knows(pair))
    }
}

/// Writing.
impl State {
    /// The node of an identifier, made if it has none.
    pub(super) fn node(&mut self, published: &Published, identifier: Identifier) -> u32 {
        if let Some(node) = published.find(identifier.key) {
            return node;
        }
        let node = u32::try_from(self.nodes.len()).ok().filter(|n| *n != NONE);
        let node = node.expect("4 billion linked identifiers need more memory than a node number can address");
        self.nodes.push(Node {
            first_edge: NONE,
            next_member: node,
            kind: identifier.kind,
            size: 1,
            oldest_edge: NONE,
            types: 1 << identifier.kind,
            unsettled: false,
        });
        published.add(identifier.key, node);
        node
    }

    /// Keeps an edge, dormant for now.
    pub(super) fn keep(&mut self, ends: [u32; 2], tier: Tier, place: u64) -> u32 {
        let next = ends.map(|end| self.nodes[end as usize].first_edge);
        let kept = KeptEdge { ends, next, place, tier, active: false };
        let edge = match self.free_edges.pop() {
            Some(edge) => {
                self.edges[edge as usize] = kept;
                edge
            }
            None => {
                self.edges.push(kept);
                u32::try_from(self.edges.len() - 1)
                    .expect("4 billion edges need more memory than an edge number can address")
            }
        };
        for end in ends {
            self.nodes[end as usize].first_edge = edge;
        }
        self.counts.dormant += 1;
        self.message.edges.insert(pair(ends[0], ends[1]), true);
        edge
    }

    /// Forgets an edge. The components are wrong until they are replayed.
    pub(super) fn remove(&mut self, edge: u32) {
        self.set_active(edge, false);
        let ends = self.edges[edge as usize].ends;
        for (side, end) in ends.into_iter().enumerate() {
            let following = self.edges[edge as usize].next[side];
            let previous = self.edges_of(end).map(|(e, _)| e).take_while(|e| *e != edge).last();
            match previous {
                None => self.nodes[end as usize].first_edge = following,
                Some(previous) => {
                    let previous = &mut self.edges[previous as usize];
                    let side = usize::from(previous.ends[1] == end);
                    previous.next[side] = following;
                }
            }
        }
        self.counts.dormant -= 1;
        self.free_edges.push(edge);
        self.message.edges.insert(pair(ends[0], ends[1]), false);
    }

    pub(super) fn set_active(&mut self, edge: u32, active: bool) {
        let kept = &mut self.edges[edge as usize];
        if kept.active != active {
            kept.active = active;
            let (more, less) = match active {
                true => (&mut self.counts.active, &mut self.counts.dormant),
                false => (&mut self.counts.dormant, &mut self.counts.active),
            };
            *more += 1;
            *less -= 1;
        }
    }

    pub(super) fn set_mapping(&mut self, published: &Published, node: u32, mapping: Mapping) {
        let before = published.current(node);
        if before == mapping {
            return;
        }
        let key = published.key(node);
        self.fingerprint = self
            .fingerprint
            .wrapping_sub(contribution(key, published.key(before.anchor)))
            .wrapping_add(contribution(key, published.key(mapping.anchor)));
        published.set_mapping(node, mapping, &mut self.message.pending);
    }

    /// Notes that a component has changed.
    pub(super) fn touch(&mut self, node: u32) {
        self.message.touched.push(node);
    }

    pub(super) fn conflict(&mut self, kind: ConflictKind, rule: ConflictRule, a: u32, b: u32) {
        let Message { offset, append_time_ms, command, .. } = self.message;
        self.conflicts.push(KeptConflict { offset, append_time_ms, command, a, b, kind, rule });
    }
}
