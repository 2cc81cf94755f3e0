//! A lock that the thread which holds it may acquire again.

use super::ownership::{Ownership, Since, Taken};
use procession_macros::shared;
use procession_sync::{LockError, LockResult, Repair};
use std::time::Duration;

/// The lock in the server.
pub(crate) struct HostedRLock(Ownership);

impl HostedRLock {
    pub(super) fn new() -> Self {
        Self(Ownership::new(true))
    }
}

/// A lock that the thread which holds it may acquire again: [`procession_sync::RLock`], in a
/// manager's server.
///
/// It is released with the last guard. Guards cannot be sent to another thread.
///
/// # When the other side is gone
///
/// As for a [`Lock`](crate::Lock).
///
/// # Examples
///
/// ```
/// # fn main() -> anyhow::Result<()> {
/// # procession::init();
/// let manager = procession::Manager::start()?;
/// let lock = manager.rlock()?;
/// let outer = lock.acquire()?;
/// let inner = lock.acquire()?;
/// assert_eq!(lock.depth()?, 2);
/// drop(outer);
/// assert!(lock.locked()?);
/// drop(inner);
/// assert!(!lock.locked()?);
/// # Ok(())
/// # }
/// ```
#[shared(concurrent, proxy = "RLock", crate = "crate")]
impl HostedRLock {
    pub(crate) fn take(&self, timeout: Option<Duration>) -> Taken {
        self.0.take(timeout)
    }

    pub(crate) fn give_back(&self, poison: bool) {
        self.0.give_back(poison);
    }

    pub(crate) fn suspend(&self) -> Option<u32> {
        self.0.suspend()
    }

    pub(crate) fn resume(&self, depth: u32) -> Option<bool> {
        self.0.resume(depth)
    }

    /// Returns whether a thread of any process holds the lock at this moment.
    pub fn locked(&self) -> bool {
        self.0.depth() != 0
    }

    /// Returns how often the thread that holds it has acquired it; zero if nobody holds it.
    pub fn depth(&self) -> usize {
        self.0.depth()
    }

    /// Returns whether an owner ended or panicked since the poison was last cleared.
    pub fn is_poisoned(&self) -> bool {
        self.0.is_poisoned()
    }

    /// Declares what the lock protects sound again.
    pub fn clear_poison(&self) {
        self.0.clear_poison();
    }
}

impl RLock {
    /// Waits until the lock is free, and holds it.
    ///
    /// # Errors
    ///
    /// [`Poisoned`](procession_sync::AcquireError::Poisoned), with the guard in it, if an owner
    /// ended or panicked; [`LockError::Gone`] if there is no server.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> anyhow::Result<()> {
    /// # procession::init();
    /// let manager = procession::Manager::start()?;
    /// let lock = manager.rlock()?;
    /// let held = lock.acquire()?;
    /// assert!(lock.locked()?);
    /// drop(held);
    /// assert!(!lock.locked()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn acquire(&self) -> LockResult<RLockGuard<'_>> {
        self.guard(None, LockError::Gone)
    }

    /// Holds the lock if it is free at this moment.
    ///
    /// # Errors
    ///
    /// `Failed(LockError::WouldBlock)` if it is not, and those of [`acquire`](Self::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> anyhow::Result<()> {
    /// # procession::init();
    /// let manager = procession::Manager::start()?;
    /// let lock = manager.rlock()?;
    /// let held = lock.try_acquire()?;
    /// assert!(std::thread::scope(|scope| {
    ///     scope.spawn(|| lock.try_acquire().is_err()).join().unwrap()
    /// }));
    /// # drop(held);
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_acquire(&self) -> LockResult<RLockGuard<'_>> {
        self.guard(Some(Duration::ZERO), LockError::WouldBlock)
    }

    /// Waits until the lock is free, for `timeout` at the longest, and holds it.
    ///
    /// # Errors
    ///
    /// `Failed(LockError::TimedOut)` if it was not, and those of [`acquire`](Self::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{thread, time::Duration};
    ///
    /// # fn main() -> anyhow::Result<()> {
    /// # procession::init();
    /// let manager = procession::Manager::start()?;
    /// let lock = manager.rlock()?;
    /// let held = lock.acquire_timeout(Duration::from_secs(1))?;
    /// thread::scope(|scope| {
    ///     scope.spawn(|| assert!(lock.acquire_timeout(Duration::from_millis(1)).is_err()));
    /// });
    /// # drop(held);
    /// # Ok(())
    /// # }
    /// ```
    pub fn acquire_timeout(&self, timeout: Duration) -> LockResult<RLockGuard<'_>> {
        self.guard(Some(timeout), LockError::TimedOut)
    }

    fn guard(&self, timeout: Option<Duration>, in_vain: LockError) -> LockResult<RLockGuard<'_>> {
        self.take(timeout)?.guard(in_vain, || RLockGuard::new(self))
    }
}

/// The proof that this thread holds a [`RLock`]; dropping the last one releases it.
///
/// The lock is free when the last guard is dropped. Otherwise as for a
/// [`LockGuard`](crate::LockGuard).
#[derive(Debug)]
#[must_use = "the lock is released when the last guard is dropped"]
pub struct RLockGuard<'a> {
    pub(super) lock: &'a RLock,
    since: Since,
}

impl<'a> RLockGuard<'a> {
    pub(super) fn new(lock: &'a RLock) -> Self {
        let since = Since::now();
        Self { lock, since }
    }
}

impl Repair for RLockGuard<'_> {
    fn clear_poison(&self) {
        // A server that is gone has no lock.
        let _ = self.lock.clear_poison();
    }
}

impl Drop for RLockGuard<'_> {
    fn drop(&mut self) {
        if self.since.is_ours() {
            // A server that is gone has no lock.
            let _ = self.lock.give_back(self.since.panicked());
        }
    }
}
