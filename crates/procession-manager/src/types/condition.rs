//! The condition.

use super::condition_lock::ConditionLock;
use super::lock::Lock;
use super::ownership::guarded;
use super::room::{Leave, Room};
use crate::error::ManagerError;
use crate::export::{Exported, Listed};
use crate::protocol::SessionId;
use crate::remote::Remote;
use crate::server::caller;
use procession_macros::shared;
use procession_os::wait::Deadline;
use procession_sync::{LockError, LockResult};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The condition in the server.
pub(crate) struct HostedCondition<L> {
    room: Arc<Room<State>>,
    lock: L,
}

/// A wait is in `waiting`, then, if it is notified, in `notified` until its thread has seen that.
#[derive(Default)]
struct State {
    /// The waits that were not notified, the longest first.
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
    poisoned: bool,
    notified: bool,
}

impl<L> HostedCondition<L> {
    pub(super) fn new(lock: L) -> Self {
        let room = Room::new(State::default());
        Self { room, lock }
    }
}

#[shared(concurrent, proxy = "ConditionProxy", crate = "crate")]
impl<L: ConditionLock> HostedCondition<L> {
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> anyhow::Result<Waited> {
        let caller = caller::current().ok_or(ManagerError::Gone)?;
        let id = caller.session.id();
        // Before the lock is released: who changes something under it from then on, and notifies,
        // reaches this waiter.
        let number = self.room.change(|state| state.join(id));
        let depth = self.lock.suspend().inspect_err(|_| self.give_up(number))?;
        let noticed = self
            .room
            .wait(timeout, |state, _| state.notified.remove(&number));
        let notified = noticed.is_some() || self.room.change(|state| state.leave(number));
        let Some(poisoned) = self.lock.resume(depth)? else {
            // The client has ended: what woke it is for the next one.
            self.notify(usize::from(notified));
            return Err(ManagerError::Gone.into());
        };
        Ok(Waited { poisoned, notified })
    }

    pub(crate) fn notify(&self, count: usize) {
        self.room.change(|state| state.notify(count));
    }

    pub(crate) fn waiters(&self) -> usize {
        self.room.look(|state| state.waiting.len())
    }

    pub(crate) fn lock(&self) -> L {
        self.lock.clone()
    }

    fn give_up(&self, number: u64) {
        self.room.change(|state| state.leave(number));
    }
}

impl State {
    fn join(&mut self, session: SessionId) -> u64 {
        self.last += 1;
        let number = self.last;
        self.waiting.push_back(Waiter { number, session });
        number
    }

    fn notify(&mut self, count: usize) {
        let count = count.min(self.waiting.len());
        let woken = self
            .waiting
            .drain(..count)
            .map(|waiter| (waiter.number, waiter.session));
        self.notified.extend(woken);
    }

    /// Ends a wait; true if it was notified after all.
    fn leave(&mut self, number: u64) -> bool {
        self.waiting.retain(|waiter| waiter.number != number);
        self.notified.remove(&number).is_some()
    }
}

impl Leave for State {
    fn leave(&mut self, session: SessionId) {
        self.waiting.retain(|waiter| waiter.session != session);
        let before = self.notified.len();
        self.notified.retain(|_, notified| *notified != session);
        self.notify(before - self.notified.len());
    }
}

/// A place to wait, while not holding a lock, for what happens under it:
/// [`procession_sync::Condition`], in a manager's server.
///
/// The lock is a [`Lock`] or an [`RLock`](crate::RLock) of the same manager. Waiting gives up the
/// lock's guard and gives one back after the notification, in one call of the server.
///
/// # When the other side is gone
///
/// Notifying never waits for a waiter that has ended, and no notice is lost to it: if a process
/// ends after it was notified and before it could go on, the next one is notified in its place.
///
/// # Examples
///
/// ```
/// use procession::manager::{Condition, List};
/// use procession::{Manager, Process};
///
/// fn produce(ready: Condition, items: List<u32>) -> anyhow::Result<()> {
///     let _held = ready.acquire()?;
///     items.append(7)?;
///     Ok(ready.notify_one()?)
/// }
///
/// # fn main() -> anyhow::Result<()> {
/// # procession::init();
/// let manager = Manager::start()?;
/// let (ready, items) = (manager.condition(&manager.lock()?)?, manager.list()?);
/// let child = Process::spawn(produce, (ready.clone(), items.clone()))?;
///
/// let held = ready.acquire()?;
/// let held = ready.wait_for(held, || items.len().is_ok_and(|len| len > 0))?;
/// assert_eq!(items.pop()?, Some(7));
/// drop(held);
/// child.join()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Condition<L: ConditionLock = Lock> {
    hosted: ConditionProxy<L>,
    lock: L,
}

impl<L: ConditionLock> Exported for Condition<L> {
    fn from_remote(remote: Remote) -> Result<Self, ManagerError> {
        let hosted = ConditionProxy::from_remote(remote)?;
        let lock = hosted.lock()?;
        Ok(Self { hosted, lock })
    }

    fn remote(&self) -> &Remote {
        self.hosted.remote()
    }

    fn export() -> Listed {
        ConditionProxy::<L>::export()
    }
}

impl<L: ConditionLock> Condition<L> {
    pub(super) fn new(hosted: ConditionProxy<L>, lock: L) -> Self {
        Self { hosted, lock }
    }

    /// Returns the lock that it is bound to.
    pub fn lock(&self) -> &L {
        &self.lock
    }

