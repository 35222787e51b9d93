use parking_lot::RwLock;
use rustc_hash::FxHashMap;
use schemas::{Identifier, Key};
use smallvec::SmallVec;
use std::collections::VecDeque;

use super::Conflict;
use super::canary::Canary;
use super::conflict::{ConflictKind, ConflictRule, KeptConflict};
use super::edges::{Edge, EdgeClass, Edges};
use super::fingerprint::contribution;
use super::journal::{self, Journal};
use super::limits::{Limits, Side};
use super::nodes::{Flags, Nodes, Summary};
use super::{MS_PER_DAY, generation_key};
use crate::Rules;

/// Edges in one message.
pub(super) const MAX_EDGES_PER_MESSAGE: usize = 1 << 24;
/// An edge and a component's version keep 40 bits of an offset.
pub(super) const MAX_OFFSET: i64 = 1 << 39;
/// A generation is one byte; an identifier closed so often stays as it is.
pub(super) const LAST_GENERATION: u8 = u8::MAX;

/// What readers see without a lock: one applier writes.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) nodes: Nodes,
    pub(super) edges: Edges,
    /// When an identifier was erased, ms since the epoch, by its first generation.
    pub(super) tombstones: RwLock<FxHashMap<u32, i64>>,
}

/// The message being applied.
#[derive(Debug, Default)]
struct Message {
    offset: i64,
    append_time_ms: i64,
    command: u32,
    /// A member of each component that changed.
    touched: Vec<u32>,
    first_conflict: usize,
}

/// The applier's own state.
#[derive(Debug)]
pub(super) struct State {
    pub(super) limits: Limits,
    /// Vetoed identifiers by each end of the pair, all by their first generations.
    pub(super) vetoes: FxHashMap<u32, SmallVec<[u32; 2]>>,
    message: Message,
    /// A member of each component that may be over a limit of R7.
    pub(super) unsettled: Vec<u32>,
    /// The edge that the present command tries, as long as it is kept.
    pub(super) trigger: Option<u32>,
    pub(super) journal: Journal,
    pub(super) journal_capacity: usize,
    pub(super) conflicts: VecDeque<KeptConflict>,
    /// Rows of earlier offsets are forgotten.
    pub(super) conflicts_from: i64,
    pub(super) counts: Counts,
    pub(super) fingerprint: u128,
    #[cfg(feature = "canary")]
    pub(super) canary: Option<super::canary::Canary>,
}

#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Counts {
    /// Normal edges that join.
    pub(super) active: u64,
    /// Normal edges that do not.
    pub(super) dormant: u64,
    pub(super) components: u64,
    pub(super) merges: u64,
    pub(super) shared: u64,
    pub(super) closed: u64,
    pub(super) conflicts: u64,
}

impl State {
    pub(super) fn new(rules: &Rules) -> Self {
        State {
            limits: Limits::new(rules),
            vetoes: FxHashMap::default(),
            message: Message::default(),
            unsettled: Vec::new(),
            trigger: None,
            journal: Journal::default(),
            journal_capacity: journal::CAPACITY,
            conflicts: VecDeque::new(),
            conflicts_from: 0,
            counts: Counts::default(),
            fingerprint: 0,
            #[cfg(feature = "canary")]
            canary: None,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.conflicts.capacity() * size_of::<KeptConflict>() + self.journal.bytes()
    }
}

/// The graph as the applier has it, the message in flight included; for looking.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) nodes: &'a Nodes,
    pub(super) edges: &'a Edges,
    pub(super) state: &'a State,
}

impl<'a> Reading<'a> {
    pub(super) fn new(tables: &'a Tables, state: &'a State) -> Self {
        Reading { nodes: &tables.nodes, edges: &tables.edges, state }
    }

