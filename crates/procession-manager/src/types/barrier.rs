//! The barrier.

use super::room::{Leave, Room};
use crate::protocol::SessionId;
use crate::server::caller;
use procession_macros::shared;
use procession_sync::{BarrierError, LockError};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

/// The barrier in the server.
pub(crate) struct HostedBarrier {
    room: Arc<Room<State>>,
    timeout: Option<Duration>,
}

struct State {
    parties: u32,
    /// The parties that came in this round, also those that have ended since.
    arrived: u32,
    broken: bool,
    /// The last party, while it acts before any may go on.
    acting: Option<SessionId>,
    /// The parties that wait, by number.
    waiting: HashMap<u64, Waiter>,
    last: u64,
}

struct Waiter {
    session: SessionId,
    /// What the round came to; `None` while it goes on.
    passed: Option<bool>,
}

/// What a party is told.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Arrival {
    Passed {
        index: u32,
    },
    /// It is the last one, and acts before any goes on.
    Acts {
        index: u32,
    },
    Broken,
    TimedOut,
}

impl HostedBarrier {
    pub(super) fn new(parties: u32, timeout: Option<Duration>) -> Self {
        let room = Room::new(State {
            parties,
            arrived: 0,
            broken: false,
            acting: None,
            waiting: HashMap::new(),
            last: 0,
        });
        Self { room, timeout }
    }
}

/// A point that so many parties reach before any of them goes on: [`procession_sync::Barrier`], in
/// a manager's server.
///
/// # When the other side is gone
///
/// A party that ends after it arrived has arrived. If one ends before, the others wait until their
/// timeout, which breaks the barrier for all, or until [`abort`](Self::abort) or
/// [`reset`](Self::reset). If the last party ends in its action, the barrier is broken.
///
/// # Examples
///
/// ```
/// use procession::manager::Barrier;
/// use procession::{Manager, Process};
///
/// # fn main() -> anyhow::Result<()> {
/// # procession::init();
/// let manager = Manager::start()?;
/// let barrier = manager.barrier(2)?;
/// let other = Process::spawn(
///     |barrier: Barrier| anyhow::Ok(barrier.wait()?),
///     (barrier.clone(),),
/// )?;
/// let mut indices = [barrier.wait()?, other.join()?];
/// indices.sort();
/// assert_eq!(indices, [0, 1]);
/// # Ok(())
/// # }
/// ```
#[shared(concurrent, proxy = "Barrier", crate = "crate")]
impl HostedBarrier {
    pub(crate) fn arrive(&self, timeout: Option<Duration>, acts: bool) -> Arrival {
        let timeout = timeout.or(self.timeout);
        let arrive = |state: &mut State, session| state.arrive(session, acts);
        let arrived = self
            .room
            .wait(timeout, |state, caller| arrive(state, caller.session.id()));
        // Not even arrived: the last party of the round before acts for so long.
        let arrived = arrived.unwrap_or(Err(Arrival::TimedOut));
        self.room.wake();
        let (number, index) = match arrived {
            Ok(waits) => waits,
            Err(arrival) => return arrival,
        };
        let passed = self.room.wait(timeout, |state, _| state.passed(number));
        let is_present = caller::current().is_some_and(|caller| caller.session.is_present());
        // A party that has ended has arrived, and breaks nothing.
        let give_up = || self.room.change(|state| state.give_up(number));
        match passed.or_else(|| is_present.then(give_up).flatten()) {
            Some(true) => Arrival::Passed { index },
            Some(false) => Arrival::Broken,
            None => Arrival::TimedOut,
        }
    }

    /// Ends the last party's action, well or not; false if the barrier is broken.
    pub(crate) fn acted(&self, well: bool) -> bool {
        let Some(caller) = caller::current() else {
            return false;
        };
        self.room
            .change(|state| state.acted(caller.session.id(), well))
    }

    /// Breaks the barrier: those who wait, and those who come, are told so.
    pub fn abort(&self) {
        self.room.change(State::break_up);
    }

    pub(crate) fn set_back(&self) {
        self.room.change(State::reset);
    }

    /// Returns how many parties there are.
    pub fn parties(&self) -> usize {
        self.room.look(|state| state.parties) as usize
    }

    /// Returns how many parties wait at this moment.
    pub fn waiting(&self) -> usize {
        self.room.look(|state| state.arrived) as usize
    }

    /// Returns whether it is broken.
    pub fn is_broken(&self) -> bool {
        self.room.look(|state| state.broken)
    }
}

impl State {
    /// Has a party arrive; `None` while the last party of the round acts.
    fn arrive(&mut self, session: SessionId, acts: bool) -> Option<Result<(u64, u32), Arrival>> {
        if self.broken {
            return Some(Err(Arrival::Broken));
        }
        if self.acting.is_some() {
            return None;
        }
        let index = self.arrived;
        self.arrived += 1;
        if self.arrived < self.parties {
            self.last += 1;
            let passed = None;
            self.waiting.insert(self.last, Waiter { session, passed });
            return Some(Ok((self.last, index)));
        }
        if acts {
            self.acting = Some(session);
            return Some(Err(Arrival::Acts { index }));
        }
        self.end_round(true);
        Some(Err(Arrival::Passed { index }))
    }

