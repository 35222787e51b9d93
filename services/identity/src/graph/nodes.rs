//! What readers see of the identifiers. One applier writes; readers take no lock and never wait for it.
//!
//! **How a message becomes visible as a whole.** While a message is applied, a node that it changes points to a *change*:
//! its former word and its new one. The epoch says which counts: even, the message is in flight and the former word
//! does; odd, it is published and the new one does. After publishing, the nodes get their new words, the epoch becomes
//! even again, and the next message may begin and use the changes anew. A reader notes the epoch, reads, and reads again
//! if the epoch has moved meanwhile: every word it can have misread was written after a step of the epoch that it then
//! sees, because words are stored with `Release` and loaded with `Acquire`.

use parking_lot::RwLock;
use rustc_hash::FxHashMap;
use schemas::Key;
use smallvec::SmallVec;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};

use super::arena::Arena;
use super::edges::NONE;
use super::index::{BATCH, Index};
use super::memory::Zeroed;
use super::pages::{Saved, u32_at, u64_at};
pub(super) use super::word::Flags;
use super::word::Word;

/// One generation of an identifier: 32 bytes, two to a cache line.
#[derive(Debug, Default)]
pub(super) struct Node {
    key_high: AtomicU64,
    key_low: AtomicU64,
    word: AtomicU64,
    /// For the applier: the next member of its component, in a ring.
    next_member: AtomicU32,
    /// For the applier and [`super::edges::Edges::connects`]: its newest edge, from which the ring of its edges begins.
    newest_edge: AtomicU32,
}

// SAFETY: it consists of integers.
unsafe impl Zeroed for Node {}

/// A change of the message in flight.
#[derive(Debug, Default)]
struct Change {
    node: AtomicU32,
    before: AtomicU64,
    after: AtomicU64,
}

// SAFETY: it consists of integers.
unsafe impl Zeroed for Change {}

/// Size and types of a component, kept with its anchor. Closed generations do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Summary {
    /// The types present, as bits.
    pub(super) types: u32,
    /// How many identifiers; [`Summary::MANY`] means that many or more.
    pub(super) size: u32,
    /// Whether a veto or a forced edge is in it, so that a union needs a replay.
    pub(super) special: bool,
}

impl Summary {
    /// Greatest number of types.
    pub(super) const TYPES: u32 = 24;
    /// Sizes end here: the ring has to be walked.
    pub(super) const MANY: u32 = 127;

    pub(super) fn alone(kind: u8) -> Self {
        Summary { types: 1 << kind, size: 1, special: false }
    }

    fn pack(self) -> u32 {
        self.types | self.size.min(Self::MANY) << Self::TYPES | u32::from(self.special) << 31
    }

    fn unpack(word: u32) -> Self {
        Summary {
            types: word & ((1 << Self::TYPES) - 1),
            size: word >> Self::TYPES & Self::MANY,
            special: word >> 31 != 0,
        }
    }
}

/// What a node says at one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) customer_id: Key,
    pub(super) customer_version: u64,
    pub(super) generation: u8,
    pub(super) flags: Flags,
}

/// All nodes, by number.
#[derive(Debug)]
pub(super) struct Nodes {
    nodes: Arena<Node>,
    summaries: Arena<AtomicU32>,
    index: Index,
    /// Generations after the first, by the number of the first; for the few identifiers that have some.
    generations: RwLock<FxHashMap<u32, SmallVec<[u32; 2]>>>,
    /// The first generation of each node in `generations`.
    first_generations: RwLock<FxHashMap<u32, u32>>,
    changes: Arena<Change>,
    changed: AtomicU32,
    length: AtomicU32,
    epoch: AtomicU64,
    applied: AtomicI64,
}

/// What was true at one epoch.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    nodes: &'a Nodes,
    epoch: u64,
}

impl View<'_> {
    /// What a node says.
    #[inline(always)]
    pub(super) fn seen(self, node: u32) -> Seen {
        let word = self.word(node);
        // Read again also when the node is its own anchor: that costs nothing, and a branch would often be guessed wrong.
        let anchor = std::hint::select_unpredictable(word.version().is_some(), node, word.anchor());
        // An anchor that is none any more was read across a step of the epoch: it is asked again.
        let customer_version = self.word(anchor).version().unwrap_or(0);
        let customer_id = self.nodes.key(anchor);
        Seen { customer_id, customer_version, generation: word.generation(), flags: word.flags() }
    }

    pub(super) fn flags(self, node: u32) -> Flags {
        self.word(node).flags()
    }

    #[inline(always)]
    fn word(self, node: u32) -> Word {
        let word = Word(self.nodes.nodes.get(node).word.load(Acquire));
        match word.change() {
            None => word,
            Some(change) => self.changed(change),
        }
    }

    #[cold]
    fn changed(self, change: u32) -> Word {
        let change = self.nodes.changes.get(change);
        let current = if self.epoch & 1 == 0 { &change.before } else { &change.after };
        Word(current.load(Acquire))
    }
}

