//! Waiting for a word to change, without depending on anybody's survival.
//!
//! Who changes a word wakes those who sleep on it. A process can be killed between the two. So a
//! sleeper wakes by itself now and then, looks again, and looks after the dead while it is at it:
//! at once, after 16 ms, then after twice as long each time, up to three quarters of a second.
//! Whatever such a death has left undone is therefore noticed within a second, and a thread that
//! waits for long costs some microseconds of each second. Where there is a list of processes to be
//! looked through, those who wait share the work: it is left to who did so shortly before.

use super::atomic::{AtomicU32, sleep, spin};
use procession_os::turns::OVERDUE;
use procession_os::wait::Deadline;
use std::time::Duration;

/// Why [`Sleeper::sleep_while`] returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awake {
    /// The word may have changed.
    Changed,
    /// It is time to look after the dead, unless somebody else has done so for less than this.
    Nap(Duration),
    /// The deadline has passed.
    TimedOut,
}

/// One wait, however many times it sleeps.
#[derive(Debug)]
pub struct Sleeper {
    deadline: Deadline,
    nap: Duration,
    longest: Duration,
    fair: bool,
    /// When it will have slept for [`OVERDUE`], if it is fair and has slept.
    overdue: Option<Deadline>,
}

const FIRST_NAP: Duration = Duration::from_millis(16);
const LONGEST_NAP: Duration = Duration::from_millis(768);

impl Sleeper {
    /// Begins a wait that ends at `deadline`.
    pub fn new(deadline: Deadline) -> Self {
        Self {
            deadline,
            // Under loom nobody dies.
            nap: if cfg!(loom) {
                FIRST_NAP
            } else {
                Duration::ZERO
            },
            longest: LONGEST_NAP,
            fair: false,
            overdue: None,
        }
    }

    /// Has it wake by itself more often than others do.
    #[must_use]
    pub fn napping_at_most(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }

    /// As [`new`](Self::new), for one that must know when it [is overdue](Self::is_overdue).
    pub fn fair(deadline: Deadline) -> Self {
        let mut sleeper = Self::new(deadline);
        sleeper.fair = true;
        sleeper
    }

    /// Whether it has slept, and did not only look again.
    pub fn has_slept(&self) -> bool {
        self.overdue.is_some()
    }

    /// Whether it has waited for [`OVERDUE`] since it fell asleep first.
    pub fn is_overdue(&self) -> bool {
        // Under loom no time passes.
        self.overdue
            .is_some_and(|overdue| cfg!(loom) || overdue.passed())
    }

    /// Waits for as long as `word` is `seen`: looks again for a moment, then sleeps.
    pub fn sleep_while(&mut self, word: &AtomicU32, seen: u32) -> Awake {
        if spin(word, seen, self.deadline) {
            return Awake::Changed;
        }
        if self.deadline.passed() {
            return Awake::TimedOut;
        }
        if self.nap.is_zero() {
            self.nap = FIRST_NAP;
            return Awake::Nap(FIRST_NAP);
        }
        if self.fair && self.overdue.is_none() {
            self.overdue = Some(Deadline::after(OVERDUE));
            if cfg!(loom) {
                return Awake::Changed;
            }
        }
        self.sleep_once(word, seen)
    }

    fn sleep_once(&mut self, word: &AtomicU32, seen: u32) -> Awake {
        let end_of_nap = Deadline::after(self.nap);
        sleep(word, seen, self.next_wake());
        if self.deadline.passed() {
            return Awake::TimedOut;
        }
        if cfg!(loom) || !end_of_nap.passed() {
            return Awake::Changed;
        }
        let slept = self.nap;
        self.nap = self.longest.min(slept * 2);
        // A look is at most a nap and a quarter after the last: within a second.
        Awake::Nap(slept / 4)
    }

    /// The end of the nap, the deadline, or when it is overdue, whichever comes first.
    #[cfg(not(loom))]
    fn next_wake(&self) -> Deadline {
        let overdue = self.overdue.and_then(Deadline::left);
        let overdue = overdue.filter(|left| !left.is_zero());
        let ends = [self.deadline.left(), overdue];
        Deadline::after(ends.into_iter().flatten().fold(self.nap, Duration::min))
    }

    /// Under loom nobody dies, and a nap would hide a wake that is missing.
    #[cfg(loom)]
    fn next_wake(&self) -> Deadline {
        self.deadline
    }
}
