//! A number of permits.

use super::room::{Leave, Room};
use crate::error::ManagerError;
use crate::protocol::SessionId;
use crate::refusal::{Refusal, Result};
use crate::server::caller;
use procession_macros::shared;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// The semaphore in the server.
pub(crate) struct HostedSemaphore {
    room: Arc<Room<State>>,
}

struct State {
    available: usize,
    /// The permits of each client that will have to give them back.
    held: HashMap<SessionId, usize>,
    /// How many permits there may be at most.
    bound: Option<usize>,
}

impl HostedSemaphore {
    pub(super) fn new(permits: usize) -> Self {
        Self::with(permits, None)
    }

    pub(super) fn bounded(permits: usize) -> Self {
        Self::with(permits, Some(permits))
    }

    fn with(available: usize, bound: Option<usize>) -> Self {
        Self {
            room: Room::new(State {
                available,
                held: HashMap::new(),
                bound,
            }),
        }
    }
}

/// A semaphore: a number of permits, each of which one caller at a time has.
///
/// If a process ends that has permits, killed or not, the server takes them back.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), procession_manager::ManagerError> {
/// # procession_process::init();
/// let manager = procession_manager::Manager::start()?;
/// let semaphore = manager.semaphore(2)?;
/// let one = semaphore.acquire()?;
/// let other = semaphore.acquire()?;
/// assert!(semaphore.try_acquire()?.is_none());
/// drop(one);
/// assert_eq!(semaphore.available()?, 1);
/// # Ok(())
/// # }
/// ```
#[shared(concurrent, proxy = "Semaphore", crate = "crate")]
#[expect(
    unreachable_pub,
    reason = "the proxy's methods are as visible as these"
)]
impl HostedSemaphore {
    pub(crate) fn take(&self, timeout: Option<Duration>) -> bool {
        let taken = self
            .room
            .wait(timeout, |state, caller| state.take(caller.session.id()));
        taken.is_some()
    }

    pub(crate) fn give_back(&self) {
        let Some(caller) = caller::current() else {
            return;
        };
        self.room.change(|state| {
            let had = state.forget(caller.session.id());
            state.add(usize::from(had));
        });
    }

    pub(crate) fn detach(&self) {
        let Some(caller) = caller::current() else {
            return;
        };
        self.room.change(|state| state.forget(caller.session.id()));
    }

    /// Adds a permit: one that this process has, or else one more than there were.
    ///
    /// Permits are given back by their [`Permit`]. This is for those that were
    /// [leaked](Permit::leak), perhaps by another process.
    ///
    /// # Errors
    ///
    /// [`Refusal::ReleasedTooOften`](crate::Refusal::ReleasedTooOften) if the semaphore is bounded
    /// and has all its permits; otherwise as every call.
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`](crate::ManagerError::Gone).
    pub fn release(&self) -> Result<()> {
        let caller = caller::current().ok_or(Refusal::NotOwner)?;
        self.room.change(|state| state.release(caller.session.id()))
    }

    /// Returns how many permits nobody has at this moment.
    pub fn available(&self) -> usize {
        self.room.look(|state| state.available)
    }
}

impl State {
    fn take(&mut self, session: SessionId) -> Option<()> {
        self.available = self.available.checked_sub(1)?;
        *self.held.entry(session).or_insert(0) += 1;
        Some(())
    }

    fn release(&mut self, session: SessionId) -> Result<()> {
        if self.bound.is_some_and(|bound| self.available >= bound) {
            return Err(Refusal::ReleasedTooOften);
        }
        self.available = self
            .available
            .checked_add(1)
            .ok_or(Refusal::ReleasedTooOften)?;
        self.forget(session);
        Ok(())
    }

    /// Adds permits, unless somebody has added them for a client that did not know.
    fn add(&mut self, count: usize) {
        let available = self.available.saturating_add(count);
        self.available = self.bound.map_or(available, |bound| available.min(bound));
    }

    /// Counts one permit less to a client; false if it has none.
    fn forget(&mut self, session: SessionId) -> bool {
        let Some(count) = self.held.get_mut(&session) else {
            return false;
        };
        *count -= 1;
        if *count == 0 {
            self.held.remove(&session);
        }
        true
    }
}

impl Leave for State {
    fn leave(&mut self, session: SessionId) {
        let count = self.held.remove(&session).unwrap_or(0);
        self.add(count);
    }
}

impl Semaphore {
    /// Waits for a permit and takes it.
    ///
    /// # Errors
    ///
    /// [`ManagerError`].
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`], also if the server ends during the wait. A process that ends does
    /// not keep its permits.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let semaphore = manager.semaphore(3)?;
    /// let permit = semaphore.acquire()?;
    /// assert_eq!(semaphore.available()?, 2);
    /// drop(permit);
    /// assert_eq!(semaphore.available()?, 3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn acquire(&self) -> std::result::Result<Permit, ManagerError> {
        self.permit(None)?.ok_or(ManagerError::Gone)
    }

    /// Takes a permit if there is one now.
    ///
    /// # Errors
    ///
    /// [`ManagerError`].
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`].
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let semaphore = manager.semaphore(0)?;
    /// assert!(semaphore.try_acquire()?.is_none());
    /// semaphore.release()?; // adds one
    /// assert!(semaphore.try_acquire()?.is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_acquire(&self) -> std::result::Result<Option<Permit>, ManagerError> {
        self.permit(Some(Duration::ZERO))
    }

    /// Waits for a permit for at most `timeout`; `None` if there was none in that time.
    ///
    /// # Errors
    ///
    /// [`ManagerError`].
    ///
    /// # When the other side is gone
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let semaphore = manager.semaphore(0)?;
    /// assert!(semaphore.acquire_timeout(Duration::from_millis(1))?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn acquire_timeout(
        &self,
        timeout: Duration,
    ) -> std::result::Result<Option<Permit>, ManagerError> {
        self.permit(Some(timeout))
    }

    fn permit(
        &self,
        timeout: Option<Duration>,
    ) -> std::result::Result<Option<Permit>, ManagerError> {
        let taken = self.take(timeout)?;
        Ok(taken.then(|| Permit {
            semaphore: self.clone(),
            is_over: false,
        }))
    }
}

/// A permit of a semaphore that this process has, until it is dropped.
#[derive(Debug)]
#[must_use = "the permit is given back when this is dropped"]
pub struct Permit {
    semaphore: Semaphore,
    is_over: bool,
}

impl Permit {
    /// Gives the permit back, as dropping does, and reports what went wrong.
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
        self.semaphore.give_back()
    }

    /// Leaves the permit taken, also after this process has ended: until some process calls
    /// [`Semaphore::release`].
    ///
    /// # Errors
    ///
    /// [`ManagerError`].
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`].
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let semaphore = manager.semaphore(1)?;
    /// semaphore.acquire()?.leak()?;
    /// assert_eq!(semaphore.available()?, 0);
    /// semaphore.release()?;
    /// assert_eq!(semaphore.available()?, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn leak(mut self) -> std::result::Result<(), ManagerError> {
        self.is_over = true;
        self.semaphore.detach()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.is_over {
            // A server that is gone has no semaphore.
            let _ = self.semaphore.give_back();
        }
    }
}
