//! A fixed number of shared values without a lock.

use super::unit;
use crate::array::{AccessError, within};
use crate::plain::no_value;
use crate::{Format, Plain, Segment, SegmentKind, ShmError};
use bytemuck::Zeroable;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;
use std::ops::RangeBounds;
use std::ptr::NonNull;

/// A fixed number of values in memory that several processes share, without a lock.
///
/// An element costs what a load or a store costs. Elements of 1, 2, 4 or 8 bytes are always
/// whole, and who gets what was set also sees all that was written before it was set. Larger ones
/// are copied in parts of up to eight bytes: who reads while another writes may get parts of
/// both. What concerns several elements is done one element after the other, others coming
/// between. Where that matters, use [`Array`](crate::Array), or a lock beside this.
///
/// # When the other side is gone
///
/// Nothing waits. A process that is killed while it writes leaves what it had written.
///
/// # Examples
///
/// ```
/// use procession_shm::RawArray;
///
/// let squares = RawArray::<u64>::zeroed(4)?;
/// std::thread::scope(|scope| {
///     for i in 0..4 {
///         let squares = &squares;
///         scope.spawn(move || squares.set(i, (i * i) as u64));
///     }
/// });
/// assert_eq!(squares.to_vec(), [0, 1, 4, 9]);
/// # Ok::<(), procession_shm::ShmError>(())
/// ```
///
/// It cannot be locked:
///
/// ```compile_fail,E0599
/// procession_shm::RawArray::from_slice(&[5]).unwrap().lock();
/// ```
pub struct RawArray<T> {
    segment: Segment,
    _type: PhantomData<fn() -> T>,
}

impl<T: Plain> RawArray<T> {
    /// Shares `len` elements of which all bytes are zero.
    ///
    /// # Errors
    ///
    /// As [`Array::zeroed`](crate::Array::zeroed).
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(procession_shm::RawArray::<f32>::zeroed(3)?.to_vec(), [0.0; 3]);
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    pub fn zeroed(len: usize) -> Result<Self, ShmError>
    where
        T: Zeroable,
    {
        Ok(Self::of(Segment::create_small(
            Self::format(),
            len,
            |_| {},
        )?))
    }

    /// Shares a copy of `elements`.
    ///
    /// # Errors
    ///
    /// As [`Array::zeroed`](crate::Array::zeroed).
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::RawArray::from_slice(&[0.5, 1.5])?;
    /// assert_eq!(array.get(1), 1.5);
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    pub fn from_slice(elements: &[T]) -> Result<Self, ShmError> {
        let init = |bytes: &mut [u8]| bytes.copy_from_slice(bytemuck::cast_slice(elements));
        Ok(Self::of(Segment::create_small(
            Self::format(),
            elements.len(),
            init,
        )?))
    }

