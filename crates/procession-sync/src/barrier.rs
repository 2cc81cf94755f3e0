//! The barrier.

use crate::handle::handle;
use crate::machine::barrier::{self, BarrierError, BarrierState};
use crate::place::{Placed, Shared};
use procession_os::wait::Deadline;
use procession_shm::{LockError, SegmentKind, ShmError};
use std::fmt;
use std::time::Duration;

/// A place where a number of threads, of several processes, wait until all of them are there.
///
/// It is used again and again: once all parties have come, they go on, and the next round begins.
///
/// It *breaks* when a party's timeout passes, when the action panics, when somebody calls
/// [`abort`](Self::abort), or when a process dies in the midst of changing it. Then all who wait,
/// and all who come, get [`BarrierError::Broken`], until somebody calls [`reset`](Self::reset).
///
/// # When the other side is gone
///
/// A party that died before it came is waited for until a timeout passes: give one, to the call or
/// to the barrier. A party that died after it came has come.
///
/// # Examples
///
/// ```
/// use procession_sync::Barrier;
/// use std::thread;
///
/// let barrier = Barrier::new(3)?;
/// let mut indices = thread::scope(|scope| {
///     let parties: Vec<_> = (0..3).map(|_| scope.spawn(|| barrier.wait())).collect();
///     let indices = parties.into_iter().map(|party| party.join().unwrap());
///     indices.collect::<Result<Vec<_>, _>>()
/// })?;
/// indices.sort();
/// assert_eq!(indices, [0, 1, 2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Barrier {
    place: Placed<BarrierState>,
}

handle!(Barrier);

