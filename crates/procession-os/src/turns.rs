//! Whose turn it is: what keeps a waiter from being overtaken for ever.
//!
//! Whoever asks for a lock that is free takes it, though others sleep until it is free: waking one
//! of them takes tens of microseconds, in which the lock could be held a thousand times. Without a
//! bound to that, a thread that releases a lock and takes it again at once keeps it for ever. The
//! bound is this:
//!
//! - a waiter that has slept for [`OVERDUE`] counts itself in a word beside the lock;
//! - while somebody is counted, whoever comes later leaves the free lock alone, for [`YIELDS`]
//!   times [`KEPT`] if nobody takes it, unless a waiter had its turn within [`OVERDUE`]: between
//!   two turns of the waiters the lock is taken as ever.
//!
//! A counted waiter that is dead or stopped does not take its turn. Whoever left the lock to it in
//! vain counts that too; after [`MISSES`] such misses the next one makes that nobody is counted,
//! and all is as if nobody had waited. So the dead and the stopped cost [`KEPT`] for each miss,
//! together and once. A waiter that was forgotten so, and yet lives, counts itself again when it
//! looks next.
//!
//! The word needs no repair, at whatever instruction a process that writes it is killed, and
//! whatever garbage is in it: a count that is too high is forgotten after those misses, and one that
//! is too low lets a waiter be overtaken until it looks next.
//!
//! What is taken in turns need not be a lock: [`Line`] is for whatever can be free.

use crate::futex;
use crate::wait::Deadline;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How long a waiter sleeps until it must not be overtaken any more.
pub const OVERDUE: Duration = Duration::from_millis(1);
/// How long what is free is left to waiters that do not take it, in one go.
pub const KEPT: Duration = Duration::from_millis(1);
/// How often whoever is to wait anyway leaves it to them in vain.
pub const YIELDS: u32 = if cfg!(loom) { 2 } else { 8 };
/// How often they may miss their turn before they are forgotten.
pub const MISSES: u32 = if cfg!(loom) { 1 } else { 63 };

/// A value of the word that counts the overdue waiters.
///
/// | bits | meaning |
/// |---|---|
/// | 0–14 | how many are counted |
/// | 15 | somebody sleeps until one of them has had its turn |
/// | 16–21 | how often they were waited for in vain |
/// | 22–31 | the round: changes when all are forgotten |
///
/// # Examples
///
/// ```
/// use procession_os::turns::{MISSES, Turns};
///
/// let nobody = Turns::from_word(0);
/// let one = nobody.joined();
/// assert!(one.any() && one.left(one.round()) == nobody);
///
/// let mut forgotten = one;
/// for _ in 0..=MISSES {
///     forgotten = forgotten.missed();
/// }
/// assert!(!forgotten.any() && forgotten.round() != one.round());
/// // Whoever was counted then does not take the count of somebody else away.
/// assert!(forgotten.joined().left(one.round()).any());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turns(u32);

const COUNT: u32 = 0x7fff;
const WATCHED: u32 = 1 << 15;
const MISS: u32 = 1 << 16;
const MISSED: u32 = 0x3f * MISS;
const ROUND: u32 = 1 << 22;

impl Turns {
    /// Returns what the word says.
    #[inline]
    pub const fn from_word(word: u32) -> Self {
        Self(word)
    }

    /// Returns the word.
    pub const fn to_word(self) -> u32 {
        self.0
    }

    /// Whether anybody is counted.
    #[inline]
    pub const fn any(self) -> bool {
        self.0 & COUNT != 0
    }

    /// Returns how many are counted.
    pub const fn count(self) -> u32 {
        self.0 & COUNT
    }

    /// Returns the round, which whoever is counted must remember.
    pub const fn round(self) -> u32 {
        self.0 / ROUND
    }

    /// Whether somebody sleeps until one of the counted has had its turn.
    pub const fn watched(self) -> bool {
        self.0 & WATCHED != 0
    }

    /// The word with one more counted.
    #[must_use]
    pub const fn joined(self) -> Self {
        match self.count() {
            0 => Self((self.0 & !MISSED) | 1),
            COUNT => self,
            _ => Self(self.0 + 1),
        }
    }

    /// The word without one that was counted in `round`.
    #[must_use]
    pub const fn left(self, round: u32) -> Self {
        match self.count() {
            0 => self,
            _ if self.round() != round => self,
            1 => Self(self.0 & !(COUNT | WATCHED | MISSED)),
            _ => Self((self.0 - 1) & !WATCHED),
        }
    }

    /// The word of somebody who sleeps until one of the counted has had its turn.
    #[must_use]
    pub const fn watch(self) -> Self {
        Self(self.0 | WATCHED)
    }

    /// The word after they were waited for in vain; perhaps nobody is counted any more.
    #[must_use]
    pub const fn missed(self) -> Self {
        if self.0 & MISSED >= MISSES * MISS {
            Self(self.0.wrapping_add(ROUND) & !(COUNT | WATCHED | MISSED))
        } else {
            Self(self.0 + MISS)
        }
    }
}

const _: () = assert!(MISSES * MISS <= MISSED);

/// A word in shared memory, or what stands in for it in a model.
pub trait Word {
    /// Reads it.
    fn load(&self) -> u32;
    /// Writes it.
    fn store(&self, value: u32);
    /// Makes it `to` if it is `from`; false if it is not.
    fn change(&self, from: u32, to: u32) -> bool;
    /// Sleeps for as long as it is `expected`, nobody wakes it, and the deadline has not passed;
    /// may return for no reason.
    fn sleep(&self, expected: u32, deadline: Deadline);
    /// Wakes all that sleep on it.
    fn wake_all(&self);
}

