//! A lock whose owner can wait until somebody notifies it.

use super::ownership::{Ownership, Taken};
use super::room::{Leave, Room};
use crate::error::ManagerError;
use crate::protocol::SessionId;
use crate::refusal::{Refusal, Result};
use crate::server::caller;
use procession_macros::shared;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The condition in the server.
pub(crate) struct HostedCondition {
    room: Arc<Room<State>>,
}

/// A wait is in `waiting`, then, if it is notified, in `notified` until its thread has seen that.
#[derive(Default)]
struct State {
    lock: Ownership,
    /// The waits that nobody has notified, the longest first.
    waiting: VecDeque<Waiter>,
    notified: HashMap<u64, SessionId>,
    last: u64,
}

struct Waiter {
    number: u64,
    session: SessionId,
}

/// How a wait ended.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Waited {
    taken: Taken,
    was_notified: bool,
}

impl HostedCondition {
    pub(super) fn new() -> Self {
        Self {
            room: Room::new(State::default()),
        }
    }
}

/// A lock, and a way to wait for what others do under it.
///
/// Whoever has the lock can [wait](ConditionGuard::wait): that releases the lock until somebody
/// notifies, and takes it again. Notifying never waits for anybody, dead or alive. If a process
/// ends after it was notified and before it could go on, the next one is notified in its place.
///
/// # Examples
///
/// ```
/// use procession_manager::{Condition, List, Manager};
/// use procession_process::Process;
///
/// fn produce(ready: Condition, items: List<u32>) -> anyhow::Result<()> {
///     let _held = ready.acquire()?;
///     items.append(7)?;
///     Ok(ready.notify_one()?)
/// }
///
/// # fn main() -> anyhow::Result<()> {
/// # procession_process::init();
/// let manager = Manager::start()?;
/// let (ready, items) = (manager.condition()?, manager.list()?);
/// let child = Process::spawn(produce, (ready.clone(), items.clone()))?;
///
/// let mut held = ready.acquire()?;
/// held.wait_while(|| items.is_empty())?;
/// assert_eq!(items.pop()?, Some(7));
/// # drop(held);
/// # Ok(child.join()?)
/// # }
/// ```
#[shared(concurrent, proxy = "Condition", crate = "crate")]
#[expect(
    unreachable_pub,
    reason = "the proxy's methods are as visible as these"
)]
impl HostedCondition {
    pub(crate) fn take(&self, timeout: Option<Duration>) -> Option<Taken> {
        self.room.wait(timeout, |state, caller| {
            state.lock.take(caller.session.id())
        })
    }

    pub(crate) fn give_back(&self, ticket: u64) -> Result<()> {
        self.room.change(|state| state.lock.give_back(ticket))
    }

    /// Returns nothing to a client that has ended meanwhile.
    pub(crate) fn wait(&self, ticket: u64, timeout: Option<Duration>) -> Result<Option<Waited>> {
        let session = caller::current().ok_or(Refusal::NotOwner)?.session.id();
        let number = self.room.change(|state| state.begin(ticket, session))?;
        let noticed = self
            .room
            .wait(timeout, |state, _| state.notified.remove(&number));
        let was_notified = noticed.is_some() || self.room.change(|state| state.give_up(number));
        let Some(taken) = self.take(None) else {
            // The client has ended: what woke it is for the next one.
            self.notify(usize::from(was_notified));
            return Ok(None);
        };
        Ok(Some(Waited {
            taken,
            was_notified,
        }))
    }

    /// Wakes the one that has waited longest, if any waits.
    pub fn notify_one(&self) {
        self.notify(1);
    }

    /// Wakes the `count` that have waited longest, or as many as there are.
    pub fn notify(&self, count: usize) {
        self.room.change(|state| state.notify(count));
    }

    /// Wakes all that wait.
    pub fn notify_all(&self) {
        self.notify(usize::MAX);
    }

    /// Returns how many wait at this moment.
    pub fn waiting(&self) -> usize {
        self.room.look(|state| state.waiting.len())
    }
}

impl State {
    /// Releases the lock and queues a wait.
    fn begin(&mut self, ticket: u64, session: SessionId) -> Result<u64> {
        self.lock.give_back(ticket)?;
        self.last += 1;
        self.waiting.push_back(Waiter {
            number: self.last,
            session,
        });
        Ok(self.last)
    }

    fn notify(&mut self, count: usize) {
        let count = count.min(self.waiting.len());
        let woken = self
            .waiting
            .drain(..count)
            .map(|waiter| (waiter.number, waiter.session));
        self.notified.extend(woken);
    }

    /// Ends a wait whose time has run out; true if it was notified in the last moment.
    fn give_up(&mut self, number: u64) -> bool {
        self.waiting.retain(|waiter| waiter.number != number);
        self.notified.remove(&number).is_some()
    }
}

impl Leave for State {
    fn leave(&mut self, session: SessionId) {
        self.lock.leave(session);
        self.waiting.retain(|waiter| waiter.session != session);
        let before = self.notified.len();
        self.notified.retain(|_, notified| *notified != session);
        self.notify(before - self.notified.len());
    }
}

