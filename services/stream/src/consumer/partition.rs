use bytes::Bytes;
use schemas::RawRecord;

use super::Epoch;
use crate::native::Message;

/// What a record costs beyond its bytes: the record's own struct and its share of the vector that holds it.
const RECORD_OVERHEAD_BYTES: usize = 112;

/// A partition while it is assigned to this process.
pub(super) struct Partition {
    pub(super) epoch: Epoch,
    /// Whether `Assigned` was told; before that it is being looked up.
    pub(super) announced: bool,
    /// Whether it is in librdkafka's assignment, that is, being read.
    pub(super) started: bool,
    /// Whether librdkafka was told to pause it.
    pub(super) paused: bool,
    /// Whether the engine wants it paused.
    pub(super) held: bool,
    /// Bytes handed over, or about to be, and not given back.
    pub(super) buffered: usize,
    /// Whether `buffered` has passed its limit and not yet fallen to half of it.
    pub(super) full: bool,
    /// Lowest offset that may come next: what comes below it was handed over before.
    pub(super) next: i64,
    pub(super) chunk: Chunk,
}

impl Partition {
    pub(super) fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            announced: false,
            started: false,
            paused: false,
            held: false,
            buffered: 0,
            full: false,
            next: 0,
            chunk: Chunk::default(),
        }
    }

    /// Takes a record in; `false` if it was handed over before.
    pub(super) fn push(&mut self, message: &Message<'_>, limit_bytes: usize) -> bool {
        if message.offset < self.next {
            return false;
        }
        self.next = message.offset + 1;
        self.buffered += self.chunk.push(message);
        if self.buffered >= limit_bytes {
            self.full = true;
        }
        true
    }

    /// Takes bytes back.
    pub(super) fn give_back(&mut self, bytes: usize, limit_bytes: usize) {
        self.buffered = self.buffered.saturating_sub(bytes);
        if self.buffered <= limit_bytes / 2 {
            self.full = false;
        }
    }

    /// Whether librdkafka should have it paused.
    pub(super) fn should_pause(&self) -> bool {
        self.held || self.full
    }
}

/// Records being gathered. Their bytes share one allocation, of which each record's key and payload become slices.
#[derive(Default)]
pub(super) struct Chunk {
    data: Vec<u8>,
    records: Vec<Gathered>,
}

struct Gathered {
    offset: i64,
    append_time_ms: i64,
    key_len: Option<usize>,
    payload_len: Option<usize>,
}

impl Chunk {
    fn push(&mut self, message: &Message<'_>) -> usize {
        let before = self.data.len();
        for part in [message.key, message.payload].into_iter().flatten() {
            self.data.extend_from_slice(part);
        }
        self.records.push(Gathered {
            offset: message.offset,
            append_time_ms: message.time_ms,
            key_len: message.key.map(<[u8]>::len),
            payload_len: message.payload.map(<[u8]>::len),
        });
        self.data.len() - before + RECORD_OVERHEAD_BYTES
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.data.len() + self.records.len() * RECORD_OVERHEAD_BYTES
    }

    /// Hands over what was gathered, with what it counts for.
    pub(super) fn take(&mut self) -> (Vec<RawRecord>, usize) {
        let bytes = self.bytes();
        let data = Bytes::from(std::mem::take(&mut self.data));
        let mut at = 0;
        let mut part = |length: Option<usize>| {
            length.map(|length| {
                at += length;
                data.slice(at - length..at)
            })
        };
        let records = self
            .records
            .drain(..)
            .map(|record| RawRecord {
                offset: record.offset,
                append_time_ms: record.append_time_ms,
                key: part(record.key_len),
                payload: part(record.payload_len),
            })
            .collect();
        (records, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(offset: i64, key: Option<&'static [u8]>, payload: Option<&'static [u8]>) -> Message<'static> {
        Message { topic: "t", partition: 0, offset, time_ms: 7, key, payload }
    }

    #[test]
    fn a_chunk_gives_back_what_it_was_given() {
        let mut partition = Partition::new(1);
        assert!(partition.push(&message(3, Some(b"k"), Some(b"value")), 1000));
        assert!(partition.push(&message(5, None, Some(b"")), 1000));
        assert!(partition.push(&message(6, Some(b""), None), 1000));
        let (records, bytes) = partition.chunk.take();
        assert_eq!(bytes, partition.buffered);
        let shown: Vec<_> = records.iter().map(|r| (r.offset, r.key.as_deref(), r.payload.as_deref())).collect();
        assert_eq!(
            shown,
            [(3, Some(&b"k"[..]), Some(&b"value"[..])), (5, None, Some(&b""[..])), (6, Some(&b""[..]), None)]
        );
        assert_eq!(records[0].append_time_ms, 7);
    }

    #[test]
    fn a_record_is_never_taken_twice() {
        let mut partition = Partition::new(1);
        assert!(partition.push(&message(3, None, None), 1000));
        assert!(!partition.push(&message(3, None, None), 1000));
        assert!(!partition.push(&message(2, None, None), 1000));
        assert_eq!(partition.chunk.len(), 1);
    }

    #[test]
    fn fills_at_the_limit_and_empties_at_half_of_it() {
        let mut partition = Partition::new(1);
        let each = RECORD_OVERHEAD_BYTES;
        for offset in 0..4 {
            assert!(!partition.full);
            partition.push(&message(offset, None, None), 4 * each);
        }
        assert!(partition.full && partition.should_pause());
        partition.give_back(each, 4 * each);
        assert!(partition.full);
        partition.give_back(each, 4 * each);
        assert!(!partition.full && !partition.should_pause());
    }
}
