//! Parts of an array, each written by one process at a time, side by side with the others.

use super::{AccessError, Array, within};
use crate::claims::Claim;
use crate::guard::MadeIn;
use crate::machine::readers::Purpose;
use crate::machine::sleeper::{Awake, Sleeper};
use crate::poison::{LockResult, Repair, guarded};
use crate::{Plain, Reading, Segment};
use procession_os::identity::Identity;
use procession_os::robust::LockError;
use procession_os::wait::Deadline;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut, Range, RangeBounds};
use std::ptr::NonNull;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

/// How often a thread that waits says so, at least.
const LONGEST_NAP: Duration = Duration::from_millis(64);

/// Some consecutive elements of an [`Array`], which are locked apart from the others.
///
/// It is a handle, as the array is: clone it, or give it to another process. Locking it gives a
/// slice that can be written while other processes write other parts. Parts that overlap exclude each
/// other, however they were made, and all of them exclude whoever reads or writes the array itself.
///
/// # When the other side is gone
///
/// If a process dies with the guard of a part, the array is poisoned, and the part is free; that is
/// noticed by whoever wants elements of it next, within a second.
///
/// # Examples
///
/// ```
/// use procession_shm::Array;
/// use std::thread;
///
/// let array = Array::from_iter(0..10)?;
/// thread::scope(|scope| {
///     for part in array.split(3) {
///         scope.spawn(move || part.lock().unwrap().reverse());
///     }
/// });
/// assert_eq!(array.to_vec(), [3, 2, 1, 0, 6, 5, 4, 9, 8, 7]);
/// # Ok::<(), procession_shm::ShmError>(())
/// ```
pub struct ArrayPart<T> {
    array: Array<T>,
    range: Range<usize>,
}

impl<T: Plain> Array<T> {
    /// Returns a handle to some of the elements.
    ///
    /// # Errors
    ///
    /// [`AccessError::RangeOutOfBounds`] if not all of them exist.
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::Array::from_iter(0..5)?;
    /// array.part(1..3)?.lock()?.fill(7);
    /// assert_eq!(array.to_vec(), [0, 7, 7, 3, 4]);
    /// assert!(array.part(3..6).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn part(&self, range: impl RangeBounds<usize>) -> Result<ArrayPart<T>, AccessError> {
        let range = within(range, self.len())?;
        Ok(self.part_of(range))
    }

    /// Returns so many parts, one behind the other, which are all of the array. None is longer than
    /// another by more than one element; zero is as good as one.
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::Array::from_iter(0..10)?;
    /// let ranges = array.split(4).into_iter().map(|part| part.range());
    /// assert!(ranges.eq([0..3, 3..6, 6..8, 8..10]));
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    pub fn split(&self, parts: usize) -> Vec<ArrayPart<T>> {
        let parts = parts.max(1);
        let (short, longer) = (self.len() / parts, self.len() % parts);
        let start = |index: usize| index * short + index.min(longer);
        let range = |index| start(index)..start(index + 1);
        (0..parts).map(|index| self.part_of(range(index))).collect()
    }

    fn part_of(&self, range: Range<usize>) -> ArrayPart<T> {
        let array = self.clone();
        ArrayPart { array, range }
    }
}

