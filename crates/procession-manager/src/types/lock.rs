//! A lock that one thread of one process holds.

use super::ownership::{Ownership, Since, Taken};
use procession_macros::shared;
use procession_sync::{LockError, LockResult, Repair};
use std::time::Duration;

/// The lock in the server.
pub(crate) struct HostedLock(Ownership);

impl HostedLock {
    pub(super) fn new() -> Self {
        Self(Ownership::new(false))
    }
}

/// Mutual exclusion between the threads of several processes: [`procession_sync::Lock`], in a
/// manager's server.
///
/// It belongs to the thread that acquired it, and is released by dropping the guard, which cannot
/// be sent to another thread. For what one process acquires and another releases, take a
/// [`Semaphore`](crate::Semaphore) with one permit.
///
/// # When the other side is gone
///
/// If the owner's process ends, killed or not, or its thread panics, the lock is free and
/// *poisoned*: acquiring it gives
/// [`AcquireError::Poisoned`](procession_sync::AcquireError::Poisoned), with the guard in it, until
/// the poison is cleared. If the server is gone, it is [`LockError::Gone`].
///
/// # Examples
///
/// ```
/// use procession::manager::{Lock, Value};
/// use procession::{Manager, Process};
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
/// # procession::init();
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
impl HostedLock {
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

    /// Returns whether an owner ended or panicked since the poison was last cleared.
    pub fn is_poisoned(&self) -> bool {
        self.0.is_poisoned()
    }

    /// Declares what the lock protects sound again.
    pub fn clear_poison(&self) {
        self.0.clear_poison();
    }
}

impl Lock {
    /// Waits until the lock is free, and holds it.
    ///
    /// # Errors
    ///
    /// [`Poisoned`](procession_sync::AcquireError::Poisoned), with the guard in it, if an owner
    /// ended or panicked; [`LockError::HeldByThisThread`], and [`LockError::Gone`] if there is no
    /// server.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession::{AcquireError, LockError, Manager};
    ///
    /// # fn main() -> anyhow::Result<()> {
    /// # procession::init();
    /// let manager = Manager::start()?;
    /// let lock = manager.lock()?;
    /// let held = lock.acquire()?;
    /// assert!(lock.locked()?);
    /// let refused = lock.acquire().unwrap_err();
    /// assert!(matches!(refused, AcquireError::Failed(LockError::HeldByThisThread)));
    /// drop(held);
    /// assert!(!lock.locked()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn acquire(&self) -> LockResult<LockGuard<'_>> {
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
    /// let lock = manager.lock()?;
    /// let held = lock.try_acquire()?;
    /// assert!(std::thread::scope(|scope| {
    ///     scope.spawn(|| lock.try_acquire().is_err()).join().unwrap()
    /// }));
    /// # drop(held);
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_acquire(&self) -> LockResult<LockGuard<'_>> {
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
    /// let lock = manager.lock()?;
    /// let held = lock.acquire_timeout(Duration::from_secs(1))?;
    /// thread::scope(|scope| {
    ///     scope.spawn(|| assert!(lock.acquire_timeout(Duration::from_millis(1)).is_err()));
    /// });
    /// # drop(held);
    /// # Ok(())
    /// # }
    /// ```
    pub fn acquire_timeout(&self, timeout: Duration) -> LockResult<LockGuard<'_>> {
        self.guard(Some(timeout), LockError::TimedOut)
    }

    fn guard(&self, timeout: Option<Duration>, in_vain: LockError) -> LockResult<LockGuard<'_>> {
        self.take(timeout)?.guard(in_vain, || LockGuard::new(self))
    }
}

/// The proof that this thread holds a [`Lock`]; dropping it releases the lock.
///
/// Dropping it in a panic that began after it was acquired poisons the lock. If it is leaked, the
/// lock is held until its process ends, and poisoned then.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub struct LockGuard<'a> {
    pub(super) lock: &'a Lock,
    since: Since,
}

impl<'a> LockGuard<'a> {
    pub(super) fn new(lock: &'a Lock) -> Self {
        let since = Since::now();
        Self { lock, since }
    }
}

impl Repair for LockGuard<'_> {
    fn clear_poison(&self) {
        // A server that is gone has no lock.
        let _ = self.lock.clear_poison();
    }
}

impl Drop for LockGuard<'_> {
    fn drop(&mut self) {
        if self.since.is_ours() {
            // A server that is gone has no lock.
            let _ = self.lock.give_back(self.since.panicked());
        }
    }
}
