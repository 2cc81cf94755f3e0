//! What acquiring costs in memory of the process: nothing.

use procession_sync::{AcquireError, BoundedSemaphore, Lock, RLock};
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

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller vouches for both, and the memory is the system's.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocated(work: impl Fn()) -> u32 {
    work();
    let before = ALLOCATED.get();
    for _ in 0..10 {
        work();
    }
    ALLOCATED.get() - before
}

#[test]
fn acquiring_allocates_nothing_but_the_first_time() {
    let _watchdog = procession_testkit::watchdog();
    let lock = Lock::new().unwrap();
    assert_eq!(allocated(|| drop(lock.acquire().unwrap())), 0);
    let semaphore = BoundedSemaphore::new(2).unwrap();
    assert_eq!(allocated(|| drop(semaphore.acquire().unwrap())), 0);
    let rlocks = [RLock::new().unwrap(), RLock::new().unwrap()];
    let all = || {
        let outer = rlocks[0].acquire().unwrap();
        let other = rlocks[1].acquire().unwrap();
        let inner = rlocks[0].try_acquire().unwrap();
        drop(outer);
        drop(inner);
        drop(rlocks[0].acquire().or_else(AcquireError::repaired).unwrap());
        drop(other);
    };
    assert_eq!(allocated(all), 0);
}
