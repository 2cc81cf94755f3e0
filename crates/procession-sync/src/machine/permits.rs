//! The semaphores: permits, counted by the process that holds them.
//!
//! | field | meaning | written |
//! |---|---|---|
//! | `freed` | changes whenever a permit may have become free; the futex | under the mutex |
//! | `total` | permits there are, free and held | under the mutex |
//! | `limit` | what `total` may not exceed | once |
//! | `held` | who holds how many | under the mutex |
//! | `sleepers` | how many may have to be woken; too many if one of them died | grows under the mutex |
//! | `line` | the waiters that must not be overtaken any more | by each of them |
//!
//! The free permits are `total` less the sum of `held`: acquiring and releasing change one slot of
//! the roster, and that is the moment at which they happen. Whoever dies between that and the sum
//! leaves a wrong sum, which recovery computes anew.
//!
//! A permit that is free is taken by whoever comes first, but left to waiters that have slept for a
//! millisecond, as [`turns`](procession_os::turns) describes.
//!
//! The mutex is held for less than a microsecond, unless a process is stopped inside. So a call that ends at
//! a deadline waits for the mutex until then, and one that is not to wait waits for a [`MOMENT`].
//!
//! Whoever dies holding permits leaves them in its slot. Who finds no permit free looks for such
//! slots before it gives up or sleeps, and again whenever it naps.

use super::roster::Roster;
use crate::atomic::{AtomicU32, Ordering::Relaxed, TurnWord, wake};
use crate::place::{Place, Recover};
use crate::sleeper::{Awake, Sleeper};
use procession_os::identity::Identity;
use procession_os::robust::LockError;
use procession_os::turns::{Line, Waiter, YIELDS};
use procession_os::wait::Deadline;
use std::time::Duration;

/// How long a call that is not to wait waits for the mutex: long enough for a holder that only waits for a
/// processor.
const MOMENT: Duration = Duration::from_secs(1);

/// The shared state of a semaphore.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct PermitState {
    held: Roster,
    freed: AtomicU32,
    total: AtomicU32,
    limit: AtomicU32,
    sleepers: AtomicU32,
    line: Line<TurnWord>,
}

/// Why a semaphore did not give, or take, a permit.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PermitError {
    /// No permit is free, and the call was not to wait.
    #[error("no permit is free")]
    WouldBlock,
    /// No permit became free before the timeout.
    #[error("no permit became free before the timeout")]
    TimedOut,
    /// There would be more permits than the semaphore's bound, or than can be counted.
    #[error("released more often than acquired; a semaphore of {limit} permits has all of them")]
    OverRelease {
        /// How many permits there may be.
        limit: u32,
    },
    /// More processes hold permits than the semaphore can keep account of.
    #[error("too many processes hold permits of this semaphore at one time")]
    TooManyProcesses,
    /// The semaphore's memory cannot be used.
    #[error("cannot use the semaphore: {0}")]
    Lock(#[from] LockError),
}

procession_os::debug_in_words!(PermitError {
    WouldBlock,
    TimedOut,
    OverRelease,
    TooManyProcesses,
    Lock
});

impl PermitState {
    /// A semaphore for loom.
    #[cfg(loom)]
    pub(crate) fn new(permits: u32, limit: u32) -> Self {
        Self {
            held: Roster::new(),
            freed: AtomicU32::new(0),
            total: AtomicU32::new(permits),
            limit: AtomicU32::new(limit),
            sleepers: AtomicU32::new(0),
            line: Line::new(TurnWord(AtomicU32::new(0)), TurnWord(AtomicU32::new(0))),
        }
    }

    /// Sets it up, before anybody else sees it.
    pub(crate) fn set_up(&self, permits: u32, limit: u32) {
        self.total.store(permits, Relaxed);
        self.limit.store(limit, Relaxed);
    }

    pub(crate) fn free(&self) -> u32 {
        self.total.load(Relaxed).saturating_sub(self.held.sum())
    }

    pub(crate) fn held(&self) -> u32 {
        self.held.sum()
    }

    pub(crate) fn limit(&self) -> u32 {
        self.limit.load(Relaxed)
    }

    /// Gives a permit to `who` if one is free.
    fn take(&self, who: Identity) -> Result<bool, PermitError> {
        if self.free() == 0 {
            return Ok(false);
        }
        if self.held.add(who) {
            Ok(true)
        } else {
            Err(PermitError::TooManyProcesses)
        }
    }

    /// Whether all that is free belongs to waiters.
    fn is_left(&self) -> bool {
        let free = self.free();
        free != 0 && self.line.any() && free <= self.line.owed()
    }

    /// Leaves permits that are free to waiters that must not be overtaken. Without the mutex.
    #[cold]
    fn let_pass(&self, times: u32, deadline: Deadline) {
        let is_left = || self.is_left();
        let wake_next = || wake(&self.freed, 1);
        self.line.let_pass(times, deadline, is_left, wake_next);
    }

    /// Tells the sleepers that something is free.
    fn announce(&self, count: u32) {
        self.freed.fetch_add(1, Relaxed);
        // Who counts itself later has come by the mutex later, and found what became free.
        if self.sleepers.load(Relaxed) > 0 {
            wake(&self.freed, count);
        }
    }
}

impl Recover for PermitState {
    fn recover(&self) {
        self.held.recount();
        self.announce(u32::MAX);
    }
}

