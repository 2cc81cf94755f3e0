//! Reading and writing the elements of an array.

use super::Array;
use super::read::or_panic;
use crate::{Guard, Plain};
use procession_os::robust::LockError;
use std::mem;

/// An element was not reached.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// There is no such element.
    #[error("index {index} is out of bounds: the array has {len} elements")]
    OutOfBounds {
        /// The index that was asked for.
        index: usize,
        /// The number of elements.
        len: usize,
    },
    /// Not all elements of the range exist.
    #[error("range {start}..{end} is out of bounds: the array has {len} elements")]
    RangeOutOfBounds {
        /// The first index of the range.
        start: usize,
        /// The index behind its last.
        end: usize,
        /// The number of elements.
        len: usize,
    },
    /// There are not as many elements as were given.
    #[error("{given} elements were given: the array has {len} elements")]
    WrongLength {
        /// The number of elements that were given.
        given: usize,
        /// The number of elements.
        len: usize,
    },
    /// The memory was overwritten: what is there is no value of the type.
    #[error("the memory was overwritten: what is there is no value of this type")]
    NoValue,
    /// The array's lock was not obtained.
    #[error(transparent)]
    Lock(#[from] LockError),
}

procession_os::debug_in_words!(AccessError {
    OutOfBounds,
    RangeOutOfBounds,
    WrongLength,
    NoValue,
    Lock
});

impl<T: Plain> Array<T> {
    /// Returns element `index`.
    ///
    /// # Panics
    ///
    /// If there is no such element, if this thread has a [`Guard`] of the array, or if the memory
    /// was overwritten: its lock, or a `bool` that is neither true nor false;
    /// [`try_get`](Self::try_get) does not.
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::Array::from_slice(&[1, 2, 3])?;
    /// assert_eq!(array.get(2), 3);
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn get(&self, index: usize) -> T {
        self.assert_exists(index);
        or_panic(self.look_at(index..index + 1, |elements| elements[0]))
    }

    /// Replaces element `index`.
    ///
    /// # Panics
    ///
    /// As [`get`](Self::get); [`try_set`](Self::try_set) does not.
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::Array::from_slice(&[1, 2, 3])?;
    /// array.set(0, 10);
    /// assert_eq!(array.to_vec(), [10, 2, 3]);
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn set(&self, index: usize, value: T) {
        self.assert_exists(index);
        self.places(index..index + 1).fill(value);
    }

    /// Returns element `index`.
    ///
    /// # Errors
    ///
    /// [`AccessError::OutOfBounds`] if there is no such element, [`AccessError::Lock`] if this
    /// thread has a [`Guard`] of the array or if the memory was overwritten.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::{AccessError, Array};
    ///
    /// let array = Array::from_slice(&[7])?;
    /// assert_eq!(array.try_get(0), Ok(7));
    /// assert_eq!(array.try_get(1), Err(AccessError::OutOfBounds { index: 1, len: 1 }));
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    pub fn try_get(&self, index: usize) -> Result<T, AccessError> {
        self.check(index)?;
        self.look_at(index..index + 1, |elements| elements[0])
    }

    /// Replaces element `index`.
    ///
    /// # Errors
    ///
    /// As [`try_get`](Self::try_get).
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::Array::from_slice(&[1, 2, 3])?;
    /// assert!(array.try_set(2, 30).is_ok());
    /// assert!(array.try_set(3, 40).is_err());
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    pub fn try_set(&self, index: usize, value: T) -> Result<(), AccessError> {
        self.check(index)?;
        self.try_places(index..index + 1)?.fill(value);
        Ok(())
    }

    /// Replaces element `index` and returns what it was.
    ///
    /// # Panics
    ///
    /// As [`get`](Self::get); [`try_swap`](Self::try_swap) does not.
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::Array::from_slice(&[1, 2, 3])?;
    /// assert_eq!(array.swap(1, 20), 2);
    /// assert_eq!(array.get(1), 20);
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    #[track_caller]
    pub fn swap(&self, index: usize, value: T) -> T {
        mem::replace(&mut self.element(index)[0], value)
    }

    /// Replaces element `index` and returns what it was.
    ///
    /// # Errors
    ///
    /// As [`try_get`](Self::try_get).
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::Array::from_slice(&[1, 2, 3])?;
    /// assert_eq!(array.try_swap(1, 20), Ok(2));
    /// assert!(array.try_swap(3, 40).is_err());
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    pub fn try_swap(&self, index: usize, value: T) -> Result<T, AccessError> {
        Ok(mem::replace(&mut self.try_element(index)?[0], value))
    }

