use std::sync::OnceLock;

use super::pages::Copying;

/// Items of the first chunk, a power of two; each following chunk doubles the total up to [`LARGEST_BITS`].
const FIRST_BITS: u32 = 10;
/// Chunks of this many items (as a power of two) follow each other once it is reached.
const LARGEST_BITS: u32 = 20;
const DOUBLINGS: usize = (LARGEST_BITS - FIRST_BITS) as usize;
const CHUNKS: usize = 1 + DOUBLINGS + (1 << (32 - LARGEST_BITS)) - 1;

/// Items by number that never move: readers go on reading while chunks are added.
#[derive(Debug)]
pub(super) struct Arena<T> {
    chunks: Box<[OnceLock<Box<[T]>>]>,
    copying: Copying,
}

/// Chunk, place in it, and the chunk's length.
fn locate(number: u32) -> (usize, usize, usize) {
    let bits = u32::BITS - number.leading_zeros();
    if bits <= FIRST_BITS {
        (0, number as usize, 1 << FIRST_BITS)
    } else if bits <= LARGEST_BITS {
        let start = 1 << (bits - 1);
        ((bits - FIRST_BITS) as usize, number as usize - start, start)
    } else {
        let chunk = (number >> LARGEST_BITS) as usize;
        (DOUBLINGS + chunk, (number & ((1 << LARGEST_BITS) - 1)) as usize, 1 << LARGEST_BITS)
    }
}

impl<T: Default> Arena<T> {
    pub(super) fn new() -> Self {
        Arena { chunks: (0..CHUNKS).map(|_| OnceLock::new()).collect(), copying: Copying::default() }
    }

    /// The item of a number that was handed out by [`Self::reserve`].
    #[inline]
    pub(super) fn get(&self, number: u32) -> &T {
        let (chunk, place, _) = locate(number);
        let chunk = self.chunks[chunk].get().expect("a number is handed out only after its chunk was made");
        &chunk[place]
    }

    /// The item of a number, its chunk made if this is the first number in it.
    pub(super) fn reserve(&self, number: u32) -> &T {
        let (chunk, place, length) = locate(number);
        let chunk = self.chunks[chunk].get_or_init(|| {
            let items: Box<[T]> = (0..length).map(|_| T::default()).collect();
            super::memory::prefer_huge_pages(&items);
            items
        });
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
        items * size_of::<T>() + self.chunks.len() * size_of::<OnceLock<Box<[T]>>>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_its_own_place() {
        let mut expected = (0, 0);
        for number in 0..(1u32 << 22) {
            let (chunk, place, length) = locate(number);
            assert_eq!((chunk, place), expected, "number {number}");
            expected = if place + 1 == length { (chunk + 1, 0) } else { (chunk, place + 1) };
        }
        let (chunk, place, length) = locate(u32::MAX);
        assert_eq!((chunk + 1, place + 1), (CHUNKS, length));
    }
}
