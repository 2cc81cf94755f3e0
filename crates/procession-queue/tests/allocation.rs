//! What an item costs in memory of the process: nothing, once the first is through.

use procession_queue::Queue;
use procession_testkit::watchdog;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static ALLOCATED: Cell<u32> = const { Cell::new(0) };
}

// SAFETY: all is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.set(ALLOCATED.get() + 1);
        // SAFETY: the caller vouches for the layout.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATED.set(ALLOCATED.get() + 1);
        // SAFETY: the caller vouches for all, and the memory is the system's.
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller vouches for both, and the memory is the system's.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Returns how often memory is allocated in ten runs, after the first two.
fn allocated(work: impl Fn()) -> u32 {
    work();
    work();
    let before = ALLOCATED.get();
    for _ in 0..10 {
        work();
    }
    ALLOCATED.get() - before
}

// QUE-053
#[test]
fn an_item_that_is_put_and_got_takes_no_memory() {
    let _watchdog = watchdog();
    let queue = Queue::new().unwrap();
    let small = || {
        queue.put(&(7_u64, [1_u8; 30])).unwrap();
        queue.get().unwrap();
    };
    assert_eq!(allocated(small), 0);
    assert_eq!(allocated(|| assert!(queue.try_get().is_err())), 0);
}

#[test]
fn a_large_item_takes_the_memory_that_its_receiver_gets() {
    let _watchdog = watchdog();
    let queue = Queue::new().unwrap();
    let item = vec![7_u8; 1 << 20];
    let large = || {
        queue.put(&item).unwrap();
        queue.get().unwrap();
    };
    // The receiver's, and what names a chunk where the next one begins.
    assert!(allocated(large) <= 10 + 40);
}

// QUE-053
#[test]
fn items_that_go_together_share_their_memory() {
    let _watchdog = watchdog();
    let queue = Queue::new().unwrap();
    let items = [[7_u64; 8]; 100];
    let all = || {
        queue.put_many(&items).unwrap();
        assert_eq!(queue.get_many(100).unwrap().len(), 100);
    };
    // For a hundred of them the lists of the items that are put and got, which grow, and the result.
    let once = allocated(all) / 10;
    assert!(once <= 14, "{once}");
}
