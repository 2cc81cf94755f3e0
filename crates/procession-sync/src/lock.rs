//! The lock.

use crate::owner::Owner;
use procession_os::wait::Deadline;
use procession_shm::{Format, Held, LockResult, Repair, Segment, SegmentKind, ShmError};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::time::Duration;

/// Mutual exclusion between the threads of several processes.
///
/// It protects whatever its users agree upon, such as a file or a terminal. Shared data has a
/// lock already: see [`Value::lock`](procession_shm::Value::lock) and
/// [`Array::lock`](procession_shm::Array::lock).
///
/// It belongs to the thread that acquired it, and is released by dropping the guard. A guard
/// cannot be sent to another thread:
///
/// ```compile_fail,E0277
/// fn send(guard: procession_sync::LockGuard<'static>) {
///     std::thread::spawn(move || drop(guard));
/// }
/// ```
///
/// # When the other side is gone
///
/// If the owner dies, or panics, the lock is free and *poisoned*: acquiring it gives
/// [`AcquireError::Poisoned`](crate::AcquireError::Poisoned), with the guard in it, until the
/// poison is cleared.
///
/// # Examples
///
/// ```
/// use procession_sync::{AcquireError, Lock};
///
/// let lock = Lock::new()?;
/// let held = lock.acquire()?;
/// assert!(lock.locked());
/// drop(held);
///
/// // Go on though an owner may have died.
/// let held = lock.acquire().or_else(AcquireError::repaired)?;
/// # drop(held);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Lock {
    segment: Segment,
}

