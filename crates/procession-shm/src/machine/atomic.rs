//! The atomics and the futex of the machines, in one place so that loom can stand in for them.
//!
//! Under `cfg(loom)` sleeping and waking go through one loom mutex and condition variable: every
//! waker then wakes every sleeper, but a wake that is missing altogether is found as a deadlock.

#[cfg(not(loom))]
pub use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

#[cfg(loom)]
pub use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The words of a [`Line`](procession_os::turns::Line).
#[cfg(not(loom))]
pub use std::sync::atomic::AtomicU32 as TurnWord;

/// The words of a [`Line`](procession_os::turns::Line).
#[cfg(loom)]
#[derive(Debug)]
pub struct TurnWord(pub AtomicU32);

#[cfg(loom)]
impl procession_os::turns::Word for TurnWord {
    fn load(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    fn store(&self, value: u32) {
        self.0.store(value, Ordering::Relaxed);
    }

    fn change(&self, from: u32, to: u32) -> bool {
        let (relaxed, changed) = (Ordering::Relaxed, Ordering::Relaxed);
        self.0.compare_exchange(from, to, relaxed, changed).is_ok()
    }

    fn sleep(&self, expected: u32, deadline: procession_os::wait::Deadline) {
        sleep(&self.0, expected, deadline);
    }

    fn wake_all(&self) {
        wake(&self.0, u32::MAX);
    }
}

#[cfg(not(loom))]
mod futex {
    use super::AtomicU32;
    use procession_os::futex;
    use procession_os::policy::wait_policy;
    use procession_os::wait::Deadline;

    /// Returns whether the word changed while the policy of this process still says to look.
    pub fn spin(word: &AtomicU32, seen: u32, deadline: Deadline) -> bool {
        let changed = || (word.load(super::Ordering::Relaxed) != seen).then_some(());
        wait_policy().spin(deadline, changed).is_some()
    }

    /// Sleeps until the word changes, somebody wakes it, or the deadline passes.
    pub fn sleep(word: &AtomicU32, seen: u32, deadline: Deadline) {
        // An error would mean that the word is not mapped, but it was just read. Were there one,
        // the caller would look again and again, which is right, if slow.
        let _ = futex::wait(word, seen, deadline);
    }

    /// Wakes so many of those who sleep.
    pub fn wake(word: &AtomicU32, count: u32) {
        futex::wake(word, count);
    }
}

#[cfg(loom)]
mod futex {
    use super::{AtomicU32, Ordering};
    use loom::sync::{Condvar, Mutex};
    use procession_os::wait::Deadline;

    loom::lazy_static! {
        static ref QUEUE: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());
    }

    pub fn spin(word: &AtomicU32, seen: u32, _: Deadline) -> bool {
        word.load(Ordering::Relaxed) != seen
    }

    pub fn sleep(word: &AtomicU32, seen: u32, deadline: Deadline) {
        let queue = QUEUE.0.lock().expect("loom's mutexes are not poisoned");
        // The kernel compares under the lock of its queue, after a full barrier.
        if word.load(Ordering::SeqCst) == seen && deadline == Deadline::NEVER {
            drop(QUEUE.1.wait(queue));
        }
    }

    pub fn wake(_: &AtomicU32, count: u32) {
        let queue = QUEUE.0.lock().expect("loom's mutexes are not poisoned");
        if count > 0 {
            QUEUE.1.notify_all();
        }
        drop(queue);
    }
}

pub use futex::{sleep, spin, wake};