    /// The members of a node's component, itself first; closed generations too.
    pub(super) fn members(self, node: u32) -> impl Iterator<Item = u32> + 'a {
        let mut next = Some(node);
        std::iter::from_fn(move || {
            let current = next?;
            let following = self.nodes.next_member(current);
            next = (following != node).then_some(following);
            Some(current)
        })
    }

    pub(super) fn is_closed(self, node: u32) -> bool {
        self.nodes.flags(node).has(Flags::CLOSED)
    }

    /// A node's edges with their other ends, oldest first, without the closed ones.
    pub(super) fn normal_edges(self, node: u32) -> impl Iterator<Item = (u32, Edge, u32)> + 'a {
        let edges = self.edges.of(self.nodes, node).map(move |(number, other)| (number, self.edges.get(number), other));
        edges.filter(|(_, edge, _)| edge.class != EdgeClass::Closed)
    }

    /// Those that join.
    pub(super) fn active_edges(self, node: u32) -> impl Iterator<Item = (u32, Edge, u32)> + 'a {
        self.normal_edges(node).filter(|(_, edge, _)| edge.active)
    }

    /// The edge by which a closed generation stays with whom it belonged to.
    pub(super) fn own_closed_edge(self, node: u32) -> Option<u32> {
        let mut edges = self.edges.of(self.nodes, node).map(|(number, _)| (number, self.edges.get(number)));
        edges.find(|(_, edge)| edge.class == EdgeClass::Closed && edge.ends[1] == node).map(|(number, _)| number)
    }

    pub(super) fn identifier(self, node: u32) -> Identifier {
        Identifier { kind: self.nodes.kind(node), key: self.nodes.key(node) }
    }

    /// Order of strength: smaller is stronger.
    pub(super) fn rank(self, node: u32) -> (u16, Key) {
        (self.state.limits.priority(self.nodes.kind(node)), self.nodes.key(node))
    }

    /// The present generation of a node's identifier.
    pub(super) fn current_of(self, node: u32) -> u32 {
        self.nodes.current_generation(self.nodes.first_generation(node))
    }

    /// R2 (a): whether a vetoed pair has an end on either side.
    pub(super) fn vetoed_pair_meets(self, a: &impl Side, b: &impl Side) -> bool {
        a.vetoed().into_iter().any(|node| {
            let partners = self.state.vetoes.get(&self.nodes.first_generation(node));
            let mut partners = partners.into_iter().flatten().map(|first| self.nodes.current_generation(*first));
            partners.any(|partner| b.contains(partner))
        })
    }

    /// R2: why an edge of a class does not join two sides, if it does not.
    pub(super) fn refusal(self, a: &impl Side, b: &impl Side, class: EdgeClass) -> Option<ConflictRule> {
        let asked = class != EdgeClass::Closed && !self.state.sings(Canary::ForgottenVeto);
        if asked && self.vetoed_pair_meets(a, b) {
            return Some(ConflictRule::Veto);
        }
        self.state.limits.refuses(a, b, class)
    }

    /// Conflicts as rows; the range of positions holds whole messages.
    pub(super) fn conflict_rows(self, range: std::ops::Range<usize>) -> Vec<Conflict> {
        let mut rows: Vec<Conflict> = Vec::with_capacity(range.len());
        for kept in self.state.conflicts.range(range) {
            let ordinal = rows.last().filter(|row| row.log_offset == kept.offset).map_or(0, |row| row.ordinal + 1);
            rows.push(Conflict {
                log_offset: kept.offset,
                ordinal,
                command: kept.command,
                logged_at_ms: kept.append_time_ms,
                kind: kept.kind,
                rule: kept.rule,
                a: self.identifier(kept.a),
                b: self.identifier(kept.b),
            });
        }
        rows
    }
}

/// A component as one side of an edge.
pub(super) struct ComponentSide<'a> {
    pub(super) reading: Reading<'a>,
    pub(super) anchor: u32,
}

impl Side for ComponentSide<'_> {
    fn types(&self) -> u32 {
        self.reading.nodes.summary(self.anchor).types
    }

    fn count(&self, kind: u8) -> u32 {
        let Reading { nodes, .. } = self.reading;
        let counts = |n: &u32| nodes.kind(*n) == kind && !nodes.flags(*n).has(Flags::CLOSED);
        self.reading.members(self.anchor).filter(counts).count() as u32
    }

    fn vetoed(&self) -> SmallVec<[u32; 4]> {
        if !self.reading.nodes.summary(self.anchor).special {
            return SmallVec::new();
        }
        self.reading.members(self.anchor).filter(|n| self.reading.nodes.flags(*n).has(Flags::VETOED)).collect()
    }

    fn contains(&self, node: u32) -> bool {
        self.reading.nodes.anchor(node) == self.anchor
    }
}

/// The same for changing it: one message at a time.
pub(super) struct Work<'a> {
    pub(super) nodes: &'a Nodes,
    pub(super) edges: &'a Edges,
    pub(super) tombstones: &'a RwLock<FxHashMap<u32, i64>>,
    pub(super) state: &'a mut State,
}

/// The course of a message.
impl<'a> Work<'a> {
    pub(super) fn begin(tables: &'a Tables, state: &'a mut State, offset: i64, append_time_ms: i64) -> Self {
        state.message.offset = offset;
        state.message.append_time_ms = append_time_ms;
        state.message.first_conflict = state.conflicts.len();
        Work { nodes: &tables.nodes, edges: &tables.edges, tombstones: &tables.tombstones, state }
    }

    pub(super) fn begin_command(&mut self, command: u32) {
        self.state.message.command = command;
    }

    pub(super) fn reading(&self) -> Reading<'_> {
        Reading { nodes: self.nodes, edges: self.edges, state: self.state }
    }

    pub(super) fn append_time_ms(&self) -> i64 {
        self.state.message.append_time_ms
    }

    /// Makes the message visible.
    pub(super) fn publish(self) -> Vec<Conflict> {
        let Message { offset, first_conflict, .. } = self.state.message;
        let version = offset as u64 + 1;
        let mut touched = std::mem::take(&mut self.state.message.touched);
        for node in touched.drain(..) {
            let anchor = self.nodes.anchor(node);
            if self.nodes.version(anchor) != version {
                self.nodes.set_version(anchor, version);
                self.state.journal.push(version, anchor, self.state.journal_capacity);
            }
        }
        self.state.message.touched = touched;
        self.edges.publish();
        self.nodes.publish(offset);
        self.reading().conflict_rows(first_conflict..self.state.conflicts.len())
    }
}

