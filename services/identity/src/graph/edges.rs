//! The kept edges, 24 bytes each. Every node's edges form a ring from the oldest to the newest.

use parking_lot::Mutex;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};

use super::arena::Arena;
use super::memory::Zeroed;
use super::nodes::Nodes;
use super::pages::{Saved, u32_at, u64_at};

/// "No such node or edge."
pub(super) const NONE: u32 = u32::MAX;

/// Readers walk at most this many edges of a node; one that they do not find is only logged once more.
const LONGEST_WALK: usize = 4_096;

/// Whose word an edge is: the order in which edges are replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum EdgeClass {
    /// An operator's.
    Forced,
    /// Between accounts.
    Account,
    /// The weaker end is a contact.
    Contact,
    /// The weaker end is a device.
    Device,
    /// From a closed generation to whom it belonged to: not evidence, but the past.
    Closed,
}

impl EdgeClass {
    const ALL: [EdgeClass; 5] =
        [EdgeClass::Forced, EdgeClass::Account, EdgeClass::Contact, EdgeClass::Device, EdgeClass::Closed];

    /// Name in ClickHouse and in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            EdgeClass::Forced => "forced",
            EdgeClass::Account => "account",
            EdgeClass::Contact => "contact",
            EdgeClass::Device => "device",
            EdgeClass::Closed => "closed",
        }
    }
}

/// A kept edge as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edge {
    /// Stronger end first.
    pub(super) ends: [u32; 2],
    pub(super) class: EdgeClass,
    /// Whether it joins.
    pub(super) active: bool,
    /// Set aside: no replay tries it.
    pub(super) held: bool,
    /// Offset of its log message.
    pub(super) offset: u64,
    /// Event day, days since 1970.
    pub(super) day: u16,
}

/// [`Edge`] in 24 bytes.
#[derive(Debug, Default)]
pub(super) struct Slot {
    ends: [AtomicU32; 2],
    /// The next edge of either end.
    next: [AtomicU32; 2],
    /// Offset (40 bits), day (16), held, active, class (3).
    rest: AtomicU64,
}

// SAFETY: it consists of integers.
unsafe impl Zeroed for Slot {}

const OFFSET: u64 = (1 << 40) - 1;
const DAY_AT: u32 = 40;
const CLASS_AT: u32 = 56;
const ACTIVE: u64 = 1 << 59;
const HELD: u64 = 1 << 60;

impl Slot {
    fn get(&self) -> Edge {
        let rest = self.rest.load(Relaxed);
        Edge {
            ends: [self.ends[0].load(Relaxed), self.ends[1].load(Relaxed)],
            class: EdgeClass::ALL[(rest >> CLASS_AT & 7) as usize],
            active: rest & ACTIVE != 0,
            held: rest & HELD != 0,
            offset: rest & OFFSET,
            day: (rest >> DAY_AT) as u16,
        }
    }

    fn set(&self, edge: Edge) {
        let flags = if edge.active { ACTIVE } else { 0 } | if edge.held { HELD } else { 0 };
        let class = u64::from(edge.class as u8) << CLASS_AT;
        self.ends[0].store(edge.ends[0], Relaxed);
        self.ends[1].store(edge.ends[1], Relaxed);
        self.rest.store(edge.offset & OFFSET | u64::from(edge.day) << DAY_AT | class | flags, Release);
    }

    fn side(&self, node: u32) -> usize {
        usize::from(self.ends[0].load(Relaxed) != node)
    }

    fn next(&self, node: u32) -> &AtomicU32 {
        &self.next[self.side(node)]
    }
}

/// Slots without an edge.
#[derive(Debug, Default)]
struct Free {
    /// Least number first, so that the numbers of one message's edges ascend.
    ready: BinaryHeap<Reverse<u32>>,
    /// Freed by the message in flight: used from the next one on.
    fresh: Vec<u32>,
}

/// All kept edges, by number. Of two edges the older one is that of the smaller offset and, within one message, of the
/// smaller number.
#[derive(Debug)]
pub(super) struct Edges {
    slots: Arena<Slot>,
    length: AtomicU32,
    free: Mutex<Free>,
}

