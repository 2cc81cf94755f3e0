//! What something costs in memory of the process.
//!
//! A test program that asks has this allocator:
//!
//! ```
//! use procession_testkit::allocation::{Counting, in_ten_runs};
//!
//! #[global_allocator]
//! static ALLOCATOR: Counting = Counting;
//!
//! assert_eq!(in_ten_runs(|| drop(Box::new(7))), 10);
//! ```

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, which counts what each thread takes.
#[derive(Debug)]
pub struct Counting;

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

fn count(bytes: usize) {
    CALLS.set(CALLS.get() + 1);
    BYTES.set(BYTES.get() + bytes);
}

// SAFETY: all is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller vouches for the layout.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the caller vouches for all, and the memory is the system's.
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller vouches for both, and the memory is the system's.
        unsafe { System.dealloc(at, layout) }
    }
}

/// Returns how often this thread asks for memory in ten runs, after the first two.
pub fn in_ten_runs(work: impl Fn()) -> u32 {
    work();
    work();
    let before = CALLS.get();
    for _ in 0..10 {
        work();
    }
    CALLS.get() - before
}

/// Returns for how many bytes this thread asks in one run.
pub fn bytes_in(work: impl FnOnce()) -> usize {
    let before = BYTES.get();
    work();
    BYTES.get() - before
}
