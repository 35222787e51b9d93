//! From keys to node numbers: lines of a cache line each, read without a lock.
//!
//! A line holds up to twelve numbers, and eight bits of each one's hash so that other keys are seldom compared. The key
//! itself stands in the node. Entries are only ever added: a reader that finds a mark finds its number. A segment whose
//! lines are nearly full is copied into half as many lines again, and the old ones go when no reader can see them.
//! Segments grow at different times, so growing costs every insertion about the same, and readers and the applier never
//! wait for it.

use crossbeam_epoch::{self as epoch, Guard};
use schemas::Key;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};

use super::memory::{prefer_huge_pages, prefetch};

const SEGMENT_BITS: u32 = 12;
const SEGMENTS: usize = 1 << SEGMENT_BITS;

/// Entries of a line.
const ENTRIES: usize = 12;

/// Of twelve entries, how many are taken on average when a segment grows.
const FULL: usize = 10;

/// Lines of a segment by size class: half as many again with each growth, which is two classes on. Odd segments have
/// the odd classes, so that not all grow at the same time.
const SIZES: [u32; 64] = {
    const FIRST: [u32; 10] = [1, 1, 2, 2, 3, 4, 5, 7, 8, 10];
    let mut sizes = [0; 64];
    let mut class = 0;
    while class < sizes.len() {
        sizes[class] = if class < FIRST.len() { FIRST[class] } else { sizes[class - 2] + sizes[class - 2] / 2 };
        class += 1;
    }
    sizes
};

/// Twelve entries. The mark of entry `i` is byte `i` of `marks`, then of `more_marks`; 0 is an empty entry.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Line {
    marks: AtomicU64,
    more_marks: AtomicU32,
    numbers: [AtomicU32; ENTRIES],
}

/// Which bytes of a word equal a mark: the high bit of each that does. A byte above a match may be named in error, so
/// every match is compared by key.
fn matches(word: u64, mark: u8) -> u64 {
    const LOW: u64 = 0x0101_0101_0101_0101;
    let different = word ^ (LOW * u64::from(mark));
    different.wrapping_sub(LOW) & !different & (LOW << 7)
}

impl Line {
    /// The number under a mark for which `is_it` holds.
    #[inline]
    fn find(&self, mark: u8, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let mut found = matches(self.marks.load(Acquire), mark);
        while found != 0 {
            let number = self.numbers[(found.trailing_zeros() / 8) as usize].load(Relaxed);
            if is_it(number) {
                return Some(number);
            }
            found &= found - 1;
        }
        let mut found = matches(u64::from(self.more_marks.load(Acquire)), mark) & 0xFFFF_FFFF;
        while found != 0 {
            let number = self.numbers[8 + (found.trailing_zeros() / 8) as usize].load(Relaxed);
            if is_it(number) {
                return Some(number);
            }
            found &= found - 1;
        }
        None
    }

    /// The first number under a mark, most often the only one.
    #[inline]
    fn first(&self, mark: u8) -> Option<u32> {
        self.find(mark, |_| true)
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

    fn numbers(&self) -> impl Iterator<Item = u32> + '_ {
        let (marks, more) = (self.marks.load(Relaxed), self.more_marks.load(Relaxed));
        let taken = (71 - marks.leading_zeros()) / 8 + (39 - more.leading_zeros()) / 8;
        self.numbers[..taken as usize].iter().map(|number| number.load(Relaxed))
    }
}

/// Where a key stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    segment: usize,
    /// Position within the segment as a fraction of it, in 2⁻³².
    fraction: u32,
    mark: u8,
}

impl Place {
    fn of(key: Key) -> Self {
        // Keys are hashes already; a multiplication spreads those that are not.
        let folded = (key.0 as u64) ^ ((key.0 >> 64) as u64);
        let hash = folded.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let hash = hash ^ hash >> 32;
        let hash = hash.wrapping_mul(0xD6E8_FEB8_6659_FD93);
        Place {
            segment: (hash >> (u64::BITS - SEGMENT_BITS)) as usize,
            fraction: (hash >> 16) as u32,
            mark: (hash as u8).max(1),
        }
    }
}

/// One segment: its lines, and how many entries they hold.
#[derive(Debug, Default)]
struct Segment {
    /// Address of the first line, with the segment's size class in the low six bits, which alignment leaves free. 0: no
    /// lines yet.
    lines: AtomicU64,
    entries: AtomicU32,
}

const CLASS: u64 = 63;