/// For the applier, which holds the state's lock; [`Edges::connects`] is for everybody.
impl Edges {
    pub(super) fn new() -> Self {
        Edges { slots: Arena::new(), length: AtomicU32::new(0), free: Mutex::default() }
    }

    /// Keeps an edge.
    pub(super) fn insert(&self, nodes: &Nodes, edge: Edge) -> u32 {
        let reused = self.free.lock().ready.pop();
        let number = match reused {
            Some(Reverse(number)) => number,
            None => {
                let number = self.length.load(Relaxed);
                assert!(number < NONE, "4 billion edges need more memory than an edge number can address");
                self.length.store(number + 1, Relaxed);
                number
            }
        };
        self.slots.reserve(number);
        let slot = self.slots.change(number);
        slot.set(edge);
        for node in edge.ends {
            let newest = nodes.newest_edge(node);
            let oldest = if newest == NONE { number } else { self.slots.get(newest).next(node).load(Relaxed) };
            slot.next(node).store(oldest, Release);
            if newest != NONE {
                self.slots.change(newest).next(node).store(number, Release);
            }
            nodes.set_newest_edge(node, number);
        }
        number
    }

    /// Forgets an edge.
    pub(super) fn remove(&self, nodes: &Nodes, number: u32) {
        let slot = self.slots.get(number);
        for node in self.get(number).ends {
            let following = slot.next(node).load(Relaxed);
            if following == number {
                nodes.set_newest_edge(node, NONE);
                continue;
            }
            let mut previous = following;
            loop {
                let next = self.slots.get(previous).next(node).load(Relaxed);
                if next == number {
                    break;
                }
                previous = next;
            }
            self.slots.change(previous).next(node).store(following, Release);
            if nodes.newest_edge(node) == number {
                nodes.set_newest_edge(node, previous);
            }
        }
        self.free.lock().fresh.push(number);
    }

    /// The message in flight is published: what it freed can be used.
    pub(super) fn publish(&self) {
        let free = &mut *self.free.lock();
        free.ready.extend(free.fresh.drain(..).map(Reverse));
    }

    #[inline]
    pub(super) fn get(&self, number: u32) -> Edge {
        self.slots.get(number).get()
    }

    pub(super) fn set_active(&self, number: u32, active: bool) {
        self.slots.change(number).set(Edge { active, ..self.get(number) });
    }

    pub(super) fn set_held(&self, number: u32, held: bool) {
        self.slots.change(number).set(Edge { held, ..self.get(number) });
    }

    pub(super) fn set_class(&self, number: u32, class: EdgeClass) {
        self.slots.change(number).set(Edge { class, ..self.get(number) });
    }

    /// Swaps the ends: which is the stronger one has changed.
    pub(super) fn swap_ends(&self, number: u32) {
        let slot = self.slots.change(number);
        let [a, b] = [slot.next[0].load(Relaxed), slot.next[1].load(Relaxed)];
        let edge = slot.get();
        slot.set(Edge { ends: [edge.ends[1], edge.ends[0]], ..edge });
        slot.next[0].store(b, Release);
        slot.next[1].store(a, Release);
    }

    /// A node's edges and their other ends, oldest first.
    pub(super) fn of<'a>(&'a self, nodes: &'a Nodes, node: u32) -> impl Iterator<Item = (u32, u32)> + 'a {
        let newest = nodes.newest_edge(node);
        let mut following = (newest != NONE).then(|| self.slots.get(newest).next(node).load(Relaxed));
        std::iter::from_fn(move || {
            let number = following?;
            let slot = self.slots.get(number);
            let side = slot.side(node);
            following = (number != newest).then(|| slot.next[side].load(Relaxed));
            Some((number, slot.ends[1 - side].load(Relaxed)))
        })
    }

    /// How many slots there are, free ones included.
    pub(super) fn len(&self) -> u32 {
        self.length.load(Relaxed)
    }

    /// The numbers without an edge, ascending.
    pub(super) fn free_numbers(&self) -> Vec<u32> {
        let free = self.free.lock();
        let mut numbers: Vec<u32> =
            free.ready.iter().map(|number| number.0).chain(free.fresh.iter().copied()).collect();
        numbers.sort_unstable();
        numbers
    }