/// For readers.
impl Nodes {
    pub(super) fn new() -> Self {
        Nodes {
            nodes: Arena::new(),
            summaries: Arena::new(),
            index: Index::new(),
            generations: RwLock::default(),
            first_generations: RwLock::default(),
            changes: Arena::new(),
            changed: AtomicU32::new(0),
            length: AtomicU32::new(0),
            epoch: AtomicU64::new(0),
            applied: AtomicI64::new(-1),
        }
    }

    /// Offset of the last message that is visible; -1 before the first.
    pub(super) fn applied(&self) -> i64 {
        self.applied.load(Acquire)
    }

    /// Runs `question` until all it read was true at one epoch. It should be short: it is asked again when a message
    /// was published meanwhile.
    #[inline]
    pub(super) fn at_one_epoch<T>(&self, mut question: impl FnMut(View<'_>) -> T) -> T {
        loop {
            let epoch = self.epoch.load(Acquire);
            let answer = question(View { nodes: self, epoch });
            if self.epoch.load(Acquire) == epoch {
                return answer;
            }
        }
    }

    /// The node with this key: a closed generation's too.
    #[inline(always)]
    pub(super) fn find(&self, key: Key) -> Option<u32> {
        self.index.find(key, |node| self.key(node))
    }

    /// The nodes of many keys, in their order.
    pub(super) fn find_many(&self, keys: &[Key], found: &mut Vec<Option<u32>>) {
        found.clear();
        found.resize(keys.len(), None);
        for (keys, found) in keys.chunks(BATCH).zip(found.chunks_mut(BATCH)) {
            self.index.find_batch(keys, found, |node| self.nodes.prefetch(node), |node| self.key(node));
        }
    }

    /// [`Self::find_many`] and then what each node says, brought near before it is asked; `None` for keys without one.
    pub(super) fn see_many(&self, keys: &[Key], mut each: impl FnMut(usize, Option<(u32, Seen)>)) {
        let mut found = [None; BATCH];
        for (chunk, keys) in keys.chunks(BATCH).enumerate() {
            let found = &mut found[..keys.len()];
            self.index.find_batch(keys, found, |node| self.nodes.prefetch(node), |node| self.key(node));
            for node in found.iter().flatten() {
                let word = Word(self.nodes.get(*node).word.load(Relaxed));
                let points = word.change().is_some() || word.version().is_some();
                self.nodes.prefetch(std::hint::select_unpredictable(points, *node, word.anchor()));
            }
            for (place, node) in found.iter().enumerate() {
                let seen = node.map(|node| (node, self.at_one_epoch(|view| view.seen(node))));
                each(chunk * BATCH + place, seen);
            }
        }
    }

    #[inline]
    pub(super) fn key(&self, node: u32) -> Key {
        let node = self.nodes.get(node);
        Key(u128::from(node.key_high.load(Relaxed)) << 64 | u128::from(node.key_low.load(Relaxed)))
    }

    /// The newest generation of an identifier, by the node of its first.
    pub(super) fn current_generation(&self, first: u32) -> u32 {
        self.generations.read().get(&first).and_then(|later| later.last().copied()).unwrap_or(first)
    }

    /// All generations of an identifier, oldest first, by the node of its first.
    pub(super) fn generations(&self, first: u32) -> SmallVec<[u32; 4]> {
        let mut all = SmallVec::from_slice(&[first]);
        all.extend(self.generations.read().get(&first).into_iter().flatten().copied());
        all
    }

    /// The node of the first generation of a node's identifier.
    pub(super) fn first_generation(&self, node: u32) -> u32 {
        if self.generation(node) == 0 {
            return node;
        }
        self.first_generations.read().get(&node).copied().unwrap_or(node)
    }

    pub(super) fn kind(&self, node: u32) -> u8 {
        self.current(node).kind()
    }

    pub(super) fn generation(&self, node: u32) -> u8 {
        self.current(node).generation()
    }

    /// How many nodes there are; their numbers are below.
    pub(super) fn len(&self) -> u32 {
        self.length.load(Acquire)
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        let later = self.first_generations.read().capacity();
        self.nodes.bytes() + self.summaries.bytes() + self.index.bytes() + self.changes.bytes() + later * 40
    }
}

/// For the applier, which holds the state's lock: it sees what the message in flight has changed.
impl Nodes {
    /// Adds a node that stands alone. Readers that find it see what they would see of a key without a node.
    pub(super) fn add(&self, kind: u8, key: Key, generation: u8) -> u32 {
        let number = self.length.load(Relaxed);
        assert!(number < NONE >> 1, "2 billion linked identifiers need more memory than a node number can address");
        let node = self.nodes.reserve(number);
        node.key_high.store((key.0 >> 64) as u64, Relaxed);
        node.key_low.store(key.0 as u64, Relaxed);
        node.next_member.store(number, Relaxed);
        node.newest_edge.store(NONE, Relaxed);
        node.word.store(Word::alone(kind, generation).0, Release);
        self.summaries.reserve(number).store(Summary::alone(kind).pack(), Relaxed);
        self.length.store(number + 1, Release);
        // The mark in the index makes the node visible to whoever finds the number.
        self.index.insert(key, number, |node| self.nodes.prefetch(node), |node| self.key(node));
        number
    }