fn lines_of(word: u64) -> Option<&'static [Line]> {
    if word == 0 {
        return None;
    }
    let first = std::ptr::with_exposed_provenance::<Line>((word & !CLASS) as usize);
    // SAFETY: a word is the address of a leaked slice of this length. It is freed only after the word was replaced and
    // every guard from before that is gone, and callers hold a guard or are the applier; the lifetime never leaves this
    // module.
    Some(unsafe { std::slice::from_raw_parts(first, SIZES[(word & CLASS) as usize] as usize) })
}

fn allocate(class: usize) -> u64 {
    let lines: Box<[Line]> = (0..SIZES[class]).map(|_| Line::default()).collect();
    prefer_huge_pages(&lines);
    let first = Box::into_raw(lines).cast::<Line>();
    first.expose_provenance() as u64 | class as u64
}

/// Frees what [`allocate`] made.
///
/// # Safety
/// Nobody may use the lines any more.
unsafe fn free(word: u64) {
    if word != 0 {
        let first = std::ptr::with_exposed_provenance_mut::<Line>((word & !CLASS) as usize);
        let lines = std::ptr::slice_from_raw_parts_mut(first, SIZES[(word & CLASS) as usize] as usize);
        // SAFETY: `allocate` leaked exactly this slice, and by this function's contract nobody uses it.
        drop(unsafe { Box::from_raw(lines) });
    }
}

fn line_number(lines: &[Line], place: Place) -> usize {
    ((u64::from(place.fraction) * lines.len() as u64) >> 32) as usize
}

/// The lines in which a key may stand: its own and, as long as they are full, the following.
fn line_walk(lines: &[Line], place: Place) -> impl Iterator<Item = &Line> {
    let start = line_number(lines, place);
    lines[start..].iter().chain(&lines[..start])
}

/// From keys to node numbers. Holds numbers only.
#[derive(Debug)]
pub(super) struct Index {
    segments: Box<[Segment]>,
}

/// Keys that are looked up at once.
pub(super) const BATCH: usize = 32;

impl Index {
    pub(super) fn new() -> Self {
        Index { segments: (0..SEGMENTS).map(|_| Segment::default()).collect() }
    }

    /// The node of a key; `key_of` gives the key of a node.
    #[inline]
    pub(super) fn find(&self, key: Key, key_of: impl Fn(u32) -> Key) -> Option<u32> {
        let guard = epoch::pin();
        self.find_under(&guard, Place::of(key), |number| key_of(number) == key)
    }

