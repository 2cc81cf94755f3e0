//! The semaphores.

use super::room::{Leave, Room};
use crate::error::ManagerError;
use crate::export::{Exported, Listed};
use crate::protocol::SessionId;
use crate::remote::Remote;
use crate::server::caller;
use procession_macros::shared;
use procession_os::own_pid;
use procession_sync::PermitError;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// The semaphore in the server.
pub(crate) struct HostedSemaphore {
    room: Arc<Room<State>>,
}

/// The free permits are `total` less those that are held.
struct State {
    total: u32,
    /// What `total` may not exceed.
    limit: u32,
    /// How many each client holds.
    held: HashMap<SessionId, u32>,
}

impl HostedSemaphore {
    pub(super) fn new(permits: u32) -> Self {
        Self::with_limit(permits, u32::MAX)
    }

    pub(super) fn bounded(permits: u32) -> Self {
        Self::with_limit(permits, permits)
    }

    fn with_limit(total: u32, limit: u32) -> Self {
        let held = HashMap::new();
        let room = Room::new(State { total, limit, held });
        Self { room }
    }

    /// Takes a permit from the caller, and for good if it is used up; false if it has none.
    fn end(&self, used_up: bool) -> bool {
        let Some(caller) = caller::current() else {
            return false;
        };
        self.room
            .change(|state| state.end(caller.session.id(), used_up))
    }
}

/// A number of permits for the threads of several processes: [`procession_sync::Semaphore`], in a
/// manager's server.
///
/// A permit is released by dropping it. [`release`](Self::release) makes more of them, without
/// bound; where that would be a mistake, use [`BoundedSemaphore`].
///
/// # When the other side is gone
///
/// The permits that a process held when it ended are given back at once. If the server is gone, it
/// is [`LockError::Gone`](procession_sync::LockError::Gone).
///
/// # Examples
///
/// What one process acquires, another may release:
///
/// ```
/// use procession::manager::Semaphore;
/// use procession::{Manager, PermitError, Process};
///
/// fn take(semaphore: Semaphore) -> anyhow::Result<()> {
///     Ok(semaphore.acquire()?.forget()?)
/// }
///
/// # fn main() -> anyhow::Result<()> {
/// # procession::init();
/// let manager = Manager::start()?;
/// let semaphore = manager.semaphore(1)?;
/// Process::spawn(take, (semaphore.clone(),))?.join()?;
/// assert_eq!(semaphore.try_acquire().unwrap_err(), PermitError::WouldBlock);
/// semaphore.release(1)?;
/// assert_eq!(semaphore.available()?, 1);
/// # Ok(())
/// # }
/// ```
#[shared(concurrent, proxy = "Semaphore", crate = "crate")]
impl HostedSemaphore {
    pub(crate) fn take(&self, timeout: Option<Duration>) -> bool {
        let take = |state: &mut State, session| state.take(session);
        self.room
            .wait(timeout, |state, caller| take(state, caller.session.id()))
            .is_some()
    }

    pub(crate) fn give_back(&self) {
        self.end(false);
    }

    pub(crate) fn use_up(&self) {
        self.end(true);
    }

    /// Returns what may not be exceeded, if this would.
    pub(crate) fn add(&self, count: u32) -> Option<u32> {
        self.room.change(|state| state.add(count)).err()
    }

    pub(crate) fn limit(&self) -> u32 {
        self.room.look(|state| state.limit)
    }

    /// Returns how many permits are free at this moment.
    pub fn available(&self) -> u32 {
        self.room.look(State::free)
    }

    /// Returns whether no permit is free at this moment.
    pub fn locked(&self) -> bool {
        self.available() == 0
    }
}

impl State {
    fn free(&self) -> u32 {
        self.total.saturating_sub(self.held.values().sum())
    }

    fn take(&mut self, session: SessionId) -> Option<()> {
        let free = self.free() > 0;
        free.then(|| *self.held.entry(session).or_insert(0) += 1)
    }

    fn end(&mut self, session: SessionId, used_up: bool) -> bool {
        let Some(count) = self.held.get_mut(&session) else {
            return false;
        };
        *count -= 1;
        if *count == 0 {
            self.held.remove(&session);
        }
        self.total -= u32::from(used_up);
        true
    }

