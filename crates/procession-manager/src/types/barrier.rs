//! A point at which processes wait for each other.

use super::room::{Leave, Room};
use crate::error::ManagerError;
use crate::protocol::SessionId;
use crate::refusal::{Refusal, Result};
use crate::server::caller;
use procession_macros::shared;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// The barrier in the server.
pub(crate) struct HostedBarrier {
    room: Arc<Room<State>>,
}

struct State {
    parties: usize,
    is_broken: bool,
    /// Those who have arrived and have not left, by the number of their arrival.
    waiting: HashMap<u64, Waiter>,
    last: u64,
}

struct Waiter {
    session: SessionId,
    verdict: Verdict,
}

/// What a waiter is to be told. It is decided once, and stays until the waiter has seen it,
/// whatever happens to the barrier afterwards.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Wait,
    Pass,
    Broken,
}

impl HostedBarrier {
    pub(super) fn new(parties: usize) -> Self {
        let (parties, waiting) = (parties.max(1), HashMap::new());
        Self {
            room: Room::new(State {
                parties,
                is_broken: false,
                waiting,
                last: 0,
            }),
        }
    }
}

/// A point that a number of parties pass together, as often as they like.
///
/// If one of them will not come, nobody waits for it: a barrier is *broken* when a wait runs out
/// of time, when a process ends while it waits, or when somebody calls `abort`. Every wait is then
/// an error, until the barrier is `reset`.
///
/// # Examples
///
/// ```
/// use procession_manager::{Barrier, Manager};
/// use procession_process::Process;
///
/// fn meet(barrier: Barrier) -> anyhow::Result<bool> {
///     Ok(barrier.wait()?.is_leader())
/// }
///
/// # fn main() -> anyhow::Result<()> {
/// # procession_process::init();
/// let manager = Manager::start()?;
/// let barrier = manager.barrier(2)?;
/// let child = Process::spawn(meet, (barrier.clone(),))?;
/// let leads = meet(barrier)?;
/// assert_ne!(leads, child.join()?); // one of the two
/// # Ok(())
/// # }
/// ```
#[shared(concurrent, proxy = "Barrier", crate = "crate")]
#[expect(
    unreachable_pub,
    reason = "the proxy's methods are as visible as these"
)]
impl HostedBarrier {
    pub(crate) fn pass(&self, timeout: Option<Duration>) -> Result<usize> {
        let session = caller::current().ok_or(Refusal::NotOwner)?.session.id();
        let (number, index) = self.room.change(|state| state.arrive(session))?;
        let verdict = self.room.wait(timeout, |state, _| state.verdict(number));
        let verdict = verdict.unwrap_or_else(|| self.room.change(|state| state.give_up(number)));
        if verdict == Verdict::Pass {
            Ok(index)
        } else {
            Err(Refusal::Broken)
        }
    }

    /// Breaks the barrier: all who wait, and all who come, get an error.
    pub fn abort(&self) {
        self.room.change(State::break_up);
    }

    /// Makes the barrier whole again; those who wait get an error.
    pub fn reset(&self) {
        self.room.change(|state| {
            state.break_up();
            state.is_broken = false;
        });
    }

    /// Returns how many parties pass together.
    pub fn parties(&self) -> usize {
        self.room.look(|state| state.parties)
    }

    /// Returns how many wait at this moment.
    pub fn waiting(&self) -> usize {
        self.room.look(State::arrived)
    }

    /// Returns whether the barrier is broken.
    pub fn is_broken(&self) -> bool {
        self.room.look(|state| state.is_broken)
    }
}

impl State {
    /// Returns how many wait for the others.
    fn arrived(&self) -> usize {
        self.waiting
            .values()
            .filter(|waiter| waiter.verdict == Verdict::Wait)
            .count()
    }

    /// Adds a waiter; the last of the parties lets all of them pass.
    fn arrive(&mut self, session: SessionId) -> Result<(u64, usize)> {
        if self.is_broken {
            return Err(Refusal::Broken);
        }
        let (number, index) = (self.last, self.arrived());
        self.last += 1;
        self.waiting.insert(
            number,
            Waiter {
                session,
                verdict: Verdict::Wait,
            },
        );
        if index + 1 == self.parties {
            self.decide(Verdict::Pass);
        }
        Ok((number, index))
    }

    fn decide(&mut self, verdict: Verdict) {
        let undecided = |waiter: &&mut Waiter| waiter.verdict == Verdict::Wait;
        for waiter in self.waiting.values_mut().filter(undecided) {
            waiter.verdict = verdict;
        }
    }

    fn break_up(&mut self) {
        self.is_broken = true;
        self.decide(Verdict::Broken);
    }

    /// Takes the verdict on a waiter, if there is one.
    fn verdict(&mut self, number: u64) -> Option<Verdict> {
        self.waiting
            .get(&number)
            .filter(|waiter| waiter.verdict != Verdict::Wait)?;
        self.waiting.remove(&number).map(|waiter| waiter.verdict)
    }

    /// Takes the verdict on a waiter whose time has run out; without one, the barrier breaks.
    fn give_up(&mut self, number: u64) -> Verdict {
        if self
            .waiting
            .get(&number)
            .is_some_and(|waiter| waiter.verdict == Verdict::Wait)
        {
            self.break_up();
        }
        self.verdict(number).unwrap_or(Verdict::Broken)
    }
}

impl Leave for State {
    fn leave(&mut self, session: SessionId) {
        let is_missed =
            |waiter: &Waiter| waiter.session == session && waiter.verdict == Verdict::Wait;
        if self.waiting.values().any(is_missed) {
            self.break_up();
        }
        self.waiting.retain(|_, waiter| waiter.session != session);
    }
}

impl Barrier {
    /// Waits until all parties are there.
    ///
    /// # Errors
    ///
    /// [`Refusal::Broken`] if not all will come; otherwise as every call.
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`], also if the server ends during the wait. A process that ends while
    /// it waits breaks the barrier; one that ends before it comes is waited for.
    pub fn wait(&self) -> std::result::Result<BarrierWaitResult, ManagerError> {
        Ok(BarrierWaitResult {
            index: self.pass(None)?,
        })
    }

    /// As [`wait`](Self::wait), for at most `timeout`, after which the barrier is broken.
    ///
    /// # Errors
    ///
    /// [`Refusal::Broken`] if not all came; otherwise as every call.
    ///
    /// # When the other side is gone
    ///
    /// As [`wait`](Self::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_manager::{ManagerError, Refusal};
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let barrier = manager.barrier(2)?;
    /// let error = barrier.wait_timeout(Duration::from_millis(1)).unwrap_err();
    /// assert!(matches!(error, ManagerError::Refused(Refusal::Broken)));
    /// barrier.reset()?;
    /// assert!(!barrier.is_broken()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_timeout(
        &self,
        timeout: Duration,
    ) -> std::result::Result<BarrierWaitResult, ManagerError> {
        Ok(BarrierWaitResult {
            index: self.pass(Some(timeout))?,
        })
    }
}

/// What a party learns when it has passed a [`Barrier`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BarrierWaitResult {
    index: usize,
}

impl BarrierWaitResult {
    /// Returns how many of the parties came earlier; each gets another number.
    pub fn index(self) -> usize {
        self.index
    }

    /// Returns whether this is the one party that is the leader this time, the first that came.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let alone = manager.barrier(1)?;
    /// let passed = alone.wait()?;
    /// assert!(passed.is_leader());
    /// assert_eq!(passed.index(), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_leader(self) -> bool {
        self.index == 0
    }
}
