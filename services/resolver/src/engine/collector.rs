//! Cuts one partition's records into batches: contiguous ranges of the log.

use schemas::RawRecord;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// When a batch is closed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) records: usize,
    pub(crate) bytes: u64,
    pub(crate) age: Duration,
}

/// A cut range `[first, end)`, by log position: it may hold gaps, and so fewer records than offsets.
#[derive(Debug)]
pub(crate) struct Range {
    pub(crate) first: i64,
    pub(crate) end: i64,
    pub(crate) records: Vec<RawRecord>,
    /// Bytes to give back to the consumer's buffer of this partition.
    pub(crate) released_bytes: usize,
}

/// What one record counts for towards a batch's limit: its bytes and the columns it becomes.
fn record_bytes(record: &RawRecord) -> u64 {
    let length = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
    64 + length(&record.key) + length(&record.payload)
}

/// Records that were read and are in no batch yet.
#[derive(Debug)]
pub(crate) struct Collector {
    limits: Limits,
    waiting: VecDeque<RawRecord>,
    bytes: u64,
    /// Chunks as the consumer counts them: (last offset, bytes).
    chunks: VecDeque<(i64, usize)>,
    /// First log position that is in no batch.
    first: i64,
    /// Log position up to which everything was read, exclusive.
    read_to: i64,
    oldest: Option<Instant>,
}

impl Collector {
    pub(crate) fn new(first: i64, limits: Limits) -> Self {
        Self {
            limits,
            waiting: VecDeque::new(),
            bytes: 0,
            chunks: VecDeque::new(),
            first,
            read_to: first,
            oldest: None,
        }
    }

    /// Takes records in. Those below what was read already (a fetch that began early) are dropped.
    pub(crate) fn push(&mut self, records: Vec<RawRecord>, chunk_bytes: usize, now: Instant) {
        if let Some(last) = records.last() {
            self.chunks.push_back((last.offset, chunk_bytes));
        }
        for record in records {
            if record.offset < self.read_to {
                continue;
            }
            self.read_to = record.offset + 1;
            self.bytes += record_bytes(&record);
            self.waiting.push_back(record);
        }
        if !self.waiting.is_empty() {
            self.oldest.get_or_insert(now);
        }
    }

    /// The log's end was reached at `position`: there is nothing below it that was not read.
    pub(crate) fn reached(&mut self, position: i64) {
        self.read_to = self.read_to.max(position);
    }

    /// Whether everything below `end` was read.
    pub(crate) fn covers(&self, end: i64) -> bool {
        self.read_to >= end
    }

    /// Whether a batch should be closed now.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.waiting.len() >= self.limits.records
            || self.bytes >= self.limits.bytes
            || self.due_at().is_some_and(|due| now >= due)
    }

    /// When the waiting records must become a batch at the latest.
    pub(crate) fn due_at(&self) -> Option<Instant> {
        self.oldest.map(|oldest| oldest + self.limits.age)
    }

    /// Bytes of everything that waits, to be given back before it is cut.
    pub(crate) fn release(&mut self) -> usize {
        self.chunks.drain(..).map(|(_, bytes)| bytes).sum()
    }

    /// Cuts a batch within the limits. `None` when nothing waits.
    pub(crate) fn cut(&mut self) -> Option<Range> {
        let mut bytes = 0;
        let mut count = 0_usize;
        for record in self.waiting.iter().take(self.limits.records) {
            bytes += record_bytes(record);
            if count > 0 && bytes > self.limits.bytes {
                break;
            }
            count += 1;
        }
        let end = self.waiting.get(count.checked_sub(1)?)?.offset + 1;
        Some(self.cut_at(end))
    }

    /// Cuts the batch that ends at `end`, whatever its size.
    pub(crate) fn cut_at(&mut self, end: i64) -> Range {
        let count = self.waiting.partition_point(|record| record.offset < end);
        let records: Vec<_> = self.waiting.drain(..count).collect();
        self.bytes -= records.iter().map(record_bytes).sum::<u64>();
        if self.waiting.is_empty() {
            self.oldest = None;
        }
        let mut released_bytes = 0;
        while let Some((_, bytes)) = self.chunks.pop_front_if(|(last, _)| *last < end) {
            released_bytes += bytes;
        }
        let first = std::mem::replace(&mut self.first, end);
        self.read_to = self.read_to.max(end);
        Range { first, end, records, released_bytes }
    }

    /// Gives back the tail of the range that was cut last.
    pub(crate) fn put_back(&mut self, tail: Vec<RawRecord>, now: Instant) {
        let Some(first) = tail.first().map(|record| record.offset) else {
            return;
        };
        self.first = first;
        self.bytes += tail.iter().map(record_bytes).sum::<u64>();
        for record in tail.into_iter().rev() {
            self.waiting.push_front(record);
        }
        self.oldest.get_or_insert(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(offsets: &[i64]) -> Vec<RawRecord> {
        let record = |&offset| RawRecord { offset, append_time_ms: offset, key: None, payload: Some("x".into()) };
        offsets.iter().map(record).collect()
    }

    fn collector(records: usize) -> Collector {
        Collector::new(5, Limits { records, bytes: 1 << 20, age: Duration::from_secs(1) })
    }

    #[test]
    fn batches_are_contiguous_across_gaps() {
        let mut collector = collector(2);
        collector.push(records(&[7, 8, 12]), 100, Instant::now());
        let one = collector.cut().unwrap();
        let two = collector.cut().unwrap();
        assert_eq!((one.first, one.end, one.records.len()), (5, 9, 2));
        assert_eq!((two.first, two.end, two.records.len()), (9, 13, 1));
        assert!(collector.cut().is_none());
    }

    #[test]
    fn a_planned_end_is_covered_by_a_later_record_or_by_the_logs_end() {
        let mut collector = collector(10);
        collector.push(records(&[5, 6]), 100, Instant::now());
        assert!(collector.covers(7) && !collector.covers(9));
        collector.reached(9);
        assert!(collector.covers(9));
        let range = collector.cut_at(9);
        assert_eq!((range.first, range.end, range.records.len()), (5, 9, 2));
        collector.push(records(&[8, 9]), 100, Instant::now());
        assert_eq!(collector.cut().unwrap().records.len(), 1, "offset 8 was below what was read");
    }

    #[test]
    fn a_tail_given_back_is_cut_again() {
        let mut collector = collector(10);
        collector.push(records(&[5, 6, 7]), 100, Instant::now());
        let mut range = collector.cut().unwrap();
        collector.put_back(range.records.split_off(1), Instant::now());
        let again = collector.cut().unwrap();
        assert_eq!((again.first, again.end, again.records.len()), (6, 8, 2));
    }

    #[test]
    fn a_batch_is_due_by_count_bytes_or_age() {
        let start = Instant::now();
        let mut collector = collector(2);
        assert!(!collector.is_due(start));
        collector.push(records(&[5]), 100, start);
        assert!(!collector.is_due(start));
        assert!(collector.is_due(start + Duration::from_secs(1)));
        collector.push(records(&[6]), 100, start);
        assert!(collector.is_due(start));
    }
}
