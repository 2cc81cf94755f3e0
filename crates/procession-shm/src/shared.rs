//! Atomics in shared memory.

use crate::{AtomicFlag, Format, Segment, SegmentKind, ShmError};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr;
use std::slice;
use std::sync::atomic::{
    self, AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicIsize, AtomicU8, AtomicU16, AtomicU32,
    AtomicU64, AtomicUsize,
};

/// An atomic, or an array of them, that several processes share without a lock.
///
/// It is used through [`Deref`] as the atomic itself, with its orderings, at its speed; an
/// `AtomicBool` as an [`AtomicFlag`], which has the same methods. A clone is
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
/// What is no such atomic cannot be shared so; a pointer, for instance, which would point to nothing
/// in another process:
///
/// ```compile_fail,E0277
/// procession_shm::Shared::new(std::sync::atomic::AtomicPtr::<u8>::default());
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
        let init = |to: &mut [u8]| to.copy_from_slice(Self::bytes(&value));
        Segment::create_small(Self::format(), 1, init).map(Self::of)
    }

    /// As [`new`](Self::new), in memory that nothing else is in: no process has it that was not given a handle,
    /// whatever it writes where it should not. It costs a page or more, and a name in `/dev/shm`.
    ///
    /// # Errors
    ///
    /// As [`Value::new`](crate::Value::new).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::Shared;
    /// use std::sync::atomic::{AtomicU64, Ordering};
    ///
    /// let progress = Shared::new_apart(AtomicU64::new(0))?;
    /// assert_eq!(progress.fetch_add(1, Ordering::Relaxed), 0);
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    pub fn new_apart(value: T) -> Result<Self, ShmError> {
        let init = |to: &mut [u8]| to.copy_from_slice(Self::bytes(&value));
        Segment::create(Self::format(), 1, init).map(Self::of)
    }

    fn bytes(value: &T) -> &[u8] {
        let first = ptr::from_ref(value).cast::<u8>();
        // SAFETY: such an atomic has no padding, and this one is nobody else's.
        unsafe { slice::from_raw_parts(first, size_of::<T>()) }
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
    type Target = T::Seen;

    #[inline]
    fn deref(&self) -> &T::Seen {
        // SAFETY: a segment of this format has one element, which is seen as a type of the same
        // layout, for which all bytes are valid, and which may be written by anybody at any time.
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

impl<T: Atomics<Seen: fmt::Debug>> fmt::Debug for Shared<T> {
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
            return Err(serde::de::Error::custom("a shared atomic is one"));
        }
        Ok(Self::of(segment))
    }
}

/// The atomics of the standard library that are no pointers, and arrays of them.
pub trait Atomics: sealed::Atomics + Send + Sync + 'static {
    /// What it is used as in shared memory: itself, or a type of the same layout of which any bytes
    /// are a valid value, whoever wrote them.
    type Seen: Send + Sync + 'static;
}

macro_rules! atomics {
    ($($atomic:ident as $seen:ident),* $(,)?) => {$(
        const _: () = assert!(
            size_of::<atomic::$atomic>() == size_of::<$seen>()
                && align_of::<atomic::$atomic>() == align_of::<$seen>()
        );
        impl sealed::Atomics for atomic::$atomic {}
        impl Atomics for atomic::$atomic {
            type Seen = $seen;
        }
    )*};
}

atomics!(
    AtomicI8 as AtomicI8,
    AtomicI16 as AtomicI16,
    AtomicI32 as AtomicI32,
    AtomicI64 as AtomicI64,
    AtomicIsize as AtomicIsize,
    AtomicU8 as AtomicU8,
    AtomicU16 as AtomicU16,
    AtomicU32 as AtomicU32,
    AtomicU64 as AtomicU64,
    AtomicUsize as AtomicUsize,
    AtomicBool as AtomicFlag,
);

impl<T: Atomics, const N: usize> sealed::Atomics for [T; N] {}

impl<T: Atomics, const N: usize> Atomics for [T; N] {
    type Seen = [T::Seen; N];
}

mod sealed {
    pub trait Atomics {}
}
