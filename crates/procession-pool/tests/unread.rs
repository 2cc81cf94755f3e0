//! Requests that end each worker before it has read them.

use procession_pool::Pool;
use procession_process::{Process, current_process, inherit};
use procession_testkit::{eventually, exists, kill9, watchdog};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, Ordering};

procession_process::enable_in_tests!();

/// What a worker needs no room for, unless it receives the request.
const LARGE: usize = 16 << 20;

/// Whether this process dies when it asks for so much memory.
static DIES: AtomicBool = AtomicBool::new(false);

/// The system's allocator, in which a process may die.
struct Deadly;

#[global_allocator]
static ALLOCATOR: Deadly = Deadly;

// SAFETY: everything is passed on to the system's allocator, or the process has ended.
unsafe impl GlobalAlloc for Deadly {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() >= LARGE && DIES.load(Ordering::Relaxed) {
            // A signal to oneself that nothing can block arrives before this returns.
            kill9(std::process::id());
        }
        // SAFETY: the caller's duties are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: as above; what is freed came from there.
        unsafe { System.dealloc(ptr, layout) }
    }
}

fn die_when_asked(_: ()) {
    DIES.store(true, Ordering::Relaxed);
}

/// Asks for what no worker lives to read; returns the error, and a worker that came after.
fn with_dying_workers() -> (String, String) {
    inherit(die_when_asked, ()).expect("the setup is a function of this program");
    let pool = Pool::new(2).expect("a pool starts");
    let length = |text: String| text.len() as u32;
    let error = pool
        .apply(length, ("x".repeat(2 * LARGE),))
        .expect_err("nobody reads it");
    let alive = pool.apply(length, ("small".to_owned(),));
    assert_eq!(alive.expect("the pool lives"), 5);
    let name = pool.apply(|| current_process().name().to_owned(), ());
    (error.to_string(), name.expect("the pool lives"))
}

// POL-097
#[test]
fn a_request_that_kills_those_who_read_it_is_not_tried_for_ever() {
    let _watchdog = watchdog();
    let program = Process::spawn(with_dying_workers, ()).unwrap();
    let pid = program.pid();
    let (error, last) = program.join().unwrap();
    assert!(error.contains("SIGKILL"), "{error}");
    // Two to begin with, and a successor for each of the five that were handed the request; the one that
    // answers may be any that was not.
    let names = 1..=7;
    assert!(
        names
            .map(|n| format!("PoolWorker-{n}"))
            .any(|name| name == last),
        "{last}"
    );
    eventually("the program is gone", || !exists(pid));
}
