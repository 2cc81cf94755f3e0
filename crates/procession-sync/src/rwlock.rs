//! The lock of readers and writers.

use crate::owner::Owner;
use procession_os::wait::Deadline;
use procession_shm::{Format, Held, LockResult, Reading, Repair, Segment, SegmentKind, ShmError};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::time::Duration;

/// A lock between the threads of several processes that one of them holds to write, or any number
/// of them to read.
///
/// It protects whatever its users agree upon, such as a directory. A shared array is read side by
/// side without it: see [`Array::read`](procession_shm::Array::read).
///
/// It is fair. A writer that waits lets the readers that are there finish, and goes before those
/// that come later; these go before the next writer. A waiter that is stopped delays others by a
/// quarter of a second at most.
///
/// A thread that reads may read again: it never waits for a writer, which would be waiting for it.
/// It cannot write, which is an error and no deadlock. A thread that writes can do neither, but turn
/// its guard into one for reading: [`downgrade`](RwLockWriteGuard::downgrade).
///
/// It belongs to the thread that acquired it, and is released by dropping the guard. A guard cannot
/// be sent to another thread:
///
/// ```compile_fail,E0277
/// fn send(guard: procession_sync::RwLockReadGuard<'static>) {
///     std::thread::spawn(move || drop(guard));
/// }
/// ```
///
/// # When the other side is gone
///
/// If a writer dies, or panics, the lock is free and *poisoned*: acquiring it either way gives
/// [`AcquireError::Poisoned`](crate::AcquireError::Poisoned), with the guard in it, until the poison
/// is cleared. What a reader held that died, or panicked, is given back.
///
/// # Examples
///
/// ```
/// use procession_sync::RwLock;
/// use std::thread;
///
/// let lock = RwLock::new()?;
/// let reading = lock.read()?;
/// thread::scope(|scope| {
///     scope.spawn(|| {
///         assert!(lock.try_read().is_ok());
///         assert!(lock.try_write().is_err());
///     });
/// });
/// drop(reading);
/// let writing = lock.write()?;
/// assert!(lock.locked());
/// # drop(writing);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RwLock {
    segment: Segment,
}