    /// Acquires that lock.
    ///
    /// # Errors
    ///
    /// As [`Lock::acquire`].
    pub fn acquire(&self) -> LockResult<L::Guard<'_>> {
        self.lock.acquire()
    }

    /// Releases the lock, waits for a notice, and acquires the lock again.
    ///
    /// # Errors
    ///
    /// Those of [`Lock::acquire`]: [`Poisoned`](procession_sync::AcquireError::Poisoned) if an
    /// owner of the lock ended or panicked, [`LockError::Gone`] if the server is gone.
    ///
    /// # Panics
    ///
    /// If the guard is of another lock.
    ///
    /// # When the other side is gone
    ///
    /// It waits, though no process may be left that could notify.
    pub fn wait<'a>(&'a self, guard: L::Guard<'a>) -> LockResult<L::Guard<'a>> {
        self.wait_within(guard, None, |guard, _| guard)
    }

    /// Waits as [`wait`](Self::wait) does, for `timeout` at the longest; tells beside the guard
    /// whether it was notified.
    ///
    /// Acquiring the lock again afterwards has no timeout.
    ///
    /// # Errors
    ///
    /// As `wait`.
    ///
    /// # Panics
    ///
    /// As `wait`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # fn main() -> anyhow::Result<()> {
    /// # procession::init();
    /// let manager = procession::Manager::start()?;
    /// let condition = manager.condition(&manager.lock()?)?;
    /// let guard = condition.acquire()?;
    /// let (guard, notified) = condition.wait_timeout(guard, Duration::from_millis(1))?;
    /// assert!(!notified && condition.locked()?);
    /// # drop(guard);
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_timeout<'a>(
        &'a self,
        guard: L::Guard<'a>,
        timeout: Duration,
    ) -> LockResult<(L::Guard<'a>, bool)> {
        self.wait_within(guard, Some(timeout), |guard, notified| (guard, notified))
    }

    /// Waits until `holds` returns true. It is called with the lock held, at first before waiting.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait); then `holds` was not called again.
    ///
    /// # Panics
    ///
    /// As `wait`.
    pub fn wait_for<'a>(
        &'a self,
        guard: L::Guard<'a>,
        mut holds: impl FnMut() -> bool,
    ) -> LockResult<L::Guard<'a>> {
        let mut guard = guard;
        while !holds() {
            guard = self.wait(guard)?;
        }
        Ok(guard)
    }

    /// Waits as [`wait_for`](Self::wait_for) does, for `timeout` at the longest, however often it
    /// is notified; tells beside the guard what `holds` returned last.
    ///
    /// # Errors
    ///
    /// As `wait_for`.
    ///
    /// # Panics
    ///
    /// As [`wait`](Self::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # fn main() -> anyhow::Result<()> {
    /// # procession::init();
    /// let manager = procession::Manager::start()?;
    /// let condition = manager.condition(&manager.rlock()?)?;
    /// let held = condition.acquire()?;
    /// let waited = condition.wait_for_timeout(held, Duration::from_millis(1), || false);
    /// let (held, came_true) = waited?;
    /// assert!(!came_true);
    /// # drop(held);
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_for_timeout<'a>(
        &'a self,
        guard: L::Guard<'a>,
        timeout: Duration,
        mut holds: impl FnMut() -> bool,
    ) -> LockResult<(L::Guard<'a>, bool)> {
        let deadline = Deadline::after(timeout);
        let (mut guard, mut held) = (guard, holds());
        while !held && !deadline.passed() {
            (guard, _) = self.wait_timeout(guard, deadline.left().unwrap_or(timeout))?;
            held = holds();
        }
        Ok((guard, held))
    }

    /// Wakes one of those who wait, if there is one.
    ///
    /// # Errors
    ///
    /// [`LockError::Gone`] and its like if there is no server.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> anyhow::Result<()> {
    /// # procession::init();
    /// let manager = procession::Manager::start()?;
    /// let condition = manager.condition(&manager.lock()?)?;
    /// condition.notify_one()?; // nobody waits, so nobody is told, then or later
    /// assert_eq!(condition.waiters()?, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn notify_one(&self) -> Result<(), LockError> {
        self.notify(1)
    }

    /// Wakes `count` of those who wait, or all if they are fewer.
    ///
    /// # Errors
    ///
    /// As [`notify_one`](Self::notify_one).
    pub fn notify(&self, count: usize) -> Result<(), LockError> {
        Ok(self.hosted.notify(count)?)
    }

    /// Wakes all who wait.
    ///
    /// # Errors
    ///
    /// As [`notify_one`](Self::notify_one).
    pub fn notify_all(&self) -> Result<(), LockError> {
        self.notify(usize::MAX)
    }

    /// Returns how many wait at this moment and have not been notified.
    ///
    /// # Errors
    ///
    /// [`ManagerError`] if the server cannot be asked.
    pub fn waiters(&self) -> Result<usize, ManagerError> {
        self.hosted.waiters()
    }

    /// Returns whether the lock is held at this moment.
    ///
    /// # Errors
    ///
    /// [`ManagerError`] if the server cannot be asked.
    pub fn locked(&self) -> Result<bool, ManagerError> {
        self.lock.locked()
    }

    fn wait_within<'a, G>(
        &'a self,
        guard: L::Guard<'a>,
        timeout: Option<Duration>,
        wrap: impl FnOnce(L::Guard<'a>, bool) -> G,
    ) -> LockResult<G> {
        assert!(
            self.lock.is_of(&guard),
            "the guard is of another lock than the one the condition is bound to"
        );
        // The server releases the lock, and takes it again.
        std::mem::forget(guard);
        let waited = self.hosted.wait(timeout)?;
        let guard = wrap(self.lock.guard(), waited.notified);
        guarded(waited.poisoned, guard)
    }
}

impl<L: ConditionLock> fmt::Debug for Condition<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condition")
            .field("hosted", &self.hosted)
            .field("lock", &self.lock)
            .finish()
    }
}
