//! A lock that any process may take, and any may release.

use super::ownership::{Ownership, Taken};
use super::room::{Leave, Room};
use crate::error::ManagerError;
use crate::protocol::SessionId;
use crate::refusal::Result;
use procession_macros::shared;
use std::sync::Arc;
use std::time::Duration;

/// The lock in the server.
pub(crate) struct HostedLock {
    room: Arc<Room<Ownership>>,
}

impl HostedLock {
    pub(super) fn new() -> Self {
        Self {
            room: Room::new(Ownership::default()),
        }
    }
}

/// A lock that one caller at a time has, across all processes.
///
/// If its owner ends, killed or not, the server releases the lock, and the guard of the next owner
/// says so: [`was_abandoned`](LockGuard::was_abandoned). What the lock protects may then be
/// half-changed.
///
/// Acquiring it twice without releasing it in between waits for ever, in the same thread too; see
/// [`RLock`](crate::RLock).
///
/// # Examples
///
/// ```
/// use procession_manager::{Lock, Manager, Value};
/// use procession_process::Process;
///
/// fn count(lock: Lock, count: Value<u32>) -> anyhow::Result<()> {
///     for _ in 0..10 {
///         let _held = lock.acquire()?;
///         count.set(count.get()? + 1)?;
///     }
///     Ok(())
/// }
///
/// # fn main() -> anyhow::Result<()> {
/// # procession_process::init();
/// let manager = Manager::start()?;
/// let (lock, value) = (manager.lock()?, manager.value(0)?);
/// let child = Process::spawn(count, (lock.clone(), value.clone()))?;
/// count(lock, value.clone())?;
/// child.join()?;
/// assert_eq!(value.get()?, 20);
/// # Ok(())
/// # }
/// ```
#[shared(concurrent, proxy = "Lock", crate = "crate")]
#[expect(
    unreachable_pub,
    reason = "the proxy's methods are as visible as these"
)]
impl HostedLock {
    pub(crate) fn take(&self, timeout: Option<Duration>) -> Option<Taken> {
        self.room
            .wait(timeout, |lock, caller| lock.take(caller.session.id()))
    }

    pub(crate) fn give_back(&self, ticket: u64) -> Result<()> {
        self.room.change(|lock| lock.give_back(ticket))
    }

    pub(crate) fn detach(&self, ticket: u64) -> Result<()> {
        self.room.change(|lock| lock.detach(ticket))
    }

    /// Releases the lock, whoever has it.
    ///
    /// Guards release it by themselves. This is for a lock whose guard was
    /// [leaked](LockGuard::leak), perhaps by another process. A guard that is still there does
    /// nothing any more.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotHeld`](crate::Refusal::NotHeld) if nobody has it; otherwise as every call.
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`](crate::ManagerError::Gone).
    pub fn release(&self) -> Result<()> {
        self.room.change(Ownership::release)
    }

    /// Returns whether somebody has the lock at this moment.
    pub fn is_locked(&self) -> bool {
        self.room.look(Ownership::is_held)
    }
}

impl Leave for Ownership {
    fn leave(&mut self, session: SessionId) {
        Self::leave(self, session);
    }
}

impl Lock {
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
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let lock = manager.lock()?;
    /// let held = lock.acquire()?;
    /// assert!(lock.is_locked()?);
    /// drop(held);
    /// assert!(!lock.is_locked()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn acquire(&self) -> std::result::Result<LockGuard, ManagerError> {
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
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let lock = manager.lock()?;
    /// let _held = lock.acquire()?;
    /// assert!(lock.try_acquire()?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_acquire(&self) -> std::result::Result<Option<LockGuard>, ManagerError> {
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
    /// let lock = manager.lock()?;
    /// let _held = lock.acquire()?;
    /// assert!(lock.acquire_timeout(Duration::from_millis(1))?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn acquire_timeout(
        &self,
        timeout: Duration,
    ) -> std::result::Result<Option<LockGuard>, ManagerError> {
        self.guard(Some(timeout))
    }

    fn guard(
        &self,
        timeout: Option<Duration>,
    ) -> std::result::Result<Option<LockGuard>, ManagerError> {
        let taken = self.take(timeout)?;
        Ok(taken.map(|taken| LockGuard {
            lock: self.clone(),
            taken,
            is_over: false,
        }))
    }
}

/// A [`Lock`] that this process has, until the guard is dropped.
#[derive(Debug)]
#[must_use = "the lock is released when the guard is dropped"]
pub struct LockGuard {
    lock: Lock,
    taken: Taken,
    is_over: bool,
}

impl LockGuard {
    /// Returns whether the owner before this one ended without releasing the lock.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_manager::Lock;
    /// use procession_process::Process;
    ///
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let lock = manager.lock()?;
    /// let forget = |lock: Lock| std::mem::forget(lock.acquire().unwrap());
    /// Process::spawn(forget, (lock.clone(),)).unwrap().join().unwrap();
    /// assert!(lock.acquire()?.was_abandoned());
    /// # Ok(())
    /// # }
    /// ```
    pub fn was_abandoned(&self) -> bool {
        self.taken.was_abandoned
    }

    /// Releases the lock, as dropping the guard does, and reports what went wrong.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotOwner`](crate::Refusal::NotOwner) if somebody has released the lock with
    /// [`Lock::release`]; otherwise as every call.
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
    /// let lock = manager.lock()?;
    /// lock.acquire()?.release()?;
    /// assert!(!lock.is_locked()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn release(mut self) -> std::result::Result<(), ManagerError> {
        self.is_over = true;
        self.lock.give_back(self.taken.ticket)
    }

    /// Gives up the guard and leaves the lock held, also after this process has ended: until some
    /// process calls [`Lock::release`].
    ///
    /// # Errors
    ///
    /// As [`release`](Self::release).
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
    /// let lock = manager.lock()?;
    /// lock.acquire()?.leak()?;
    /// assert!(lock.is_locked()?);
    /// lock.release()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn leak(mut self) -> std::result::Result<(), ManagerError> {
        self.is_over = true;
        self.lock.detach(self.taken.ticket)
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        if !self.is_over {
            // A server that is gone has no lock; one that took it back has told the next owner.
            let _ = self.lock.give_back(self.taken.ticket);
        }
    }
}
