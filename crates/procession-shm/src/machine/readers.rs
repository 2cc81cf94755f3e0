//! Readers side by side, or one writer.
//!
//! The mutex of the place is the writer's hold: while a thread has it to write, nobody comes in, and
//! nobody is in. A reader takes it to be counted, and again to be taken out of the count.
//!
//! | field | meaning | written |
//! |---|---|---|
//! | `writing` | whether the holder of the mutex changes what is protected | by that holder |
//! | `reading` | which process has how many readers | under the mutex |
//! | `left` | changes when the last reader has left; the futex of writers | with each change |
//! | `turns` | changes when a writer has had its turn; the futex of readers that let it go first | with each change |
//! | `first` | the ticket of the writer that readers let go first, or zero | under the mutex; taken back without it |
//! | `first_until` | until when they do so, in milliseconds; wraps around | under the mutex |
//! | `tickets` | the ticket that was given last | under the mutex |
//! | `purpose` | what those are in for who are counted; all for the same | under the mutex, when nobody is in |
//! | `asleep`, `held_back` | how many writers and readers may have to be woken; too many if one died | grows under the mutex |
//!
//! # Nobody is starved
//!
//! Among those who want the mutex at one moment, it is the mutex that is fair. The rest is for those
//! who have to wait without it.
//!
//! A writer that finds readers puts its ticket into `first`, if there is none, and renews
//! `first_until` as long as it waits. Readers that come then wait until a writer has had its turn. So
//! a stream of readers dries up. They wait once: a reader that has let a writer go first does not
//! wait for the next one. So a stream of writers does not keep it out. A thread that reads already
//! never waits for a writer, which would be waiting for it.
//!
//! A writer that is stopped renews nothing: after a quarter of a second readers go on without
//! it. It holds nothing while it waits.
//!
//! # Deaths
//!
//! Whoever dies with the mutex without `writing` came, went, or looked on: the count is made anew. A
//! reader that died is taken out of the count by a writer that waits for it. A writer's death is told
//! by the mutex: what it protects may be half changed if `writing` is set.

use super::atomic::Ordering::{Acquire, Relaxed, Release};
use super::atomic::{AtomicU32, sleep, spin, wake};
use super::place::{Place, Recover};
use super::roster::{Roster, now_in_ms};
use super::sleeper::{Awake, Sleeper};
use procession_os::identity::Identity;
use procession_os::robust::LockError;
use procession_os::wait::Deadline;
use std::thread;
use std::time::Duration;

/// The shared state of readers and writers. All zeros is one with nobody in it.
#[derive(Debug)]
#[repr(C)]
pub struct ReadersState {
    writing: AtomicU32,
    first: AtomicU32,
    first_until: AtomicU32,
    tickets: AtomicU32,
    left: AtomicU32,
    turns: AtomicU32,
    asleep: AtomicU32,
    held_back: AtomicU32,
    purpose: AtomicU32,
    reading: Roster,
}

/// What those who are in at one time are in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// They read all of it.
    Read,
    /// Each writes a part of its own.
    Parts,
}

/// For how long readers let a writer go first that gives no sign of life.
const PATIENCE: Duration = Duration::from_millis(256);
/// How often a writer that waits gives one, at least.
const LONGEST_NAP: Duration = Duration::from_millis(64);
/// For how long a call that is not to wait tries again while others only come and go.
const MOMENT: Duration = Duration::from_millis(1);

impl ReadersState {
    /// A state for loom.
    #[cfg(loom)]
    #[expect(clippy::new_without_default, reason = "it is a model")]
    pub fn new() -> Self {
        let word = || AtomicU32::new(0);
        Self {
            writing: word(),
            first: word(),
            first_until: word(),
            tickets: word(),
            left: word(),
            turns: word(),
            asleep: word(),
            held_back: word(),
            purpose: word(),
            reading: Roster::new(),
        }
    }

    /// Returns how many read. Those that died are counted until a writer finds them dead.
    #[inline]
    pub fn readers(&self) -> u32 {
        self.reading.sum()
    }

    /// Returns what those are in for who are counted as readers, or were last.
    #[inline]
    pub fn purpose(&self) -> Purpose {
        match self.purpose.load(Relaxed) {
            0 => Purpose::Read,
            _ => Purpose::Parts,
        }
    }

