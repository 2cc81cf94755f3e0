//! Sleeping until the other side publishes, such that no death can make anybody oversleep.
//!
//! The word is odd while somebody may be asleep on it. All changes are made under the lock of the
//! side that publishes:
//!
//! | who | under the lock | then |
//! |---|---|---|
//! | waiter | sees that there is nothing for it, makes the word odd, remembers it | unlocks, sleeps while the word is what it remembers |
//! | publisher | if the word is odd, makes it the next even number and wakes all; publishes | unlocks |
//!
//! Why nobody oversleeps:
//!
//! - *The waiter comes first.* The publisher sees the odd word.
//! - *The publisher comes first.* The waiter sees what was published, and does not sleep.
//! - *The publisher is killed before it has woken anybody.* It has published nothing, because it
//!   wakes first. The next one to take the lock is told of the death, and wakes all.
//! - *The publisher is killed after it has woken the others, before or after it publishes.* They
//!   are awake. To sleep again they need the lock, which the kernel passes on, and under it they
//!   see whether something was published.
//! - *A waiter is killed.* All are woken, so nobody relied on it. The word may stay odd, which
//!   costs one system call.

use crate::atomic::{self, AtomicU32, Ordering};
#[cfg(not(loom))]
use procession_os::futexes::Watch;
use procession_os::wait::Deadline;
use std::io;

/// The word in shared memory. Its accesses are ordered by the lock, and by the futex calls.
#[repr(transparent)]
pub(crate) struct Event(AtomicU32);

impl Event {
    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Says that the caller, which holds the lock, is going to sleep; returns what to sleep on.
    pub(crate) fn expect(&self) -> u32 {
        self.0.fetch_or(1, Ordering::Relaxed) | 1
    }

    /// Returns what to sleep on for who sleeps on other things too.
    #[cfg(not(loom))]
    pub(crate) fn watch(&self, expected: u32) -> Watch<'_> {
        let word = &self.0;
        Watch { word, expected }
    }

    /// Sleeps, without the lock, until somebody announces something, or for no reason; returns
    /// false if the deadline passed first.
    pub(crate) fn sleep(&self, expected: u32, deadline: Deadline) -> io::Result<bool> {
        atomic::wait(&self.0, expected, deadline)
    }

    /// Wakes whoever sleeps; called with the lock, before what they wait for is published.
    #[inline]
    pub(crate) fn announce(&self) {
        if self.0.load(Ordering::Relaxed) & 1 == 1 {
            self.wake();
        }
    }

    /// Wakes whoever sleeps, though a publisher that died may have said that it did.
    #[cold]
    pub(crate) fn wake(&self) {
        // From odd to even, or from even over odd to even.
        let word = self.0.load(Ordering::Relaxed);
        self.0.store((word | 1).wrapping_add(1), Ordering::Relaxed);
        atomic::wake(&self.0, u32::MAX);
    }
}
