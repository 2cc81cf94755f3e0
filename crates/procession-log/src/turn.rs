//! One write to the file at a time, so that it is known whose write a kill has cut short.
//!
//! The kernel does appends one after the other. But a process that is killed within a write leaves, at the end
//! of a page, a part of its record; the next record would go on in the middle of that line. So each write has a
//! turn: a word with the identity of the process, of which others see whether it lives.
//!
//! A process that was stopped in its turn is not waited for: after a moment the others write without one.

use crate::shared::Shared;
use procession_os::identity::Identity;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// When it is looked whether the process that has the turn is alive.
const SUSPICIOUS: Duration = Duration::from_millis(1);
/// How long one turn is waited for; no write takes so long.
const ONE: Duration = Duration::from_millis(20);
/// How long all turns together are waited for.
const ALL: Duration = Duration::from_millis(200);

/// The process that was not waited for, until this one has had a turn again.
static STOPPED: AtomicU64 = AtomicU64::new(0);

/// The turn of this thread, which ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    /// The word, and this process in it; `None` if the turn could not be had.
    held: Option<(&'a AtomicU64, u64)>,
}

impl<'a> Turn<'a> {
    /// Waits for a turn, for a moment.
    pub(crate) fn take(shared: &'a Shared) -> Self {
        let word = shared.writer();
        let me = Identity::of_this_process().to_word();
        match word.compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => Self::held(word, me),
            Err(other) => Self::wait(shared, me, other),
        }
    }

    fn held(word: &'a AtomicU64, me: u64) -> Self {
        if STOPPED.load(Ordering::Relaxed) != 0 {
            STOPPED.store(0, Ordering::Relaxed);
        }
        Self {
            held: Some((word, me)),
        }
    }

    #[cold]
    fn wait(shared: &'a Shared, me: u64, mut other: u64) -> Self {
        let word = shared.writer();
        let start = Instant::now();
        let mut since = start;
        loop {
            let is_dead = other != 0
                && since.elapsed() > SUSPICIOUS
                && Identity::from_word(other).is_some_and(|other| !other.is_alive());
            if other == 0 || is_dead {
                match word.compare_exchange(other, me, Ordering::Acquire, Ordering::Relaxed) {
                    Ok(_) => {
                        if is_dead {
                            shared.torn().store(1, Ordering::Relaxed);
                        }
                        return Self::held(word, me);
                    }
                    Err(found) => (other, since) = (found, Instant::now()),
                }
                continue;
            }
            if since.elapsed() > ONE || start.elapsed() > ALL {
                STOPPED.store(other, Ordering::Relaxed);
            }
            if STOPPED.load(Ordering::Relaxed) == other {
                return Self { held: None };
            }
            thread::yield_now();
            let found = word.load(Ordering::Relaxed);
            if found != other {
                (other, since) = (found, Instant::now());
            }
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some((word, me)) = self.held {
            // Another may have taken it for that of a dead process, where `/proc` was not what it should be.
            let _ = word.compare_exchange(me, 0, Ordering::Release, Ordering::Relaxed);
        }
    }
}