impl Condition {
    /// Waits for the lock and takes it.
    ///
    /// # Errors
    ///
    /// [`ManagerError`].
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`], also if the server ends during the wait. An owner that ends does not
    /// keep the lock.
    pub fn acquire(&self) -> std::result::Result<ConditionGuard, ManagerError> {
        self.guard(None)?.ok_or(ManagerError::Gone)
    }

    /// Takes the lock if it is free now.
    ///
    /// # Errors
    ///
    /// [`ManagerError`].
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`].
    pub fn try_acquire(&self) -> std::result::Result<Option<ConditionGuard>, ManagerError> {
        self.guard(Some(Duration::ZERO))
    }

    /// Waits for the lock for at most `timeout`; `None` if it was not free in that time.
    ///
    /// # Errors
    ///
    /// [`ManagerError`].
    ///
    /// # When the other side is gone
    ///
    /// As [`acquire`](Self::acquire).
    pub fn acquire_timeout(
        &self,
        timeout: Duration,
    ) -> std::result::Result<Option<ConditionGuard>, ManagerError> {
        self.guard(Some(timeout))
    }

    fn guard(
        &self,
        timeout: Option<Duration>,
    ) -> std::result::Result<Option<ConditionGuard>, ManagerError> {
        let taken = self.take(timeout)?;
        Ok(taken.map(|taken| ConditionGuard {
            condition: self.clone(),
            taken,
            is_over: false,
        }))
    }
}

/// The lock of a [`Condition`] that this process has, until the guard is dropped.
#[derive(Debug)]
#[must_use = "the lock is released when the guard is dropped"]
pub struct ConditionGuard {
    condition: Condition,
    taken: Taken,
    is_over: bool,
}

impl ConditionGuard {
    /// Releases the lock, waits to be notified, and takes the lock again.
    ///
    /// # Errors
    ///
    /// [`ManagerError`].
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`], also if the server ends during the wait. If those who would notify
    /// have ended, nobody does: wait with a timeout then.
    pub fn wait(&mut self) -> std::result::Result<(), ManagerError> {
        self.wait_for(None).map(|_| ())
    }

    /// As [`wait`](Self::wait), for at most `timeout`; false if nobody notified in that time.
    ///
    /// The lock is taken again in either case, for which there is no limit.
    ///
    /// # Errors
    ///
    /// [`ManagerError`].
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`], also if the server ends during the wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let condition = manager.condition()?;
    /// let mut held = condition.acquire()?;
    /// assert!(!held.wait_timeout(Duration::from_millis(1))?); // nobody notified
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_timeout(&mut self, timeout: Duration) -> std::result::Result<bool, ManagerError> {
        self.wait_for(Some(timeout))
    }

    /// Waits as long as `condition` is true; it is asked under the lock.
    ///
    /// # Errors
    ///
    /// [`ManagerError`], from the wait or from `condition`.
    ///
    /// # When the other side is gone
    ///
    /// As [`wait`](Self::wait).
    pub fn wait_while(
        &mut self,
        mut condition: impl FnMut() -> std::result::Result<bool, ManagerError>,
    ) -> std::result::Result<(), ManagerError> {
        while condition()? {
            self.wait()?;
        }
        Ok(())
    }

    /// As [`wait_while`](Self::wait_while), for at most `timeout`; false if `condition` is still
    /// true then.
    ///
    /// # Errors
    ///
    /// [`ManagerError`], from the wait or from `condition`.
    ///
    /// # When the other side is gone
    ///
    /// As [`wait_timeout`](Self::wait_timeout).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let (condition, items) = (manager.condition()?, manager.list::<u8>()?);
    /// let mut held = condition.acquire()?;
    /// assert!(!held.wait_timeout_while(Duration::from_millis(1), || items.is_empty())?);
    /// items.append(1)?;
    /// assert!(held.wait_timeout_while(Duration::from_millis(1), || items.is_empty())?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_timeout_while(
        &mut self,
        timeout: Duration,
        mut condition: impl FnMut() -> std::result::Result<bool, ManagerError>,
    ) -> std::result::Result<bool, ManagerError> {
        let start = Instant::now();
        while condition()? {
            let left = timeout.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Ok(false);
            }
            self.wait_timeout(left)?;
        }
        Ok(true)
    }

    /// Returns whether the owner before this one ended without releasing the lock.
    pub fn was_abandoned(&self) -> bool {
        self.taken.was_abandoned
    }

    /// Releases the lock, as dropping the guard does, and reports what went wrong.
    ///
    /// # Errors
    ///
    /// [`ManagerError`].
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`].
    pub fn release(mut self) -> std::result::Result<(), ManagerError> {
        self.is_over = true;
        self.condition.give_back(self.taken.ticket)
    }

    fn wait_for(&mut self, timeout: Option<Duration>) -> std::result::Result<bool, ManagerError> {
        let waited = self
            .condition
            .wait(self.taken.ticket, timeout)?
            .ok_or(ManagerError::Gone)?;
        self.taken = waited.taken;
        Ok(waited.was_notified)
    }
}

impl Drop for ConditionGuard {
    fn drop(&mut self) {
        if !self.is_over {
            // A server that is gone has no lock.
            let _ = self.condition.give_back(self.taken.ticket);
        }
    }
}
