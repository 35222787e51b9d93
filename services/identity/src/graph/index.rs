//! From keys to node numbers: lines of a cache line each, read without a lock or a fence.
//!
//! A line holds up to twelve numbers, and eight bits of each one's hash so that other keys are seldom compared. The key
//! itself stands in the node. Lines form blocks; a directory names the block of every prefix of a hash, and a block that
//! is nearly full is split in two (extendible hashing), so that growing costs every insertion about the same and nobody
//! waits for it. Lines never move and are never freed: a split-up block is cleared and used again. A reader that still
//! looks there cannot find a wrong node, because it compares keys, but may miss the right one; so one that finds nothing
//! looks whether the directory still says the same, and else asks again.

mod fill;

use parking_lot::Mutex;
use schemas::Key;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};

use super::arena::Arena;
use super::memory::{Block, Zeroed, prefetch};

/// Entries of a line.
const ENTRIES: usize = 12;

/// Lines of a block, a power of two.
const LINES: u32 = 128;

/// A block with so many entries is split: of twelve entries a line, about ten are taken.
const FULL: u32 = LINES * 10;

/// Prefixes are at most this long: enough for 80 billion entries.
const MAX_DEPTH: usize = 26;

/// Twelve entries. The mark of entry `i` is byte `i` of `marks`, then of `more_marks`; 0 is an empty entry.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Line {
    marks: AtomicU64,
    more_marks: AtomicU32,
    numbers: [AtomicU32; ENTRIES],
}

// SAFETY: an empty line is zeros.
unsafe impl Zeroed for [Line; LINES as usize] {}

/// Which bytes of a word equal a mark: the high bit of each that does. A byte above a match may be named in error, so
/// every match is compared by key.
fn matches(word: u64, mark: u8) -> u64 {
    const LOW: u64 = 0x0101_0101_0101_0101;
    let different = word ^ (LOW * u64::from(mark));
    different.wrapping_sub(LOW) & !different & (LOW << 7)
}

impl Line {
    /// The entries under a mark, as bits: entry `i` below eight is bit `8 * i`, the others are bit 1 of those bytes. In one
    /// word, because a branch on which of the two words matches would be wrong every third time, and the processor knows
    /// only when the line has arrived.
    #[inline]
    fn entries(&self, mark: u8) -> u64 {
        let more = matches(u64::from(self.more_marks.load(Acquire)), mark) & 0xFFFF_FFFF;
        matches(self.marks.load(Acquire), mark) >> 7 | more >> 6
    }

    #[inline]
    fn number(&self, bit: u32) -> u32 {
        self.numbers[(bit / 8 + bit % 2 * 8) as usize % ENTRIES].load(Relaxed)
    }

    /// The number under a mark for which `is_it` holds.
    #[inline(always)]
    fn find(&self, mark: u8, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let mut entries = self.entries(mark);
        while entries != 0 {
            let number = self.number(entries.trailing_zeros());
            if is_it(number) {
                return Some(number);
            }
            entries &= entries - 1;
        }
        None
    }

    /// The first number under a mark, most often the only one.
    #[inline]
    fn first(&self, mark: u8) -> Option<u32> {
        let entries = self.entries(mark);
        (entries != 0).then(|| self.number(entries.trailing_zeros()))
    }

    fn is_full(&self) -> bool {
        self.more_marks.load(Acquire) >> 24 != 0
    }

    /// Adds an entry if there is room. Only the applier calls this.
    fn push(&self, mark: u8, number: u32) -> bool {
        let (marks, more) = (self.marks.load(Relaxed), self.more_marks.load(Relaxed));
        let taken = (71 - marks.leading_zeros()) / 8;
        if taken < 8 {
            self.numbers[taken as usize].store(number, Relaxed);
            self.marks.store(marks | u64::from(mark) << (8 * taken), Release);
            return true;
        }
        let taken = (39 - more.leading_zeros()) / 8;
        if taken < 4 {
            self.numbers[8 + taken as usize].store(number, Relaxed);
            self.more_marks.store(more | u32::from(mark) << (8 * taken), Release);
        }
        taken < 4
    }

    fn clear(&self) {
        self.marks.store(0, Release);
        self.more_marks.store(0, Release);
    }

    fn numbers(&self) -> impl Iterator<Item = u32> + '_ {
        let (marks, more) = (self.marks.load(Relaxed), self.more_marks.load(Relaxed));
        let taken = (71 - marks.leading_zeros()) / 8 + (39 - more.leading_zeros()) / 8;
        self.numbers[..taken as usize].iter().map(|number| number.load(Relaxed))
    }
}

