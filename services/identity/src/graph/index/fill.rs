//! An index for nodes that are all there already, as when a snapshot is loaded.

use schemas::Key;
use std::sync::atomic::Ordering::Release;

use super::{Block, Blocks, Entry, FULL, Hash, Index, LINES, MAX_DEPTH};

/// Entries that are sorted at once: twelve bytes each are needed beside the index.
const SLICE: u32 = 16 << 20;

/// A node and its key's hash, in twelve bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Placed {
    number: u32,
    high: u32,
    low: u32,
}

impl Placed {
    fn hash(self) -> Hash {
        Hash(u64::from(self.high) << 32 | u64::from(self.low))
    }
}

/// A block that is filled, with its prefix of so many bits.
struct Leaf {
    block: u32,
    prefix: usize,
    bits: u32,
}

impl Index {
    /// Adds the nodes `0..length` to an empty index at once: sorted by the front of their hashes, so that each block is
    /// filled while it is near and none is ever split. A key that stands twice is an error.
    pub(in crate::graph) fn fill(&self, length: u32, key_of: impl Fn(u32) -> Key) -> Result<(), Key> {
        let blocks = &mut *self.filled.lock();
        // The one block of an empty index.
        blocks.free.push(0);
        let slice_bits = length.div_ceil(SLICE).next_power_of_two().trailing_zeros();
        // A few hundred entries for each prefix that is sorted by.
        let sorted_bits = (length / 256).max(1).ilog2().max(slice_bits);
        let mut leaves = Vec::new();
        let mut sorted = Vec::new();
        for slice in 0..1 << slice_bits {
            let starts = sort(slice, slice_bits, sorted_bits, length, &mut sorted, &key_of);
            let whole = Range { prefix: slice, bits: slice_bits, entries: &mut sorted };
            self.fill_range(blocks, whole, (sorted_bits, &starts), &mut leaves, &key_of)?;
        }
        self.direct(blocks, &leaves);
        Ok(())
    }

    /// Fills one block, or those of either half.
    fn fill_range(
        &self,
        blocks: &mut Blocks,
        range: Range<'_>,
        sorted: (u32, &[u32]),
        leaves: &mut Vec<Leaf>,
        key_of: &impl Fn(u32) -> Key,
    ) -> Result<(), Key> {
        let Range { prefix, bits, entries } = range;
        if entries.len() as u32 > FULL {
            assert!(bits < MAX_DEPTH as u32, "80 billion entries are more than there are node numbers");
            let half = middle(prefix, bits, entries, sorted);
            let (first, second) = entries.split_at_mut(half);
            let bits = bits + 1;
            let first = Range { prefix: 2 * prefix, bits, entries: first };
            let second = Range { prefix: 2 * prefix + 1, bits, entries: second };
            self.fill_range(blocks, first, sorted, leaves, key_of)?;
            return self.fill_range(blocks, second, sorted, leaves, key_of);
        }
        let block = self.take_block(blocks, bits);
        for placed in entries.iter() {
            let (hash, key) = (placed.hash(), || key_of(placed.number));
            for step in 0..LINES {
                let line = self.line(block, hash.line() + step);
                if line.find(hash.mark(), |other| key_of(other) == key()).is_some() {
                    return Err(key());
                }
                if line.push(hash.mark(), placed.number) {
                    break;
                }
            }
        }
        blocks.filled[block as usize].0 = entries.len() as u32;
        leaves.push(Leaf { block, prefix, bits });
        Ok(())
    }

    /// Makes the directory.
    fn direct(&self, blocks: &mut Blocks, leaves: &[Leaf]) {
        let depth = leaves.iter().map(|leaf| leaf.bits).max().unwrap_or(0);
        let directory = self.directories[depth as usize].get_or_init(|| Block::zeroed(1 << depth));
        for leaf in leaves {
            blocks.changes = blocks.changes.wrapping_add(1);
            let first = leaf.prefix << (depth - leaf.bits);
            for slot in &directory[first..first + (1 << (depth - leaf.bits))] {
                slot.store(Entry::new(leaf.block, blocks.changes).0, Release);
            }
        }
        self.depth.store(depth, Release);
    }
}

/// The entries under a prefix of so many bits.
struct Range<'a> {
    prefix: usize,
    bits: u32,
    entries: &'a mut [Placed],
}

/// Sorts the entries of a slice into `sorted` by the first `bits` bits of their prefixes; where each prefix begins.
fn sort(
    slice: usize,
    slice_bits: u32,
    bits: u32,
    length: u32,
    sorted: &mut Vec<Placed>,
    key_of: &impl Fn(u32) -> Key,
) -> Vec<u32> {
    let (first, prefixes) = (slice << (bits - slice_bits), 1 << (bits - slice_bits));
    let mut starts = vec![0u32; prefixes + 1];
    let placed = || {
        let all = (0..length).map(|number| (number, Hash::of(key_of(number))));
        all.map(|(number, hash)| (hash.prefix(bits).wrapping_sub(first), number, hash))
            .filter(|(prefix, ..)| *prefix < prefixes)
    };
    placed().for_each(|(prefix, ..)| starts[prefix + 1] += 1);
    for prefix in 0..prefixes {
        starts[prefix + 1] += starts[prefix];
    }
    sorted.clear();
    sorted.resize(starts[prefixes] as usize, Placed::default());
    let mut next = starts.clone();
    for (prefix, number, Hash(hash)) in placed() {
        let place = &mut next[prefix];
        sorted[*place as usize] = Placed { number, high: (hash >> 32) as u32, low: hash as u32 };
        *place += 1;
    }
    starts
}

/// How many entries under a prefix belong to its first half; they stand before the others afterwards.
fn middle(prefix: usize, bits: u32, entries: &mut [Placed], (sorted_bits, starts): (u32, &[u32])) -> usize {
    if bits < sorted_bits {
        let slice = prefix << (sorted_bits - bits) & !(starts.len() - 2);
        let at = |prefix: usize| starts[(prefix << (sorted_bits - bits - 1)) - slice] as usize;
        return at(2 * prefix + 1) - at(2 * prefix);
    }
    entries.sort_unstable_by_key(|placed| placed.hash().prefix(bits + 1));
    entries.partition_point(|placed| placed.hash().prefix(bits + 1) & 1 == 0)
}