    /// Adds the next generation of an identifier, alone.
    pub(super) fn add_generation(&self, current: u32, key: Key) -> u32 {
        let first = self.first_generation(current);
        let node = self.add(self.kind(current), key, self.generation(current) + 1);
        self.first_generations.write().insert(node, first);
        self.generations.write().entry(first).or_default().push(node);
        node
    }

    fn current(&self, node: u32) -> Word {
        let word = Word(self.nodes.get(node).word.load(Relaxed));
        match word.change() {
            None => word,
            Some(change) => Word(self.changes.get(change).after.load(Relaxed)),
        }
    }

    /// Changes a node's word with the message in flight.
    fn change(&self, node: u32, word: Word) {
        let place = &self.nodes.get(node).word;
        let now = Word(place.load(Relaxed));
        match now.change() {
            Some(change) => self.changes.get(change).after.store(word.0, Release),
            None if now == word => {}
            None => {
                let number = self.changed.load(Relaxed);
                let change = self.changes.reserve(number);
                change.node.store(node, Relaxed);
                change.before.store(now.0, Release);
                change.after.store(word.0, Release);
                self.changed.store(number + 1, Relaxed);
                self.nodes.change(node).word.store(Word::pointing_to(number).0, Release);
            }
        }
    }

    pub(super) fn flags(&self, node: u32) -> Flags {
        self.current(node).flags()
    }

    pub(super) fn set_flags(&self, node: u32, flags: Flags) {
        self.change(node, self.current(node).with_flags(flags));
    }

    /// The anchor of a node's component; itself when it is one.
    #[inline]
    pub(super) fn anchor(&self, node: u32) -> u32 {
        let word = self.current(node);
        if word.version().is_some() { node } else { word.anchor() }
    }

    /// Changes a node's anchor. One that becomes an anchor has version 0 until [`Self::set_version`].
    pub(super) fn set_anchor(&self, node: u32, anchor: u32) {
        if self.anchor(node) != anchor {
            let word = self.current(node);
            self.change(node, if anchor == node { word.with_version(0) } else { word.with_anchor(anchor) });
        }
    }

    /// Offset of the last change of an anchor's component plus one; 0 when there was none.
    pub(super) fn version(&self, anchor: u32) -> u64 {
        self.current(anchor).version().unwrap_or(0)
    }

    pub(super) fn set_version(&self, anchor: u32, version: u64) {
        self.change(anchor, self.current(anchor).with_version(version));
    }

    pub(super) fn next_member(&self, node: u32) -> u32 {
        self.nodes.get(node).next_member.load(Relaxed)
    }

    pub(super) fn set_next_member(&self, node: u32, next: u32) {
        self.nodes.change(node).next_member.store(next, Relaxed);
    }

    pub(super) fn newest_edge(&self, node: u32) -> u32 {
        self.nodes.get(node).newest_edge.load(Acquire)
    }

    pub(super) fn set_newest_edge(&self, node: u32, edge: u32) {
        self.nodes.change(node).newest_edge.store(edge, Release);
    }