    /// Says what those are in for who come next. Under the mutex, when nobody is in.
    pub fn set_purpose(&self, purpose: Purpose) {
        self.purpose
            .store(u32::from(purpose == Purpose::Parts), Relaxed);
    }

    /// Returns whether the holder of the mutex writes, or died writing.
    #[inline]
    pub fn is_writing(&self) -> bool {
        self.writing.load(Relaxed) != 0
    }

    /// Notes that the caller, who holds the mutex while nobody reads, writes.
    #[inline]
    pub fn begin_writing(&self) {
        self.writing.store(1, Relaxed);
    }

    /// Notes that the caller does not write any more; before it gives the mutex up. True if it
    /// then has to [wake the readers](Self::wake_readers).
    #[inline]
    pub fn end_writing(&self) -> bool {
        self.writing.store(0, Relaxed);
        self.held_back.load(Relaxed) > 0 && self.end_turn()
    }

    /// Makes the caller, who writes, a reader; before it gives the mutex up. True if it then has to
    /// [wake the readers](Self::wake_readers).
    pub fn downgrade(&self, who: Identity) -> bool {
        // Nobody reads, so there is room.
        self.reading.add(who);
        self.end_writing()
    }

    /// Wakes the readers that let a writer go first.
    pub fn wake_readers(&self) {
        wake(&self.turns, u32::MAX);
    }

    /// Leaves what a writer leaves that is killed while it waits.
    #[cfg(loom)]
    pub fn abandon(&self) {
        let wish = Wish::new(self);
        self.let_first(wish.ticket);
        std::mem::forget(wish);
    }

    /// Does what time does: lets go of a writer that gives no sign of life.
    #[cfg(loom)]
    pub fn expire(&self) {
        self.first.store(0, Relaxed);
        self.turns.fetch_add(1, Relaxed);
        self.wake_readers();
    }

    #[cold]
    fn end_turn(&self) -> bool {
        // Whoever waits for the writer that goes first goes on waiting: it was not this one.
        let over = self.wait_for_the_first().is_none();
        if over {
            self.turns.fetch_add(1, Relaxed);
        }
        over
    }

    /// For how much longer readers that come let a writer go first.
    fn wait_for_the_first(&self) -> Option<Duration> {
        if self.first.load(Relaxed) == 0 {
            return None;
        }
        if cfg!(loom) {
            return Some(PATIENCE);
        }
        let left = self.first_until.load(Relaxed).wrapping_sub(now_in_ms());
        let left = Duration::from_millis(left.into());
        // More is a moment that has passed, or garbage.
        (!left.is_zero() && left <= PATIENCE).then_some(left)
    }

    /// Has readers that come let the writer with this ticket go first, if no other does. Under the
    /// mutex.
    fn let_first(&self, ticket: u32) {
        let ours = self.first.load(Relaxed) == ticket;
        if ours || self.wait_for_the_first().is_none() {
            let until = now_in_ms().wrapping_add(PATIENCE.as_millis() as u32);
            self.first_until.store(until, Relaxed);
            self.first.store(ticket, Relaxed);
        }
    }

    /// Notes that the last reader has left, if it has. Under the mutex.
    fn note_leaving(&self) -> bool {
        let last = self.readers() == 0 && self.asleep.load(Relaxed) > 0;
        if last {
            self.left.fetch_add(1, Relaxed);
        }
        last
    }

    fn wake_writers(&self) {
        wake(&self.left, u32::MAX);
    }
}

impl Recover for ReadersState {
    /// It leaves `writing`, which the place looks at first.
    fn recover(&self) {
        self.reading.recount();
        self.first.store(0, Relaxed);
        self.turns.fetch_add(1, Relaxed);
        self.left.fetch_add(1, Relaxed);
        self.wake_readers();
        self.wake_writers();
    }
}

