//! The condition: notices, counted so that each wakes one waiter.
//!
//! | field | meaning | written |
//! |---|---|---|
//! | `turn` | changes with each notification; the futex | under the mutex |
//! | `granted` | notices that were given and not yet taken | under the mutex |
//! | `waiting` | who has how many waiters; marked are those who were there at the last notification | under the mutex |
//!
//! A waiter joins before it releases the lock, and remembers the turn. It may take a notice once
//! the turn is another: then a notification came after it joined. So no notice is taken by who
//! joined after it was given, and whoever changes something under the lock and notifies reaches
//! everybody who had looked before.
//!
//! The kernel is told to wake under the mutex, so that everybody who sleeps at that moment may
//! take the notice.
//!
//! # Deaths
//!
//! A waiter that dies stays counted until a living one that naps finds it. Until then a notice may
//! be left over that nobody else should have: a waiter that joined before the next notification
//! can return without cause. It can never be missing: notices are only given up when there are
//! more than living waiters that they were meant for.
//!
//! Whoever dies while changing this state leaves counts that do not fit together. Recovery gives a
//! notice to everybody: they return without cause.

use super::roster::Roster;
use crate::atomic::{AtomicU32, Ordering::Relaxed, wake};
use crate::place::{Place, Recover};
use crate::sleeper::{Awake, Sleeper};
use procession_os::identity::Identity;
use procession_os::robust::LockError;
use procession_os::wait::Deadline;

/// The shared state of a condition. All zeros is a condition that nobody waits for.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct NoticeState {
    waiting: Roster,
    turn: AtomicU32,
    granted: AtomicU32,
}

/// One waiter, from joining to leaving.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticket {
    who: Identity,
    turn: u32,
}

impl NoticeState {
    /// A condition for loom.
    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self {
            waiting: Roster::new(),
            turn: AtomicU32::new(0),
            granted: AtomicU32::new(0),
        }
    }

    /// Returns how many wait and have not been given a notice.
    pub(crate) fn waiters(&self) -> u32 {
        self.waiting.sum().saturating_sub(self.granted())
    }

    fn granted(&self) -> u32 {
        self.granted.load(Relaxed)
    }

    fn turn(&self) -> u32 {
        self.turn.load(Relaxed)
    }

    fn take(&self, ticket: Ticket) -> bool {
        let granted = self.granted();
        let may = granted > 0 && self.is_marked(ticket);
        if may {
            self.granted.store(granted - 1, Relaxed);
            self.strike_out(ticket);
        }
        may
    }

    fn is_marked(&self, ticket: Ticket) -> bool {
        self.turn() != ticket.turn
    }

    fn strike_out(&self, ticket: Ticket) {
        if self.is_marked(ticket) {
            self.waiting.unmark(ticket.who);
        }
        self.waiting.take(ticket.who);
    }

    /// Gives up the notices that nobody is left for.
    fn trim(&self) {
        let granted = self.granted().min(self.waiting.marked());
        self.granted.store(granted, Relaxed);
    }

    fn grant(&self, count: u32) {
        let granted = self.granted().saturating_add(count);
        self.waiting.mark_all();
        self.granted.store(granted.min(self.waiting.sum()), Relaxed);
        self.turn.store(self.turn().wrapping_add(1), Relaxed);
        wake(&self.turn, count);
    }
}

impl Recover for NoticeState {
    fn recover(&self) {
        self.waiting.recount();
        self.grant(u32::MAX);
    }
}

/// Makes the caller, who holds the lock that the condition is bound to, a waiter; `None` if too
/// many processes have waiters.
pub(crate) fn join<P>(place: &P, who: Identity) -> Result<Option<Ticket>, LockError>
where
    P: Place<State = NoticeState>,
{
    let state = place.state();
    let _pass = place.enter(Deadline::NEVER)?;
    let turn = state.turn();
    Ok(state.waiting.add(who).then_some(Ticket { who, turn }))
}

/// Waits for a notice; false if the deadline passed first. The caller is no waiter afterwards.
pub(crate) fn wait<P>(place: &P, ticket: Ticket, deadline: Deadline) -> Result<bool, LockError>
where
    P: Place<State = NoticeState>,
{
    let state = place.state();
    let mut sleeper = Sleeper::new(deadline);
    let mut seen = ticket.turn;
    loop {
        match sleeper.sleep_while(&state.turn, seen) {
            Awake::Nap(every) if state.waiting.is_to_be_looked_at(every) => bury(place)?,
            Awake::Changed | Awake::Nap(_) => {}
            Awake::TimedOut => return leave(place, ticket),
        }
        let _pass = place.enter(Deadline::NEVER)?;
        if state.take(ticket) {
            return Ok(true);
        }
        seen = state.turn();
    }
}

/// Ends the waiting; true if a notice came after all.
fn leave<P>(place: &P, ticket: Ticket) -> Result<bool, LockError>
where
    P: Place<State = NoticeState>,
{
    let state = place.state();
    let _pass = place.enter(Deadline::NEVER)?;
    let noticed = state.take(ticket);
    if !noticed {
        state.strike_out(ticket);
        state.trim();
    }
    Ok(noticed)
}

/// Gives a notice to `count` of those who wait, or to all if they are fewer.
pub(crate) fn notify<P>(place: &P, count: u32) -> Result<(), LockError>
where
    P: Place<State = NoticeState>,
{
    let state = place.state();
    let _pass = place.enter(Deadline::NEVER)?;
    if state.waiting.sum() > 0 && count > 0 {
        state.grant(count);
    }
    Ok(())
}

/// Strikes out the waiters that died.
pub(crate) fn bury<P>(place: &P) -> Result<(), LockError>
where
    P: Place<State = NoticeState>,
{
    let state = place.state();
    let dead = state.waiting.dead();
    if !dead.is_empty() {
        let _pass = place.enter(Deadline::NEVER)?;
        state.waiting.remove(&dead);
        state.trim();
    }
    Ok(())
}