    /// Size and types of an anchor's component.
    pub(super) fn summary(&self, anchor: u32) -> Summary {
        Summary::unpack(self.summaries.get(anchor).load(Relaxed))
    }

    pub(super) fn set_summary(&self, anchor: u32, summary: Summary) {
        self.summaries.change(anchor).store(summary.pack(), Relaxed);
    }

    /// Brings near what [`super::state::State`] will read of a node and of its component.
    pub(super) fn prefetch_component(&self, node: u32) {
        let anchor = self.anchor(node);
        self.nodes.prefetch(anchor);
        self.summaries.prefetch(anchor);
        self.nodes.prefetch(self.next_member(node));
    }

    /// Brings a node near.
    pub(super) fn prefetch(&self, node: u32) {
        self.nodes.prefetch(node);
    }

    /// Makes the message in flight visible.
    pub(super) fn publish(&self, applied: i64) {
        let epoch = self.epoch.load(Relaxed);
        self.epoch.store(epoch + 1, Release);
        self.applied.store(applied, Release);
        for number in 0..self.changed.load(Relaxed) {
            let change = self.changes.get(number);
            let node = self.nodes.get(change.node.load(Relaxed));
            node.word.store(change.after.load(Relaxed), Release);
        }
        self.changed.store(0, Relaxed);
        self.epoch.store(epoch + 2, Release);
    }
}

/// For snapshots.
impl Nodes {
    pub(super) fn arena(&self) -> &Arena<Node> {
        &self.nodes
    }

    pub(super) fn summaries(&self) -> &Arena<AtomicU32> {
        &self.summaries
    }

    /// What a node says, when no message is in flight.
    pub(super) fn word(&self, node: u32) -> Word {
        Word(self.nodes.get(node).word.load(Relaxed))
    }

    /// Every later generation with the first one's number, those of one identifier in their order.
    pub(super) fn later_generations(&self) -> Vec<(u32, u32)> {
        let generations = self.generations.read();
        let mut all: Vec<(u32, u32)> =
            generations.iter().flat_map(|(first, later)| later.iter().map(|node| (*first, *node))).collect();
        all.sort_by_key(|(first, node)| (*first, self.generation(*node)));
        all
    }

    /// Takes over nodes that were loaded into the arenas, with what [`Self::later_generations`] gave.
    pub(super) fn loaded(&self, length: u32, applied: i64, later_generations: &[(u32, u32)]) {
        let (mut generations, mut firsts) = (self.generations.write(), self.first_generations.write());
        for (first, node) in later_generations {
            generations.entry(*first).or_default().push(*node);
            firsts.insert(*node, *first);
        }
        self.length.store(length, Release);
        self.applied.store(applied, Release);
    }

    /// Finds all nodes by their keys from now on; a key that two nodes have is an error.
    pub(super) fn index_all(&self) -> Result<(), Key> {
        self.index.fill(self.len(), |node| self.key(node))
    }

    /// Brings near what a check of a node reads.
    pub(super) fn prefetch_links(&self, node: u32, edges: &super::edges::Edges) {
        let (length, word) = (self.len(), self.word(node));
        let (next, edge) = (self.next_member(node), self.newest_edge(node));
        for near in [word.anchor(), next].into_iter().filter(|near| *near < length) {
            self.nodes.prefetch(near);
        }
        edges.prefetch(edge);
    }
}

impl Saved for Node {
    const BYTES: usize = 32;

    fn save(&self, into: &mut [u8]) {
        into[..8].copy_from_slice(&self.key_high.load(Relaxed).to_le_bytes());
        into[8..16].copy_from_slice(&self.key_low.load(Relaxed).to_le_bytes());
        into[16..24].copy_from_slice(&self.word.load(Relaxed).to_le_bytes());
        into[24..28].copy_from_slice(&self.next_member.load(Relaxed).to_le_bytes());
        into[28..].copy_from_slice(&self.newest_edge.load(Relaxed).to_le_bytes());
    }

    fn load(&self, from: &[u8]) {
        self.key_high.store(u64_at(from, 0), Relaxed);
        self.key_low.store(u64_at(from, 8), Relaxed);
        self.word.store(u64_at(from, 16), Relaxed);
        self.next_member.store(u32_at(from, 24), Relaxed);
        self.newest_edge.store(u32_at(from, 28), Relaxed);
    }
}

#[cfg(test)]
mod tests;