    #[inline]
    fn find_under(&self, _guard: &Guard, place: Place, is_it: impl Fn(u32) -> bool + Copy) -> Option<u32> {
        let lines = lines_of(self.segments[place.segment].lines.load(Acquire))?;
        for line in line_walk(lines, place) {
            let found = line.find(place.mark, is_it);
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
        let guard = epoch::pin();
        let mut places = [Place { segment: 0, fraction: 0, mark: 0 }; BATCH];
        for (place, key) in places.iter_mut().zip(keys) {
            *place = Place::of(*key);
            prefetch(&self.segments[place.segment]);
        }
        for place in &places[..keys.len()] {
            if let Some(lines) = lines_of(self.segments[place.segment].lines.load(Acquire)) {
                prefetch(&lines[line_number(lines, *place)]);
            }
        }
        for place in &places[..keys.len()] {
            if let Some(lines) = lines_of(self.segments[place.segment].lines.load(Acquire))
                && let Some(number) = lines[line_number(lines, *place)].first(place.mark)
            {
                prefetch_node(number);
            }
        }
        for ((place, key), found) in places.iter().zip(keys).zip(found) {
            *found = self.find_under(&guard, *place, |number| key_of(number) == *key);
        }
    }

    /// Adds a node that is not there yet. Only the applier calls this.
    pub(super) fn insert(&self, key: Key, number: u32, key_of: impl Fn(u32) -> Key) {
        let place = Place::of(key);
        let segment = &self.segments[place.segment];
        let entries = segment.entries.load(Relaxed) as usize + 1;
        let mut word = segment.lines.load(Relaxed);
        if lines_of(word).is_none_or(|lines| entries > lines.len() * FULL) {
            word = grow(segment, place.segment, word, key_of);
        }
        let lines = lines_of(word).expect("a segment that has grown has lines");
        add(lines, place, number);
        segment.entries.store(entries as u32, Relaxed);
    }

    /// Adds the nodes `0..length` to an empty index at once: grouped by segment, so that each segment gets the lines it
    /// needs and is filled while it is near. A key that stands twice is an error.
    pub(super) fn fill(&self, length: u32, key_of: impl Fn(u32) -> Key) -> Result<(), Key> {
        let mut starts = vec![0u32; SEGMENTS + 1];
        (0..length).for_each(|number| starts[Place::of(key_of(number)).segment + 1] += 1);
        for segment in 0..SEGMENTS {
            starts[segment + 1] += starts[segment];
        }
        // Counting sort: `starts[s]` becomes the end of segment `s`.
        let mut sorted = vec![(0u32, Place { segment: 0, fraction: 0, mark: 0 }); length as usize];
        for number in 0..length {
            let place = Place::of(key_of(number));
            let start = &mut starts[place.segment];
            sorted[*start as usize] = (number, place);
            *start += 1;
        }
        let mut begin = 0;
        for (number, segment) in self.segments.iter().enumerate() {
            let entries = &sorted[begin..starts[number] as usize];
            begin += entries.len();
            if !entries.is_empty() {
                fill_segment(segment, number, entries, &key_of)?;
            }
        }
        Ok(())
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        let lines = |segment: &Segment| match segment.lines.load(Relaxed) {
            0 => 0,
            word => SIZES[(word & CLASS) as usize] as usize,
        };
        self.segments.iter().map(|segment| size_of::<Segment>() + lines(segment) * size_of::<Line>()).sum()
    }
}

fn add(lines: &[Line], place: Place, number: u32) {
    let added = line_walk(lines, place).any(|line| line.push(place.mark, number));
    assert!(added, "a segment grows before its lines are full");
}

/// Makes a segment's lines as large as its entries need and adds them.
fn fill_segment(
    segment: &Segment,
    number: usize,
    entries: &[(u32, Place)],
    key_of: impl Fn(u32) -> Key,
) -> Result<(), Key> {
    let is_enough = |class: &usize| SIZES[*class] as usize * FULL >= entries.len();
    let class = (number % 2..SIZES.len()).step_by(2).find(is_enough).expect("the largest class holds 2³² entries");
    let word = allocate(class);
    // At once, so that it is freed with the index whatever happens.
    segment.lines.store(word, Release);
    let lines = lines_of(word).expect("it was just made");
    for (entry, place) in entries {
        let is_it = |other| key_of(other) == key_of(*entry);
        for line in line_walk(lines, *place) {
            if line.find(place.mark, is_it).is_some() {
                return Err(key_of(*entry));
            }
            if line.push(place.mark, *entry) {
                break;
            }
        }
    }
    segment.entries.store(entries.len() as u32, Relaxed);
    Ok(())
}

/// Copies a segment's entries into more lines.
fn grow(segment: &Segment, number: usize, old: u64, key_of: impl Fn(u32) -> Key) -> u64 {
    let class = match old {
        0 => number % 2,
        _ => (old & CLASS) as usize + 2,
    };
    let new = allocate(class);
    let lines = lines_of(new).expect("it was just made");
    for entry in lines_of(old).into_iter().flatten().flat_map(Line::numbers) {
        add(lines, Place::of(key_of(entry)), entry);
    }
    segment.lines.store(new, Release);
    let guard = epoch::pin();
    // SAFETY: the word was replaced, so who pins from now on never sees the old lines.
    unsafe {
        guard.defer_unchecked(move || free(old));
    }
    new
}

impl Drop for Index {
    fn drop(&mut self) {
        for segment in &mut self.segments {
            // SAFETY: nobody borrows the index any more.
            unsafe { free(*segment.lines.get_mut()) };
        }
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
            index.insert(key(number), number, key);
            assert_eq!(index.find(key(number), key), Some(number));
        }
        for number in 0..300_000 {
            assert_eq!(index.find(key(number), key), Some(number));
            assert_eq!(index.find(key(number + 300_000), key), None);
        }
        let per_entry = index.bytes() as f64 / 300_000.0;
        assert!(per_entry < 10.0, "{per_entry} bytes an entry");
    }

    #[test]
    fn a_batch_finds_what_single_questions_find() {
        let index = Index::new();
        (0..10_000).step_by(2).for_each(|number| index.insert(key(number), number, key));
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
            (length..length + 50_000).for_each(|number| index.insert(key(number), number, key));
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
        (0..200).for_each(|number| index.insert(same(number), number, same));
        assert!((0..200).all(|number| index.find(same(number), same) == Some(number)));
        assert_eq!(index.find(same(200), same), None);
    }

    #[test]
    fn readers_find_old_entries_while_segments_grow() {
        let index = Index::new();
        (0..1_000).for_each(|number| index.insert(key(number), number, key));
        std::thread::scope(|scope| {
            let reader =
                scope.spawn(|| (0..200).all(|_| (0..1_000).all(|number| index.find(key(number), key) == Some(number))));
            (1_000..200_000).for_each(|number| index.insert(key(number), number, key));
            assert!(reader.join().unwrap());
        });
    }
}