    /// Brings near the edges from which a walk over a node's edges begins.
    pub(super) fn prefetch_of(&self, nodes: &Nodes, node: u32) {
        let newest = nodes.newest_edge(node);
        if newest != NONE {
            self.slots.prefetch(newest);
        }
    }

    /// Once [`Self::prefetch_of`] has brought its newest edge: the one after it, and the newest one's other end.
    pub(super) fn prefetch_beyond(&self, nodes: &Nodes, node: u32) {
        let newest = nodes.newest_edge(node);
        if newest != NONE {
            let slot = self.slots.get(newest);
            let side = usize::from(slot.ends[0].load(Relaxed) != node);
            self.slots.prefetch(slot.next[side].load(Relaxed));
            nodes.prefetch(slot.ends[1 - side].load(Relaxed));
        }
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        let free = self.free.lock();
        self.slots.bytes() + (free.ready.capacity() + free.fresh.capacity()) * size_of::<u32>()
    }
}

/// Without a lock.
impl Edges {
    /// The edge between two nodes. Both ends' edges are walked in turn, so that the shorter list decides.
    ///
    /// While a message is applied, an edge of it may be found ([`Edge::offset`] tells) and, seldom, an older one be
    /// missed: then it is logged once more, which changes nothing.
    pub(super) fn connects(&self, nodes: &Nodes, a: u32, b: u32) -> Option<u32> {
        let mut walks = [Walk::of(nodes, a), Walk::of(nodes, b)];
        for _ in 0..LONGEST_WALK {
            for walk in &mut walks {
                let number = walk.at?;
                let slot = self.slots.get(number);
                let ends = [slot.ends[0].load(Acquire), slot.ends[1].load(Acquire)];
                if ends == [a, b] || ends == [b, a] {
                    return Some(number);
                }
                let side = usize::from(ends[0] != walk.node);
                let next = slot.next[side].load(Acquire);
                walk.at = (next != walk.start && ends[side] == walk.node).then_some(next);
            }
        }
        None
    }
}

/// For snapshots.
impl Edges {
    pub(super) fn arena(&self) -> &Arena<Slot> {
        &self.slots
    }

    /// Takes over slots that were loaded into the arena.
    pub(super) fn loaded(&self, length: u32, free_numbers: &[u32]) {
        self.length.store(length, Relaxed);
        self.free.lock().ready = free_numbers.iter().copied().map(Reverse).collect();
    }

    /// What a slot holds: its ends, the next edge of either, and its class if it is one.
    pub(super) fn loaded_slot(&self, number: u32) -> ([u32; 2], [u32; 2], bool, u64) {
        let slot = self.slots.get(number);
        let two = |pair: &[AtomicU32; 2]| [pair[0].load(Relaxed), pair[1].load(Relaxed)];
        let rest = slot.rest.load(Relaxed);
        let is_class = (rest >> CLASS_AT & 7) < EdgeClass::ALL.len() as u64 && rest < HELD << 1;
        (two(&slot.ends), two(&slot.next), is_class, rest & OFFSET)
    }

    /// Brings a slot near, if there is one with this number.
    pub(super) fn prefetch(&self, number: u32) {
        if number < self.len() {
            self.slots.prefetch(number);
        }
    }
}

impl Saved for Slot {
    const BYTES: usize = 24;

    fn save(&self, into: &mut [u8]) {
        for (part, number) in into.chunks_exact_mut(4).zip(self.ends.iter().chain(&self.next)) {
            part.copy_from_slice(&number.load(Relaxed).to_le_bytes());
        }
        into[16..].copy_from_slice(&self.rest.load(Relaxed).to_le_bytes());
    }

    fn load(&self, from: &[u8]) {
        for (at, number) in self.ends.iter().chain(&self.next).enumerate() {
            number.store(u32_at(from, 4 * at), Relaxed);
        }
        self.rest.store(u64_at(from, 16), Relaxed);
    }
}

/// A walk over a node's edges, from the newest.
struct Walk {
    node: u32,
    start: u32,
    at: Option<u32>,
}

