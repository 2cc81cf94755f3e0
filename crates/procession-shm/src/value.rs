//! One shared value.

use crate::plain::{are_values, no_value};
use crate::poison::LockResult;
use crate::{Format, Guard, Held, Plain, Segment, SegmentKind, ShmError};
use procession_os::robust::LockError;
use procession_os::wait::Deadline;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;
use std::mem::{self, MaybeUninit};
use std::ptr::NonNull;
use std::time::Duration;

/// A value in memory that several processes share.
///
/// `T` is [`Plain`] data: numbers, arrays of them, `bool`, `char`, and structs that derive
/// [`Pod`](bytemuck::Pod). A clone is another handle to the same value; a handle can be given to
/// other processes, as the argument of a task, in a message, or inside of another type that is.
///
/// Each method takes the value's lock for a moment, so that no other sees a value half written.
/// [`lock`](Self::lock) takes it for longer. While a thread has a [`Guard`], it uses that, not the
/// methods of the value.
///
/// # When the other side is gone
///
/// Nothing waits for a process that has died. If one dies while it holds the lock, the value is
/// *poisoned*: `lock` says so until [`clear_poison`](Self::clear_poison) is called. The other
/// methods go on, for each of them leaves the value whole.
///
/// # Examples
///
/// ```
/// use procession_shm::Value;
///
/// let hits = Value::new(0_u64)?;
/// let same = hits.clone();
/// std::thread::spawn(move || same.update(|hits| *hits += 1)).join().unwrap();
/// assert_eq!(hits.get(), 1);
/// # Ok::<(), procession_shm::ShmError>(())
/// ```
///
/// A struct:
///
/// ```
/// use procession_shm::{Pod, Value, Zeroable};
///
/// #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
/// #[bytemuck(crate = "procession_shm::bytemuck")]
/// #[repr(C)]
/// struct Point {
///     x: f64,
///     y: f64,
/// }
///
/// let point = Value::new(Point { x: 1.0, y: 2.0 })?;
/// point.update(|point| point.y *= 2.0);
/// assert_eq!(point.get(), Point { x: 1.0, y: 4.0 });
/// # Ok::<(), procession_shm::ShmError>(())
/// ```
pub struct Value<T> {
    segment: Segment,
    _type: PhantomData<fn() -> T>,
}

impl<T: Plain> Value<T> {
    /// Shares a copy of `value`.
    ///
    /// # Errors
    ///
    /// [`ShmError::OutOfMemory`] if `/dev/shm` is full, [`ShmError::Alignment`] if `T` is aligned
    /// to more than a page, [`ShmError::Family`] or [`ShmError::System`] if the system refuses.
    ///
    /// # Examples
    ///
    /// ```
    /// let value = procession_shm::Value::new([1.5, 2.5])?;
    /// assert_eq!(value.get(), [1.5, 2.5]);
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    pub fn new(value: T) -> Result<Self, ShmError> {
        let init = |bytes: &mut [u8]| bytes.copy_from_slice(bytemuck::bytes_of(&value));
        let segment = Segment::create_small(Self::format(), 1, init)?;
        Ok(Self {
            segment,
            _type: PhantomData,
        })
    }

    /// Returns the value.
    ///
    /// # Panics
    ///
    /// If this thread has a [`Guard`] of the value, or if the memory was overwritten: its lock, or
    /// a `bool` that is neither true nor false.
    ///
    /// # Examples
    ///
    /// ```
    /// let value = procession_shm::Value::new(5)?;
    /// assert_eq!(value.get(), 5);
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn get(&self) -> T {
        *self.guard()
    }

    /// Replaces the value.
    ///
    /// # Panics
    ///
    /// If this thread has a [`Guard`] of the value, or if its lock was overwritten.
    ///
    /// # Examples
    ///
    /// ```
    /// let value = procession_shm::Value::new(5)?;
    /// value.set(6);
    /// assert_eq!(value.get(), 6);
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn set(&self, value: T) {
        // What was there before is not looked at.
        self.place(self.segment.lock_or_panic()).write(value);
    }

    /// Replaces the value and returns what it was.
    ///
    /// # Panics
    ///
    /// As [`get`](Self::get).
    ///
    /// # Examples
    ///
    /// ```
    /// let value = procession_shm::Value::new('a' as u32)?;
    /// assert_eq!(value.swap('b' as u32), 'a' as u32);
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    #[track_caller]
    pub fn swap(&self, value: T) -> T {
        mem::replace(&mut *self.guard(), value)
    }

