//! The lock that a thread may acquire again.

use crate::handle::handle;
use crate::hold::{self, Hold};
use crate::owner::Owner;
use crate::place::{Placed, Shared};
use procession_os::wait::Deadline;
use procession_shm::{Held, LockError, LockResult, Repair, Segment, SegmentKind, ShmError};
use std::fmt;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A [`Lock`](crate::Lock) that the thread which holds it may acquire again.
///
/// Its owner is a thread of a process. It is released when the owner has dropped all its guards,
/// in whatever order. A guard cannot be sent to another thread:
///
/// ```compile_fail,E0277
/// fn send(guard: procession_sync::RLockGuard<'static>) {
///     std::thread::spawn(move || drop(guard));
/// }
/// ```
///
/// # When the other side is gone
///
/// If the owner dies, or panics, the lock is free and *poisoned*, as a [`Lock`](crate::Lock) is.
/// Acquiring it first tells so; acquiring it again while holding it does not repeat it.
///
/// # Examples
///
/// ```
/// use procession_sync::RLock;
///
/// let lock = RLock::new()?;
/// let outer = lock.acquire()?;
/// let inner = lock.acquire()?;
/// assert_eq!(lock.depth(), 2);
/// drop(outer);
/// assert!(lock.locked());
/// drop(inner);
/// assert!(!lock.locked());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RLock {
    place: Placed<RLockState>,
}

handle!(RLock);

/// What is in the segment beside its mutex, which is the lock.
#[repr(C)]
struct RLockState {
    /// How many guards the owner has; written by the owner.
    depth: AtomicU32,
}

impl RLock {
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
    /// let lock = procession_sync::RLock::new()?;
    /// assert_eq!((lock.locked(), lock.depth()), (false, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new() -> Result<Self, ShmError> {
        let place = Placed::new(|_| {})?;
        Ok(Self { place })
    }

    /// Waits until no other thread holds the lock, and holds it once more.
    ///
    /// # Errors
    ///
    /// [`AcquireError::Poisoned`](crate::AcquireError::Poisoned), with the guard in it, if an
    /// owner died or panicked; [`AcquireError::Failed`](crate::AcquireError::Failed) if the memory
    /// was overwritten.
    ///
    /// # When the other side is gone
    ///
    /// If the owner dies, waiting ends, and the answer is `Poisoned`.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = procession_sync::RLock::new()?;
    /// let outer = lock.acquire()?;
    /// let inner = lock.acquire()?;
    /// assert_eq!(lock.depth(), 2);
    /// # drop((outer, inner));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn acquire(&self) -> LockResult<RLockGuard<'_>> {
        self.acquire_by(Segment::lock)
    }

    /// Holds the lock once more if no other thread holds it at this moment.
    ///
    /// # Errors
    ///
    /// `Failed(LockError::WouldBlock)` if one does, and those of [`acquire`](Self::acquire).
    ///
    /// # When the other side is gone
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::{AcquireError, LockError, RLock};
    /// use std::thread;
    ///
    /// let lock = RLock::new()?;
    /// let held = lock.acquire()?;
    /// assert!(lock.try_acquire().is_ok());
    /// thread::scope(|scope| {
    ///     scope.spawn(|| {
    ///         let refused = lock.try_acquire().unwrap_err();
    ///         assert!(matches!(refused, AcquireError::Failed(LockError::WouldBlock)));
    ///     });
    /// });
    /// # drop(held);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_acquire(&self) -> LockResult<RLockGuard<'_>> {
        self.acquire_by(Segment::try_lock)
    }

    /// Waits until no other thread holds the lock, for `timeout` at the longest, and holds it once
    /// more.
    ///
    /// # Errors
    ///
    /// `Failed(LockError::TimedOut)` if one did, and those of [`acquire`](Self::acquire).
    ///
    /// # When the other side is gone
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::{AcquireError, LockError, RLock};
    /// use std::{thread, time::Duration};
    ///
    /// let lock = RLock::new()?;
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
    pub fn acquire_timeout(&self, timeout: Duration) -> LockResult<RLockGuard<'_>> {
        self.acquire_by(|segment| segment.lock_until(Deadline::after(timeout)))
    }

    /// Returns whether a living thread of any process holds the lock at this moment.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = procession_sync::RLock::new()?;
    /// let held = lock.acquire()?;
    /// assert!(lock.locked());
    /// # drop(held);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn locked(&self) -> bool {
        self.place.segment.holder().is_some()
    }

    /// Returns how many guards its owner has at this moment; zero if nobody holds it.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = procession_sync::RLock::new()?;
    /// let held = lock.acquire()?;
    /// assert_eq!(lock.depth(), 1);
    /// drop(held);
    /// assert_eq!(lock.depth(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn depth(&self) -> usize {
        if self.locked() {
            self.place.get().depth.load(Ordering::Relaxed) as usize
        } else {
            0
        }
    }

    /// Returns whether an owner died or panicked since the poison was last cleared.
    ///
    /// The death of an owner is noticed by who acquires the lock next.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::RLock;
    /// use std::thread;
    ///
    /// let lock = RLock::new()?;
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
        self.place.segment.is_poisoned()
    }

    /// Declares what the lock protects sound again.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::RLock;
    /// use std::thread;
    ///
    /// let lock = RLock::new()?;
    /// let other = lock.clone();
    /// let died = thread::spawn(move || std::mem::forget(other.acquire().unwrap()));
    /// died.join().unwrap();
    /// assert!(lock.acquire().is_err());
    /// lock.clear_poison();
    /// assert!(lock.acquire().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clear_poison(&self) {
        self.place.segment.clear_poison();
    }

    #[inline]
    fn acquire_by(
        &self,
        lock: impl for<'a> FnOnce(&'a Segment) -> Result<Held<'a>, LockError>,
    ) -> LockResult<RLockGuard<'_>> {
        if let Some(hold) = hold::of_this_thread(&self.place.segment) {
            return Ok(self.guard(hold));
        }
        let held = lock(&self.place.segment)?;
        held.into_guard(|held| self.guard(hold::keep(held)))
    }

    /// Acquires the lock for the guards of a hold that was [released](RLockGuard::release_all), and
    /// for one more.
    pub(crate) fn acquire_all_again<'a, G>(
        &'a self,
        levels: Rc<Hold>,
        wrap: impl FnOnce(RLockGuard<'a>) -> G,
    ) -> LockResult<G> {
        let held = self.place.segment.lock()?;
        held.into_guard(|held| {
            levels.take_up(held);
            wrap(self.guard(levels))
        })
    }

    #[inline]
    fn guard(&self, hold: Rc<Hold>) -> RLockGuard<'_> {
        self.write_depth(hold.enter());
        RLockGuard { lock: self, hold }
    }

    #[inline]
    fn write_depth(&self, guards: u32) {
        self.place.get().depth.store(guards, Ordering::Relaxed);
    }
}

