//! A fixed number of shared values: the type, its making, and its lock.
//!
//! What reads and writes elements is in [`access`], several at once in [`ranges`]; all of it goes
//! through [`reach`], what only reads through [`read`], and
//! what is written in parts through [`parts`].

mod access;
mod parts;
mod ranges;
mod reach;
mod read;

use crate::poison::LockResult;
use crate::{AcquireError, Format, Guard, Held, Plain, Segment, SegmentKind, ShmError};
use bytemuck::Zeroable;
use procession_os::robust::LockError;
use procession_os::wait::Deadline;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

pub use access::AccessError;
pub use parts::{ArrayPart, PartGuard};
pub(crate) use ranges::within;

/// A fixed number of values in memory that several processes share.
///
/// `T` is [`Plain`] data: numbers, arrays of them, `bool`, `char`, and structs that derive
/// [`Pod`](bytemuck::Pod). A clone is another handle to the same array; a handle can be given to
/// other processes, as the argument of a task, in a message, or inside of another type that is.
///
/// Each method takes the array's lock for a moment, so that no other sees an element half
/// written. [`lock`](Self::lock) takes it for longer and gives a slice. While a thread has a
/// [`Guard`], it uses that, not the methods of the array. [`read`](Self::read) gives a slice to
/// several threads and processes at once, which only read; [`split`](Self::split) gives handles to
/// parts that several write at once.
///
/// # When the other side is gone
///
/// Nothing waits for a process that has died. If one dies while it holds the lock, the array is
/// *poisoned*: `lock` says so until [`clear_poison`](Self::clear_poison) is called. The other
/// methods go on.
///
/// # Examples
///
/// ```
/// use procession_shm::Array;
///
/// let numbers = Array::from_iter(1..5)?;
/// let same = numbers.clone();
/// std::thread::spawn(move || {
///     for i in 0..same.len() {
///         same.set(i, -same.get(i));
///     }
/// })
/// .join()
/// .unwrap();
/// assert_eq!(numbers.to_vec(), [-1, -2, -3, -4]);
/// # Ok::<(), procession_shm::ShmError>(())
/// ```
pub struct Array<T> {
    segment: Segment,
    _type: PhantomData<fn() -> T>,
}

impl<T: Plain> Array<T> {
    /// Shares `len` elements of which all bytes are zero.
    ///
    /// # Errors
    ///
    /// [`ShmError::OutOfMemory`] if there is no room for it in `/dev/shm`,
    /// [`ShmError::Alignment`] if `T` is aligned to more than a page, [`ShmError::Family`] or
    /// [`ShmError::System`] if the system refuses.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::{Array, ShmError};
    ///
    /// assert_eq!(Array::<f32>::zeroed(3)?.to_vec(), [0.0; 3]);
    /// let more_than_memory = Array::<u8>::zeroed(1 << 45);
    /// assert!(matches!(more_than_memory, Err(ShmError::OutOfMemory { .. })));
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    pub fn zeroed(len: usize) -> Result<Self, ShmError>
    where
        T: Zeroable,
    {
        Self::create(len, |_| {})
    }

    /// Shares a copy of `elements`.
    ///
    /// # Errors
    ///
    /// As [`zeroed`](Self::zeroed).
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::Array::from_slice(&[0.5, 1.5])?;
    /// assert_eq!(array.get(1), 1.5);
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    pub fn from_slice(elements: &[T]) -> Result<Self, ShmError> {
        Self::create(elements.len(), |bytes| {
            bytes.copy_from_slice(bytemuck::cast_slice(elements));
        })
    }

