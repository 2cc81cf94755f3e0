//! The semaphores.

use crate::handle::handle;
use crate::machine::permits::{self, PermitError, PermitState};
use crate::place::{Placed, Shared};
use procession_os::identity::Identity;
use procession_os::wait::Deadline;
use procession_shm::{SegmentKind, ShmError};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

/// A number of permits for the threads of several processes.
///
/// A permit is released by dropping it. [`release`](Self::release) makes more of them, without
/// bound; where that would be a mistake, use [`BoundedSemaphore`].
///
/// # When the other side is gone
///
/// The permits that a process held when it ended are given back. Who waits for a permit notices
/// that within a second; who comes later and does not wait, at once.
///
/// # Examples
///
/// ```
/// use procession_sync::{PermitError, Semaphore};
///
/// let semaphore = Semaphore::new(2)?;
/// let first = semaphore.acquire()?;
/// let second = semaphore.acquire()?;
/// assert_eq!(semaphore.try_acquire().unwrap_err(), PermitError::WouldBlock);
/// drop(first);
/// assert_eq!(semaphore.available(), 1);
/// # drop(second);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Semaphore {
    place: Placed<PermitState>,
}

handle!(Semaphore);

impl Semaphore {
    /// Makes a semaphore with so many permits.
    ///
    /// # Errors
    ///
    /// [`ShmError::OutOfMemory`] if `/dev/shm` is full, [`ShmError::Family`] or
    /// [`ShmError::System`] if the system refuses.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = procession_sync::Semaphore::new(3)?;
    /// assert_eq!(semaphore.available(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(permits: u32) -> Result<Self, ShmError> {
        Self::with_limit(permits, u32::MAX)
    }

    /// Waits until a permit is free, and holds it.
    ///
    /// # Errors
    ///
    /// [`PermitError::TooManyProcesses`] if about 500 other processes hold permits,
    /// [`PermitError::Lock`] if the memory was overwritten.
    ///
    /// # When the other side is gone
    ///
    /// The permits of a process that ends meanwhile are given back.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = procession_sync::Semaphore::new(1)?;
    /// let permit = semaphore.acquire()?;
    /// assert!(semaphore.locked());
    /// # drop(permit);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn acquire(&self) -> Result<Permit<'_>, PermitError> {
        self.acquire_until(Deadline::NEVER)
    }

    /// Holds a permit if one is free at this moment.
    ///
    /// # Errors
    ///
    /// [`PermitError::WouldBlock`] if none is, and those of [`acquire`](Self::acquire).
    ///
    /// # When the other side is gone
    ///
    /// The permits of processes that have ended are free.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::{PermitError, Semaphore};
    ///
    /// let semaphore = Semaphore::new(1)?;
    /// let permit = semaphore.try_acquire()?;
    /// assert_eq!(semaphore.try_acquire().unwrap_err(), PermitError::WouldBlock);
    /// # drop(permit);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_acquire(&self) -> Result<Permit<'_>, PermitError> {
        let who = Identity::of_this_process();
        permits::try_acquire(&self.place, who)?;
        Ok(Permit::new(self, who))
    }

    /// Waits until a permit is free, for `timeout` at the longest, and holds it.
    ///
    /// # Errors
    ///
    /// [`PermitError::TimedOut`] if none became free, and those of [`acquire`](Self::acquire).
    ///
    /// # When the other side is gone
    ///
    /// The permits of processes that have ended are free.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::{PermitError, Semaphore};
    /// use std::time::Duration;
    ///
    /// let semaphore = Semaphore::new(0)?;
    /// let refused = semaphore.acquire_timeout(Duration::from_millis(1)).unwrap_err();
    /// assert_eq!(refused, PermitError::TimedOut);
    /// # Ok::<(), procession_sync::ShmError>(())
    /// ```
    pub fn acquire_timeout(&self, timeout: Duration) -> Result<Permit<'_>, PermitError> {
        self.acquire_until(Deadline::after(timeout))
    }

    /// Makes `count` more permits, of which those who wait get theirs.
    ///
    /// What is acquired is released by dropping its [`Permit`], not by this.
    ///
    /// # Errors
    ///
    /// [`PermitError::OverRelease`] if there would be more than `u32::MAX` permits,
    /// [`PermitError::Lock`] if the memory was overwritten.
    ///
    /// # When the other side is gone
    ///
    /// It waits for nobody.
    ///
    /// # Examples
    ///
    /// ```
    /// let items = procession_sync::Semaphore::new(0)?;
    /// items.release(2)?; // two items are there
    /// items.acquire()?.forget()?; // one is taken, for good
    /// assert_eq!(items.available(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn release(&self, count: u32) -> Result<(), PermitError> {
        permits::add(&self.place, count)
    }

    /// Returns how many permits are free at this moment. Those of a process that has ended are
    /// among them once that was noticed.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = procession_sync::Semaphore::new(3)?;
    /// let permit = semaphore.acquire()?;
    /// assert_eq!(semaphore.available(), 2);
    /// # drop(permit);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn available(&self) -> u32 {
        self.place.get().free()
    }

    /// Returns whether no permit is free at this moment.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = procession_sync::Semaphore::new(0)?;
    /// assert!(semaphore.locked());
    /// semaphore.release(1)?;
    /// assert!(!semaphore.locked());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn locked(&self) -> bool {
        self.available() == 0
    }

    fn with_limit(permits: u32, limit: u32) -> Result<Self, ShmError> {
        let place = Placed::new(|state: &PermitState| state.set_up(permits, limit))?;
        Ok(Self { place })
    }

    fn acquire_until(&self, deadline: Deadline) -> Result<Permit<'_>, PermitError> {
        let who = Identity::of_this_process();
        permits::acquire(&self.place, who, deadline)?;
        Ok(Permit::new(self, who))
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("available", &self.available())
            .field("held", &self.place.get().held())
            .finish_non_exhaustive()
    }
}

