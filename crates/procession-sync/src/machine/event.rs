//! The event: one word.
//!
//! | bits | meaning | written by |
//! |---|---|---|
//! | 0 | [`SET`] | `set`, `clear` |
//! | 1–31 | how many times it was set, modulo 2³¹ | `set`, together with the bit |
//!
//! A waiter returns when the bit is set, or when the count is not what it was when it came: then
//! the event was set meanwhile, and it does not matter that it was cleared again. (A waiter that
//! is stopped while the event is set exactly 2³¹ times would miss it.)
//!
//! `set` and `clear` are one atomic operation each: whoever is killed has done it or has not.

use crate::atomic::{AtomicU32, Ordering, wake};
use crate::sleeper::{Awake, Sleeper};
use procession_os::wait::Deadline;

const SET: u32 = 1;
const ONE_MORE: u32 = 2;

/// The shared state of an event. Zero is an event that is not set.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct EventState {
    word: AtomicU32,
}

impl EventState {
    /// An event that is not set.
    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self {
            word: AtomicU32::new(0),
        }
    }

    /// Tells whether it is set.
    pub(crate) fn is_set(&self) -> bool {
        self.word.load(Ordering::Acquire) & SET != 0
    }

    /// Sets it and wakes all who wait.
    pub(crate) fn set(&self) {
        let more = |word: u32| (word & SET == 0).then(|| word.wrapping_add(ONE_MORE) | SET);
        // Release: what the setter did before is seen by whoever finds it set.
        let changed = self
            .word
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, more);
        if changed.is_ok() {
            wake(&self.word, u32::MAX);
        }
    }

    /// Clears it.
    pub(crate) fn clear(&self) {
        self.word.fetch_and(!SET, Ordering::AcqRel);
    }

    /// Waits until it is set or was set; false if the deadline passed first.
    pub(crate) fn wait(&self, deadline: Deadline) -> bool {
        let mut word = self.word.load(Ordering::Acquire);
        let before = word | SET;
        let mut sleeper = Sleeper::new(deadline);
        loop {
            if word & SET != 0 || word | SET != before {
                return true;
            }
            let awake = sleeper.sleep_while(&self.word, word);
            word = self.word.load(Ordering::Acquire);
            if awake == Awake::TimedOut {
                return word & SET != 0 || word | SET != before;
            }
        }
    }
}