    fn acted(&mut self, session: SessionId, well: bool) -> bool {
        if self.acting != Some(session) {
            return false;
        }
        if well {
            self.end_round(true);
        } else {
            self.break_up();
        }
        well
    }

    fn end_round(&mut self, passed: bool) {
        (self.arrived, self.acting) = (0, None);
        let undecided = |waiter: &&mut Waiter| waiter.passed.is_none();
        for waiter in self.waiting.values_mut().filter(undecided) {
            waiter.passed = Some(passed);
        }
    }

    fn break_up(&mut self) {
        self.broken = true;
        self.end_round(false);
    }

    fn reset(&mut self) {
        self.end_round(false);
        self.broken = false;
    }

    /// Returns what the party's round came to, and forgets the party; `None` if it goes on.
    fn passed(&mut self, number: u64) -> Option<bool> {
        let passed = self.waiting.get(&number)?.passed?;
        self.waiting.remove(&number);
        Some(passed)
    }

    /// Breaks the barrier, unless the round is over.
    fn give_up(&mut self, number: u64) -> Option<bool> {
        let passed = self.passed(number);
        if passed.is_none() {
            self.waiting.remove(&number);
            self.break_up();
        }
        passed
    }
}

impl Leave for State {
    fn leave(&mut self, session: SessionId) {
        if self.acting == Some(session) {
            self.break_up();
        }
        self.waiting.retain(|_, waiter| waiter.session != session);
    }
}

impl Barrier {
    /// Waits for the other parties; returns how many came before this one in this round.
    ///
    /// # Errors
    ///
    /// [`BarrierError::Broken`], [`BarrierError::TimedOut`] after the barrier's own timeout if it
    /// has one, [`BarrierError::Lock`] if there is no server.
    pub fn wait(&self) -> Result<usize, BarrierError> {
        self.pass(None, None::<fn()>)
    }

    /// As [`wait`](Self::wait), for `timeout` at the longest; then the barrier is broken for all.
    ///
    /// # Errors
    ///
    /// As `wait`.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession::{BarrierError, Manager};
    /// use std::time::Duration;
    ///
    /// # fn main() -> anyhow::Result<()> {
    /// # procession::init();
    /// let manager = Manager::start()?;
    /// let barrier = manager.barrier(2)?;
    /// assert_eq!(barrier.wait_timeout(Duration::from_millis(1)), Err(BarrierError::TimedOut));
    /// assert_eq!(barrier.wait(), Err(BarrierError::Broken));
    /// barrier.reset()?;
    /// assert!(!barrier.is_broken()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_timeout(&self, timeout: Duration) -> Result<usize, BarrierError> {
        self.pass(Some(timeout), None::<fn()>)
    }

    /// As [`wait`](Self::wait); if this party is the last one, it runs `action` before any may go
    /// on. A panic in it breaks the barrier.
    ///
    /// # Errors
    ///
    /// As `wait`.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> anyhow::Result<()> {
    /// # procession::init();
    /// let manager = procession::Manager::start()?;
    /// let barrier = manager.barrier(1)?;
    /// let mut acted = false;
    /// assert_eq!(barrier.wait_with(|| acted = true)?, 0);
    /// assert!(acted);
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_with(&self, action: impl FnOnce()) -> Result<usize, BarrierError> {
        self.pass(None, Some(action))
    }

    /// As [`wait_with`](Self::wait_with), for `timeout` at the longest.
    ///
    /// # Errors
    ///
    /// As [`wait_timeout`](Self::wait_timeout).
    pub fn wait_timeout_with(
        &self,
        timeout: Duration,
        action: impl FnOnce(),
    ) -> Result<usize, BarrierError> {
        self.pass(Some(timeout), Some(action))
    }

    /// Makes it usable again; who waits is told that it broke.
    ///
    /// # Errors
    ///
    /// [`LockError::Gone`] and its like if there is no server.
    pub fn reset(&self) -> Result<(), LockError> {
        Ok(self.set_back()?)
    }

    fn pass(
        &self,
        timeout: Option<Duration>,
        action: Option<impl FnOnce()>,
    ) -> Result<usize, BarrierError> {
        let index = match self.arrive(timeout, action.is_some())? {
            Arrival::Passed { index } => index,
            Arrival::Broken => return Err(BarrierError::Broken),
            Arrival::TimedOut => return Err(BarrierError::TimedOut),
            Arrival::Acts { index } => {
                let panicked = BreakOnDrop(self);
                if let Some(action) = action {
                    action();
                }
                mem::forget(panicked);
                let passed = self.acted(true)?;
                passed.then_some(index).ok_or(BarrierError::Broken)?
            }
        };
        Ok(index as usize)
    }
}

/// Breaks the barrier if the action panics.
struct BreakOnDrop<'a>(&'a Barrier);

impl Drop for BreakOnDrop<'_> {
    fn drop(&mut self) {
        // A server that is gone has no barrier.
        let _ = self.0.acted(false);
    }
}
