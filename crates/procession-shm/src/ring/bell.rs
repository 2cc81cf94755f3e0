//! How an end sleeps until the other one has moved.
//!
//! The word is odd while somebody may be asleep. Whoever moves stores its count, then looks at the
//! word; whoever wants to sleep makes the word odd, then looks at the count. A full fence stands
//! between the two steps of each, so at least one of them sees what the other did.
//!
//! An end that is killed after it has moved and before it has rung leaves the other one asleep,
//! which is why nobody sleeps for long without looking whether the other process lives.

use super::atomic::{AtomicU32, Ordering, fence};

/// The word, in shared memory.
pub(super) struct Bell(AtomicU32);

impl Bell {
    #[cfg(all(test, loom))]
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Wakes whoever sleeps; called after what they wait for was stored.
    #[inline]
    pub(super) fn ring(&self) {
        fence(Ordering::SeqCst);
        let word = self.0.load(Ordering::Relaxed);
        if word & 1 == 1 {
            self.wake(word);
        }
    }

    #[cold]
    fn wake(&self, word: u32) {
        let even = word.wrapping_add(1);
        let relaxed = Ordering::Relaxed;
        // If somebody else changed it, he wakes.
        let changed = self.0.compare_exchange(word, even, relaxed, relaxed);
        #[cfg(not(loom))]
        if changed.is_ok() {
            procession_os::futex::wake(&self.0, u32::MAX);
        }
        let _ = changed;
    }

    /// Says that the caller is going to sleep, and on which word; `None` if it need not.
    pub(super) fn expect(&self, ready: impl FnOnce() -> bool) -> Option<u32> {
        let expected = self.0.fetch_or(1, Ordering::Relaxed) | 1;
        fence(Ordering::SeqCst);
        (!ready()).then_some(expected)
    }

    #[cfg(all(test, loom))]
    pub(super) fn is(&self, expected: u32) -> bool {
        self.0.load(Ordering::Relaxed) == expected
    }

    /// Sleeps until it is rung, for a time, or for no reason.
    #[cfg(not(loom))]
    pub(super) fn sleep(
        &self,
        expected: u32,
        deadline: procession_os::wait::Deadline,
    ) -> std::io::Result<bool> {
        procession_os::futex::wait(&self.0, expected, deadline)
    }

    /// Under loom nothing sleeps.
    #[cfg(loom)]
    pub(super) fn sleep(
        &self,
        _expected: u32,
        _deadline: procession_os::wait::Deadline,
    ) -> std::io::Result<bool> {
        loom::thread::yield_now();
        Ok(true)
    }
}
