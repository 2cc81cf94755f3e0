//! Who has waited longest, of those that are woken all at once.
//!
//! Where all waiters are woken whenever something is there to take, so that nobody relies on one
//! that may be dead, whoever comes first takes it: one that has slept for long may lose it each
//! time, to those that run already. [`Eldest`] is a word beside what is waited for, that says since
//! when the waiter with the first right to it waits:
//!
//! - a waiter that has slept for [`OVERDUE`](crate::turns::OVERDUE) writes itself there, unless an
//!   older one is there;
//! - whoever finds one there that is older leaves one of what there is to it;
//! - who is there and has taken something, or gives up, takes itself away. Those that wait then
//!   write themselves there when they next look, so that after some turns it is each one's.
//!
//! As with a [`Line`](crate::turns::Line), whoever left something in vain notes that, so that one
//! that is dead or stopped is soon forgotten, and a word that is garbage is, too.

use crate::futex;
use crate::turns::{KEPT, MISSES};
use crate::wait::Deadline;
use std::sync::atomic::{AtomicU32, Ordering};

/// The word in shared memory; zero if nobody has the first right.
///
/// | bits | meaning |
/// |---|---|
/// | 0–5 | how often something was left to it in vain |
/// | 6 | somebody sleeps until it has had its turn |
/// | 7–31 | since when it waits: [`Since`] |
///
/// # Examples
///
/// ```
/// use procession_os::eldest::{Eldest, Since};
///
/// let (eldest, mine) = (Eldest::new(), Since::now());
/// eldest.ask(mine);
/// assert!(eldest.goes_before(None) && !eldest.goes_before(Some(mine)));
/// eldest.leave(mine);
/// assert!(!eldest.any());
/// ```
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct Eldest(AtomicU32);

/// Since when a waiter waits, in units of 2^21 ns, two milliseconds; wraps around after 19 hours, so
/// that one that has waited for half of that is taken for younger than it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Since(u32);

const MISSED: u32 = 0x3f;
const WATCHED: u32 = 1 << 6;
const SINCE: u32 = 7;
const MASK: u32 = u32::MAX >> SINCE;
const _: () = assert!(MISSES <= MISSED);

impl Since {
    /// Returns this moment.
    pub fn now() -> Self {
        let now = futex::now().map_or(0, |now| (now.as_nanos() >> 21) as u32 & MASK);
        // Zero is nobody's.
        Self(now.max(1))
    }

    fn is_before(self, other: Self) -> bool {
        let later = other.0.wrapping_sub(self.0) & MASK;
        later != 0 && later <= MASK / 2
    }
}

impl Eldest {
    /// Makes the word of something that nobody waits for.
    pub const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Whether anybody has the first right; the rest concerns only who finds that.
    #[inline]
    pub fn any(&self) -> bool {
        self.load() != 0
    }

    /// Takes the first right for a waiter, unless one has it that waits for longer.
    pub fn ask(&self, mine: Since) {
        loop {
            let seen = self.load();
            if seen != 0 && !mine.is_before(since(seen)) {
                return;
            }
            if self.change(seen, mine.0 << SINCE) {
                wake_if_watched(seen, &self.0);
                return;
            }
        }
    }

    /// Gives up the first right, if the waiter has it.
    pub fn leave(&self, mine: Since) {
        loop {
            let seen = self.load();
            if since(seen) != mine {
                return;
            }
            if self.change(seen, 0) {
                wake_if_watched(seen, &self.0);
                return;
            }
        }
    }

    /// Whether somebody waits for longer than one that waits since `mine`, or does not yet wait.
    pub fn goes_before(&self, mine: Option<Since>) -> bool {
        let first = self.load();
        first != 0 && mine.is_none_or(|mine| since(first).is_before(mine))
    }

    /// Waits for as long as something `is_left` to whoever has the first right, `times` in vain at
    /// the most, and after the deadline no more than once; returns whether it is left all the same.
    pub fn let_pass(&self, times: u32, deadline: Deadline, is_left: impl Fn() -> bool) -> bool {
        for time in 0..times {
            if time > 0 && deadline.passed() {
                break;
            }
            if !self.let_pass_once(&is_left) {
                return false;
            }
        }
        is_left()
    }

    fn let_pass_once(&self, is_left: impl Fn() -> bool) -> bool {
        let end = Deadline::after(KEPT);
        loop {
            let seen = self.load();
            if seen == 0 || !is_left() {
                return false;
            }
            let watched = seen | WATCHED;
            if self.change(seen, watched) {
                // The one error there is means that the word was taken away; it is read next.
                let _ = futex::wait(&self.0, watched, end);
            }
            if end.passed() {
                // Of those that have waited at the same time, one counts the miss.
                let missed = match watched & MISSED {
                    MISSES.. => 0,
                    _ => watched + 1,
                };
                self.change(watched, missed);
                return is_left();
            }
        }
    }

    #[inline]
    fn load(&self) -> u32 {
        // Nothing but the word itself is told by it.
        self.0.load(Ordering::Relaxed)
    }

    fn change(&self, from: u32, to: u32) -> bool {
        let (relaxed, changed) = (Ordering::Relaxed, Ordering::Relaxed);
        self.0.compare_exchange(from, to, relaxed, changed).is_ok()
    }
}

fn since(word: u32) -> Since {
    Since(word >> SINCE)
}

fn wake_if_watched(before: u32, word: &AtomicU32) {
    if before & WATCHED != 0 {
        futex::wake(word, u32::MAX);
    }
}