/// A key's hash: the directory takes it from the top, the mark and the line from the bottom.
#[derive(Debug, Clone, Copy)]
struct Hash(u64);

impl Hash {
    fn of(key: Key) -> Self {
        // Keys are hashes already; a multiplication spreads those that are not.
        let folded = (key.0 as u64) ^ ((key.0 >> 64) as u64).rotate_left(32);
        let hash = folded.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Hash((hash ^ hash >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93))
    }

    /// Which of `2^depth` directory entries.
    ///
    /// Not spread evenly but, as in spiral storage (Martin 1979), by about `2^h - 1`, so that the first prefixes get twice as
    /// many entries as the last: blocks are then split one after the other instead of all at the same size, and the
    /// bytes an entry takes are the same at every size.
    #[inline]
    fn prefix(self, depth: u32) -> usize {
        const BEND: u64 = (0.34 * (1u64 << 32) as f64) as u64;
        let even = self.0 >> 32;
        let bent = even - ((((even * ((1 << 32) - even)) >> 32) * BEND) >> 32);
        (bent >> (32 - depth)) as usize
    }

    fn line(self) -> u32 {
        (self.0 >> 8) as u32 & (LINES - 1)
    }

    fn mark(self) -> u8 {
        (self.0 as u8).max(1)
    }
}

/// A directory's entry: a block, and a number that no two entries ever share, so that a reader sees every change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry(u64);

impl Entry {
    fn new(block: u32, change: u32) -> Self {
        Entry(u64::from(block) | u64::from(change) << 32)
    }

    fn block(self) -> u32 {
        self.0 as u32
    }
}

/// What only the applier needs.
#[derive(Debug, Default)]
struct Blocks {
    /// Entries and length of prefix of each block.
    filled: Vec<(u32, u32)>,
    free: Vec<u32>,
    changes: u32,
}

/// From keys to node numbers. Holds numbers only.
#[derive(Debug)]
pub(super) struct Index {
    blocks: Arena<[Line; LINES as usize], 2, 9, 23>,
    /// The directory of each depth that there was; a reader may still look at an older one. Together the older ones are
    /// as large as the newest.
    directories: [OnceLock<Block<AtomicU64>>; MAX_DEPTH + 1],
    depth: AtomicU32,
    filled: Mutex<Blocks>,
}

/// Keys that are looked up at once.
pub(super) const BATCH: usize = 32;

impl Index {
    pub(super) fn new() -> Self {
        let index = Index {
            blocks: Arena::new(),
            directories: [const { OnceLock::new() }; MAX_DEPTH + 1],
            depth: AtomicU32::new(0),
            filled: Mutex::default(),
        };
        let first = index.take_block(&mut index.filled.lock(), 0);
        let directory = index.directories[0].get_or_init(|| Block::zeroed(1));
        directory[0].store(Entry::new(first, 0).0, Release);
        index
    }

    /// The node of a key; `key_of` gives the key of a node.
    #[inline(always)]
    pub(super) fn find(&self, key: Key, key_of: impl Fn(u32) -> Key) -> Option<u32> {
        let hash = Hash::of(key);
        let mut entry = self.entry(hash);
        loop {
            let found = self.find_in(entry, hash, |number| key_of(number) == key);
            if found.is_some() {
                return found;
            }
            let now = self.entry(hash);
            if now == entry {
                return None;
            }
            entry = now;
        }
    }

    #[inline(always)]
    fn line(&self, block: u32, line: u32) -> &Line {
        &self.blocks.get(block)[(line & (LINES - 1)) as usize]
    }

    #[inline(always)]
    fn entry(&self, hash: Hash) -> Entry {
        Entry(self.slot(hash).load(Acquire))
    }

    #[inline(always)]
    fn slot(&self, hash: Hash) -> &AtomicU64 {
        let depth = self.depth.load(Acquire);
        let directory = self.directories[depth as usize].get();
        &directory.expect("a depth is stored after its directory was made")[hash.prefix(depth)]
    }

    #[inline(always)]
    fn find_in(&self, entry: Entry, hash: Hash, is_it: impl Fn(u32) -> bool + Copy) -> Option<u32> {
        let line = self.line(entry.block(), hash.line());
        let found = line.find(hash.mark(), is_it);
        if found.is_some() || !line.is_full() { found } else { self.find_further(entry, hash, is_it) }
    }

