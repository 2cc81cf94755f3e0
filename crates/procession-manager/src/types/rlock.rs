//! A lock that its owner may take again.

use super::room::{Leave, Room};
use crate::error::ManagerError;
use crate::protocol::SessionId;
use crate::refusal::{Refusal, Result};
use crate::server::caller::{self, Caller};
use procession_macros::shared;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// The lock in the server.
pub(crate) struct HostedRLock {
    room: Arc<Room<State>>,
}

#[derive(Default)]
struct State {
    owner: Option<Owner>,
    /// Whether an owner has ended, and nobody has been told yet.
    is_abandoned: bool,
}

struct Owner {
    session: SessionId,
    thread: u64,
    depth: u64,
}

impl HostedRLock {
    pub(super) fn new() -> Self {
        Self {
            room: Room::new(State::default()),
        }
    }
}

/// A lock that belongs to one thread of one process, which may take it again while it has it.
///
/// It is free again when it was released as often as it was acquired. If the owner's process ends,
/// the server releases it, and the next guard says so.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), procession_manager::ManagerError> {
/// # procession_process::init();
/// let manager = procession_manager::Manager::start()?;
/// let lock = manager.rlock()?;
/// let outer = lock.acquire()?;
/// let inner = lock.acquire()?; // an ordinary lock would wait for ever
/// drop(inner);
/// assert!(lock.is_locked()?);
/// drop(outer);
/// assert!(!lock.is_locked()?);
/// # Ok(())
/// # }
/// ```
#[shared(concurrent, proxy = "RLock", crate = "crate")]
#[expect(
    unreachable_pub,
    reason = "the proxy's methods are as visible as these"
)]
impl HostedRLock {
    /// Returns whether the owner before ended while it had the lock.
    pub(crate) fn take(&self, timeout: Option<Duration>) -> Option<bool> {
        self.room.wait(timeout, State::take)
    }

    /// Undoes one acquisition by the calling thread, whose guard was forgotten.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotHeld`](crate::Refusal::NotHeld) if nobody has the lock,
    /// [`Refusal::NotOwner`](crate::Refusal::NotOwner) if another thread or process has it;
    /// otherwise as every call.
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`](crate::ManagerError::Gone).
    pub fn release(&self) -> Result<()> {
        let caller = caller::current().ok_or(Refusal::NotOwner)?;
        self.room.change(|state| state.release(&caller))
    }

    /// Returns whether some thread has the lock at this moment.
    pub fn is_locked(&self) -> bool {
        self.room.look(|state| state.owner.is_some())
    }
}

impl Owner {
    fn is(&self, caller: &Caller) -> bool {
        (self.session, self.thread) == (caller.session.id(), caller.thread)
    }
}

impl State {
    fn take(&mut self, caller: &Caller) -> Option<bool> {
        match &mut self.owner {
            Some(owner) if owner.is(caller) => {
                owner.depth += 1;
                Some(false)
            }
            Some(_) => None,
            None => {
                let (session, thread) = (caller.session.id(), caller.thread);
                self.owner = Some(Owner {
                    session,
                    thread,
                    depth: 1,
                });
                Some(std::mem::take(&mut self.is_abandoned))
            }
        }
    }

    fn release(&mut self, caller: &Caller) -> Result<()> {
        let owner = self.owner.as_mut().ok_or(Refusal::NotHeld)?;
        if !owner.is(caller) {
            return Err(Refusal::NotOwner);
        }
        owner.depth -= 1;
        if owner.depth == 0 {
            self.owner = None;
        }
        Ok(())
    }
}

impl Leave for State {
    fn leave(&mut self, session: SessionId) {
        if self
            .owner
            .as_ref()
            .is_some_and(|owner| owner.session == session)
        {
            self.owner = None;
            self.is_abandoned = true;
        }
    }
}

impl RLock {
    /// Waits for the lock, unless this thread has it, and takes it.
    ///
    /// # Errors
    ///
    /// [`ManagerError`].
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`], also if the server ends during the wait. An owner that ends does not
    /// keep the lock.
    pub fn acquire(&self) -> std::result::Result<RLockGuard, ManagerError> {
        self.guard(None)?.ok_or(ManagerError::Gone)
    }

    /// Takes the lock if it is free now or this thread has it.
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
    /// let lock = manager.rlock()?;
    /// let _outer = lock.acquire()?;
    /// assert!(lock.try_acquire()?.is_some()); // this thread has it
    /// let elsewhere = std::thread::scope(|scope| {
    ///     scope.spawn(|| lock.try_acquire().map(|guard| guard.is_some())).join().unwrap()
    /// });
    /// assert_eq!(elsewhere?, false);
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_acquire(&self) -> std::result::Result<Option<RLockGuard>, ManagerError> {
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
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let lock = manager.rlock()?;
    /// assert!(lock.acquire_timeout(Duration::from_secs(1))?.is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn acquire_timeout(
        &self,
        timeout: Duration,
    ) -> std::result::Result<Option<RLockGuard>, ManagerError> {
        self.guard(Some(timeout))
    }

    fn guard(
        &self,
        timeout: Option<Duration>,
    ) -> std::result::Result<Option<RLockGuard>, ManagerError> {
        let taken = self.take(timeout)?;
        let guard = |was_abandoned| RLockGuard {
            lock: self.clone(),
            was_abandoned,
            is_over: false,
            of_this_thread: PhantomData,
        };
        Ok(taken.map(guard))
    }
}

/// An [`RLock`] that this thread has, until the guard is dropped.
///
/// It cannot go to another thread, which could not release the lock.
#[derive(Debug)]
#[must_use = "the lock is released when the guard is dropped"]
pub struct RLockGuard {
    lock: RLock,
    was_abandoned: bool,
    is_over: bool,
    of_this_thread: PhantomData<*const ()>,
}

impl RLockGuard {
    /// Returns whether the owner before this one ended without releasing the lock.
    pub fn was_abandoned(&self) -> bool {
        self.was_abandoned
    }

    /// Undoes this acquisition, as dropping the guard does, and reports what went wrong.
    ///
    /// # Errors
    ///
    /// As [`RLock::release`].
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`].
    pub fn release(mut self) -> std::result::Result<(), ManagerError> {
        self.is_over = true;
        self.lock.release()
    }
}

impl Drop for RLockGuard {
    fn drop(&mut self) {
        if !self.is_over {
            // A server that is gone has no lock.
            let _ = self.lock.release();
        }
    }
}
