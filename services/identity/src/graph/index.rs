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
        Index {
            numbers: DashMap::with_hasher_and_shard_amount(FxBuildHasher, SHARDS),
        }
    }

    /// The node of a key; `key_of` gives the key of a node.
    #[inline]
    pub(super) fn find(&self, key: Key, key_of: impl Fn(u32) -> Key) -> Option<u32> {
        let hash = hash_of(key);
        let shard = self.numbers.shards()[self.numbers.determine_shard(hash as usize)].read();
        shard
            .get(hash, |(number, _)| key_of(*number) == key)
            .map(|(number, _)| *number)
    }

    /// Adds a node that is not there yet.
    pub(super) fn insert(&self, key: Key, number: u32, key_of: impl Fn(u32) -> Key) {
        let hash = hash_of(key);
        let mut shard = self.numbers.shards()[self.numbers.determine_shard(hash as usize)].write();
        shard.insert_entry(hash, (number, SharedValue::new(())), |(number, _)| {
            hash_of(key_of(*number))
        });
    }

    pub(super) fn bytes(&self) -> usize {
        self.numbers
            .shards()
            .iter()
            .map(|shard| shard.read().allocation_info().1.size())
            .sum()
    }
}