// Nothing but the word itself is told by it, so no access is ordered.
impl Word for AtomicU32 {
    #[inline]
    fn load(&self) -> u32 {
        Self::load(self, Ordering::Relaxed)
    }

    fn store(&self, value: u32) {
        Self::store(self, value, Ordering::Relaxed);
    }

    fn change(&self, from: u32, to: u32) -> bool {
        let (relaxed, changed) = (Ordering::Relaxed, Ordering::Relaxed);
        self.compare_exchange(from, to, relaxed, changed).is_ok()
    }

    fn sleep(&self, expected: u32, deadline: Deadline) {
        // The one error there is means that the word was taken away; the caller reads it next.
        let _ = futex::wait(self, expected, deadline);
    }

    fn wake_all(&self) {
        futex::wake(self, u32::MAX);
    }
}

/// The waiters for something that can be free, beside it in shared memory; see the
/// [module documentation](self).
///
/// Zeros are a line in which nobody waits, and any other bytes are a valid line.
///
/// # Examples
///
/// ```
/// use procession_os::turns::Line;
/// use std::sync::atomic::AtomicU32;
///
/// let line = Line::new(AtomicU32::new(0), AtomicU32::new(0));
/// let mut waiter = line.waiter();
/// assert!(!line.any());
/// waiter.is_overdue();
/// assert!(line.any() && line.owed() == 1);
/// // A waiter that gets what it waits for has had its turn.
/// waiter.served();
/// assert!(!line.any());
/// ```
#[derive(Debug)]
#[repr(C)]
pub struct Line<W = AtomicU32> {
    /// Those that must not be overtaken: [`Turns`].
    turns: W,
    /// When one that had slept was served last, as [`moment`] says it.
    served: W,
}

impl<W: Word> Line<W> {
    /// Makes a line of two words that are zero.
    pub const fn new(turns: W, served: W) -> Self {
        Self { turns, served }
    }

    /// Whether there is anybody that must not be overtaken; the rest concerns only who finds that.
    #[inline]
    pub fn any(&self) -> bool {
        self.turns().any()
    }

    /// Returns how many waiters must not be overtaken. The dead are among them until that was
    /// noticed.
    pub fn overdue(&self) -> u32 {
        self.turns().count()
    }

    /// Returns how many of what is free belongs to waiters at this moment.
    pub fn owed(&self) -> u32 {
        match self.turns().count() {
            0 => 0,
            count if is_over(self.served.load()) => count,
            _ => 0,
        }
    }

    /// Leaves what is free to the waiters for as long as there is something that `is_left` to
    /// them, `times` in vain at the most, and after the deadline no more than once.
    ///
    /// `wake_next` wakes another sleeper: the one that was woken may be stopped.
    pub fn let_pass(
        &self,
        times: u32,
        deadline: Deadline,
        is_left: impl Fn() -> bool,
        wake_next: impl Fn(),
    ) {
        for time in 0..times {
            if time > 0 && deadline.passed() || !self.let_pass_once(&is_left) {
                return;
            }
            wake_next();
        }
    }

    /// Returns whether that was in vain.
    fn let_pass_once(&self, is_left: impl Fn() -> bool) -> bool {
        let end = Deadline::after(KEPT);
        loop {
            let seen = self.turns();
            if !is_left() {
                return false;
            }
            let watched = seen.watch();
            if self.turn_to(seen, watched) {
                self.turns.sleep(watched.to_word(), end);
            }
            if end.passed() || cfg!(loom) {
                // Of those who have waited at the same time, one counts the miss.
                return is_left() && (self.turn_to(watched, watched.missed()) || is_left());
            }
        }
    }

    /// A waiter, not yet counted.
    pub fn waiter(&self) -> Waiter<'_, W> {
        let round = None;
        Waiter { line: self, round }
    }

    #[inline]
    fn turns(&self) -> Turns {
        Turns::from_word(self.turns.load())
    }

    fn turn_to(&self, from: Turns, to: Turns) -> bool {
        self.turns.change(from.to_word(), to.to_word())
    }
}

/// A waiter in a [`Line`]; it is not counted any more when this is dropped.
#[derive(Debug)]
pub struct Waiter<'a, W: Word = AtomicU32> {
    line: &'a Line<W>,
    /// The round in which it was counted.
    round: Option<u32>,
}

impl<W: Word> Waiter<'_, W> {
    /// Makes that it must not be overtaken, also if it was forgotten since this was last called.
    pub fn is_overdue(&mut self) {
        loop {
            let seen = self.line.turns();
            if seen.any() && self.round == Some(seen.round()) {
                return;
            }
            let joined = seen.joined();
            if self.line.turn_to(seen, joined) {
                self.round = Some(joined.round());
                return;
            }
        }
    }

    /// Ends the waiting of one that has slept and has got what it waited for.
    pub fn served(self) {
        if self.line.any() {
            self.line.served.store(moment());
        }
    }
}

impl<W: Word> Drop for Waiter<'_, W> {
    fn drop(&mut self) {
        let Some(round) = self.round else { return };
        loop {
            let seen = self.line.turns();
            if self.line.turn_to(seen, seen.left(round)) {
                if seen.watched() {
                    self.line.turns.wake_all();
                }
                return;
            }
        }
    }
}

/// Returns a moment for [`is_over`], in units of 2^18 ns, a quarter of a millisecond; wraps around.
fn moment() -> u32 {
    if cfg!(loom) {
        // A model has no clock.
        return 0;
    }
    futex::now().map_or(0, |now| (now.as_nanos() >> 18) as u32)
}

/// Whether [`OVERDUE`] has passed since `last`.
fn is_over(last: u32) -> bool {
    cfg!(loom) || moment().wrapping_sub(last) > 4
}