impl RwLock {
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
    /// let lock = procession_sync::RwLock::new()?;
    /// assert_eq!((lock.locked(), lock.readers()), (false, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new() -> Result<Self, ShmError> {
        let segment = Segment::create_small(format(), 0, |_| {})?;
        Ok(Self { segment })
    }

    /// Waits until nobody writes, and holds the lock to read.
    ///
    /// # Errors
    ///
    /// [`AcquireError::Poisoned`](crate::AcquireError::Poisoned), with the guard in it, if a writer
    /// died or panicked; [`AcquireError::Failed`](crate::AcquireError::Failed) if this thread writes,
    /// if about 500 processes read, or if the memory was overwritten.
    ///
    /// # When the other side is gone
    ///
    /// If the writer dies, waiting ends, and the answer is `Poisoned`.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = procession_sync::RwLock::new()?;
    /// let (one, another) = (lock.read()?, lock.read()?);
    /// assert_eq!(lock.readers(), 2);
    /// # drop((one, another));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read(&self) -> LockResult<RwLockReadGuard<'_>> {
        self.segment.read()?.into_guard(RwLockReadGuard::new)
    }

    /// Holds the lock to read if nobody writes at this moment, or waits to.
    ///
    /// # Errors
    ///
    /// `Failed(LockError::WouldBlock)` if somebody does, and those of [`read`](Self::read).
    ///
    /// # When the other side is gone
    ///
    /// As [`read`](Self::read).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::{AcquireError, LockError, RwLock};
    /// use std::thread;
    ///
    /// let lock = RwLock::new()?;
    /// let writing = lock.write()?;
    /// thread::scope(|scope| {
    ///     scope.spawn(|| {
    ///         let refused = lock.try_read().unwrap_err();
    ///         assert!(matches!(refused, AcquireError::Failed(LockError::WouldBlock)));
    ///     });
    /// });
    /// # drop(writing);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_read(&self) -> LockResult<RwLockReadGuard<'_>> {
        self.segment.try_read()?.into_guard(RwLockReadGuard::new)
    }

    /// Waits until nobody writes, for `timeout` at the longest, and holds the lock to read.
    ///
    /// # Errors
    ///
    /// `Failed(LockError::TimedOut)` if somebody did, and those of [`read`](Self::read).
    ///
    /// # When the other side is gone
    ///
    /// As [`read`](Self::read).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::{AcquireError, LockError, RwLock};
    /// use std::{thread, time::Duration};
    ///
    /// let lock = RwLock::new()?;
    /// let writing = lock.write()?;
    /// thread::scope(|scope| {
    ///     scope.spawn(|| {
    ///         let refused = lock.read_timeout(Duration::from_millis(1)).unwrap_err();
    ///         assert!(matches!(refused, AcquireError::Failed(LockError::TimedOut)));
    ///     });
    /// });
    /// # drop(writing);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_timeout(&self, timeout: Duration) -> LockResult<RwLockReadGuard<'_>> {
        let reading = self.segment.read_until(Deadline::after(timeout))?;
        reading.into_guard(RwLockReadGuard::new)
    }

    /// Waits until nobody reads or writes, and holds the lock to write.
    ///
    /// # Errors
    ///
    /// [`AcquireError::Poisoned`](crate::AcquireError::Poisoned), with the guard in it, if a writer
    /// died or panicked; [`AcquireError::Failed`](crate::AcquireError::Failed) if this thread reads
    /// or writes, or if the memory was overwritten.
    ///
    /// # When the other side is gone
    ///
    /// If the writer dies, waiting ends, and the answer is `Poisoned`. If a reader's process dies, it
    /// is not waited for any more, within a fraction of a second.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::{AcquireError, LockError, RwLock};
    ///
    /// let lock = RwLock::new()?;
    /// let reading = lock.read()?;
    /// // The same thread would wait for itself.
    /// let refused = lock.write().unwrap_err();
    /// assert!(matches!(refused, AcquireError::Failed(LockError::HeldByThisThread)));
    /// # drop(refused);
    /// drop(reading);
    /// assert!(lock.write().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write(&self) -> LockResult<RwLockWriteGuard<'_>> {
        self.segment.write()?.into_guard(RwLockWriteGuard::new)
    }

    /// Holds the lock to write if nobody reads or writes at this moment.
    ///
    /// # Errors
    ///
    /// `Failed(LockError::WouldBlock)` if somebody does, and those of [`write`](Self::write).
    ///
    /// # When the other side is gone
    ///
    /// As [`write`](Self::write).
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = procession_sync::RwLock::new()?;
    /// let writing = lock.try_write()?;
    /// assert!(lock.locked());
    /// # drop(writing);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_write(&self) -> LockResult<RwLockWriteGuard<'_>> {
        self.segment.try_write()?.into_guard(RwLockWriteGuard::new)
    }

    /// Waits until nobody reads or writes, for `timeout` at the longest, and holds the lock to
    /// write.
    ///
    /// # Errors
    ///
    /// `Failed(LockError::TimedOut)` if somebody did, and those of [`write`](Self::write).
    ///
    /// # When the other side is gone
    ///
    /// As [`write`](Self::write).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::{AcquireError, LockError, RwLock};
    /// use std::{thread, time::Duration};
    ///
    /// let lock = RwLock::new()?;
    /// let reading = lock.read()?;
    /// thread::scope(|scope| {
    ///     scope.spawn(|| {
    ///         let refused = lock.write_timeout(Duration::from_millis(1)).unwrap_err();
    ///         assert!(matches!(refused, AcquireError::Failed(LockError::TimedOut)));
    ///     });
    /// });
    /// # drop(reading);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write_timeout(&self, timeout: Duration) -> LockResult<RwLockWriteGuard<'_>> {
        let held = self.segment.write_until(Deadline::after(timeout))?;
        held.into_guard(RwLockWriteGuard::new)
    }

    /// Returns how many guards there are for reading at this moment, in all processes. Those of a
    /// process that died are counted until a writer finds it dead.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = procession_sync::RwLock::new()?;
    /// let reading = lock.read()?;
    /// assert_eq!(lock.readers(), 1);
    /// drop(reading);
    /// assert_eq!(lock.readers(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn readers(&self) -> usize {
        self.segment.readers()
    }

    /// Returns whether a living thread of any process holds the lock to write at this moment.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = procession_sync::RwLock::new()?;
    /// let writing = lock.write()?;
    /// assert!(lock.locked());
    /// drop(writing);
    /// assert!(!lock.locked());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn locked(&self) -> bool {
        self.segment.writer().is_some()
    }

    /// Returns whether a writer died or panicked since the poison was last cleared.
    ///
    /// The death of a writer is noticed by who acquires the lock next.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::RwLock;
    /// use std::thread;
    ///
    /// let lock = RwLock::new()?;
    /// thread::scope(|scope| {
    ///     let writer = scope.spawn(|| {
    ///         let _writing = lock.write().unwrap();
    ///         panic!("the writer's work is half done");
    ///     });
    ///     writer.join().unwrap_err();
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
    /// use procession_sync::RwLock;
    /// use std::thread;
    ///
    /// let lock = RwLock::new()?;
    /// let other = lock.clone();
    /// let died = thread::spawn(move || std::mem::forget(other.write().unwrap()));
    /// died.join().unwrap();
    /// assert!(lock.read().is_err());
    /// lock.clear_poison();
    /// assert!(lock.read().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clear_poison(&self) {
        self.segment.clear_poison();
    }
}

