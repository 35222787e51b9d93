use std::sync::OnceLock;

use super::memory::{Block, Zeroed};
use super::pages::Copying;

/// Items by number that never move: readers go on reading while chunks are added.
///
/// The first chunk has `2^FIRST` items; each following chunk doubles the total up to `2^LARGEST`, and from then on chunks
/// of that size follow each other, up to `2^MOST` items.
#[derive(Debug)]
pub(super) struct Arena<T, const FIRST: u32 = 10, const LARGEST: u32 = 18, const MOST: u32 = 32> {
    chunks: Box<[OnceLock<Block<T>>]>,
    copying: Copying,
}

/// Chunk, place in it, and the chunk's length.
#[inline]
fn locate<const FIRST: u32, const LARGEST: u32>(number: u32) -> (usize, usize, usize) {
    let bits = u32::BITS - number.leading_zeros();
    if bits <= FIRST {
        (0, number as usize, 1 << FIRST)
    } else if bits <= LARGEST {
        let start = 1 << (bits - 1);
        ((bits - FIRST) as usize, number as usize - start, start)
    } else {
        let chunk = (number >> LARGEST) as usize;
        ((LARGEST - FIRST) as usize + chunk, (number & ((1 << LARGEST) - 1)) as usize, 1 << LARGEST)
    }
}

impl<T: Zeroed, const FIRST: u32, const LARGEST: u32, const MOST: u32> Arena<T, FIRST, LARGEST, MOST> {
    const CHUNKS: usize = (LARGEST - FIRST) as usize + (1 << (MOST - LARGEST));

    pub(super) fn new() -> Self {
        Arena { chunks: (0..Self::CHUNKS).map(|_| OnceLock::new()).collect(), copying: Copying::default() }
    }

    /// The item of a number that was handed out by [`Self::reserve`].
    #[inline(always)]
    pub(super) fn get(&self, number: u32) -> &T {
        // Few instructions, so that the processor can look ahead to the next question while it waits for an item.
        let ordinal = (number >> LARGEST) as usize;
        if ordinal == 0 {
            return self.get_early(number);
        }
        let chunk = self.chunks[(LARGEST - FIRST) as usize + ordinal].get();
        let items: &[T] = chunk.expect("a number is handed out only after its chunk was made");
        let place = (number & ((1 << LARGEST) - 1)) as usize;
        debug_assert!(place < items.len(), "from the second `LARGEST` on, `locate` makes chunks of that length");
        // SAFETY: by `locate`, the length that `reserve` made this chunk with is `1 << LARGEST`, and `place` is below.
        unsafe { items.get_unchecked(place) }
    }

    /// [`Self::get`] for the chunks that double.
    #[cold]
    #[inline(never)]
    fn get_early(&self, number: u32) -> &T {
        let (chunk, place, _) = locate::<FIRST, LARGEST>(number);
        let chunk = self.chunks[chunk].get().expect("a number is handed out only after its chunk was made");
        &chunk[place]
    }

    /// The item of a number, its chunk made if this is the first number in it.
    pub(super) fn reserve(&self, number: u32) -> &T {
        let (chunk, place, length) = locate::<FIRST, LARGEST>(number);
        let chunk = self.chunks[chunk].get_or_init(|| Block::zeroed(length));
        &chunk[place]
    }

    /// The copy for a snapshot that is under way, if one is.
    #[inline]
    pub(super) fn copying(&self) -> &Copying {
        &self.copying
    }

    /// Tells the processor that an item is about to be read.
    #[inline]
    pub(super) fn prefetch(&self, number: u32) {
        super::memory::prefetch(self.get(number));
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        let items: usize = self.chunks.iter().filter_map(|chunk| chunk.get().map(|items| items.len())).sum();
        items * size_of::<T>() + size_of_val(&*self.chunks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    #[test]
    fn every_number_has_its_own_place() {
        let mut expected = (0, 0);
        for number in 0..(1u32 << 22) {
            let (chunk, place, length) = locate::<10, 18>(number);
            assert_eq!((chunk, place), expected, "number {number}");
            expected = if place + 1 == length { (chunk + 1, 0) } else { (chunk, place + 1) };
        }
        let (chunk, place, length) = locate::<10, 18>(u32::MAX);
        assert_eq!((chunk + 1, place + 1), (Arena::<AtomicU32>::CHUNKS, length));
    }
}