/// Shows the process and the thread that hold the lock, and how many guards they have.
impl fmt::Debug for RLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owner = self.place.segment.holder().map(Owner::of);
        f.debug_struct("RLock")
            .field("owner", &owner)
            .field("depth", &self.depth())
            .field("poisoned", &self.is_poisoned())
            .finish_non_exhaustive()
    }
}

/// The proof that this thread holds an [`RLock`]; dropping the last one releases the lock.
///
/// Dropping the last one in a panic that began after the first was acquired poisons the lock. If
/// one is leaked, the lock is held until its thread ends, and poisoned then.
#[must_use = "the lock is released when the last guard is dropped"]
pub struct RLockGuard<'a> {
    lock: &'a RLock,
    hold: Rc<Hold>,
}

impl RLockGuard<'_> {
    /// Tells whether it is a guard of this lock.
    pub(crate) fn is_of(&self, lock: &RLock) -> bool {
        // A process maps a segment once, whatever the number of its handles.
        self.lock.place.segment.payload() == lock.place.segment.payload()
    }

    /// Drops this guard, and releases the lock though this thread may have others. Until it is
    /// [acquired again](RLock::acquire_all_again), they hold nothing.
    pub(crate) fn release_all(self) -> Rc<Hold> {
        let hold = Rc::clone(&self.hold);
        if hold.lay_down() {
            self.lock.write_depth(0);
            // SAFETY: the hold is of this lock, since this is a guard of it, and none of its guards
            // holds the lock any more from now on.
            drop(unsafe { hold.resume(&self.lock.place.segment) });
        }
        hold
    }
}

impl Repair for RLockGuard<'_> {
    fn clear_poison(&self) {
        self.lock.clear_poison();
    }
}

impl Drop for RLockGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        let Some(guards) = self.hold.leave() else {
            return;
        };
        self.lock.write_depth(guards);
        if guards == 0 {
            // SAFETY: the hold is of this lock, since this is a guard of it, and has no guards
            // any more from now on.
            drop(unsafe { self.hold.resume(&self.lock.place.segment) });
        }
    }
}

impl fmt::Debug for RLockGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RLockGuard")
            .field("lock", self.lock)
            .finish_non_exhaustive()
    }
}

// SAFETY: the state is one atomic word, `repr(C)`, valid whatever its bits are.
unsafe impl Shared for RLockState {
    const KIND: SegmentKind = SegmentKind::RLOCK;
}
