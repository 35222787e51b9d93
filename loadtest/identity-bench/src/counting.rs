//! An allocator that counts the bytes in use: what a structure takes is what was asked for on its behalf.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};

static IN_USE: AtomicIsize = AtomicIsize::new(0);

#[derive(Debug)]
pub(crate) struct Counting;

/// Bytes in use by this process.
pub(crate) fn bytes_in_use() -> i64 {
    IN_USE.load(Relaxed) as i64
}

fn count(bytes: isize) {
    IN_USE.fetch_add(bytes, Relaxed);
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches nothing it hands out.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps this function's contract, which is the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size as isize - layout.size() as isize);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}
