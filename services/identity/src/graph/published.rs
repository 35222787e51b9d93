//! What readers see. One applier writes; readers take no lock of its and never wait for it.
//!
//! **How a message becomes visible as a whole.** While a message is applied, each word that it changes is marked
//! pending and its former value is put aside. The epoch says how a pending word is to be read: even, the message is in
//! flight and the former value counts; odd, it is published and the new one does. After publishing the marks are
//! cleared, the epoch becomes even again, and the next message may begin. A reader notes the epoch, reads, and reads
//! again if the epoch has moved meanwhile: every word it can have misread was written after a step of the epoch that
//! it then sees, because words are stored with `Release` and loaded with `Acquire`.

use dashmap::DashMap;
use rustc_hash::FxBuildHasher;
use schemas::{Key, Resolved};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};

use super::arena::Arena;
use super::index::Index;

const PENDING: u64 = 1 << 63;
const SHARED: u64 = 1 << 32;
const ANCHOR: u64 = (1 << 32) - 1;

/// One identifier as readers see it.
#[derive(Debug, Default)]
struct Slot {
    key_high: AtomicU64,
    key_low: AtomicU64,
    /// Anchor's number, shared mark, pending mark.
    mapping: AtomicU64,
    mapping_before: AtomicU64,
    /// Only in the anchor's slot: offset of the component's last change plus one, pending mark.
    version: AtomicU64,
    version_before: AtomicU64,
}

// SAFETY: it consists of integers.
unsafe impl super::memory::Zeroed for Slot {}

/// A node's mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mapping {
    pub(super) anchor: u32,
    pub(super) shared: bool,
}

impl Mapping {
    fn from_word(word: u64) -> Self {
        Mapping { anchor: (word & ANCHOR) as u32, shared: word & SHARED != 0 }
    }

    fn word(self) -> u64 {
        u64::from(self.anchor) | if self.shared { SHARED } else { 0 }
    }
}

#[derive(Debug)]
pub(super) struct Published {
    slots: Arena<Slot>,
    index: Index,
    /// Pairs of nodes with a kept edge, as [`pair`] writes them. Changed only after publishing, so that an edge that a
    /// reader finds here is visible.
    edges: DashMap<u64, (), FxBuildHasher>,
    epoch: AtomicU64,
    applied: AtomicI64,
}

/// Two nodes as one number, in either order the same.
pub(super) fn pair(a: u32, b: u32) -> u64 {
    u64::from(a.min(b)) << 32 | u64::from(a.max(b))
}

/// What was true at one epoch.
pub(super) struct Snapshot<'a> {
    published: &'a Published,
    epoch: u64,
}

impl Snapshot<'_> {
    pub(super) fn find(&self, key: Key) -> Option<u32> {
        self.published.find(key)
    }

    pub(super) fn resolve(&self, key: Key) -> Resolved {
        self.resolve_found(key, self.find(key))
    }

    /// The same for a key whose node was looked up before.
    pub(super) fn resolve_found(&self, key: Key, node: Option<u32>) -> Resolved {
        match node {
            Some(node) => self.resolve_node(key, node),
            None => never_linked(key),
        }
    }

    fn resolve_node(&self, key: Key, node: u32) -> Resolved {
        let Mapping { anchor, shared } = self.mapping(node);
        let slot = self.published.slots.get(anchor);
        let customer_version = self.read(&slot.version, &slot.version_before);
        Resolved { identity_key: key, generation: 0, customer_id: key_in(slot), customer_version, shared }
    }

    pub(super) fn is_shared(&self, node: u32) -> bool {
        self.mapping(node).shared
    }

    fn mapping(&self, node: u32) -> Mapping {
        let slot = self.published.slots.get(node);
        Mapping::from_word(self.read(&slot.mapping, &slot.mapping_before))
    }

    fn read(&self, word: &AtomicU64, before: &AtomicU64) -> u64 {
        let value = word.load(Acquire);
        if value & PENDING == 0 {
            value
        } else if self.epoch & 1 == 0 {
            before.load(Acquire)
        } else {
            value & !PENDING
        }
    }
}

/// What is said of a key without a node.
pub(super) fn never_linked(key: Key) -> Resolved {
    Resolved { identity_key: key, generation: 0, customer_id: key, customer_version: 0, shared: false }
}

fn key_in(slot: &Slot) -> Key {
    Key(u128::from(slot.key_high.load(Relaxed)) << 64 | u128::from(slot.key_low.load(Relaxed)))
}

/// For readers.
impl Published {
    pub(super) fn new() -> Self {
        Published {
            slots: Arena::new(),
            index: Index::new(),
            edges: DashMap::with_hasher(FxBuildHasher),
            epoch: AtomicU64::new(0),
            applied: AtomicI64::new(-1),
        }
    }

    pub(super) fn applied(&self) -> i64 {
        self.applied.load(Acquire)
    }