impl Lock {
    /// Makes a lock that nobody holds.
    ///
    /// # Errors
    ///
    /// [`ShmError::OutOfMemory`] if `/dev/shm` is full, [`ShmError::Family`] or
    /// [`ShmError::System`] if the system refuses.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = procession_sync::Lock::new()?;
    /// assert!(!lock.locked());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new() -> Result<Self, ShmError> {
        let segment = Segment::create_small(format(), 0, |_| {})?;
        Ok(Self { segment })
    }

    /// Waits until the lock is free, and holds it.
    ///
    /// # Errors
    ///
    /// [`AcquireError::Poisoned`](crate::AcquireError::Poisoned), with the guard in it, if an
    /// owner died or panicked; [`AcquireError::Failed`](crate::AcquireError::Failed) if this
    /// thread holds the lock already, or if the memory was overwritten.
    ///
    /// # When the other side is gone
    ///
    /// If the owner dies, waiting ends, and the answer is `Poisoned`.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::{AcquireError, Lock, LockError};
    ///
    /// let lock = Lock::new()?;
    /// let held = lock.acquire()?;
    /// // The same thread would wait for itself.
    /// let refused = lock.acquire().unwrap_err();
    /// assert!(matches!(refused, AcquireError::Failed(LockError::HeldByThisThread)));
    /// # drop(held);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn acquire(&self) -> LockResult<LockGuard<'_>> {
        self.segment.lock()?.into_guard(LockGuard::new)
    }

    /// Holds the lock if it is free at this moment.
    ///
    /// # Errors
    ///
    /// `Failed(LockError::WouldBlock)` if it is not, and those of [`acquire`](Self::acquire).
    ///
    /// # When the other side is gone
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::{AcquireError, Lock, LockError};
    ///
    /// let lock = Lock::new()?;
    /// let held = lock.acquire()?;
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| {
    ///         let refused = lock.try_acquire().unwrap_err();
    ///         assert!(matches!(refused, AcquireError::Failed(LockError::WouldBlock)));
    ///     });
    /// });
    /// # drop(held);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn try_acquire(&self) -> LockResult<LockGuard<'_>> {
        self.segment.try_lock()?.into_guard(LockGuard::new)
    }

    /// Waits until the lock is free, for `timeout` at the longest, and holds it.
    ///
    /// # Errors
    ///
    /// `Failed(LockError::TimedOut)` if it was not, and those of [`acquire`](Self::acquire).
    ///
    /// # When the other side is gone
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::{AcquireError, Lock, LockError};
    /// use std::{thread, time::Duration};
    ///
    /// let lock = Lock::new()?;
    /// let held = lock.acquire()?;
    /// thread::scope(|scope| {
    ///     scope.spawn(|| {
    ///         let refused = lock.acquire_timeout(Duration::from_millis(1)).unwrap_err();
    ///         assert!(matches!(refused, AcquireError::Failed(LockError::TimedOut)));
    ///     });
    /// });
    /// # drop(held);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn acquire_timeout(&self, timeout: Duration) -> LockResult<LockGuard<'_>> {
        let held = self.segment.lock_until(Deadline::after(timeout))?;
        held.into_guard(LockGuard::new)
    }

    /// Returns whether a living thread of any process holds the lock at this moment.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = procession_sync::Lock::new()?;
    /// let held = lock.acquire()?;
    /// assert!(lock.locked());
    /// drop(held);
    /// assert!(!lock.locked());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn locked(&self) -> bool {
        self.segment.holder().is_some()
    }

    /// Returns whether an owner died or panicked since the poison was last cleared.
    ///
    /// The death of an owner is noticed by who acquires the lock next.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::Lock;
    /// use std::thread;
    ///
    /// let lock = Lock::new()?;
    /// thread::scope(|scope| {
    ///     let owner = scope.spawn(|| {
    ///         let _held = lock.acquire().unwrap();
    ///         panic!("the owner's work is half done");
    ///     });
    ///     owner.join().unwrap_err();
    /// });
    /// assert!(lock.is_poisoned());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_poisoned(&self) -> bool {
        self.segment.is_poisoned()
    }

    /// Declares what the lock protects sound again.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::Lock;
    /// use std::thread;
    ///
    /// let lock = Lock::new()?;
    /// let other = lock.clone();
    /// let died = thread::spawn(move || std::mem::forget(other.acquire().unwrap()));
    /// died.join().unwrap();
    /// assert!(lock.acquire().is_err());
    /// lock.clear_poison();
    /// assert!(lock.acquire().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clear_poison(&self) {
        self.segment.clear_poison();
    }

    /// Acquires it and wraps the guard.
    pub(crate) fn acquire_as<'a, G>(
        &'a self,
        wrap: impl FnOnce(LockGuard<'a>) -> G,
    ) -> LockResult<G> {
        let held = self.segment.lock()?;
        held.into_guard(|held| wrap(LockGuard::new(held)))
    }
}

/// Shows the process and the thread that hold the lock.
impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock")
            .field("owner", &self.segment.holder().map(Owner::of))
            .field("poisoned", &self.is_poisoned())
            .finish_non_exhaustive()
    }
}

/// Encodes a handle; only into a message to another process.
impl Serialize for Lock {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.segment.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Lock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let segment = Segment::deserialize(deserializer, format())?;
        Ok(Self { segment })
    }
}

/// The proof that this thread holds a [`Lock`]; dropping it releases the lock.
///
/// Dropping it in a panic that began after it was acquired poisons the lock. If it is leaked, the
/// lock is held until its thread ends, and poisoned then.
#[must_use = "the lock is released when this is dropped"]
pub struct LockGuard<'a> {
    held: Held<'a>,
}

impl<'a> LockGuard<'a> {
    #[inline]
    fn new(held: Held<'a>) -> Self {
        Self { held }
    }

    /// Tells whether it is a guard of this lock.
    pub(crate) fn is_of(&self, lock: &Lock) -> bool {
        // A process maps a segment once, whatever the number of its handles.
        self.held.segment().payload() == lock.segment.payload()
    }
}

impl Repair for LockGuard<'_> {
    fn clear_poison(&self) {
        self.held.clear_poison();
    }
}

impl fmt::Debug for LockGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockGuard")
            .field("poisoned", &self.held.poisoned())
            .finish_non_exhaustive()
    }
}

fn format() -> Format {
    Format::of::<()>(SegmentKind::LOCK)
}