/// Changes.
impl Work<'_> {
    /// The present node of an identifier, made if it has none.
    pub(super) fn node(&mut self, identifier: Identifier) -> u32 {
        match self.nodes.find(identifier.key) {
            Some(node) => self.reading().current_of(node),
            None => self.nodes.add(identifier.kind, identifier.key, 0),
        }
    }

    /// The offset of the message in flight, as edges keep it.
    pub(super) fn offset(&self) -> u64 {
        self.state.message.offset as u64
    }

    /// Keeps an edge.
    pub(super) fn keep(&mut self, edge: Edge) -> u32 {
        if edge.class != EdgeClass::Closed {
            *self.count_of(edge.active) += 1;
        }
        self.edges.insert(self.nodes, edge)
    }

    /// Forgets an edge. The components are wrong until they are replayed.
    pub(super) fn remove(&mut self, number: u32) {
        let edge = self.edges.get(number);
        if edge.class != EdgeClass::Closed {
            *self.count_of(edge.active) -= 1;
        }
        if self.state.trigger == Some(number) {
            self.state.trigger = None;
        }
        self.edges.remove(self.nodes, number);
    }

    pub(super) fn remove_normal_edges(&mut self, node: u32) {
        let normal: Vec<u32> = self.reading().normal_edges(node).map(|(number, ..)| number).collect();
        normal.into_iter().for_each(|number| self.remove(number));
    }

    pub(super) fn remove_own_closed_edge(&mut self, node: u32) {
        if let Some(number) = self.reading().own_closed_edge(node) {
            self.remove(number);
        }
    }

    pub(super) fn set_active(&mut self, number: u32, active: bool) {
        let edge = self.edges.get(number);
        if edge.active != active && edge.class != EdgeClass::Closed {
            self.edges.set_active(number, active);
            *self.count_of(active) += 1;
            *self.count_of(!active) -= 1;
        }
    }

    fn count_of(&mut self, active: bool) -> &mut u64 {
        let Counts { active: joining, dormant, .. } = &mut self.state.counts;
        if active { joining } else { dormant }
    }

    pub(super) fn set_anchor(&mut self, node: u32, anchor: u32) {
        let before = self.nodes.anchor(node);
        if before == anchor {
            return;
        }
        let key = self.nodes.key(node);
        self.state.fingerprint = self
            .state
            .fingerprint
            .wrapping_sub(contribution(key, self.nodes.key(before)))
            .wrapping_add(contribution(key, self.nodes.key(anchor)));
        self.nodes.set_anchor(node, anchor);
    }

    pub(super) fn flag(&mut self, node: u32, flag: Flags) {
        self.nodes.set_flags(node, self.nodes.flags(node).with(flag));
    }

    pub(super) fn unflag(&mut self, node: u32, flag: Flags) {
        self.nodes.set_flags(node, self.nodes.flags(node).without(flag));
    }

    /// Closes a present node and gives its identifier the next generation, with the same marks; neither has an edge
    /// by this. At the last generation the node stays as it is.
    pub(super) fn next_generation(&mut self, node: u32) -> u32 {
        let generation = self.nodes.generation(node);
        if generation == LAST_GENERATION {
            return node;
        }
        let first = self.nodes.first_generation(node);
        let next = self.nodes.add_generation(node, generation_key(self.nodes.key(first), generation + 1));
        let flags = self.nodes.flags(node);
        self.nodes.set_flags(next, flags);
        let special = flags.has(Flags::VETOED);
        self.nodes.set_summary(next, Summary { special, ..Summary::alone(self.nodes.kind(node)) });
        self.nodes.set_flags(node, Flags::CLOSED);
        if flags.has(Flags::SHARED) {
            self.touch(node);
        }
        self.state.counts.closed += 1;
        next
    }

    /// Notes that a component has changed.
    pub(super) fn touch(&mut self, node: u32) {
        self.state.message.touched.push(node);
    }

    pub(super) fn conflict(&mut self, kind: ConflictKind, rule: ConflictRule, a: u32, b: u32) {
        let Message { offset, append_time_ms, command, .. } = self.state.message;
        let [a, b] = [a, b].map(|node| self.nodes.first_generation(node));
        self.state.counts.conflicts += 1;
        self.state.conflicts.push_back(KeptConflict { offset, append_time_ms, command, a, b, kind, rule });
    }
}

/// The day of a time, days since 1970, as edges keep it.
pub(super) fn day_of(time_ms: i64) -> u16 {
    time_ms.div_euclid(MS_PER_DAY).clamp(0, i64::from(u16::MAX)) as u16
}
