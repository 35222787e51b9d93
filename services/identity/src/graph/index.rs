use dashmap::{DashMap, SharedValue};
use rustc_hash::FxBuildHasher;
use schemas::Key;

/// Locks are taken for a moment each; many shards make it unlikely that a reader meets a shard while it grows.
const SHARDS: usize = 128;

/// From keys to node numbers. Holds numbers only; the key stands in the node.
#[derive(Debug)]
pub(super) struct Index {
    // The map's own hasher is never asked: keys are hashes already and are hashed by `hash_of`.
    numbers: DashMap<u32, (), FxBuildHasher>,
}

fn hash_of(key: Key) -> u64 {
    let folded = (key.0 as u64) ^ ((key.0 >> 64) as u64);
    folded.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32)
}

impl Index {
    pub(super) fn new() -> Self {
        Index { numbers: DashMap::with_hasher_and_shard_amount(FxBuildHasher, SHARDS) }
    }

    /// The node of a key; `key_of` gives the key of a node.
    #[inline]
    pub(super) fn find(&self, key: Key, key_of: impl Fn(u32) -> Key) -> Option<u32> {
        let hash = hash_of(key);
        let shard = self.numbers.shards()[self.numbers.determine_shard(hash as usize)].read();
        shard.get(hash, |(number, _)| key_of(*number) == key).map(|(number, _)| *number)
    }

    /// The nodes of many keys, in their order. Grouped by shard: one lock for all keys of a shard, and between two locks
    /// the processor waits for many cache misses at once instead of one after the other.
    pub(super) fn find_many(&self, keys: &[Key], key_of: impl Fn(u32) -> Key) -> Vec<Option<u32>> {
        let hashes: Vec<u64> = keys.iter().map(|key| hash_of(*key)).collect();
        let shards = self.numbers.shards();
        let shard_of = |hash: u64| self.numbers.determine_shard(hash as usize);
        // Counting sort: `starts[s]` becomes the end of shard `s` in `order`.
        let mut starts = vec![0u32; shards.len() + 1];
        hashes.iter().for_each(|hash| starts[shard_of(*hash) + 1] += 1);
        for shard in 0..shards.len() {
            starts[shard + 1] += starts[shard];
        }
        let mut order = vec![0u32; keys.len()];
        for (position, hash) in (0u32..).zip(&hashes) {
            let place = &mut starts[shard_of(*hash)];
            order[*place as usize] = position;
            *place += 1;
        }
        let mut found = vec![None; keys.len()];
        let mut begin = 0;
        for (shard, end) in shards.iter().zip(starts.iter().map(|end| *end as usize)) {
            let here = &order[begin..end];
            begin = end;
            if here.is_empty() {
                continue;
            }
            let shard = shard.read();
            for &position in here {
                let (hash, key) = (hashes[position as usize], keys[position as usize]);
                let entry = shard.get(hash, |(number, _)| key_of(*number) == key);
                found[position as usize] = entry.map(|(number, _)| *number);
            }
        }
        found
    }

    /// Adds a node that is not there yet.
    pub(super) fn insert(&self, key: Key, number: u32, key_of: impl Fn(u32) -> Key) {
        let hash = hash_of(key);
        let mut shard = self.numbers.shards()[self.numbers.determine_shard(hash as usize)].write();
        shard.insert_entry(hash, (number, SharedValue::new(())), |(number, _)| hash_of(key_of(*number)));
    }

    pub(super) fn bytes(&self) -> usize {
        self.numbers.shards().iter().map(|shard| shard.read().allocation_info().1.size()).sum()
    }
}
