//! One shared value without a lock.

use super::unit;
use crate::plain::no_value;
use crate::{AccessError, Format, Plain, Segment, SegmentKind, ShmError};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;

/// A value in memory that several processes share, without a lock.
///
/// [`get`](Self::get) and [`set`](Self::set) cost what a load and a store cost. Of a type of 1, 2,
/// 4 or 8 bytes the value is always whole, and who gets what was set also sees all that was
/// written before it was set. A larger one is copied in parts of up to eight bytes: who reads
/// while another writes may get parts of both. There is no `update`: use
/// [`Value`](crate::Value), or [`Shared`](crate::Shared) for a counter.
///
/// # When the other side is gone
///
/// Nothing waits. A process that is killed while it sets a large value leaves parts of both.
///
/// # Examples
///
/// ```
/// use procession_shm::RawValue;
///
/// let temperature = RawValue::new(20.5)?;
/// let same = temperature.clone();
/// std::thread::spawn(move || same.set(21.0)).join().unwrap();
/// assert_eq!(temperature.get(), 21.0);
/// # Ok::<(), procession_shm::ShmError>(())
/// ```
///
/// It cannot be locked:
///
/// ```compile_fail,E0599
/// procession_shm::RawValue::new(5).unwrap().lock();
/// ```
pub struct RawValue<T> {
    segment: Segment,
    _type: PhantomData<fn() -> T>,
}

impl<T: Plain> RawValue<T> {
    /// Shares a copy of `value`.
    ///
    /// # Errors
    ///
    /// As [`Value::new`](crate::Value::new).
    ///
    /// # Examples
    ///
    /// ```
    /// let value = procession_shm::RawValue::new([1.5, 2.5])?;
    /// assert_eq!(value.get(), [1.5, 2.5]);
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    pub fn new(value: T) -> Result<Self, ShmError> {
        let init = |bytes: &mut [u8]| bytes.copy_from_slice(bytemuck::bytes_of(&value));
        Ok(Self::of(Segment::create_small(Self::format(), 1, init)?))
    }

    /// Returns the value.
    ///
    /// # Panics
    ///
    /// If the memory was overwritten by what is no value of the type, a `bool` that is neither true
    /// nor false; [`try_get`](Self::try_get) does not. For a type of which all bytes are values it
    /// never does.
    ///
    /// # Examples
    ///
    /// ```
    /// let value = procession_shm::RawValue::new(5)?;
    /// assert_eq!(value.get(), 5);
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn get(&self) -> T {
        self.load().unwrap_or_else(|| no_value())
    }

    /// Returns the value.
    ///
    /// # Errors
    ///
    /// [`AccessError::NoValue`] where [`get`](Self::get) panics.
    ///
    /// # Examples
    ///
    /// ```
    /// let letter = procession_shm::RawValue::new('p')?;
    /// assert_eq!(letter.try_get(), Ok('p'));
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    pub fn try_get(&self) -> Result<T, AccessError> {
        self.load().ok_or(AccessError::NoValue)
    }

    /// Replaces the value.
    ///
    /// # Examples
    ///
    /// ```
    /// let value = procession_shm::RawValue::new(5)?;
    /// value.set(6);
    /// assert_eq!(value.get(), 6);
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    #[inline]
    pub fn set(&self, value: T) {
        // SAFETY: a segment of this format has one element of this type.
        unsafe { unit::store(self.at(), value) };
    }

    /// Returns the memory that the value is in, which knows its name and who holds it.
    pub fn segment(&self) -> &Segment {
        &self.segment
    }

    #[inline]
    fn load(&self) -> Option<T> {
        // SAFETY: a segment of this format has one element of this type.
        unsafe { unit::load(self.at()) }
    }

    #[inline]
    fn at(&self) -> NonNull<T> {
        self.segment.payload().cast()
    }

    fn format() -> Format {
        Format::of::<T>(SegmentKind::RAW_VALUE)
    }

    fn of(segment: Segment) -> Self {
        Self {
            segment,
            _type: PhantomData,
        }
    }
}

impl<T> Clone for RawValue<T> {
    fn clone(&self) -> Self {
        Self {
            segment: self.segment.clone(),
            _type: PhantomData,
        }
    }
}

impl<T: Plain + fmt::Debug> fmt::Debug for RawValue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        unit::debug(f, "RawValue", self.try_get())
    }
}

/// Encodes a handle; only into a message to another process.
impl<T> Serialize for RawValue<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.segment.serialize(serializer)
    }
}

impl<'de, T: Plain> Deserialize<'de> for RawValue<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let segment = Segment::deserialize(deserializer, Self::format())?;
        if segment.elements() != 1 {
            return Err(serde::de::Error::custom("a raw value has one element"));
        }
        Ok(Self::of(segment))
    }
}
