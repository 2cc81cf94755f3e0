//! Numbers for threads.

use std::sync::atomic::{AtomicU64, Ordering};

/// Returns a number that no other thread of this process has, ever; it is not zero.
pub(crate) fn this_thread() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    thread_local! {
        static NUMBER: u64 = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    }
    NUMBER.with(|number| *number)
}