    /// In the lines after the first, as long as they are full.
    #[cold]
    fn find_further(&self, entry: Entry, hash: Hash, is_it: impl Fn(u32) -> bool + Copy) -> Option<u32> {
        for step in 1..LINES {
            let line = self.line(entry.block(), hash.line() + step);
            let found = line.find(hash.mark(), is_it);
            if found.is_some() || !line.is_full() {
                return found;
            }
        }
        None
    }

    /// The nodes of up to [`BATCH`] keys. In phases, so that the processor waits for many cache misses at once: first
    /// all lines, then, by `prefetch_node`, all nodes they name, then the comparisons.
    pub(super) fn find_batch(
        &self,
        keys: &[Key],
        found: &mut [Option<u32>],
        prefetch_node: impl Fn(u32),
        key_of: impl Fn(u32) -> Key,
    ) {
        debug_assert!(keys.len() <= BATCH && keys.len() == found.len(), "batches are cut by the caller");
        let mut hashes = [Hash(0); BATCH];
        let mut blocks = [0; BATCH];
        let hashes = &mut hashes[..keys.len()];
        for (hash, key) in hashes.iter_mut().zip(keys) {
            *hash = Hash::of(*key);
            prefetch(self.slot(*hash));
        }
        for (block, hash) in blocks.iter_mut().zip(hashes.iter()) {
            *block = self.entry(*hash).block();
            prefetch(self.line(*block, hash.line()));
        }
        for (block, hash) in blocks.iter().zip(hashes.iter()) {
            if let Some(number) = self.line(*block, hash.line()).first(hash.mark()) {
                prefetch_node(number);
            }
        }
        for (((block, hash), key), found) in blocks.iter().zip(hashes.iter()).zip(keys).zip(found) {
            let line = self.line(*block, hash.line());
            *found = line.find(hash.mark(), |number| key_of(number) == *key);
            // Most often there is none, and the line is not full.
            if found.is_none() && (line.is_full() || self.entry(*hash).block() != *block) {
                *found = self.find(*key, &key_of);
            }
        }
    }

    /// Adds a node that is not there yet. Only the applier calls this.
    pub(super) fn insert(&self, key: Key, number: u32, prefetch_node: impl Fn(u32), key_of: impl Fn(u32) -> Key) {
        let hash = Hash::of(key);
        let blocks = &mut *self.filled.lock();
        let mut block = self.entry(hash).block();
        while blocks.filled[block as usize].0 >= FULL {
            self.split(blocks, hash, &prefetch_node, &key_of);
            block = self.entry(hash).block();
        }
        blocks.filled[block as usize].0 += 1;
        self.add(block, hash, number);
    }

    fn add(&self, block: u32, hash: Hash, number: u32) {
        let added = (0..LINES).any(|step| self.line(block, hash.line() + step).push(hash.mark(), number));
        assert!(added, "a block is split before its lines are full");
    }

    /// An empty block.
    fn take_block(&self, blocks: &mut Blocks, depth: u32) -> u32 {
        if let Some(block) = blocks.free.pop() {
            blocks.filled[block as usize] = (0, depth);
            return block;
        }
        let block = blocks.filled.len() as u32;
        blocks.filled.push((0, depth));
        self.blocks.reserve(block);
        block
    }

    /// Splits the block of a hash by one more bit.
    fn split(&self, blocks: &mut Blocks, hash: Hash, prefetch_node: impl Fn(u32), key_of: impl Fn(u32) -> Key) {
        let old = self.entry(hash).block();
        let bits = blocks.filled[old as usize].1 + 1;
        if bits > self.depth.load(Relaxed) {
            self.double();
        }
        let halves = [self.take_block(blocks, bits), self.take_block(blocks, bits)];
        let old_lines = || self.blocks.get(old).iter();
        let mut numbers = Vec::with_capacity(FULL as usize);
        for number in old_lines().flat_map(Line::numbers) {
            prefetch_node(number);
            numbers.push(number);
        }
        for number in numbers {
            let hash = Hash::of(key_of(number));
            let half = halves[hash.prefix(bits) & 1];
            blocks.filled[half as usize].0 += 1;
            self.add(half, hash, number);
        }
        let depth = self.depth.load(Relaxed);
        let directory = self.directories[depth as usize].get().expect("a depth is stored after its directory was made");
        for (side, half) in halves.into_iter().enumerate() {
            blocks.changes = blocks.changes.wrapping_add(1);
            let prefix = hash.prefix(bits) & !1 | side;
            let first = prefix << (depth - bits);
            for slot in &directory[first..first + (1 << (depth - bits))] {
                slot.store(Entry::new(half, blocks.changes).0, Release);
            }
        }
        old_lines().for_each(Line::clear);
        blocks.free.push(old);
    }