    /// Runs `question` until all it read was true at one epoch. It should be short: it is asked again when a message
    /// was published meanwhile.
    pub(super) fn at_one_epoch<T>(&self, question: impl Fn(&Snapshot<'_>) -> T) -> T {
        loop {
            let epoch = self.epoch.load(Acquire);
            let answer = question(&Snapshot { published: self, epoch });
            if self.epoch.load(Acquire) == epoch {
                return answer;
            }
        }
    }

    #[inline]
    pub(super) fn find(&self, key: Key) -> Option<u32> {
        self.index.find(key, |node| self.key(node))
    }

    pub(super) fn find_many(&self, keys: &[Key]) -> Vec<Option<u32>> {
        let mut found = vec![None; keys.len()];
        for (keys, found) in keys.chunks(super::index::BATCH).zip(found.chunks_mut(super::index::BATCH)) {
            self.index.find_batch(keys, found, |_| {}, |node| self.key(node));
        }
        found
    }

    /// Whether an edge between two nodes is kept and visible.
    pub(super) fn knows(&self, pair: u64) -> bool {
        self.edges.contains_key(&pair)
    }

    #[inline]
    pub(super) fn key(&self, node: u32) -> Key {
        key_in(self.slots.get(node))
    }

    pub(super) fn bytes(&self) -> usize {
        let edges: usize = self.edges.shards().iter().map(|shard| shard.read().allocation_info().1.size()).sum();
        self.slots.bytes() + self.index.bytes() + edges
    }
}

/// For the applier, which holds the state's lock: it sees its own unpublished words.
impl Published {
    /// Adds a node that stands alone. Readers that find it see what they would see of a key without a node.
    pub(super) fn add(&self, key: Key, node: u32) {
        let slot = self.slots.reserve(node);
        slot.key_high.store((key.0 >> 64) as u64, Relaxed);
        slot.key_low.store(key.0 as u64, Relaxed);
        slot.mapping.store(Mapping { anchor: node, shared: false }.word(), Release);
        // The shard's lock makes the slot visible to whoever finds the number.
        self.index.insert(key, node, |_| {}, |node| self.key(node));
    }

    pub(super) fn current(&self, node: u32) -> Mapping {
        Mapping::from_word(self.slots.get(node).mapping.load(Relaxed))
    }

    pub(super) fn version(&self, anchor: u32) -> u64 {
        self.slots.get(anchor).version.load(Relaxed) & !PENDING
    }

    /// Changes a node's mapping with the message in flight; the node goes on `pending` the first time.
    pub(super) fn set_mapping(&self, node: u32, mapping: Mapping, pending: &mut Vec<u32>) {
        let slot = self.slots.get(node);
        let word = slot.mapping.load(Relaxed);
        if word & PENDING == 0 {
            slot.mapping_before.store(word, Release);
            pending.push(node);
        }
        slot.mapping.store(mapping.word() | PENDING, Release);
    }

    /// Changes a component's version with the message in flight.
    pub(super) fn set_version(&self, anchor: u32, version: u64, pending: &mut Vec<u32>) {
        let slot = self.slots.get(anchor);
        let word = slot.version.load(Relaxed);
        if word & PENDING == 0 {
            slot.version_before.store(word, Release);
            pending.push(anchor);
        }
        slot.version.store(version | PENDING, Release);
    }

    /// Makes the message in flight visible.
    pub(super) fn publish(&self, applied: i64, pending: &[u32], edges: impl Iterator<Item = (u64, bool)>) {
        let epoch = self.epoch.load(Relaxed);
        self.epoch.store(epoch + 1, Release);
        self.applied.store(applied, Release);
        for (pair, kept) in edges {
            if kept {
                self.edges.insert(pair, ());
            } else {
                self.edges.remove(&pair);
            }
        }
        for &node in pending {
            let slot = self.slots.get(node);
            for word in [&slot.mapping, &slot.version] {
                word.store(word.load(Relaxed) & !PENDING, Release);
            }
        }
        self.epoch.store(epoch + 2, Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    const A: Key = Key(10);
    const B: Key = Key(11);

    fn two_nodes() -> Published {
        let published = Published::new();
        published.add(A, 0);
        published.add(B, 1);
        published
    }

    fn customer(published: &Published, key: Key) -> (Key, u64) {
        let resolved = published.at_one_epoch(|snapshot| snapshot.resolve(key));
        (resolved.customer_id, resolved.customer_version)
    }

    fn join(published: &Published, pending: &mut Vec<u32>) {
        let mapping = Mapping { anchor: 1, shared: false };
        published.set_mapping(0, mapping, pending);
        published.set_version(1, 5, pending);
    }

    #[test]
    fn a_message_is_visible_once_it_is_published() {
        let (published, mut pending) = (two_nodes(), Vec::new());
        join(&published, &mut pending);
        assert_eq!((customer(&published, A), customer(&published, B)), ((A, 0), (B, 0)));
        assert_eq!(published.applied(), -1);
        published.publish(4, &pending, [(pair(0, 1), true)].into_iter());
        assert_eq!((customer(&published, A), customer(&published, B)), ((B, 5), (B, 5)));
        assert!(published.applied() == 4 && published.knows(pair(1, 0)));
    }

    #[test]
    fn a_word_that_changes_twice_keeps_what_was_published() {
        let (published, mut pending) = (two_nodes(), Vec::new());
        join(&published, &mut pending);
        published.set_version(1, 6, &mut pending);
        assert_eq!(customer(&published, B), (B, 0));
    }

    #[test]
    fn a_question_during_which_a_message_is_published_is_asked_again() {
        let (published, mut pending) = (two_nodes(), Vec::new());
        join(&published, &mut pending);
        let asked = Cell::new(0);
        let answers = published.at_one_epoch(|snapshot| {
            let first = snapshot.resolve(A);
            asked.set(asked.get() + 1);
            if asked.get() == 1 {
                published.publish(4, &pending, std::iter::empty());
            }
            (first.customer_id, snapshot.resolve(A).customer_id)
        });
        assert_eq!((answers, asked.get()), ((B, B), 2));
    }
}