/// Waits for a permit and gives it to `who`.
pub(crate) fn acquire<P>(place: &P, who: Identity, deadline: Deadline) -> Result<(), PermitError>
where
    P: Place<State = PermitState>,
{
    let state = place.state();
    let mut sleeper = Sleeper::fair(deadline);
    let mut counted = None;
    let mut waiter: Option<Waiter<'_, _>> = None;
    loop {
        if state.line.any() && !sleeper.has_slept() {
            state.let_pass(YIELDS, deadline);
        }
        let pass = match place.enter(deadline) {
            Ok(pass) => pass,
            Err(LockError::TimedOut) => return Err(PermitError::TimedOut),
            Err(error) => return Err(error.into()),
        };
        match state.take(who) {
            Ok(true) => {
                if let Some(waiter) = waiter {
                    waiter.served();
                }
                return Ok(());
            }
            Ok(false) => {}
            Err(full) => {
                drop(pass);
                return acquire_at_last(place, who, full, deadline);
            }
        }
        counted.get_or_insert_with(|| Counted::new(&state.sleepers));
        let seen = state.freed.load(Relaxed);
        drop(pass);
        match sleeper.sleep_while(&state.freed, seen) {
            Awake::Nap(every) if state.held.is_to_be_looked_at(every) => bury(place, deadline)?,
            Awake::Changed | Awake::Nap(_) => {}
            Awake::TimedOut => {
                return acquire_at_last(place, who, PermitError::TimedOut, deadline);
            }
        }
        if sleeper.is_overdue() {
            waiter
                .get_or_insert_with(|| state.line.waiter())
                .is_overdue();
        }
    }
}

/// Gives `who` a permit if one is free, or was held by somebody who is dead.
pub(crate) fn try_acquire<P>(place: &P, who: Identity) -> Result<(), PermitError>
where
    P: Place<State = PermitState>,
{
    let state = place.state();
    if state.line.any() {
        state.let_pass(1, Deadline::NEVER);
    }
    let moment = Deadline::after(MOMENT);
    let pass = match place.enter(moment) {
        Ok(pass) => pass,
        Err(LockError::TimedOut) => return Err(PermitError::WouldBlock),
        Err(error) => return Err(error.into()),
    };
    let refusal = match state.take(who) {
        Ok(true) => return Ok(()),
        Ok(false) => PermitError::WouldBlock,
        Err(full) => full,
    };
    drop(pass);
    acquire_at_last(place, who, refusal, moment)
}

/// Looks once more when the dead have been buried, whose permits and slots are free then.
#[cold]
fn acquire_at_last<P>(
    place: &P,
    who: Identity,
    refusal: PermitError,
    deadline: Deadline,
) -> Result<(), PermitError>
where
    P: Place<State = PermitState>,
{
    bury(place, deadline)?;
    let _pass = match place.enter(deadline) {
        Ok(pass) => pass,
        Err(LockError::TimedOut) => return Err(refusal),
        Err(error) => return Err(error.into()),
    };
    if place.state().take(who)? {
        Ok(())
    } else {
        Err(refusal)
    }
}

/// Takes a permit back from `who`.
pub(crate) fn release<P>(place: &P, who: Identity) -> Result<(), PermitError>
where
    P: Place<State = PermitState>,
{
    let pass = place.enter(Deadline::NEVER)?;
    place.state().held.take(who);
    drop(pass);
    place.state().announce(1);
    Ok(())
}

/// Takes a permit from `who`, for good.
pub(crate) fn forget<P>(place: &P, who: Identity) -> Result<(), PermitError>
where
    P: Place<State = PermitState>,
{
    let state = place.state();
    let _pass = place.enter(Deadline::NEVER)?;
    // The total first: if this process dies in between, its slot is cleared, and the permit is
    // gone. The other way round it would have become free for a moment.
    let fewer = state.total.load(Relaxed).saturating_sub(1);
    state.total.store(fewer, Relaxed);
    state.held.take(who);
    Ok(())
}

/// Makes `count` more permits.
pub(crate) fn add<P>(place: &P, count: u32) -> Result<(), PermitError>
where
    P: Place<State = PermitState>,
{
    let state = place.state();
    let pass = place.enter(Deadline::NEVER)?;
    let limit = state.limit();
    let more = state.total.load(Relaxed).checked_add(count);
    let more = more.filter(|&more| more <= limit);
    let more = more.ok_or(PermitError::OverRelease { limit })?;
    state.total.store(more, Relaxed);
    drop(pass);
    state.announce(count);
    Ok(())
}

/// Does what a waiter that dies does before.
#[cfg(loom)]
pub(crate) fn die_overdue<P>(place: &P)
where
    P: Place<State = PermitState>,
{
    let mut waiter = place.state().line.waiter();
    waiter.is_overdue();
    std::mem::forget(waiter);
}

/// Gives back what the dead hold, unless somebody is inside until the deadline.
fn bury<P>(place: &P, deadline: Deadline) -> Result<(), PermitError>
where
    P: Place<State = PermitState>,
{
    let state = place.state();
    let dead = state.held.dead();
    if !dead.is_empty() {
        let pass = match place.enter(deadline) {
            Ok(pass) => pass,
            Err(LockError::TimedOut) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        state.held.remove(&dead);
        drop(pass);
        state.announce(u32::MAX);
    }
    Ok(())
}

/// One more sleeper, until it is dropped.
struct Counted<'a>(&'a AtomicU32);

impl<'a> Counted<'a> {
    fn new(sleepers: &'a AtomicU32) -> Self {
        sleepers.fetch_add(1, Relaxed);
        Self(sleepers)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