    fn add(&mut self, count: u32) -> Result<(), u32> {
        let more = self.total.checked_add(count);
        let more = more.filter(|more| *more <= self.limit);
        self.total = more.ok_or(self.limit)?;
        Ok(())
    }
}

impl Leave for State {
    fn leave(&mut self, session: SessionId) {
        self.held.remove(&session);
    }
}

impl Semaphore {
    /// Waits until a permit is free, and holds it.
    ///
    /// # Errors
    ///
    /// [`PermitError::Lock`] if there is no server.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> anyhow::Result<()> {
    /// # procession::init();
    /// let manager = procession::Manager::start()?;
    /// let semaphore = manager.semaphore(3)?;
    /// let permit = semaphore.acquire()?;
    /// assert_eq!(semaphore.available()?, 2);
    /// drop(permit);
    /// assert_eq!(semaphore.available()?, 3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn acquire(&self) -> Result<Permit<'_>, PermitError> {
        self.permit(None, ManagerError::Gone.into())
    }

    /// Holds a permit if one is free at this moment.
    ///
    /// # Errors
    ///
    /// [`PermitError::WouldBlock`] if none is, and those of [`acquire`](Self::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession::{Manager, PermitError};
    ///
    /// # fn main() -> anyhow::Result<()> {
    /// # procession::init();
    /// let manager = Manager::start()?;
    /// let semaphore = manager.semaphore(0)?;
    /// assert_eq!(semaphore.try_acquire().unwrap_err(), PermitError::WouldBlock);
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_acquire(&self) -> Result<Permit<'_>, PermitError> {
        self.permit(Some(Duration::ZERO), PermitError::WouldBlock)
    }

    /// Waits until a permit is free, for `timeout` at the longest, and holds it.
    ///
    /// # Errors
    ///
    /// [`PermitError::TimedOut`] if none became free, and those of [`acquire`](Self::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession::{Manager, PermitError};
    /// use std::time::Duration;
    ///
    /// # fn main() -> anyhow::Result<()> {
    /// # procession::init();
    /// let manager = Manager::start()?;
    /// let semaphore = manager.semaphore(0)?;
    /// let refused = semaphore.acquire_timeout(Duration::from_millis(1)).unwrap_err();
    /// assert_eq!(refused, PermitError::TimedOut);
    /// # Ok(())
    /// # }
    /// ```
    pub fn acquire_timeout(&self, timeout: Duration) -> Result<Permit<'_>, PermitError> {
        self.permit(Some(timeout), PermitError::TimedOut)
    }

    /// Makes `count` more permits, of which those who wait get theirs.
    ///
    /// What is acquired is released by dropping its [`Permit`], not by this.
    ///
    /// # Errors
    ///
    /// [`PermitError::OverRelease`] if there would be more than `u32::MAX` permits,
    /// [`PermitError::Lock`] if there is no server.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> anyhow::Result<()> {
    /// # procession::init();
    /// let manager = procession::Manager::start()?;
    /// let items = manager.semaphore(0)?;
    /// items.release(2)?; // two items are there
    /// items.acquire()?.forget()?; // one is taken, for good
    /// assert_eq!(items.available()?, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn release(&self, count: u32) -> Result<(), PermitError> {
        let exceeded = self.add(count)?;
        exceeded.map_or(Ok(()), |limit| Err(PermitError::OverRelease { limit }))
    }

    fn permit(
        &self,
        timeout: Option<Duration>,
        in_vain: PermitError,
    ) -> Result<Permit<'_>, PermitError> {
        let taken = self.take(timeout)?;
        taken.then(|| Permit::new(self)).ok_or(in_vain)
    }
}

