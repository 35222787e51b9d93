//! Items as they were when a snapshot began, while the applier goes on changing them.
//!
//! Before its first change of an item whose page has not been copied yet, the applier keeps the page aside. Whoever
//! copies takes the page kept aside, or else the items themselves. The applier holds the state's lock for writing when
//! it changes anything, and a copy takes it for reading, so neither sees the other's half-done work.

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed};

use super::arena::Arena;
use crate::snapshot::{Result, SnapshotError};

/// Items of a page. A change that comes before the copy costs so many items' bytes.
pub(super) const PAGE: u32 = 128;

/// An item as a snapshot holds it.
pub(super) trait Saved: super::memory::Zeroed {
    /// Its size there.
    const BYTES: usize;

    fn save(&self, into: &mut [u8]);

    fn load(&self, from: &[u8]);
}

impl Saved for AtomicU32 {
    const BYTES: usize = 4;

    fn save(&self, into: &mut [u8]) {
        into.copy_from_slice(&self.load(Relaxed).to_le_bytes());
    }

    fn load(&self, from: &[u8]) {
        self.store(u32_at(from, 0), Relaxed);
    }
}

/// The number that stands at a place, little endian; 0 beyond the end.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|part| part.try_into().ok()).map_or(0, u32::from_le_bytes)
}

/// The same, twice as long.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|part| part.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// What one snapshot may keep aside, all arenas together.
#[derive(Debug)]
pub(super) struct Budget {
    most_bytes: usize,
    used_bytes: AtomicUsize,
    peak_bytes: AtomicUsize,
    overrun: AtomicBool,
}

impl Budget {
    pub(super) fn new(most_bytes: usize) -> Arc<Self> {
        let (used_bytes, peak_bytes) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Budget { most_bytes, used_bytes, peak_bytes, overrun: AtomicBool::new(false) })
    }

    fn take(&self, bytes: usize) -> bool {
        let used = self.used_bytes.fetch_add(bytes, Relaxed) + bytes;
        self.peak_bytes.fetch_max(used.min(self.most_bytes), Relaxed);
        if used > self.most_bytes {
            self.overrun.store(true, Relaxed);
        }
        used <= self.most_bytes
    }

    fn give_back(&self, bytes: usize) {
        self.used_bytes.fetch_sub(bytes, Relaxed);
    }

    pub(super) fn peak_bytes(&self) -> usize {
        self.peak_bytes.load(Relaxed)
    }
}

/// The copy of an arena that is under way, if one is.
#[derive(Debug, Default)]
pub(super) struct Copying {
    active: AtomicBool,
    pages: Mutex<Option<Pages>>,
}

#[derive(Debug)]
struct Pages {
    /// Items that were there at the beginning.
    end: u32,
    /// Pages below are copied.
    copied: u32,
    kept: FxHashMap<u32, Box<[u8]>>,
    budget: Arc<Budget>,
}

impl Copying {
    #[inline]
    pub(super) fn is_active(&self) -> bool {
        self.active.load(Relaxed)
    }
}

/// For the applier.
impl<T: Saved> Arena<T> {
    /// An item that is about to be changed.
    #[inline]
    pub(super) fn change(&self, number: u32) -> &T {
        if self.copying().is_active() {
            self.keep_aside(number / PAGE);
        }
        self.get(number)
    }

    #[cold]
    fn keep_aside(&self, page: u32) {
        let mut pages = self.copying().pages.lock();
        let Some(pages) = pages.as_mut() else { return };
        if page < pages.copied || page >= pages.end.div_ceil(PAGE) || pages.kept.contains_key(&page) {
            return;
        }
        let items = items(page, pages.end);
        let bytes = items.len() * T::BYTES;
        if pages.budget.overrun.load(Relaxed) || !pages.budget.take(bytes) {
            return;
        }
        let mut kept = vec![0; bytes].into_boxed_slice();
        self.save(items, &mut kept);
        pages.kept.insert(page, kept);
    }
}

