//! Hints to the processor and the kernel. None changes what a program computes.

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

/// Asks for pages of 2 MiB where a block is large: a random read of a large arena else pays for a walk through the page
/// tables too.
pub(super) fn prefer_huge_pages<T>(items: &[T]) {
    #[cfg(target_os = "linux")]
    {
        const PAGE: usize = 4096;
        const HUGE: usize = 2 << 20;
        let bytes = size_of_val(items);
        if bytes < HUGE {
            return;
        }
        let start = items.as_ptr().addr().next_multiple_of(PAGE);
        let end = (items.as_ptr().addr() + bytes) & !(PAGE - 1);
        // SAFETY: the range lies within a live allocation, and the advice changes neither its content nor its rights. A
        // refusal is of no consequence.
        unsafe {
            libc::madvise(items.as_ptr().with_addr(start).cast_mut().cast(), end - start, libc::MADV_HUGEPAGE);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = items;
}