    /// Shares the elements that an iterator yields.
    ///
    /// # Errors
    ///
    /// As [`zeroed`](Self::zeroed).
    ///
    /// # Examples
    ///
    /// ```
    /// let squares = procession_shm::Array::from_iter((0..4).map(|n| n * n))?;
    /// assert_eq!(squares.to_vec(), [0, 1, 4, 9]);
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    #[expect(
        clippy::should_implement_trait,
        reason = "the trait's method cannot fail"
    )]
    pub fn from_iter(elements: impl IntoIterator<Item = T>) -> Result<Self, ShmError> {
        // Collected first, for the number is needed, and the iterator may do anything.
        Self::from_slice(&Vec::from_iter(elements))
    }

    /// Returns the number of elements.
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::Array::from_slice(&[1, 2, 3])?;
    /// assert_eq!(array.len(), 3);
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    #[inline]
    pub fn len(&self) -> usize {
        self.segment.elements()
    }

    /// Returns whether there are no elements.
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::Array::<u8>::zeroed(0)?;
    /// assert!(array.is_empty());
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the array for this thread alone, waiting for as long as a living thread has it, or a
    /// living process reads it.
    ///
    /// # Errors
    ///
    /// [`AcquireError::Poisoned`], with the guard in it, and [`AcquireError::Failed`] if this
    /// thread has a guard already, or if the memory was overwritten. Where it was overwritten by what
    /// is no value of the type, a `bool` that is neither true nor false, [`set`](Self::set) and
    /// [`fill`](Self::fill) mend it.
    ///
    /// # When the other side is gone
    ///
    /// If the process that has the array dies, the answer is `Poisoned`.
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::Array::from_slice(&[3, 1, 2])?;
    /// let mut guard = array.lock()?;
    /// guard.sort();
    /// assert_eq!(*guard, [1, 2, 3]);
    /// # drop(guard);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lock(&self) -> LockResult<Guard<'_, [T]>> {
        self.guard_of(self.segment.write()?)
    }

    /// Takes the array if nobody else has it at this moment.
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
    /// let array = procession_shm::Array::from_slice(&[1, 2, 3])?;
    /// let guard = array.try_lock()?;
    /// assert_eq!(guard[1..], [2, 3]);
    /// # drop(guard);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_lock(&self) -> LockResult<Guard<'_, [T]>> {
        self.guard_of(self.segment.try_write()?)
    }

    /// Takes the array, waiting for `timeout` at the longest.
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
    /// use std::time::Duration;
    ///
    /// let array = Array::from_slice(&[1, 2, 3])?;
    /// let guard = array.lock()?;
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| {
    ///         let refused = array.lock_timeout(Duration::from_millis(5)).unwrap_err();
    ///         assert!(matches!(refused, AcquireError::Failed(LockError::TimedOut)));
    ///     });
    /// });
    /// # drop(guard);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lock_timeout(&self, timeout: Duration) -> LockResult<Guard<'_, [T]>> {
        self.guard_of(self.segment.write_until(Deadline::after(timeout))?)
    }

    /// Returns whether somebody died or panicked with the guard since the poison was last cleared.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::panic::catch_unwind;
    ///
    /// let array = procession_shm::Array::from_slice(&[1, 2, 3])?;
    /// let panic = || array.update(0, |_| panic!("half done"));
    /// assert!(catch_unwind(panic).is_err());
    /// assert!(array.is_poisoned());
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    pub fn is_poisoned(&self) -> bool {
        self.segment.is_poisoned()
    }

    /// Declares the elements sound again.
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::Array::from_slice(&[1, 2, 3])?;
    /// array.clear_poison();
    /// assert!(array.lock().is_ok());
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    pub fn clear_poison(&self) {
        self.segment.clear_poison();
    }

    /// Returns the memory that the array is in, which knows its name and who holds it.
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::Array::from_slice(&[1, 2, 3])?;
    /// assert_eq!(array.segment().holders(), 1);
    /// assert_eq!(array.segment().payload_len(), 12);
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    pub fn segment(&self) -> &Segment {
        &self.segment
    }

    fn create(len: usize, init: impl FnOnce(&mut [u8])) -> Result<Self, ShmError> {
        let segment = Segment::create_small(Self::format(), len, init)?;
        Ok(Self {
            segment,
            _type: PhantomData,
        })
    }

    fn format() -> Format {
        Format::of::<T>(SegmentKind::ARRAY)
    }

    fn guard_of<'a>(&'a self, held: Held<'a>) -> LockResult<Guard<'a, [T]>> {
        let held = self.checked(held, &(0..self.len()));
        let held = held.ok_or(LockError::Damaged)?;
        held.into_guard(|held| self.wrap(held, 0..self.len()))
    }
}

impl<T> Clone for Array<T> {
    fn clone(&self) -> Self {
        Self {
            segment: self.segment.clone(),
            _type: PhantomData,
        }
    }
}

/// Shows the elements, or `<locked>` while somebody has the guard to write.
impl<T: Plain + fmt::Debug> fmt::Debug for Array<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seen = self
            .try_read()
            .or_else(AcquireError::into_inner)
            .map(|guard| guard.to_vec());
        match seen {
            Ok(elements) => f.debug_tuple("Array").field(&elements).finish(),
            Err(_) => f
                .debug_tuple("Array")
                .field(&format_args!("<locked>"))
                .finish(),
        }
    }
}

/// Encodes a handle; only into a message to another process.
impl<T> Serialize for Array<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.segment.serialize(serializer)
    }
}

impl<'de, T: Plain> Deserialize<'de> for Array<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let segment = Segment::deserialize(deserializer, Self::format())?;
        Ok(Self {
            segment,
            _type: PhantomData,
        })
    }
}