    /// Shares the elements that an iterator yields.
    ///
    /// # Errors
    ///
    /// As [`Array::zeroed`](crate::Array::zeroed).
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::RawArray::from_iter(1..4)?;
    /// assert_eq!(array.to_vec(), [1, 2, 3]);
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    #[expect(
        clippy::should_implement_trait,
        reason = "the trait's method cannot fail"
    )]
    pub fn from_iter(elements: impl IntoIterator<Item = T>) -> Result<Self, ShmError> {
        Self::from_slice(&Vec::from_iter(elements))
    }

    /// Returns the number of elements.
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::RawArray::<u8>::zeroed(9)?;
    /// assert_eq!((array.len(), array.is_empty()), (9, false));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn len(&self) -> usize {
        self.segment.elements()
    }

    /// Returns whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns element `index`.
    ///
    /// # Panics
    ///
    /// If there is no such element, or if the memory was overwritten by what is no value of the type,
    /// a `bool` that is neither true nor false; [`try_get`](Self::try_get) does not.
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::RawArray::from_slice(&[1, 2, 3])?;
    /// assert_eq!(array.get(2), 3);
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn get(&self, index: usize) -> T {
        match self.at(index) {
            // SAFETY: it is an element of this type.
            Some(at) => unsafe { unit::load(at) }.unwrap_or_else(|| no_value()),
            None => out_of_bounds(index, self.len()),
        }
    }

    /// Replaces element `index`.
    ///
    /// # Panics
    ///
    /// If there is no such element; [`try_set`](Self::try_set) does not.
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::RawArray::from_slice(&[1, 2, 3])?;
    /// array.set(0, 10);
    /// assert_eq!(array.to_vec(), [10, 2, 3]);
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn set(&self, index: usize, value: T) {
        match self.at(index) {
            // SAFETY: it is an element of this type.
            Some(at) => unsafe { unit::store(at, value) },
            None => out_of_bounds(index, self.len()),
        }
    }

    /// Returns element `index`.
    ///
    /// # Errors
    ///
    /// [`AccessError::OutOfBounds`], and [`AccessError::NoValue`].
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::RawArray::from_slice(&[7])?;
    /// assert_eq!(array.try_get(0), Ok(7));
    /// assert!(array.try_get(1).is_err());
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    pub fn try_get(&self, index: usize) -> Result<T, AccessError> {
        let at = self.at(index).ok_or_else(|| self.refuse(index))?;
        // SAFETY: it is an element of this type.
        unsafe { unit::load(at) }.ok_or(AccessError::NoValue)
    }

    /// Replaces element `index`.
    ///
    /// # Errors
    ///
    /// [`AccessError::OutOfBounds`].
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::RawArray::from_slice(&[7])?;
    /// assert!(array.try_set(0, 8).is_ok());
    /// assert!(array.try_set(1, 8).is_err());
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    pub fn try_set(&self, index: usize, value: T) -> Result<(), AccessError> {
        let at = self.at(index).ok_or_else(|| self.refuse(index))?;
        // SAFETY: it is an element of this type.
        unsafe { unit::store(at, value) };
        Ok(())
    }

    /// Returns a copy of some of the elements.
    ///
    /// # Errors
    ///
    /// [`AccessError::RangeOutOfBounds`], and [`AccessError::NoValue`].
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::RawArray::from_iter(0..5)?;
    /// assert_eq!(array.read_range(3..)?, [3, 4]);
    /// assert!(array.read_range(3..6).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_range(&self, range: impl RangeBounds<usize>) -> Result<Vec<T>, AccessError> {
        let range = within(range, self.len())?;
        range.map(|index| self.try_get(index)).collect()
    }

    /// Replaces as many elements as are given, from `start` on.
    ///
    /// # Errors
    ///
    /// [`AccessError::RangeOutOfBounds`]; nothing is written then.
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::RawArray::from_iter(0..5)?;
    /// array.write_range(2, &[20, 30])?;
    /// assert_eq!(array.to_vec(), [0, 1, 20, 30, 4]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write_range(&self, start: usize, elements: &[T]) -> Result<(), AccessError> {
        let range = within(start..start.saturating_add(elements.len()), self.len())?;
        for (index, &element) in range.zip(elements) {
            self.set(index, element);
        }
        Ok(())
    }

    /// Sets all elements to `value`, one after the other.
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::RawArray::from_slice(&[1, 2, 3])?;
    /// array.fill(7);
    /// assert_eq!(array.to_vec(), [7, 7, 7]);
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    pub fn fill(&self, value: T) {
        for index in 0..self.stored() {
            self.set(index, value);
        }
    }

    /// Returns a copy of all elements, each as it was when its turn came.
    ///
    /// # Panics
    ///
    /// As [`get`](Self::get); [`read_range`](Self::read_range) does not.
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::RawArray::from_slice(&[1, 2, 3])?;
    /// assert_eq!(array.to_vec().iter().sum::<i32>(), 6);
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    pub fn to_vec(&self) -> Vec<T> {
        // One stands for all that have no bytes.
        if size_of::<T>() == 0 && !self.is_empty() {
            return vec![self.get(0); self.len()];
        }
        self.iter().collect()
    }

    /// Returns an iterator that gets each element when its turn comes.
    ///
    /// It panics where [`get`](Self::get) does.
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::RawArray::from_slice(&[1, 2, 3])?;
    /// assert!(array.iter().eq([1, 2, 3]));
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    pub fn iter(&self) -> impl ExactSizeIterator<Item = T> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Returns the memory that the array is in, which knows its name and who holds it.
    pub fn segment(&self) -> &Segment {
        &self.segment
    }

    #[inline]
    fn at(&self, index: usize) -> Option<NonNull<T>> {
        let first: NonNull<T> = self.segment.payload().cast();
        // SAFETY: so many elements lie behind each other, all of them mapped.
        (index < self.len()).then(|| unsafe { first.add(index) })
    }

    /// How many elements there are to write: none of those that have no bytes.
    fn stored(&self) -> usize {
        if size_of::<T>() == 0 { 0 } else { self.len() }
    }

    #[cold]
    fn refuse(&self, index: usize) -> AccessError {
        let len = self.len();
        AccessError::OutOfBounds { index, len }
    }

    fn format() -> Format {
        Format::of::<T>(SegmentKind::RAW_ARRAY)
    }

    fn of(segment: Segment) -> Self {
        Self {
            segment,
            _type: PhantomData,
        }
    }
}

#[cold]
#[track_caller]
fn out_of_bounds(index: usize, len: usize) -> ! {
    panic!("index out of bounds: the len is {len} but the index is {index}")
}

impl<T> Clone for RawArray<T> {
    fn clone(&self) -> Self {
        Self {
            segment: self.segment.clone(),
            _type: PhantomData,
        }
    }
}

impl<T: Plain + fmt::Debug> fmt::Debug for RawArray<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        unit::debug(f, "RawArray", self.read_range(..))
    }
}

/// Encodes a handle; only into a message to another process.
impl<T> Serialize for RawArray<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.segment.serialize(serializer)
    }
}

impl<'de, T: Plain> Deserialize<'de> for RawArray<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::of(Segment::deserialize(
            deserializer,
            Self::format(),
        )?))
    }
}
