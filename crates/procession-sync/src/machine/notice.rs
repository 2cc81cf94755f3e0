//! The condition: notices, counted so that each wakes one waiter.
//!
//! | field | meaning | written |
//! |---|---|---|
//! | `turn` | changes with each notification; the futex | under the mutex |
//! | `granted` | notices that were given and not yet taken | under the mutex |
//! | `waiting` | who has how many waiters; marked are those who were there at the last notification | under the mutex |
//! | `returning` | who has taken how many notices without having the lock again | under the mutex |
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
//! A waiter that dies between taking a notice and having the lock again has not acted upon the notice. It is
//! counted as returning, and when it is found dead, its notice goes to another waiter.
//!
//! A waiter that dies stays counted until a living one that naps finds it. Until then a notice may
//! be left over that nobody else should have: a waiter that joined before the next notification
//! can return without cause. It can never be missing: notices are only given up when there are
//! more than living waiters that they were meant for.
//!
//! The mutex is held for less than a microsecond, unless a process is stopped inside. A waiter whose time is over
//! meanwhile goes on, still counted, and what it has [left behind](Left) is made up for when somebody of its process
//! comes by again. Until then it is like a dead one.
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
    returning: Roster,
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
            returning: Roster::new(),
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
            // Returning first: a death behind this line is one of a waiter that has the notice. If there is no
            // slot, such a death is not made up for.
            let _ = self.returning.add(ticket.who);
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
        self.returning.recount();
        self.grant(u32::MAX);
    }
}

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The caller has taken a notice, and calls [`leave`] with [`Left::Returning`] when it has the lock.
    Noticed,
    /// The deadline has passed.
    TimedOut,
    /// The deadline has passed, and the caller is a waiter still, since somebody was inside.
    Counted,
}

/// What a thread is still counted for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Left {
    /// It waits no more.
    Waiting(Ticket),
    /// It has taken a notice, and has the lock again.
    Returning(Ticket),
}

impl Left {
    /// Returns whose thread it is.
    #[cfg(not(loom))]
    pub(crate) fn who(self) -> Identity {
        let (Self::Waiting(ticket) | Self::Returning(ticket)) = self;
        ticket.who
    }
}

/// Makes the caller, who holds the lock that the condition is bound to, a waiter; `None` if too
/// many processes have waiters.
pub(crate) fn join<P>(
    place: &P,
    who: Identity,
    deadline: Deadline,
) -> Result<Option<Ticket>, LockError>
where
    P: Place<State = NoticeState>,
{
    let state = place.state();
    let _pass = place.enter(deadline)?;
    let turn = state.turn();
    Ok(state.waiting.add(who).then_some(Ticket { who, turn }))
}

/// Waits for a notice until the deadline.
pub(crate) fn wait<P>(place: &P, ticket: Ticket, deadline: Deadline) -> Result<Ended, LockError>
where
    P: Place<State = NoticeState>,
{
    let state = place.state();
    let mut sleeper = Sleeper::new(deadline);
    let mut seen = ticket.turn;
    loop {
        match sleeper.sleep_while(&state.turn, seen) {
            Awake::Nap(every) if state.waiting.is_to_be_looked_at(every) => {
                bury(place, deadline)?;
            }
            Awake::Changed | Awake::Nap(_) => {}
            Awake::TimedOut => return give_up(place, ticket, deadline),
        }
        let Some(_pass) = enter(place, deadline)? else {
            return Ok(Ended::Counted);
        };
        if state.take(ticket) {
            return Ok(Ended::Noticed);
        }
        seen = state.turn();
    }
}

/// Ends the waiting, unless a notice came after all.
fn give_up<P>(place: &P, ticket: Ticket, deadline: Deadline) -> Result<Ended, LockError>
where
    P: Place<State = NoticeState>,
{
    let state = place.state();
    let Some(_pass) = enter(place, deadline)? else {
        return Ok(Ended::Counted);
    };
    if state.take(ticket) {
        return Ok(Ended::Noticed);
    }
    state.strike_out(ticket);
    state.trim();
    Ok(Ended::TimedOut)
}

/// Makes up for what the caller is still counted for; false if somebody is inside until the deadline.
pub(crate) fn leave<P>(place: &P, left: Left, deadline: Deadline) -> Result<bool, LockError>
where
    P: Place<State = NoticeState>,
{
    let state = place.state();
    let Some(_pass) = enter(place, deadline)? else {
        return Ok(false);
    };
    match left {
        Left::Returning(ticket) => _ = state.returning.take(ticket.who),
        Left::Waiting(ticket) => {
            state.strike_out(ticket);
            state.trim();
        }
    }
    Ok(true)
}

/// Enters, or returns `None` at the deadline.
fn enter<P>(place: &P, deadline: Deadline) -> Result<Option<P::Pass<'_>>, LockError>
where
    P: Place<State = NoticeState>,
{
    match place.enter(deadline) {
        Ok(pass) => Ok(Some(pass)),
        Err(LockError::TimedOut) => Ok(None),
        Err(error) => Err(error),
    }
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

/// Strikes out the waiters that died, and gives what they had taken to others, unless somebody is inside until the
/// deadline.
pub(crate) fn bury<P>(place: &P, deadline: Deadline) -> Result<(), LockError>
where
    P: Place<State = NoticeState>,
{
    let state = place.state();
    let (waiting, returning) = (state.waiting.dead(), state.returning.dead());
    if waiting.is_empty() && returning.is_empty() {
        return Ok(());
    }
    let Some(_pass) = enter(place, deadline)? else {
        return Ok(());
    };
    state.waiting.remove(&waiting);
    state.trim();
    let lost = state.returning.sum_of(&returning);
    if lost > 0 && state.waiting.sum() > 0 {
        state.grant(lost);
    }
    state.returning.remove(&returning);
    Ok(())
}