    /// One more bit for the directory.
    fn double(&self) {
        let depth = self.depth.load(Relaxed) as usize;
        assert!(depth < MAX_DEPTH, "80 billion entries are more than there are node numbers");
        let old = self.directories[depth].get().expect("a depth is stored after its directory was made");
        let new = Block::zeroed(2 * old.len());
        for (place, entry) in (0..).step_by(2).zip(old.iter()) {
            let new: &[AtomicU64] = &new;
            new[place..place + 2].iter().for_each(|half| half.store(entry.load(Relaxed), Relaxed));
        }
        self.directories[depth + 1].get_or_init(|| new);
        self.depth.store(depth as u32 + 1, Release);
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        let directories: usize = self.directories.iter().filter_map(|d| d.get().map(|d| size_of_val(&**d))).sum();
        let blocks = self.filled.lock();
        let lists = blocks.filled.capacity() * size_of::<(u32, u32)>() + blocks.free.capacity() * size_of::<u32>();
        self.blocks.bytes() + directories + lists
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u32) -> Key {
        Key(u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835))
    }

    #[test]
    fn what_was_added_is_found_and_nothing_else() {
        let index = Index::new();
        for number in 0..300_000 {
            assert_eq!(index.find(key(number), key), None);
            index.insert(key(number), number, |_| {}, key);
            assert_eq!(index.find(key(number), key), Some(number));
        }
        for number in 0..300_000 {
            assert_eq!(index.find(key(number), key), Some(number));
            assert_eq!(index.find(key(number + 300_000), key), None);
        }
        let per_entry = index.bytes() as f64 / 300_000.0;
        assert!(per_entry < 18.0, "{per_entry} bytes an entry");
    }

    #[test]
    fn a_batch_finds_what_single_questions_find() {
        let index = Index::new();
        (0..10_000).step_by(2).for_each(|number| index.insert(key(number), number, |_| {}, key));
        for start in (0..10_000).step_by(BATCH) {
            let keys: Vec<Key> = (start..start + BATCH as u32).map(key).collect();
            let mut found = vec![None; keys.len()];
            index.find_batch(&keys, &mut found, |_| {}, key);
            assert_eq!(found, keys.iter().map(|key_| index.find(*key_, key)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_index_that_is_filled_at_once_is_as_one_that_grew() {
        for length in [0, 1, 5, 4_000, 100_000] {
            let index = Index::new();
            index.fill(length, key).unwrap();
            assert!((0..length).all(|number| index.find(key(number), key) == Some(number)));
            assert!((length..length + 1_000).all(|number| index.find(key(number), key).is_none()));
            (length..length + 50_000).for_each(|number| index.insert(key(number), number, |_| {}, key));
            assert!((0..length + 50_000).all(|number| index.find(key(number), key) == Some(number)));
        }
        let twice = |number: u32| key(number % 3_000);
        assert_eq!(Index::new().fill(3_000, twice), Ok(()));
        assert!(Index::new().fill(3_001, twice).is_err());
    }

    #[test]
    fn many_equal_places_overflow_into_the_following_lines() {
        let index = Index::new();
        // Two halves of a key that cancel out: all hashes are equal.
        let same = |number: u32| Key(u128::from(number) << 64 | u128::from(number));
        (0..200).for_each(|number| index.insert(same(number), number, |_| {}, same));
        assert!((0..200).all(|number| index.find(same(number), same) == Some(number)));
        assert_eq!(index.find(same(200), same), None);
    }

    #[test]
    fn readers_find_old_entries_while_segments_grow() {
        let index = Index::new();
        (0..1_000).for_each(|number| index.insert(key(number), number, |_| {}, key));
        std::thread::scope(|scope| {
            let reader =
                scope.spawn(|| (0..200).all(|_| (0..1_000).all(|number| index.find(key(number), key) == Some(number))));
            (1_000..200_000).for_each(|number| index.insert(key(number), number, |_| {}, key));
            assert!(reader.join().unwrap());
        });
    }
}