impl<T: Plain> ArrayPart<T> {
    /// Takes the part for this thread alone, waiting for as long as somebody has any of its elements,
    /// or the array.
    ///
    /// # Errors
    ///
    /// [`AcquireError::Poisoned`](crate::AcquireError::Poisoned), with the guard in it, and
    /// [`AcquireError::Failed`](crate::AcquireError::Failed) if this thread has some of the elements
    /// already, or the array to read or to write; if more than about 100 parts are taken; or if the
    /// memory was overwritten.
    ///
    /// # When the other side is gone
    ///
    /// If the process that has some of the elements dies, the answer is `Poisoned`.
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::Array::from_iter(0..5)?;
    /// let (left, right) = (array.part(..2)?, array.part(2..)?);
    /// let (mut one, mut other) = (left.lock()?, right.lock()?);
    /// one.swap_with_slice(&mut other[..2]);
    /// drop((one, other));
    /// assert_eq!(array.to_vec(), [2, 3, 0, 1, 4]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lock(&self) -> LockResult<PartGuard<'_, T>> {
        self.lock_until(Deadline::NEVER)
    }

    /// Takes the part if nobody has any of its elements, or the array, at this moment.
    ///
    /// # Errors
    ///
    /// `Failed(LockError::WouldBlock)`, and those of [`lock`](Self::lock).
    ///
    /// # When the other side is gone
    ///
    /// As [`lock`](Self::lock).
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::Array::from_iter(0..5)?;
    /// let part = array.part(1..4)?;
    /// assert_eq!(part.try_lock()?[..], [1, 2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_lock(&self) -> LockResult<PartGuard<'_, T>> {
        let reading = self.segment().try_enter(Purpose::Parts)?;
        let claimed = self.claim(reading, Deadline::PASSED);
        self.guard(claimed.map_err(|error| match error {
            LockError::TimedOut => LockError::WouldBlock,
            error => error,
        })?)
    }

    /// Takes the part, waiting for `timeout` at the longest.
    ///
    /// # Errors
    ///
    /// `Failed(LockError::TimedOut)`, and those of [`lock`](Self::lock).
    ///
    /// # When the other side is gone
    ///
    /// As [`lock`](Self::lock).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::{AcquireError, Array, LockError};
    /// use std::{thread, time::Duration};
    ///
    /// let array = Array::from_iter(0..5)?;
    /// let (part, overlapping) = (array.part(..3)?, array.part(2..)?);
    /// let guard = part.lock()?;
    /// thread::scope(|scope| {
    ///     scope.spawn(|| {
    ///         let refused = overlapping.lock_timeout(Duration::from_millis(1)).unwrap_err();
    ///         assert!(matches!(refused, AcquireError::Failed(LockError::TimedOut)));
    ///     });
    /// });
    /// # drop(guard);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lock_timeout(&self, timeout: Duration) -> LockResult<PartGuard<'_, T>> {
        self.lock_until(Deadline::after(timeout))
    }

    /// Returns the array that it is a part of.
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::Array::from_iter(0..5)?;
    /// assert_eq!(array.part(1..3)?.array().len(), 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn array(&self) -> &Array<T> {
        &self.array
    }

    /// Returns the indices that its elements have in the array.
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::Array::from_iter(0..5)?;
    /// assert_eq!(array.part(3..)?.range(), 3..5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// Returns the number of its elements.
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::Array::from_iter(0..5)?;
    /// assert_eq!(array.part(3..)?.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Returns whether it has no elements.
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::Array::from_iter(0..5)?;
    /// assert!(array.part(3..3)?.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    fn segment(&self) -> &Segment {
        &self.array.segment
    }

    fn lock_until(&self, deadline: Deadline) -> LockResult<PartGuard<'_, T>> {
        let reading = self.segment().enter_until(Purpose::Parts, deadline)?;
        self.guard(self.claim(reading, deadline)?)
    }

    /// Waits until nobody else has any of the elements; whoever waits is in for parts.
    fn claim<'a>(
        &'a self,
        reading: Reading<'a>,
        deadline: Deadline,
    ) -> Result<Claimed<'a>, LockError> {
        let (segment, claims) = (self.segment(), self.segment().claims());
        let claims = claims.ok_or(LockError::Damaged)?;
        let (who, thread) = (Identity::of_this_process(), thread_number());
        let mut sleeper = Sleeper::fair(deadline).napping_at_most(LONGEST_NAP);
        loop {
            let held = segment.lock()?;
            if sleeper.is_overdue() {
                claims.let_first(&self.range, who, thread);
            }
            if let Claim::Taken(slot) = claims.take(&self.range, who, thread)? {
                drop(held);
                return Ok(Claimed {
                    slot,
                    who,
                    panicking: thread::panicking(),
                    reading,
                });
            }
            // Counted under the mutex: whoever releases something later sees it.
            claims.waiting.fetch_add(1, Ordering::Relaxed);
            let seen = claims.released.load(Ordering::Relaxed);
            drop(held);
            let awake = sleeper.sleep_while(&claims.released, seen);
            claims.waiting.fetch_sub(1, Ordering::Relaxed);
            match awake {
                Awake::Changed => {}
                Awake::Nap(_) => _ = self.take_from_the_dead()?,
                Awake::TimedOut if self.take_from_the_dead()? => {}
                Awake::TimedOut => {
                    let _held = segment.lock()?;
                    claims.let_go(who, thread);
                    return Err(LockError::TimedOut);
                }
            }
        }
    }

    /// Takes elements of the part from processes that died with them; true if there were any.
    fn take_from_the_dead(&self) -> Result<bool, LockError> {
        let segment = self.segment();
        let claims = segment.claims().ok_or(LockError::Damaged)?;
        let dead = claims.dead(&self.range);
        if dead.is_empty() {
            return Ok(false);
        }
        let _held = segment.lock()?;
        let is_dead = |who| dead.iter().any(|dead| dead.to_word() == who);
        claims.remove(is_dead, || segment.poison());
        Ok(true)
    }

    fn guard<'a>(&'a self, claimed: Claimed<'a>) -> LockResult<PartGuard<'a, T>> {
        let claimed = self.array.checked(claimed, &self.range);
        let claimed = claimed.ok_or(LockError::Damaged)?;
        let poisoned = self.segment().is_poisoned();
        let guard = PartGuard {
            data: self.array.places_of(&self.range),
            claimed,
            made_in: MadeIn::here(),
            _data: PhantomData,
        };
        guarded(poisoned, guard)
    }
}