/// A [`Semaphore`] that never has more permits than it was made with.
///
/// Permits that were [forgotten](Permit::forget) can be released again, others cannot.
///
/// # When the other side is gone
///
/// As for a [`Semaphore`].
///
/// # Examples
///
/// ```
/// use procession_sync::{BoundedSemaphore, PermitError};
///
/// let semaphore = BoundedSemaphore::new(1)?;
/// let permit = semaphore.acquire()?;
/// assert_eq!(semaphore.release(1), Err(PermitError::OverRelease { limit: 1 }));
/// permit.forget()?;
/// semaphore.release(1)?;
/// assert_eq!(semaphore.available(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Serialize, Deserialize)]
pub struct BoundedSemaphore(Semaphore);

impl BoundedSemaphore {
    /// Makes a semaphore with so many permits, and never more.
    ///
    /// # Errors
    ///
    /// As [`Semaphore::new`].
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = procession_sync::BoundedSemaphore::new(3)?;
    /// assert_eq!((semaphore.available(), semaphore.bound()), (3, 3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(permits: u32) -> Result<Self, ShmError> {
        Semaphore::with_limit(permits, permits).map(Self)
    }

    /// Waits until a permit is free, and holds it.
    ///
    /// # Errors
    ///
    /// As [`Semaphore::acquire`].
    ///
    /// # When the other side is gone
    ///
    /// As [`Semaphore::acquire`].
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = procession_sync::BoundedSemaphore::new(1)?;
    /// let permit = semaphore.acquire()?;
    /// assert!(semaphore.locked());
    /// # drop(permit);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn acquire(&self) -> Result<Permit<'_>, PermitError> {
        self.0.acquire()
    }

    /// Holds a permit if one is free at this moment.
    ///
    /// # Errors
    ///
    /// As [`Semaphore::try_acquire`].
    ///
    /// # When the other side is gone
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
    ///
    /// # When the other side is gone
    ///
    /// As [`Semaphore::acquire_timeout`].
    pub fn acquire_timeout(&self, timeout: Duration) -> Result<Permit<'_>, PermitError> {
        self.0.acquire_timeout(timeout)
    }

    /// Makes `count` more permits, in the place of forgotten ones.
    ///
    /// # Errors
    ///
    /// [`PermitError::OverRelease`], and nothing is released, if there would be more than the
    /// semaphore was made with; [`PermitError::Lock`] if the memory was overwritten.
    ///
    /// # When the other side is gone
    ///
    /// It waits for nobody.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::{BoundedSemaphore, PermitError};
    ///
    /// let semaphore = BoundedSemaphore::new(2)?;
    /// semaphore.acquire()?.forget()?;
    /// assert_eq!(semaphore.release(2), Err(PermitError::OverRelease { limit: 2 }));
    /// semaphore.release(1)?;
    /// assert_eq!(semaphore.available(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn release(&self, count: u32) -> Result<(), PermitError> {
        self.0.release(count)
    }

    /// Returns how many permits are free at this moment; see [`Semaphore::available`].
    pub fn available(&self) -> u32 {
        self.0.available()
    }

    /// Returns whether no permit is free at this moment.
    pub fn locked(&self) -> bool {
        self.0.locked()
    }

    /// Returns how many permits there may be.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = procession_sync::BoundedSemaphore::new(3)?;
    /// let permit = semaphore.acquire()?;
    /// assert_eq!((semaphore.bound(), semaphore.available()), (3, 2));
    /// # drop(permit);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bound(&self) -> u32 {
        self.0.place.get().limit()
    }
}

impl fmt::Debug for BoundedSemaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedSemaphore")
            .field("available", &self.available())
            .field("held", &self.0.place.get().held())
            .field("bound", &self.bound())
            .finish_non_exhaustive()
    }
}

/// A permit of a semaphore; dropping it releases it.
///
/// If it is leaked, it is released when its process ends. It cannot be sent to another thread:
///
/// ```compile_fail,E0277
/// fn send(permit: procession_sync::Permit<'static>) {
///     std::thread::spawn(move || drop(permit));
/// }
/// ```
#[must_use = "the permit is released when this is dropped"]
pub struct Permit<'a> {
    semaphore: &'a Semaphore,
    who: Identity,
    _not_send: PhantomData<*const ()>,
}

impl<'a> Permit<'a> {
    fn new(semaphore: &'a Semaphore, who: Identity) -> Self {
        Self {
            semaphore,
            who,
            _not_send: PhantomData,
        }
    }

    /// Uses the permit up: it is not released, and there is one less.
    ///
    /// # Errors
    ///
    /// [`PermitError::Lock`] if the memory was overwritten.
    ///
    /// # When the other side is gone
    ///
    /// It waits for nobody.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = procession_sync::Semaphore::new(2)?;
    /// semaphore.acquire()?.forget()?;
    /// assert_eq!(semaphore.available(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn forget(self) -> Result<(), PermitError> {
        let (place, who) = (&self.semaphore.place, self.who);
        std::mem::forget(self);
        permits::forget(place, who)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        // A copy that a fork made holds nothing.
        if self.who == Identity::of_this_process() {
            // Overwritten memory has no permits to give back to.
            let _ = permits::release(&self.semaphore.place, self.who);
        }
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("of", self.semaphore)
            .finish_non_exhaustive()
    }
}

// SAFETY: the state is atomic words, `repr(C)`, valid whatever their bits are.
unsafe impl Shared for PermitState {
    const KIND: SegmentKind = SegmentKind::SEMAPHORE;
}