/// Shows the process and the thread that write, and how many guards there are for reading.
impl fmt::Debug for RwLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RwLock")
            .field("writer", &self.segment.writer().map(Owner::of))
            .field("readers", &self.readers())
            .field("poisoned", &self.is_poisoned())
            .finish_non_exhaustive()
    }
}

/// Encodes a handle; only into a message to another process.
impl Serialize for RwLock {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.segment.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RwLock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let segment = Segment::deserialize(deserializer, format())?;
        Ok(Self { segment })
    }
}

/// The proof that this thread holds an [`RwLock`] to read; dropping it gives its share back.
///
/// If it is leaked, nobody writes until its process ends.
#[must_use = "the lock is released when this is dropped"]
pub struct RwLockReadGuard<'a> {
    reading: Reading<'a>,
}

impl<'a> RwLockReadGuard<'a> {
    fn new(reading: Reading<'a>) -> Self {
        Self { reading }
    }
}

impl Repair for RwLockReadGuard<'_> {
    fn clear_poison(&self) {
        self.reading.clear_poison();
    }
}

impl fmt::Debug for RwLockReadGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RwLockReadGuard")
            .field("poisoned", &self.reading.poisoned())
            .finish_non_exhaustive()
    }
}

/// The proof that this thread holds an [`RwLock`] to write; dropping it releases the lock.
///
/// Dropping it in a panic that began after it was acquired poisons the lock. If it is leaked, the
/// lock is held until its thread ends, and poisoned then.
#[must_use = "the lock is released when this is dropped"]
pub struct RwLockWriteGuard<'a> {
    held: Held<'a>,
}

impl<'a> RwLockWriteGuard<'a> {
    fn new(held: Held<'a>) -> Self {
        Self { held }
    }

    /// Goes on to read, without letting a writer come in between. Others may read then.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = procession_sync::RwLock::new()?;
    /// let writing = lock.write()?;
    /// let reading = writing.downgrade();
    /// assert_eq!((lock.locked(), lock.readers()), (false, 1));
    /// # drop(reading);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn downgrade(self) -> RwLockReadGuard<'a> {
        RwLockReadGuard::new(self.held.downgrade())
    }
}

impl Repair for RwLockWriteGuard<'_> {
    fn clear_poison(&self) {
        self.held.clear_poison();
    }
}

impl fmt::Debug for RwLockWriteGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RwLockWriteGuard")
            .field("poisoned", &self.held.poisoned())
            .finish_non_exhaustive()
    }
}

fn format() -> Format {
    Format::of::<()>(SegmentKind::RWLOCK)
}
