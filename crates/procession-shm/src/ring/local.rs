//! A lock that lies in this process's own memory.
//!
//! The lock of a side lies in the ring, where whoever has the other end can overwrite it, and what the C
//! library does with a mutex that was overwritten while it was held cannot be checked. An end that
//! one process has to itself needs nothing that others can see, so this lock stands in for it.

use super::RingError;
use procession_os::wait::Deadline;
use procession_os::{futex, own_pid};
use std::sync::atomic::{AtomicU32, Ordering};

/// The word of the lock is one of these three.
const FREE: u32 = 0;
const HELD: u32 = 1;
/// Held, and somebody may sleep until it is free.
const WAITED_FOR: u32 = 2;

/// The lock, and whether it is the one to take.
#[derive(Debug, Default)]
pub(super) struct LocalLock {
    word: AtomicU32,
    /// The process that has the end to itself; zero if others may have it.
    owner: AtomicU32,
}

/// The proof that this thread holds the lock.
#[derive(Debug)]
pub(super) struct Held<'a>(&'a LocalLock);

impl LocalLock {
    /// Has this lock be the one to take from now on. Nobody may hold the end's other lock, nor another process the
    /// end.
    pub(super) fn take_over(&self) {
        self.owner.store(own_pid(), Ordering::Release);
    }

    #[inline]
    pub(super) fn is_in_use(&self) -> bool {
        self.owner.load(Ordering::Acquire) != 0
    }

    /// Waits until nobody else in this process holds it.
    #[inline]
    pub(super) fn lock(&self, deadline: Deadline) -> Result<Held<'_>, RingError> {
        if self.owner.load(Ordering::Relaxed) != own_pid() {
            return Err(RingError::Copied);
        }
        let (acquire, relaxed) = (Ordering::Acquire, Ordering::Relaxed);
        if self
            .word
            .compare_exchange(FREE, HELD, acquire, relaxed)
            .is_err()
        {
            self.wait(deadline)?;
        }
        Ok(Held(self))
    }

    #[cold]
    fn wait(&self, deadline: Deadline) -> Result<(), RingError> {
        while self.word.swap(WAITED_FOR, Ordering::Acquire) != FREE {
            // The kernel refuses no word of this process's own.
            if !futex::wait(&self.word, WAITED_FOR, deadline).unwrap_or(true) {
                return Err(RingError::TimedOut);
            }
        }
        Ok(())
    }
}

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.0.word.swap(FREE, Ordering::Release) == WAITED_FOR {
            futex::wake(&self.0.word, 1);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Duration;

    #[test]
    fn one_thread_at_a_time_holds_it() {
        let lock = LocalLock::default();
        lock.take_over();
        let count = AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..2000 {
                        let held = lock.lock(Deadline::NEVER).unwrap();
                        let seen = count.load(Ordering::Relaxed);
                        thread::yield_now();
                        count.store(seen + 1, Ordering::Relaxed);
                        drop(held);
                    }
                });
            }
        });
        assert_eq!(count.into_inner(), 8000);
        let _held = lock.lock(Deadline::NEVER).unwrap();
        let soon = Deadline::after(Duration::from_millis(1));
        assert!(matches!(lock.lock(soon), Err(RingError::TimedOut)));
    }
}