/// Waits until nobody reads, and holds the mutex to write.
///
/// # Errors
///
/// [`LockError::TimedOut`], and why the mutex was not taken.
pub fn write<P>(place: &P, deadline: Deadline) -> Result<P::Pass<'_>, LockError>
where
    P: Place<State = ReadersState>,
{
    let state = place.state();
    let mut sleeper = Sleeper::new(deadline).napping_at_most(LONGEST_NAP);
    let mut wish: Option<Wish<'_>> = None;
    loop {
        let pass = place.enter(deadline)?;
        // Before `first`, which another writer that gives up takes back first.
        let seen = state.left.load(Acquire);
        if state.readers() == 0 {
            state.begin_writing();
            if let Some(wish) = wish {
                wish.come_true();
            }
            return Ok(pass);
        }
        let wish = wish.get_or_insert_with(|| Wish::new(state));
        state.let_first(wish.ticket);
        drop(pass);
        match sleeper.sleep_while(&state.left, seen) {
            Awake::Nap(every) if state.reading.is_to_be_looked_at(every) => bury(place)?,
            Awake::Changed | Awake::Nap(_) => {}
            Awake::TimedOut => return write_at_last(place, LockError::TimedOut),
        }
    }
}

/// Holds the mutex to write if nobody reads or writes.
///
/// # Errors
///
/// [`LockError::WouldBlock`], and why the mutex was not taken.
pub fn try_write<P>(place: &P) -> Result<P::Pass<'_>, LockError>
where
    P: Place<State = ReadersState>,
{
    let pass = enter_at_once(place)?;
    if place.state().readers() == 0 {
        place.state().begin_writing();
        return Ok(pass);
    }
    drop(pass);
    write_at_last(place, LockError::WouldBlock)
}

/// Looks once more when the dead have been buried.
#[cold]
fn write_at_last<P>(place: &P, refusal: LockError) -> Result<P::Pass<'_>, LockError>
where
    P: Place<State = ReadersState>,
{
    bury(place)?;
    let pass = enter_at_once(place).map_err(|error| match error {
        LockError::WouldBlock => refusal,
        error => error,
    })?;
    if place.state().readers() > 0 {
        return Err(refusal);
    }
    place.state().begin_writing();
    Ok(pass)
}

/// Waits until nobody writes, and counts `who` as a reader; `again` if the thread is one already.
/// Returns false, and does not count it, if others are in for another purpose, or were last.
///
/// # Errors
///
/// [`LockError::TimedOut`], [`LockError::TooManyProcesses`], and why the mutex was not taken.
pub fn read<P>(
    place: &P,
    purpose: Purpose,
    who: Identity,
    again: bool,
    deadline: Deadline,
) -> Result<bool, LockError>
where
    P: Place<State = ReadersState>,
{
    let state = place.state();
    let mut wait: Option<Wait<'_>> = None;
    loop {
        let pass = place.enter(deadline)?;
        // Before `first`, which a writer that gives up takes back first.
        let turn = state.turns.load(Acquire);
        let waited = wait.as_ref().is_some_and(|wait| wait.turn != turn);
        let first = state.wait_for_the_first().filter(|_| !again && !waited);
        let Some(patience) = first else {
            return count(place, purpose, pass, who);
        };
        wait.get_or_insert_with(|| Wait::new(state, turn));
        drop(pass);
        if !spin(&state.turns, turn, deadline) {
            sleep(&state.turns, turn, sooner(deadline, patience));
        }
        if deadline.passed() && state.turns.load(Relaxed) == turn {
            return Err(LockError::TimedOut);
        }
    }
}

/// Counts `who` as a reader if nobody writes, and no writer goes first. Returns false, and does not
/// count it, if others are in for another purpose, or were last.
///
/// # Errors
///
/// [`LockError::WouldBlock`], [`LockError::TooManyProcesses`], and why the mutex was not taken.
pub fn try_read<P>(
    place: &P,
    purpose: Purpose,
    who: Identity,
    again: bool,
) -> Result<bool, LockError>
where
    P: Place<State = ReadersState>,
{
    let pass = enter_at_once(place)?;
    if !again && place.state().wait_for_the_first().is_some() {
        return Err(LockError::WouldBlock);
    }
    count(place, purpose, pass, who)
}

