//! Memory for what is read at random: hints to the processor and the kernel that change nothing a program computes.

use std::alloc::{self, Layout};
use std::ptr::NonNull;

/// Starts to bring the first cache line of a value nearer.
#[inline]
pub(super) fn prefetch<T: ?Sized>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing that a program could see, whatever the address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch((&raw const *value).cast::<i8>(), _MM_HINT_T0);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}

/// Types of integers only, of which zeros are a value.
///
/// # Safety
/// Zeros must be a valid value, and nothing may need to be dropped.
pub(super) unsafe trait Zeroed: Sized {}

// SAFETY: zero is a value of every integer.
unsafe impl Zeroed for std::sync::atomic::AtomicU32 {}

// SAFETY: zero is a value of every integer.
unsafe impl Zeroed for std::sync::atomic::AtomicU64 {}

/// A slice that begins as zeros. A large one is made of pages of 2 MiB where the kernel has them: a random read of it
/// else pays for a walk through the page tables too.
#[derive(Debug)]
pub(super) struct Block<T> {
    first: NonNull<T>,
    length: usize,
}

// SAFETY: a block owns its items, as a boxed slice does.
unsafe impl<T: Send> Send for Block<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Block<T> {}

const HUGE_PAGE_BYTES: usize = 2 << 20;

impl<T: Zeroed> Block<T> {
    /// A block of so many items, at least one.
    pub(super) fn zeroed(length: usize) -> Self {
        let layout = Self::layout(length);
        assert!(layout.size() > 0, "a block has items");
        // SAFETY: the layout is not empty. The memory is large enough to be advised on and zeroed, and is not used before.
        let first = unsafe {
            let first = alloc::alloc(layout);
            if first.is_null() {
                alloc::handle_alloc_error(layout);
            }
            #[cfg(target_os = "linux")]
            if layout.align() == HUGE_PAGE_BYTES {
                // Before it is touched. A refusal is of no consequence.
                libc::madvise(first.cast(), layout.size() & !(HUGE_PAGE_BYTES - 1), libc::MADV_HUGEPAGE);
            }
            first.write_bytes(0, layout.size());
            first
        };
        let first = NonNull::new(first.cast()).expect("a null was handled");
        Block { first, length }
    }
}

impl<T> Block<T> {
    fn layout(length: usize) -> Layout {
        let layout = Layout::array::<T>(length).expect("a block is smaller than the address space");
        let align = if layout.size() >= HUGE_PAGE_BYTES { HUGE_PAGE_BYTES } else { layout.align() };
        layout.align_to(align).expect("2 MiB is a power of two")
    }
}

impl<T> std::ops::Deref for Block<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: the block owns that many items, and zeros are valid ones.
        unsafe { std::slice::from_raw_parts(self.first.as_ptr(), self.length) }
    }
}

impl<T> Drop for Block<T> {
    fn drop(&mut self) {
        // SAFETY: it was allocated with this layout. The items are integers, which need no drop.
        unsafe { alloc::dealloc(self.first.as_ptr().cast(), Self::layout(self.length)) }
    }
}
