//! Named blocks and lists, shared with real Python programs.

#![expect(
    clippy::unwrap_used,
    reason = "what tests share fails by panicking, like a test"
)]

mod blocks;
mod interpreter;
mod lists;

use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// A name that no other test uses.
fn fresh(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("test-{what}-{}-{number}", process::id())
}

fn exists(name: &str) -> bool {
    Path::new("/dev/shm").join(name).exists()
}

/// Waits until Python's resource tracker has ended, which might unlink what it should not.
fn tracker_has_ended(pid: &str) {
    let pid = pid.parse().unwrap();
    procession_testkit::eventually("the resource tracker has ended", || {
        pid == 0 || !procession_testkit::alive(pid)
    });
}