/// A part that this process holds, until it is dropped.
struct Claimed<'a> {
    slot: usize,
    /// A process that was forked meanwhile is another one, and holds nothing.
    who: Identity,
    panicking: bool,
    /// Keeps those out who use the array itself. It is dropped last.
    reading: Reading<'a>,
}

impl Drop for Claimed<'_> {
    fn drop(&mut self) {
        if self.who != Identity::of_this_process() {
            return;
        }
        let segment = self.reading.segment();
        if !self.panicking && thread::panicking() {
            segment.poison();
        }
        // Overwritten memory has nothing to be given back to.
        if let (Ok(held), Some(claims)) = (segment.lock(), segment.claims()) {
            let wake = claims.give_up(self.slot);
            drop(held);
            if wake {
                claims.wake();
            }
        }
    }
}

/// The exclusive use of a part of an array, for as long as it lives.
///
/// Dropping it lets others use the elements; dropping it in a panic poisons the array. If it is
/// leaked, nobody else uses them until its process ends.
///
/// It cannot be sent to another thread:
///
/// ```compile_fail,E0277
/// fn send(guard: procession_shm::PartGuard<'static, u8>) {
///     std::thread::spawn(move || drop(guard));
/// }
/// ```
#[must_use = "the part is released when this is dropped"]
pub struct PartGuard<'a, T> {
    data: NonNull<[T]>,
    claimed: Claimed<'a>,
    made_in: MadeIn,
    _data: PhantomData<&'a mut [T]>,
}

impl<T> Deref for PartGuard<'_, T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        self.made_in.check();
        // SAFETY: the data is valid as long as the segment, which is borrowed; the claim keeps
        // everybody else away from it.
        unsafe { self.data.as_ref() }
    }
}

impl<T> DerefMut for PartGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        self.made_in.check();
        // SAFETY: as above, and the guard is borrowed mutably.
        unsafe { self.data.as_mut() }
    }
}

impl<T> Repair for PartGuard<'_, T> {
    fn clear_poison(&self) {
        self.claimed.reading.clear_poison();
    }
}

impl<T: fmt::Debug> fmt::Debug for PartGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T> Clone for ArrayPart<T> {
    fn clone(&self) -> Self {
        Self {
            array: self.array.clone(),
            range: self.range.clone(),
        }
    }
}

/// Shows which elements it has.
impl<T> fmt::Debug for ArrayPart<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArrayPart")
            .field("range", &self.range)
            .finish_non_exhaustive()
    }
}

/// Encodes a handle; only into a message to another process.
impl<T> Serialize for ArrayPart<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let range = (self.range.start as u64, self.range.end as u64);
        (&self.array, range).serialize(serializer)
    }
}

impl<'de, T: Plain> Deserialize<'de> for ArrayPart<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (array, range): (Array<T>, (u64, u64)) = Deserialize::deserialize(deserializer)?;
        let index = |index: u64| usize::try_from(index).unwrap_or(usize::MAX);
        array
            .part(index(range.0)..index(range.1))
            .map_err(serde::de::Error::custom)
    }
}

fn thread_number() -> u32 {
    nix::unistd::gettid().as_raw().cast_unsigned()
}
