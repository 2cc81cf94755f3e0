//! Atomics in shared memory.

use crate::{Format, Segment, SegmentKind, ShmError};
use procession_wire::handle;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::slice;

/// An atomic, or an array of them, that several processes share without a lock.
///
/// It is used through [`Deref`] as the atomic itself, with its orderings, at its speed. A clone is
/// another handle to the same atomic; a handle can be given to other processes, as the argument of
/// a task, in a message, or inside of another type that is.
///
/// # When the other side is gone
///
/// Nothing waits, and a process that is killed leaves no atomic half changed.
///
/// # Examples
///
/// ```
/// use procession_shm::Shared;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// let hits = Shared::new(AtomicU64::new(0))?;
/// let same = hits.clone();
/// std::thread::spawn(move || same.fetch_add(1, Ordering::Relaxed)).join().unwrap();
/// assert_eq!(hits.load(Ordering::Relaxed), 1);
///
/// let counters = Shared::new([const { AtomicU64::new(0) }; 16])?;
/// counters[3].fetch_add(1, Ordering::Relaxed);
/// # Ok::<(), procession_shm::ShmError>(())
/// ```
///
/// What is not an atomic integer cannot be shared so; an `AtomicBool`, for instance, whose byte
/// another process could make neither true nor false:
///
/// ```compile_fail,E0277
/// procession_shm::Shared::new(std::sync::atomic::AtomicBool::new(false));
/// ```
pub struct Shared<T> {
    segment: Segment,
    _type: PhantomData<fn() -> T>,
}

impl<T: Atomics> Shared<T> {
    /// Shares an atomic that begins with the value of this one.
    ///
    /// # Errors
    ///
    /// As [`Value::new`](crate::Value::new).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicI32, Ordering};
    ///
    /// let balance = procession_shm::Shared::new(AtomicI32::new(-5))?;
    /// assert_eq!(balance.swap(3, Ordering::Relaxed), -5);
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    pub fn new(value: T) -> Result<Self, ShmError> {
        let first = (&raw const value).cast::<u8>();
        // SAFETY: an atomic integer has no padding, and this one is nobody else's.
        let bytes = unsafe { slice::from_raw_parts(first, size_of::<T>()) };
        let segment = Segment::create(Self::format(), 1, |to| to.copy_from_slice(bytes))?;
        Ok(Self::of(segment))
    }

    /// Returns the memory that the atomic is in, which knows its name and who holds it.
    pub fn segment(&self) -> &Segment {
        &self.segment
    }

    fn format() -> Format {
        Format::of::<T>(SegmentKind::SHARED)
    }

    fn of(segment: Segment) -> Self {
        Self {
            segment,
            _type: PhantomData,
        }
    }
}

impl<T: Atomics> Deref for Shared<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: a segment of this format has one element of this type, for which all bytes are
        // valid, and which may be written by anybody at any time.
        unsafe { self.segment.payload().cast().as_ref() }
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self {
            segment: self.segment.clone(),
            _type: PhantomData,
        }
    }
}

impl<T: Atomics + fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shared").field(&**self).finish()
    }
}

/// Encodes a handle; only into a message to another process.
impl<T> Serialize for Shared<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.segment.serialize(serializer)
    }
}

impl<'de, T: Atomics> Deserialize<'de> for Shared<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let segment = Segment::deserialize(deserializer, Self::format())?;
        if segment.elements() != 1 {
            return Err(handle::decode_error("a shared atomic is one"));
        }
        Ok(Self::of(segment))
    }
}

/// The integer atomics of the standard library, and arrays of them.
///
/// Any bytes are a valid value of such a type, whoever wrote them.
pub trait Atomics: sealed::Atomics {}

impl<T: sealed::Atomics> Atomics for T {}

mod sealed {
    use std::sync::atomic::{
        AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicIsize, AtomicU8, AtomicU16, AtomicU32,
        AtomicU64, AtomicUsize,
    };

    pub trait Atomics: Send + Sync + 'static {}

    macro_rules! atomics {
        ($($atomic:ty),*) => {$(impl Atomics for $atomic {})*};
    }

    atomics!(AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicIsize);
    atomics!(AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize);
    impl<T: Atomics, const N: usize> Atomics for [T; N] {}
}