impl Walk {
    fn of(nodes: &Nodes, node: u32) -> Self {
        let start = nodes.newest_edge(node);
        Walk { node, start, at: (start != NONE).then_some(start) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::Key;

    fn edge(a: u32, b: u32, offset: u64) -> Edge {
        Edge { ends: [a, b], class: EdgeClass::Device, active: false, held: false, offset, day: 20_000 }
    }

    fn world() -> (Nodes, Edges) {
        let nodes = Nodes::new();
        (0..6).for_each(|number| {
            nodes.add(0, Key(number), 0);
        });
        (nodes, Edges::new())
    }

    fn others(nodes: &Nodes, edges: &Edges, node: u32) -> Vec<u32> {
        edges.of(nodes, node).map(|(_, other)| other).collect()
    }

    #[test]
    fn an_edge_takes_24_bytes_and_comes_back_as_it_was() {
        assert_eq!(size_of::<Slot>(), 24);
        let (nodes, edges) = world();
        let full = Edge { class: EdgeClass::Closed, active: true, held: true, day: u16::MAX, ..edge(0, 1, OFFSET) };
        let number = edges.insert(&nodes, full);
        assert_eq!(edges.get(number), full);
        edges.set_active(number, false);
        edges.set_class(number, EdgeClass::Forced);
        assert_eq!(edges.get(number), Edge { active: false, class: EdgeClass::Forced, ..full });
    }

    #[test]
    fn a_nodes_edges_come_oldest_first() {
        let (nodes, edges) = world();
        let numbers: Vec<u32> = (1..6).map(|other| edges.insert(&nodes, edge(0, other, 7))).collect();
        assert_eq!(others(&nodes, &edges, 0), [1, 2, 3, 4, 5]);
        for (number, left) in [(2, vec![1, 2, 4, 5]), (4, vec![1, 2, 4]), (0, vec![2, 4]), (3, vec![2]), (1, vec![])] {
            edges.remove(&nodes, numbers[number]);
            assert_eq!(others(&nodes, &edges, 0), left);
        }
        assert_eq!(others(&nodes, &edges, 3), [0; 0]);
    }

    #[test]
    fn freed_numbers_come_back_ascending_with_the_next_message() {
        let (nodes, edges) = world();
        let numbers: Vec<u32> = (1..5).map(|other| edges.insert(&nodes, edge(0, other, 7))).collect();
        edges.remove(&nodes, numbers[3]);
        edges.remove(&nodes, numbers[1]);
        assert_eq!(edges.insert(&nodes, edge(0, 5, 8)), 4);
        edges.publish();
        assert_eq!(edges.free_numbers(), [1, 3]);
        assert_eq!([edge(1, 2, 9), edge(1, 3, 9), edge(1, 4, 9)].map(|new| edges.insert(&nodes, new)), [1, 3, 5]);
    }

    #[test]
    fn ends_that_swap_keep_their_rings() {
        let (nodes, edges) = world();
        for (a, b) in [(0, 1), (0, 2), (1, 2), (3, 0)] {
            edges.insert(&nodes, edge(a, b, 1));
        }
        let before: Vec<Vec<u32>> = (0..4).map(|node| others(&nodes, &edges, node)).collect();
        (0..4).for_each(|number| edges.swap_ends(number));
        assert_eq!(before, (0..4).map(|node| others(&nodes, &edges, node)).collect::<Vec<_>>());
        assert_eq!(edges.get(0).ends, [1, 0]);
    }

    #[test]
    fn an_edge_is_found_from_either_end_and_only_when_it_is_kept() {
        let (nodes, edges) = world();
        let first = edges.insert(&nodes, edge(0, 1, 1));
        (2..6).for_each(|other| {
            edges.insert(&nodes, edge(0, other, 1));
        });
        assert_eq!((edges.connects(&nodes, 0, 1), edges.connects(&nodes, 1, 0)), (Some(first), Some(first)));
        assert_eq!(edges.connects(&nodes, 1, 2), None);
        edges.remove(&nodes, first);
        assert_eq!(edges.connects(&nodes, 0, 1), None);
    }
}