    /// Changes the value in place, in one step for everybody else.
    ///
    /// # Panics
    ///
    /// As [`get`](Self::get). A panic of `change` poisons the value.
    ///
    /// # Examples
    ///
    /// ```
    /// let value = procession_shm::Value::new(20)?;
    /// let doubled = value.update(|value| {
    ///     *value *= 2;
    ///     *value
    /// });
    /// assert_eq!(doubled, 40);
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    #[track_caller]
    pub fn update<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        change(&mut self.guard())
    }

    /// Takes the value for this thread alone, waiting for as long as a living thread has it.
    ///
    /// # Errors
    ///
    /// [`AcquireError::Poisoned`](crate::AcquireError::Poisoned), with the guard in it, and
    /// [`AcquireError::Failed`](crate::AcquireError::Failed) if this thread has a guard already,
    /// or if the memory was overwritten. Where it was overwritten by what is no value of the type, a
    /// `bool` that is neither true nor false, [`set`](Self::set) mends it.
    ///
    /// # When the other side is gone
    ///
    /// If the process that has the value dies, the answer is `Poisoned`.
    ///
    /// # Examples
    ///
    /// ```
    /// let value = procession_shm::Value::new([1, 2, 3])?;
    /// let mut guard = value.lock()?;
    /// guard.reverse();
    /// drop(guard);
    /// assert_eq!(value.get(), [3, 2, 1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lock(&self) -> LockResult<Guard<'_, T>> {
        self.guard_of(self.segment.lock()?)
    }

    /// Takes the value if nobody else has it at this moment.
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
    /// let value = procession_shm::Value::new(5)?;
    /// *value.try_lock()? += 1;
    /// assert_eq!(value.get(), 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_lock(&self) -> LockResult<Guard<'_, T>> {
        self.guard_of(self.segment.try_lock()?)
    }

    /// Takes the value, waiting for `timeout` at the longest.
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
    /// let value = procession_shm::Value::new(5)?;
    /// let guard = value.lock_timeout(std::time::Duration::from_secs(1))?;
    /// assert_eq!(*guard, 5);
    /// # drop(guard);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lock_timeout(&self, timeout: Duration) -> LockResult<Guard<'_, T>> {
        self.guard_of(self.segment.lock_until(Deadline::after(timeout))?)
    }

    /// Returns whether somebody died or panicked with the guard since the poison was last cleared.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::panic::catch_unwind;
    ///
    /// let value = procession_shm::Value::new(5)?;
    /// let panic = || value.update(|_| panic!("half done"));
    /// assert!(catch_unwind(panic).is_err());
    /// assert!(value.is_poisoned());
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    pub fn is_poisoned(&self) -> bool {
        self.segment.is_poisoned()
    }

    /// Declares the value sound again.
    ///
    /// # Examples
    ///
    /// ```
    /// let value = procession_shm::Value::new(5)?;
    /// value.clear_poison();
    /// assert!(value.lock().is_ok());
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    pub fn clear_poison(&self) {
        self.segment.clear_poison();
    }

    /// Returns the memory that the value is in, which knows its name and who holds it.
    ///
    /// # Examples
    ///
    /// ```
    /// let value = procession_shm::Value::new(5)?;
    /// let same = value.clone();
    /// assert_eq!(value.segment().name(), same.segment().name());
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    pub fn segment(&self) -> &Segment {
        &self.segment
    }

    fn format() -> Format {
        Format::of::<T>(SegmentKind::VALUE)
    }

    #[inline]
    fn guard_of<'a>(&'a self, held: Held<'a>) -> LockResult<Guard<'a, T>> {
        let held = self.checked(held).ok_or(LockError::Damaged)?;
        held.into_guard(|held| self.wrap(held))
    }

    #[inline]
    #[track_caller]
    fn guard(&self) -> Guard<'_, T> {
        match self.checked(self.segment.lock_or_panic()) {
            Some(held) => self.wrap(held),
            None => no_value(),
        }
    }

    /// Passes the lock on if what it guards is a value.
    #[inline]
    fn checked<'a>(&self, held: Held<'a>) -> Option<Held<'a>> {
        // SAFETY: a segment of this format has one element, and the lock is held.
        let is_value = unsafe { are_values(self.at(), 1) };
        is_value.then_some(held)
    }

    /// Wraps a lock that was [`checked`](Self::checked).
    #[inline]
    fn wrap<'a>(&'a self, held: Held<'a>) -> Guard<'a, T> {
        // SAFETY: a segment of this format has one element, and its bytes are a value.
        unsafe { Guard::new(self.at(), held) }
    }

    /// Wraps the lock of what is to be overwritten, whatever it is.
    #[inline]
    fn place<'a>(&'a self, held: Held<'a>) -> Guard<'a, MaybeUninit<T>> {
        // SAFETY: a segment of this format has one element, and any bytes will do.
        unsafe { Guard::new(self.at().cast(), held) }
    }

    #[inline]
    fn at(&self) -> NonNull<T> {
        self.segment.payload().cast()
    }
}

impl<T> Clone for Value<T> {
    fn clone(&self) -> Self {
        Self {
            segment: self.segment.clone(),
            _type: PhantomData,
        }
    }
}

/// Shows the value, or `<locked>` while somebody has its guard.
impl<T: Plain + fmt::Debug> fmt::Debug for Value<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seen = self
            .try_lock()
            .or_else(crate::AcquireError::into_inner)
            .map(|guard| *guard);
        match seen {
            Ok(value) => f.debug_tuple("Value").field(&value).finish(),
            Err(_) => f
                .debug_tuple("Value")
                .field(&format_args!("<locked>"))
                .finish(),
        }
    }
}

/// Encodes a handle; only into a message to another process.
impl<T> Serialize for Value<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.segment.serialize(serializer)
    }
}

impl<'de, T: Plain> Deserialize<'de> for Value<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let segment = Segment::deserialize(deserializer, Self::format())?;
        if segment.elements() != 1 {
            return Err(serde::de::Error::custom("a value has one element"));
        }
        Ok(Self {
            segment,
            _type: PhantomData,
        })
    }
}
