//! Reading an array beside others that read it.

use super::{AccessError, Array};
use crate::plain::no_value;
use crate::poison::LockResult;
use crate::segment::unreachable_memory;
use crate::{Plain, ReadGuard, Reading};
use procession_os::robust::LockError;
use procession_os::wait::Deadline;
use std::ops::Range;
use std::time::Duration;

/// What is copied under the array's own lock, which takes less time than being counted as a reader.
const SMALL: usize = 4096;

impl<T: Plain> Array<T> {
    /// Takes the array for reading, side by side with others that read it, waiting for as long as a
    /// living thread has it to write.
    ///
    /// A thread that has the guard may read again, and copy elements, but not write: for a writer
    /// waits for all readers. Neither keeps the other out for long, however many they are: readers
    /// that come while a writer waits let it go first, once.
    ///
    /// # Errors
    ///
    /// [`AcquireError::Poisoned`](crate::AcquireError::Poisoned), with the guard in it, and
    /// [`AcquireError::Failed`](crate::AcquireError::Failed) if this thread has the guard of
    /// [`lock`](Self::lock), if about 500 processes read already, or if the memory was overwritten.
    ///
    /// # When the other side is gone
    ///
    /// If a process dies that has the array to write, the answer is `Poisoned`. One that dies while
    /// it reads leaves the array as it is; a writer goes on within a fraction of a second.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::Array;
    /// use std::thread;
    ///
    /// let array = Array::from_slice(&[3, 1, 2])?;
    /// let guard = array.read()?;
    /// thread::scope(|scope| {
    ///     let same = scope.spawn(|| array.read().map(|guard| guard.to_vec()).unwrap());
    ///     assert_eq!(same.join().unwrap(), *guard);
    /// });
    /// # drop(guard);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read(&self) -> LockResult<ReadGuard<'_, [T]>> {
        self.read_guard_of(self.segment.read()?)
    }

    /// Takes the array for reading if nobody has it to write at this moment, or waits to.
    ///
    /// # Errors
    ///
    /// `Failed(LockError::WouldBlock)`, and those of [`read`](Self::read).
    ///
    /// # When the other side is gone
    ///
    /// As [`read`](Self::read).
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::Array::from_slice(&[1, 2, 3])?;
    /// let guard = array.try_read()?;
    /// assert_eq!(guard[1..], [2, 3]);
    /// # drop(guard);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_read(&self) -> LockResult<ReadGuard<'_, [T]>> {
        self.read_guard_of(self.segment.try_read()?)
    }

    /// Takes the array for reading, waiting for `timeout` at the longest.
    ///
    /// # Errors
    ///
    /// `Failed(LockError::TimedOut)`, and those of [`read`](Self::read).
    ///
    /// # When the other side is gone
    ///
    /// As [`read`](Self::read).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::{AcquireError, Array, LockError};
    /// use std::time::Duration;
    ///
    /// let array = Array::from_slice(&[1, 2, 3])?;
    /// let guard = array.lock()?;
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| {
    ///         let refused = array.read_timeout(Duration::from_millis(5)).unwrap_err();
    ///         assert!(matches!(refused, AcquireError::Failed(LockError::TimedOut)));
    ///     });
    /// });
    /// # drop(guard);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_timeout(&self, timeout: Duration) -> LockResult<ReadGuard<'_, [T]>> {
        self.read_guard_of(self.segment.read_until(Deadline::after(timeout))?)
    }

    /// Uses some elements, which must exist, as they are at one moment.
    #[inline]
    pub(super) fn look_at<R>(
        &self,
        range: Range<usize>,
        look: impl FnOnce(&[T]) -> R,
    ) -> Result<R, AccessError> {
        // Whoever has the lock without writing keeps writers out, and readers only from coming and
        // going.
        let held = self.segment.lock()?;
        if self.segment.is_written_in_parts() {
            drop(held);
            let reading = self.checked(self.segment.read()?, &range);
            return Ok(look(
                &self.wrap_reading(reading.ok_or(AccessError::NoValue)?, range),
            ));
        }
        let held = self.checked(held, &range);
        Ok(look(&self.wrap(held.ok_or(AccessError::NoValue)?, range)))
    }

    /// Copies some elements, which must exist, as they are at one moment.
    pub(super) fn copy_of(&self, range: Range<usize>) -> Result<Vec<T>, AccessError> {
        if range.len() * size_of::<T>() <= SMALL {
            return self.look_at(range, <[T]>::to_vec);
        }
        match self.segment.read() {
            Ok(reading) => {
                let reading = self.checked(reading, &range);
                Ok(self
                    .wrap_reading(reading.ok_or(AccessError::NoValue)?, range)
                    .to_vec())
            }
            // Then this one has to come alone.
            Err(LockError::TooManyProcesses) => self.look_at(range, <[T]>::to_vec),
            Err(error) => Err(error.into()),
        }
    }

    fn read_guard_of<'a>(&'a self, reading: Reading<'a>) -> LockResult<ReadGuard<'a, [T]>> {
        let all = 0..self.len();
        let reading = self.checked(reading, &all).ok_or(LockError::Damaged)?;
        reading.into_guard(|reading| self.wrap_reading(reading, all))
    }

    /// Wraps what was [`checked`](Self::checked).
    fn wrap_reading<'a>(&'a self, reading: Reading<'a>, range: Range<usize>) -> ReadGuard<'a, [T]> {
        // SAFETY: they are elements of a segment of this format, and values.
        unsafe { ReadGuard::new(self.places_of(&range), reading) }
    }
}

/// For a call that has no way to say that it cannot.
#[inline]
#[track_caller]
pub(super) fn or_panic<R>(result: Result<R, AccessError>) -> R {
    match result {
        Ok(found) => found,
        Err(AccessError::Lock(error)) => unreachable_memory(error),
        Err(_) => no_value(),
    }
}
