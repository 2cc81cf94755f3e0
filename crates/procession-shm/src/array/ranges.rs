//! Several elements of an array under one lock.

use super::Array;
use super::access::AccessError;
use crate::Plain;
use std::ops::{Bound, Range, RangeBounds};
use std::vec;

impl<T: Plain> Array<T> {
    /// Returns a copy of some of the elements as they are at one moment.
    ///
    /// # Errors
    ///
    /// [`AccessError::RangeOutOfBounds`] if not all of them exist, [`AccessError::Lock`] if this
    /// thread has a [`Guard`](crate::Guard) of the array or if the memory was overwritten.
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::Array::from_iter(0..5)?;
    /// assert_eq!(array.read_range(1..3)?, [1, 2]);
    /// assert!(array.read_range(3..6).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_range(&self, range: impl RangeBounds<usize>) -> Result<Vec<T>, AccessError> {
        self.copy_of(within(range, self.len())?)
    }

    /// Replaces as many elements as are given, from `start` on, in one step for everybody else.
    ///
    /// # Errors
    ///
    /// As [`read_range`](Self::read_range); nothing is written then.
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::Array::from_iter(0..5)?;
    /// array.write_range(3, &[30, 40])?;
    /// assert_eq!(array.to_vec(), [0, 1, 2, 30, 40]);
    /// assert!(array.write_range(4, &[40, 50]).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write_range(&self, start: usize, elements: &[T]) -> Result<(), AccessError> {
        let range = within(start..start.saturating_add(elements.len()), self.len())?;
        self.try_places(range)?.copy_from_slice(elements);
        Ok(())
    }

    /// Changes some of the elements in place, in one step for everybody else.
    ///
    /// # Errors
    ///
    /// As [`read_range`](Self::read_range).
    ///
    /// # Panics
    ///
    /// If `change` does, which poisons the array.
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::Array::from_iter(0..5)?;
    /// array.update_range(..3, <[i32]>::reverse)?;
    /// assert_eq!(array.to_vec(), [2, 1, 0, 3, 4]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn update_range<R>(
        &self,
        range: impl RangeBounds<usize>,
        change: impl FnOnce(&mut [T]) -> R,
    ) -> Result<R, AccessError> {
        // Looked at before the lock is taken, for a panic under it would poison the array.
        let range = within(range, self.len())?;
        Ok(change(&mut self.try_span(range)?))
    }

    /// Returns an iterator over the elements as they are at this moment, all of them at once.
    ///
    /// The lock is held while they are copied, not while the iterator lives.
    ///
    /// # Panics
    ///
    /// As [`to_vec`](Self::to_vec).
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::Array::from_iter(0..3)?;
    /// for element in &array {
    ///     array.update(0, |first| *first += element);
    /// }
    /// assert!(array.iter().eq([3, 1, 2]));
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    #[track_caller]
    pub fn iter(&self) -> vec::IntoIter<T> {
        self.to_vec().into_iter()
    }
}

impl<T: Plain> IntoIterator for &Array<T> {
    type Item = T;
    type IntoIter = vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Returns the range if all of it is among `len` elements.
pub(crate) fn within(
    range: impl RangeBounds<usize>,
    len: usize,
) -> Result<Range<usize>, AccessError> {
    let start = match range.start_bound() {
        Bound::Included(&start) => start,
        Bound::Excluded(&before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        // More than any length if it cannot be counted.
        Bound::Included(&last) => last.saturating_add(1),
        Bound::Excluded(&end) => end,
        Bound::Unbounded => len,
    };
    if start <= end && end <= len && !overflows(&range) {
        return Ok(start..end);
    }
    Err(AccessError::RangeOutOfBounds { start, end, len })
}

/// Whether it names the element behind the last that a number can name.
fn overflows(range: &impl RangeBounds<usize>) -> bool {
    let last = range.end_bound() == Bound::Included(&usize::MAX);
    last || range.start_bound() == Bound::Excluded(&usize::MAX)
}
