//! The event-id window: which ids of this partition were stored lately.
//!
//! A pure function of the stored rows below the next offset (clause 10 of the protocol): entries expire by the
//! broker's append time and by offset, never by a clock or by memory pressure, so that whoever takes the partition
//! over decides the same.

use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// Append times may step back a little (a broker's clock), so an hour more than the window is kept, ms.
const SLACK_MS: i64 = 3_600_000;

/// Ids of stored records of one partition.
#[derive(Debug)]
pub(crate) struct EventIdWindow {
    span_ms: i64,
    span_offsets: i64,
    stored: FxHashMap<u128, Stored>,
    /// The same ids in the order of their offsets, for expiry.
    order: VecDeque<(i64, u128)>,
}

/// A stored row, for [`EventIdWindow::restore`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    offset: i64,
    append_ms: i64,
    id: u128,
}

#[derive(Debug, Clone, Copy)]
struct Stored {
    offset: i64,
    append_ms: i64,
}

impl EventIdWindow {
    pub(crate) fn new(span_ms: i64, span_offsets: i64) -> Self {
        Self { span_ms, span_offsets, stored: FxHashMap::default(), order: VecDeque::new() }
    }

    /// The oldest (offset, append time in ms) that can matter to the record at `next`.
    pub(crate) fn reaches_back_to(&self, next: i64, append_ms: i64) -> (i64, i64) {
        (next.saturating_sub(self.span_offsets), append_ms - self.span_ms - SLACK_MS)
    }

    /// What a stored row is to a window.
    pub(crate) fn entry(event_id: &str, offset: i64, append_ms: i64) -> Entry {
        Entry { offset, append_ms, id: hash(event_id) }
    }

    /// Restores the window from stored rows; they may come in any order.
    pub(crate) fn restore(&mut self, mut rows: Vec<Entry>) {
        rows.sort_unstable_by_key(|row| row.offset);
        for Entry { offset, append_ms, id } in rows {
            self.insert(id, offset, append_ms);
        }
    }

    /// Whether a record with this id was stored within the window; if not, it is remembered as stored now.
    /// Records must be asked for in the order of their offsets.
    pub(crate) fn is_duplicate(&mut self, event_id: &str, offset: i64, append_ms: i64) -> bool {
        let id = hash(event_id);
        if let Some(stored) = self.stored.get(&id)
            && stored.offset < offset
            && self.is_within(*stored, offset, append_ms)
        {
            return true;
        }
        self.insert(id, offset, append_ms);
        false
    }

    /// Drops what no later record can meet. Expiry is decided in `is_duplicate`; this only frees memory.
    pub(crate) fn expire(&mut self, offset: i64, append_ms: i64) {
        while let Some(&(at, id)) = self.order.front() {
            let Some(&stored) = self.stored.get(&id).filter(|stored| stored.offset == at) else {
                self.order.pop_front();
                continue;
            };
            let by_offset = offset - stored.offset > self.span_offsets;
            let by_time = append_ms - stored.append_ms > self.span_ms + SLACK_MS;
            if !by_offset && !by_time {
                break;
            }
            self.stored.remove(&id);
            self.order.pop_front();
        }
    }

    fn is_within(&self, stored: Stored, offset: i64, append_ms: i64) -> bool {
        append_ms - stored.append_ms <= self.span_ms && offset - stored.offset <= self.span_offsets
    }

    fn insert(&mut self, id: u128, offset: i64, append_ms: i64) {
        self.stored.insert(id, Stored { offset, append_ms });
        self.order.push_back((offset, id));
    }
}

fn hash(event_id: &str) -> u128 {
    let digest = blake3::hash(event_id.as_bytes());
    let mut half = [0; 16];
    half.copy_from_slice(&digest.as_bytes()[..16]);
    u128::from_le_bytes(half)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_id_is_a_duplicate_within_the_window_and_new_after_it() {
        let mut window = EventIdWindow::new(1_000, 10);
        assert!(!window.is_duplicate("a", 0, 0));
        assert!(window.is_duplicate("a", 1, 1_000));
        assert!(!window.is_duplicate("a", 2, 1_001), "one ms past the window");
        assert!(window.is_duplicate("a", 12, 1_001));
        assert!(!window.is_duplicate("a", 13, 1_001), "eleven offsets past the stored one");
    }

    proptest! {
        /// Whoever takes over at any point, with the stored rows alone, decides as the first owner does.
        #[test]
        fn a_restored_window_decides_the_same(
            ids in prop::collection::vec((0u8..12, 0i64..400), 1..200),
            cut in 0usize..200,
        ) {
            let mut append_ms = 0;
            let records: Vec<_> = ids
                .iter()
                .enumerate()
                .map(|(offset, (id, gap))| {
                    append_ms += gap;
                    (format!("id-{id}"), offset as i64, append_ms)
                })
                .collect();
            let mut whole = EventIdWindow::new(2_000, 50);
            let mut stored = Vec::new();
            let mut fates = Vec::new();
            for (id, offset, append_ms) in &records {
                whole.expire(*offset, *append_ms);
                let duplicate = whole.is_duplicate(id, *offset, *append_ms);
                fates.push(duplicate);
                if !duplicate {
                    stored.push((id.clone(), *offset, *append_ms));
                }
            }
            let cut = cut.min(records.len());
            let mut second = EventIdWindow::new(2_000, 50);
            let below = stored.iter().filter(|(_, offset, _)| *offset < cut as i64).rev();
            let entry = |(id, offset, append_ms): &(String, i64, i64)| EventIdWindow::entry(id, *offset, *append_ms);
            second.restore(below.map(entry).collect());
            for (record, fate) in records[cut..].iter().zip(&fates[cut..]) {
                prop_assert_eq!(second.is_duplicate(&record.0, record.1, record.2), *fate);
            }
        }
    }
}