    /// Changes element `index` in place, in one step for everybody else.
    ///
    /// # Panics
    ///
    /// As [`get`](Self::get); [`try_update`](Self::try_update) does not. A panic of `change`
    /// poisons the array.
    ///
    /// # Examples
    ///
    /// ```
    /// let counters = procession_shm::Array::<u32>::zeroed(2)?;
    /// counters.update(1, |count| *count += 1);
    /// assert_eq!(counters.to_vec(), [0, 1]);
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    #[track_caller]
    pub fn update<R>(&self, index: usize, change: impl FnOnce(&mut T) -> R) -> R {
        change(&mut self.element(index)[0])
    }

    /// Changes element `index` in place, in one step for everybody else.
    ///
    /// # Errors
    ///
    /// As [`try_get`](Self::try_get); `change` was not called then.
    ///
    /// # Panics
    ///
    /// If `change` does, which poisons the array.
    ///
    /// # Examples
    ///
    /// ```
    /// let counters = procession_shm::Array::<u32>::zeroed(2)?;
    /// counters.try_update(1, |count| *count += 1)?;
    /// assert!(counters.try_update(2, |count| *count += 1).is_err());
    /// assert_eq!(counters.to_vec(), [0, 1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_update<R>(
        &self,
        index: usize,
        change: impl FnOnce(&mut T) -> R,
    ) -> Result<R, AccessError> {
        Ok(change(&mut self.try_element(index)?[0]))
    }

    /// Sets all elements to `value`, in one step for everybody else.
    ///
    /// # Panics
    ///
    /// If this thread has a [`Guard`] of the array, or if the memory was overwritten.
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::Array::from_slice(&[1, 2, 3])?;
    /// array.fill(7);
    /// assert_eq!(array.to_vec(), [7, 7, 7]);
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    #[track_caller]
    pub fn fill(&self, value: T) {
        self.places(0..self.len()).fill(value);
    }

    /// Replaces all elements, in one step for everybody else.
    ///
    /// # Panics
    ///
    /// If `elements` are not exactly as many, and as [`fill`](Self::fill);
    /// [`try_copy_from_slice`](Self::try_copy_from_slice) does not.
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::Array::from_slice(&[1, 2, 3])?;
    /// array.copy_from_slice(&[4, 5, 6]);
    /// assert_eq!(array.to_vec(), [4, 5, 6]);
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    #[track_caller]
    pub fn copy_from_slice(&self, elements: &[T]) {
        let len = self.len();
        assert_eq!(
            elements.len(),
            len,
            "an array of {len} elements takes as many"
        );
        self.places(0..len).copy_from_slice(elements);
    }

    /// Replaces all elements, in one step for everybody else.
    ///
    /// # Errors
    ///
    /// [`AccessError::WrongLength`] if `elements` are not exactly as many, [`AccessError::Lock`] if
    /// this thread has a [`Guard`] of the array or if the memory was overwritten. Nothing is
    /// written then.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::{AccessError, Array};
    ///
    /// let array = Array::from_slice(&[1, 2, 3])?;
    /// array.try_copy_from_slice(&[4, 5, 6])?;
    /// let refused = array.try_copy_from_slice(&[7]);
    /// assert_eq!(refused, Err(AccessError::WrongLength { given: 1, len: 3 }));
    /// assert_eq!(array.to_vec(), [4, 5, 6]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_copy_from_slice(&self, elements: &[T]) -> Result<(), AccessError> {
        let (given, len) = (elements.len(), self.len());
        if given != len {
            return Err(AccessError::WrongLength { given, len });
        }
        self.try_places(0..len)?.copy_from_slice(elements);
        Ok(())
    }

    /// Returns a copy of all elements as they are at one moment.
    ///
    /// # Panics
    ///
    /// As [`fill`](Self::fill).
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::Array::from_slice(&[1, 2, 3])?;
    /// assert_eq!(array.to_vec().iter().sum::<i32>(), 6);
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    #[track_caller]
    pub fn to_vec(&self) -> Vec<T> {
        or_panic(self.copy_of(0..self.len()))
    }

    /// Takes the lock if there is such an element, for reading that.
    #[inline]
    #[track_caller]
    fn element(&self, index: usize) -> Guard<'_, [T]> {
        self.assert_exists(index);
        self.span(index..index + 1)
    }

    /// Takes the lock if there is such an element, for reading that.
    fn try_element(&self, index: usize) -> Result<Guard<'_, [T]>, AccessError> {
        self.check(index)?;
        self.try_span(index..index + 1)
    }

    /// Looked at before the lock is taken, for a panic under it would poison the array.
    #[inline]
    #[track_caller]
    fn assert_exists(&self, index: usize) {
        let len = self.len();
        assert!(
            index < len,
            "index out of bounds: the len is {len} but the index is {index}"
        );
    }

    fn check(&self, index: usize) -> Result<(), AccessError> {
        let len = self.len();
        if index >= len {
            return Err(AccessError::OutOfBounds { index, len });
        }
        Ok(())
    }
}