/// Takes `who` out of the count of readers.
///
/// # Errors
///
/// Why the mutex was not taken.
pub fn end_reading<P>(place: &P, who: Identity) -> Result<(), LockError>
where
    P: Place<State = ReadersState>,
{
    let state = place.state();
    let pass = place.enter(Deadline::NEVER)?;
    let last = state.reading.take(who) && state.note_leaving();
    drop(pass);
    if last {
        state.wake_writers();
    }
    Ok(())
}

fn count<'a, P>(
    place: &'a P,
    purpose: Purpose,
    pass: P::Pass<'a>,
    who: Identity,
) -> Result<bool, LockError>
where
    P: Place<State = ReadersState>,
{
    let state = place.state();
    if state.purpose() != purpose {
        return Ok(false);
    }
    if state.reading.add(who) {
        return Ok(true);
    }
    drop(pass);
    // Their slots are free then.
    bury(place)?;
    let _pass = place.enter(Deadline::NEVER)?;
    if state.purpose() != purpose {
        return Ok(false);
    }
    let counted = state.reading.add(who);
    counted.then_some(true).ok_or(LockError::TooManyProcesses)
}

/// Takes the mutex, unless somebody writes: whoever comes or goes has it for a moment only.
fn enter_at_once<P>(place: &P) -> Result<P::Pass<'_>, LockError>
where
    P: Place<State = ReadersState>,
{
    let end = Deadline::after(MOMENT);
    loop {
        match place.enter(Deadline::PASSED) {
            Err(LockError::TimedOut) if place.state().is_writing() || end.passed() => {
                return Err(LockError::WouldBlock);
            }
            Err(LockError::TimedOut) => thread::yield_now(),
            result => return result,
        }
    }
}

/// Takes the dead out of the count.
fn bury<P>(place: &P) -> Result<(), LockError>
where
    P: Place<State = ReadersState>,
{
    let state = place.state();
    let dead = state.reading.dead();
    if dead.is_empty() {
        return Ok(());
    }
    let pass = place.enter(Deadline::NEVER)?;
    state.reading.remove(&dead);
    let last = state.note_leaving();
    drop(pass);
    if last {
        state.wake_writers();
    }
    Ok(())
}

/// A writer that waits for readers, until it is dropped.
struct Wish<'a> {
    state: &'a ReadersState,
    ticket: u32,
}

impl<'a> Wish<'a> {
    /// Under the mutex.
    fn new(state: &'a ReadersState) -> Self {
        state.asleep.fetch_add(1, Relaxed);
        // Zero is nobody's.
        let ticket = state.tickets.load(Relaxed).wrapping_add(1).max(1);
        state.tickets.store(ticket, Relaxed);
        Self { state, ticket }
    }

    /// The writer has got in.
    fn come_true(self) {
        let Self { state, ticket } = self;
        if state.first.load(Relaxed) == ticket {
            state.first.store(0, Relaxed);
        }
    }
}

impl Drop for Wish<'_> {
    /// If it gave up, those who let it go first go on.
    fn drop(&mut self) {
        let Self { state, ticket } = *self;
        state.asleep.fetch_sub(1, Relaxed);
        let first = &state.first;
        if first.compare_exchange(ticket, 0, Relaxed, Relaxed).is_ok() {
            // Without the mutex: whoever sees these sees that nobody is the first.
            state.turns.fetch_add(1, Release);
            state.wake_readers();
            // Another writer is to be the first.
            state.left.fetch_add(1, Release);
            state.wake_writers();
        }
    }
}

/// A reader that lets a writer go first, until it is dropped.
struct Wait<'a> {
    state: &'a ReadersState,
    turn: u32,
}

impl<'a> Wait<'a> {
    /// Under the mutex.
    fn new(state: &'a ReadersState, turn: u32) -> Self {
        state.held_back.fetch_add(1, Relaxed);
        Self { state, turn }
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.state.held_back.fetch_sub(1, Relaxed);
    }
}

/// The deadline, or the end of the patience if that comes first.
#[cfg(not(loom))]
fn sooner(deadline: Deadline, patience: Duration) -> Deadline {
    Deadline::after(deadline.left().map_or(patience, |left| left.min(patience)))
}

/// Under loom no time passes, and patience would hide a wake that is missing.
#[cfg(loom)]
fn sooner(deadline: Deadline, _: Duration) -> Deadline {
    deadline
}