impl Barrier {
    /// Makes a barrier for so many parties; zero is as good as one.
    ///
    /// # Errors
    ///
    /// [`ShmError::OutOfMemory`] if `/dev/shm` is full, [`ShmError::Family`] or
    /// [`ShmError::System`] if the system refuses.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::Barrier;
    ///
    /// let barrier = Barrier::new(3)?;
    /// assert_eq!((barrier.parties(), barrier.waiting()), (3, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(parties: u32) -> Result<Self, ShmError> {
        Self::make(parties, None)
    }

    /// Makes a barrier whose [`wait`](Self::wait) has a timeout.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::{Barrier, BarrierError};
    /// use std::time::Duration;
    ///
    /// let barrier = Barrier::with_timeout(2, Duration::from_millis(1))?;
    /// assert_eq!(barrier.wait(), Err(BarrierError::TimedOut));
    /// assert!(barrier.is_broken());
    /// # Ok::<(), procession_sync::ShmError>(())
    /// ```
    pub fn with_timeout(parties: u32, timeout: Duration) -> Result<Self, ShmError> {
        Self::make(parties, Some(timeout))
    }

    /// Waits until all parties have come; returns how many had come before this one.
    ///
    /// What the parties did before is seen by all of them afterwards.
    ///
    /// # Errors
    ///
    /// [`BarrierError::Broken`], [`BarrierError::TimedOut`] if the barrier has a timeout, or
    /// [`BarrierError::Lock`] if the memory was overwritten or the action calls this.
    ///
    /// # When the other side is gone
    ///
    /// A party that died before it came is waited for, until the barrier's timeout.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::Barrier;
    /// use std::thread;
    ///
    /// let barrier = Barrier::new(2)?;
    /// let (one, other) = thread::scope(|scope| {
    ///     let other = scope.spawn(|| barrier.wait());
    ///     (barrier.wait(), other.join().unwrap())
    /// });
    /// assert_eq!(one? + other?, 1); // one was the first, the other the second
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait(&self) -> Result<usize, BarrierError> {
        self.wait_with(|| {})
    }

    /// Waits as [`wait`](Self::wait) does, for `timeout` at the longest.
    ///
    /// # Errors
    ///
    /// [`BarrierError::TimedOut`], and then the barrier is broken; and those of `wait`.
    ///
    /// # When the other side is gone
    ///
    /// It is waited for until the timeout.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::{Barrier, BarrierError};
    /// use std::time::Duration;
    ///
    /// let barrier = Barrier::new(2)?;
    /// assert_eq!(barrier.wait_timeout(Duration::from_millis(1)), Err(BarrierError::TimedOut));
    /// assert_eq!(barrier.wait(), Err(BarrierError::Broken));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_timeout(&self, timeout: Duration) -> Result<usize, BarrierError> {
        self.wait_until(Deadline::after(timeout), || {})
    }

    /// Waits as [`wait`](Self::wait) does; the party that comes last runs its `action` before any
    /// goes on.
    ///
    /// If the action panics, or its process is killed, the barrier breaks.
    ///
    /// # Errors
    ///
    /// As `wait`.
    ///
    /// # When the other side is gone
    ///
    /// As `wait`.
    ///
    /// # Examples
    ///
    /// ```
    /// let barrier = procession_sync::Barrier::new(1)?;
    /// let mut rounds = 0;
    /// assert_eq!(barrier.wait_with(|| rounds += 1)?, 0);
    /// assert_eq!(rounds, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_with(&self, action: impl FnOnce()) -> Result<usize, BarrierError> {
        let timeout = self.place.get().timeout();
        self.wait_until(Deadline::after_opt(timeout), action)
    }

    /// Waits as [`wait_with`](Self::wait_with) does, for `timeout` at the longest.
    ///
    /// # Errors
    ///
    /// As [`wait_timeout`](Self::wait_timeout).
    ///
    /// # When the other side is gone
    ///
    /// It is waited for until the timeout.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let barrier = procession_sync::Barrier::new(1)?;
    /// let mut rounds = 0;
    /// barrier.wait_timeout_with(Duration::from_secs(1), || rounds += 1)?;
    /// assert_eq!(rounds, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_timeout_with(
        &self,
        timeout: Duration,
        action: impl FnOnce(),
    ) -> Result<usize, BarrierError> {
        self.wait_until(Deadline::after(timeout), action)
    }

    /// Breaks the barrier, without waiting for anybody.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::{Barrier, BarrierError};
    ///
    /// let barrier = Barrier::new(2)?;
    /// barrier.abort();
    /// assert_eq!(barrier.wait(), Err(BarrierError::Broken));
    /// # Ok::<(), procession_sync::ShmError>(())
    /// ```
    pub fn abort(&self) {
        self.place.get().abort();
    }

    /// Begins a new round. Those who wait get [`BarrierError::Broken`]; the barrier is not broken.
    ///
    /// # Errors
    ///
    /// [`LockError::HeldByThisThread`] in the barrier's action, [`LockError::Damaged`] and its like
    /// if the memory was overwritten.
    ///
    /// # Examples
    ///
    /// ```
    /// let barrier = procession_sync::Barrier::new(1)?;
    /// barrier.abort();
    /// barrier.reset()?;
    /// assert_eq!(barrier.wait(), Ok(0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reset(&self) -> Result<(), LockError> {
        barrier::reset(&self.place)
    }

    /// Returns how many parties a round has.
    ///
    /// # Examples
    ///
    /// ```
    /// let barrier = procession_sync::Barrier::new(3)?;
    /// assert_eq!(barrier.parties(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn parties(&self) -> usize {
        self.place.get().parties() as usize
    }

    /// Returns how many parties have come and wait at this moment.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let barrier = procession_sync::Barrier::new(2)?;
    /// assert!(barrier.wait_timeout(Duration::ZERO).is_err());
    /// assert_eq!(barrier.waiting(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn waiting(&self) -> usize {
        self.place.get().waiting() as usize
    }

    /// Returns whether it is broken.
    ///
    /// # Examples
    ///
    /// ```
    /// let barrier = procession_sync::Barrier::new(2)?;
    /// barrier.abort();
    /// assert!(barrier.is_broken());
    /// barrier.reset()?;
    /// assert!(!barrier.is_broken());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_broken(&self) -> bool {
        self.place.get().broken()
    }

    fn make(parties: u32, timeout: Option<Duration>) -> Result<Self, ShmError> {
        let place = Placed::new(|state: &BarrierState| state.set_up(parties, timeout))?;
        Ok(Self { place })
    }

    fn wait_until(&self, deadline: Deadline, action: impl FnOnce()) -> Result<usize, BarrierError> {
        barrier::wait(&self.place, deadline, action).map(|index| index as usize)
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier")
            .field("parties", &self.parties())
            .field("waiting", &self.waiting())
            .field("broken", &self.is_broken())
            .finish_non_exhaustive()
    }
}

// SAFETY: the state is atomic words, `repr(C)`, valid whatever their bits are.
unsafe impl Shared for BarrierState {
    const KIND: SegmentKind = SegmentKind::BARRIER;
}
