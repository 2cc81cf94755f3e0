//! Sleeping until a key is inserted, such that no death can make anybody oversleep.
//!
//! The word is odd while somebody may be asleep on it. All changes are made under the stripe's lock:
//!
//! | who | under the lock | then |
//! |---|---|---|
//! | waiter | does not find its key, makes the word odd, remembers it | unlocks, sleeps while the word is what it remembers |
//! | inserter | if the word is odd, makes it the next even number and wakes all; publishes | unlocks |
//!
//! Why nobody oversleeps:
//!
//! - *The waiter comes first.* The inserter sees the odd word.
//! - *The inserter comes first.* The waiter finds the key.
//! - *The inserter is killed before it has woken anybody.* It has published nothing, because it wakes
//!   first. The next one to take the lock is told of the death, and wakes all.
//! - *The inserter is killed after it has woken the others.* To sleep again they need the lock, which
//!   the kernel passes on, and under it they see whether the key is there.
//! - *A waiter is killed.* All are woken, so nobody relied on it. The word may stay odd, which costs
//!   one system call.

use procession_os::futex;
use procession_os::policy::wait_policy;
use procession_os::wait::Deadline;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

/// The word in shared memory. Its accesses are ordered by the lock, and by the futex calls.
#[repr(transparent)]
pub(crate) struct Event(AtomicU32);

impl Event {
    /// Says that the caller, which holds the lock, is going to sleep; returns what to sleep on.
    pub(crate) fn expect(&self) -> u32 {
        self.0.fetch_or(1, Ordering::Relaxed) | 1
    }

    /// Looks again for a moment, then sleeps, without the lock, until somebody announces something,
    /// or for no reason; returns false if the deadline passed first.
    pub(crate) fn sleep(&self, expected: u32, deadline: Deadline) -> io::Result<bool> {
        let changed = || (self.0.load(Ordering::Relaxed) != expected).then_some(());
        match wait_policy().spin(deadline, changed) {
            Some(()) => Ok(true),
            None => futex::wait(&self.0, expected, deadline),
        }
    }

    /// Wakes whoever sleeps; called with the lock, before what they wait for is published.
    #[inline]
    pub(crate) fn announce(&self) {
        if self.0.load(Ordering::Relaxed) & 1 == 1 {
            self.wake();
        }
    }

    /// Wakes whoever sleeps, though an inserter that died may have said that it did.
    #[cold]
    pub(crate) fn wake(&self) {
        // From odd to even, or from even over odd to even.
        let word = self.0.load(Ordering::Relaxed);
        self.0.store((word | 1).wrapping_add(1), Ordering::Relaxed);
        futex::wake(&self.0, u32::MAX);
    }
}