/// A [`Semaphore`] that never has more permits than it was made with.
///
/// Permits that were [used up](Permit::forget) can be released again, others cannot.
///
/// # Examples
///
/// ```
/// use procession::{Manager, PermitError};
///
/// # fn main() -> anyhow::Result<()> {
/// # procession::init();
/// let manager = Manager::start()?;
/// let semaphore = manager.bounded_semaphore(1)?;
/// let permit = semaphore.acquire()?;
/// assert_eq!(semaphore.release(1), Err(PermitError::OverRelease { limit: 1 }));
/// permit.forget()?;
/// semaphore.release(1)?;
/// assert_eq!((semaphore.available()?, semaphore.bound()?), (1, 1));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BoundedSemaphore(Semaphore);

impl Exported for BoundedSemaphore {
    fn from_remote(remote: Remote) -> Result<Self, ManagerError> {
        Semaphore::from_remote(remote).map(Self)
    }

    fn remote(&self) -> &Remote {
        self.0.remote()
    }

    fn export() -> Listed {
        Semaphore::export()
    }
}

impl BoundedSemaphore {
    pub(super) fn new(semaphore: Semaphore) -> Self {
        Self(semaphore)
    }

    /// Waits until a permit is free, and holds it.
    ///
    /// # Errors
    ///
    /// As [`Semaphore::acquire`].
    pub fn acquire(&self) -> Result<Permit<'_>, PermitError> {
        self.0.acquire()
    }

    /// Holds a permit if one is free at this moment.
    ///
    /// # Errors
    ///
    /// As [`Semaphore::try_acquire`].
    pub fn try_acquire(&self) -> Result<Permit<'_>, PermitError> {
        self.0.try_acquire()
    }

    /// Waits until a permit is free, for `timeout` at the longest, and holds it.
    ///
    /// # Errors
    ///
    /// As [`Semaphore::acquire_timeout`].
    pub fn acquire_timeout(&self, timeout: Duration) -> Result<Permit<'_>, PermitError> {
        self.0.acquire_timeout(timeout)
    }

    /// Makes `count` more permits, in the place of those that were used up.
    ///
    /// # Errors
    ///
    /// [`PermitError::OverRelease`], and nothing is released, if there would be more than the
    /// semaphore was made with; [`PermitError::Lock`] if there is no server.
    pub fn release(&self, count: u32) -> Result<(), PermitError> {
        self.0.release(count)
    }

    /// Returns how many permits are free at this moment.
    ///
    /// # Errors
    ///
    /// [`ManagerError`] if the server cannot be asked.
    pub fn available(&self) -> Result<u32, ManagerError> {
        self.0.available()
    }

    /// Returns whether no permit is free at this moment.
    ///
    /// # Errors
    ///
    /// [`ManagerError`] if the server cannot be asked.
    pub fn locked(&self) -> Result<bool, ManagerError> {
        self.0.locked()
    }

    /// Returns how many permits there may be.
    ///
    /// # Errors
    ///
    /// [`ManagerError`] if the server cannot be asked.
    pub fn bound(&self) -> Result<u32, ManagerError> {
        self.0.limit()
    }
}

/// A permit of a semaphore; dropping it releases it.
///
/// If it is leaked, it is released when its process ends. It cannot be sent to another thread.
#[derive(Debug)]
#[must_use = "the permit is released when this is dropped"]
pub struct Permit<'a> {
    semaphore: &'a Semaphore,
    process: u32,
    _not_send: PhantomData<*const ()>,
}

impl<'a> Permit<'a> {
    fn new(semaphore: &'a Semaphore) -> Self {
        Self {
            semaphore,
            process: own_pid(),
            _not_send: PhantomData,
        }
    }

    /// Uses the permit up: it is not released, and there is one less.
    ///
    /// # Errors
    ///
    /// [`PermitError::Lock`] if there is no server.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> anyhow::Result<()> {
    /// # procession::init();
    /// let manager = procession::Manager::start()?;
    /// let semaphore = manager.semaphore(2)?;
    /// semaphore.acquire()?.forget()?;
    /// assert_eq!(semaphore.available()?, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn forget(self) -> Result<(), PermitError> {
        let semaphore = self.semaphore;
        std::mem::forget(self);
        Ok(semaphore.use_up()?)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        // A copy that a fork made holds nothing.
        if self.process == own_pid() {
            // A server that is gone has no semaphore.
            let _ = self.semaphore.give_back();
        }
    }
}