/// For whoever copies.
impl<T: Saved> Arena<T> {
    /// Begins a copy of the first `end` items; the state's lock must be held for writing.
    pub(super) fn begin_copy(&self, end: u32, budget: &Arc<Budget>) {
        let budget = Arc::clone(budget);
        *self.copying().pages.lock() = Some(Pages { end, copied: 0, kept: FxHashMap::default(), budget });
        self.copying().active.store(true, Relaxed);
    }

    /// The next `pages` pages as they were at the beginning; `false` when there are no more. The state's lock must be
    /// held for reading.
    pub(super) fn copy(&self, pages: u32, into: &mut Vec<u8>) -> Result<bool> {
        into.clear();
        let mut copying = self.copying().pages.lock();
        let Some(copy) = copying.as_mut() else { return Ok(false) };
        if copy.budget.overrun.load(Relaxed) {
            return Err(SnapshotError::Overrun { most_bytes: copy.budget.most_bytes });
        }
        let last = copy.end.div_ceil(PAGE).min(copy.copied.saturating_add(pages));
        for page in copy.copied..last {
            match copy.kept.remove(&page) {
                Some(kept) => {
                    into.extend_from_slice(&kept);
                    copy.budget.give_back(kept.len());
                }
                None => {
                    let items = items(page, copy.end);
                    let start = into.len();
                    into.resize(start + items.len() * T::BYTES, 0);
                    self.save(items, &mut into[start..]);
                }
            }
        }
        copy.copied = last;
        Ok(!into.is_empty())
    }

    /// Ends the copy: nothing is kept aside any more.
    pub(super) fn end_copy(&self) {
        self.copying().active.store(false, Relaxed);
        *self.copying().pages.lock() = None;
    }

    fn save(&self, items: std::ops::Range<u32>, into: &mut [u8]) {
        for (number, into) in items.zip(into.chunks_exact_mut(T::BYTES)) {
            self.get(number).save(into);
        }
    }

    /// Fills the items from `first` on.
    pub(super) fn load(&self, first: u32, bytes: &[u8]) {
        for (number, from) in (first..).zip(bytes.chunks_exact(T::BYTES)) {
            self.reserve(number).load(from);
        }
    }
}

fn items(page: u32, end: u32) -> std::ops::Range<u32> {
    page * PAGE..end.min((page + 1).saturating_mul(PAGE))
}

#[cfg(test)]
mod tests {
    use super::*;
    const ITEMS: u32 = 1_000;

    fn arena() -> Arena<AtomicU32> {
        let arena: Arena<AtomicU32> = Arena::new();
        (0..ITEMS).for_each(|number| arena.reserve(number).store(number, Relaxed));
        arena
    }

    fn set(arena: &Arena<AtomicU32>, number: u32) {
        arena.reserve(number);
        arena.change(number).store(u32::MAX, Relaxed);
    }

    #[test]
    fn a_copy_is_of_the_beginning_whatever_changes_meanwhile() {
        for step in [1, 3, 64] {
            let (arena, budget) = (arena(), Budget::new(1 << 20));
            arena.begin_copy(ITEMS, &budget);
            let (mut copied, mut part, mut random) = (Vec::new(), Vec::new(), 1u32);
            while arena.copy(step, &mut part).unwrap() {
                copied.extend_from_slice(&part);
                for _ in 0..20 {
                    random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    set(&arena, random >> 16 & 0x7FF);
                }
            }
            let numbers: Vec<u32> =
                copied.chunks_exact(4).map(|bytes| u32::from_le_bytes(bytes.try_into().unwrap())).collect();
            assert_eq!(numbers, (0..ITEMS).collect::<Vec<_>>());
            arena.end_copy();
            assert_eq!(budget.used_bytes.load(Relaxed), 0, "pages kept aside are given back as they are copied");
        }
    }

    #[test]
    fn more_than_the_bound_is_never_kept_aside() {
        let (arena, budget) = (arena(), Budget::new(2 * PAGE as usize * 4));
        arena.begin_copy(ITEMS, &budget);
        (0..ITEMS).step_by(PAGE as usize).for_each(|number| set(&arena, number));
        assert!(matches!(arena.copy(1, &mut Vec::new()), Err(SnapshotError::Overrun { most_bytes: 1024 })));
        assert_eq!(budget.peak_bytes(), 1024);
        arena.end_copy();
    }
}
