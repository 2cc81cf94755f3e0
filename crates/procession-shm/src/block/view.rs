//! The bytes of a block as elements of a type.

use super::{OutOfBlock, SharedMemory, words};
use crate::Plain;
use crate::array::{AccessError, within};
use crate::plain::{are_values, no_value};
use std::fmt;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::RangeBounds;
use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::AtomicU64;

/// A part of a block was not seen as elements of a type.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// The block does not have as many bytes.
    #[error(transparent)]
    OutOfBlock(#[from] OutOfBlock),
    /// The first element would not stand at a multiple of what its type is aligned to.
    #[error("offset {offset} is no multiple of {align}, to which the type is aligned")]
    Misaligned {
        /// Where the first byte was asked for.
        offset: usize,
        /// The alignment of the type.
        align: usize,
    },
}

procession_os::debug_in_words!(ViewError {
    OutOfBlock,
    Misaligned
});

/// A part of a [named block](SharedMemory) as elements of a type; from
/// [`view`](SharedMemory::view) and [`view_at`](SharedMemory::view_at).
///
/// Elements are copied in and out, as the bytes of the block are, so that nothing goes wrong when
/// another process writes them at that moment. An element of 1, 2, 4 or 8 bytes is always whole.
/// Larger ones are copied in parts of up to eight bytes: who reads while another writes may get parts
/// of both. What concerns several elements is done one word after the other. Nothing orders one
/// access and the next: where that matters, use a lock beside the block, or its
/// [`atomics`](SharedMemory::atomics).
///
/// # When the other side is gone
///
/// Nothing waits. A process that is killed while it writes leaves what it had written.
///
/// # Examples
///
/// A table of C's `double`, after a header of 16 bytes:
///
/// ```
/// use procession_shm::SharedMemory;
///
/// let block = SharedMemory::create_anonymous(16 + 4 * 8)?;
/// let table = block.view_at::<f64>(16, 4)?;
/// table.copy_from_slice(&[0.5, 1.5, 2.5, 3.5]);
/// table.set(0, table.get(3) * 2.0);
/// assert_eq!(table.iter().sum::<f64>(), 14.5);
///
/// let last = table.slice(2..)?;
/// last.fill(-1.0);
/// assert_eq!(table.to_vec(), [7.0, 1.5, -1.0, -1.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It gives no reference to the memory, which others may write:
///
/// ```compile_fail,E0608
/// let block = procession_shm::SharedMemory::create_anonymous(8).unwrap();
/// let first: &u8 = &block.view::<u8>()[0];
/// ```
///
/// It does not outlive the block's handle:
///
/// ```compile_fail,E0716
/// let view = procession_shm::SharedMemory::create_anonymous(8).unwrap().view::<u8>();
/// view.get(0);
/// ```
pub struct View<'a, T> {
    words: &'a [AtomicU64],
    /// Where the first element begins in them, in bytes.
    at: usize,
    len: usize,
    _type: PhantomData<fn() -> T>,
}

impl SharedMemory {
    /// Returns the block as elements of a type; what is left at its end is not among them.
    ///
    /// # Examples
    ///
    /// ```
    /// let block = procession_shm::SharedMemory::create_anonymous(10)?;
    /// let numbers = block.view::<u32>();
    /// assert_eq!(numbers.len(), 2);
    /// numbers.set(1, 0x0102_0304);
    /// assert_eq!(block.to_vec()[4..8], 0x0102_0304_u32.to_ne_bytes());
    /// # Ok::<(), procession_shm::BlockError>(())
    /// ```
    ///
    /// Elements without bytes lie nowhere:
    ///
    /// ```compile_fail,E0080
    /// procession_shm::SharedMemory::create_anonymous(10).unwrap().view::<()>();
    /// ```
    pub fn view<T: Plain>(&self) -> View<'_, T> {
        self.seen_as(0, self.len() / const { size::<T>() })
    }

    /// Returns `len` elements of a type, the first of them at `offset` bytes.
    ///
    /// # Errors
    ///
    /// [`ViewError::OutOfBlock`] if the block does not have so many bytes, and
    /// [`ViewError::Misaligned`] if the offset is no multiple of the type's alignment.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::{SharedMemory, ViewError};
    ///
    /// let block = SharedMemory::create_anonymous(32)?;
    /// assert_eq!(block.view_at::<u64>(8, 3)?.len(), 3);
    /// assert!(matches!(block.view_at::<u64>(8, 4), Err(ViewError::OutOfBlock(_))));
    /// let refused = block.view_at::<u64>(4, 1).unwrap_err();
    /// assert_eq!(refused, ViewError::Misaligned { offset: 4, align: 8 });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn view_at<T: Plain>(&self, offset: usize, len: usize) -> Result<View<'_, T>, ViewError> {
        let align = align_of::<T>();
        if !offset.is_multiple_of(align) {
            return Err(ViewError::Misaligned { offset, align });
        }
        self.check(offset, len.saturating_mul(const { size::<T>() }))?;
        Ok(self.seen_as(offset, len))
    }

    /// Returns the elements, which must be inside of the block.
    fn seen_as<T: Plain>(&self, at: usize, len: usize) -> View<'_, T> {
        View {
            words: self.words(),
            at,
            len,
            _type: PhantomData,
        }
    }
}

/// The bytes of an element, of which there are some.
const fn size<T>() -> usize {
    assert!(size_of::<T>() != 0, "elements without bytes lie nowhere");
    size_of::<T>()
}

impl<'a, T: Plain> View<'a, T> {
    /// Returns the number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns some of the elements as a view of their own.
    ///
    /// # Errors
    ///
    /// [`AccessError::RangeOutOfBounds`].
    ///
    /// # Examples
    ///
    /// ```
    /// let block = procession_shm::SharedMemory::create_anonymous(4)?;
    /// let view = block.view::<u8>();
    /// view.slice(1..3)?.fill(7);
    /// assert_eq!(view.to_vec(), [0, 7, 7, 0]);
    /// assert!(view.slice(3..5).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Result<Self, AccessError> {
        let range = within(range, self.len)?;
        Ok(Self {
            at: self.place(range.start),
            len: range.len(),
            ..*self
        })
    }

    /// Returns element `index`.
    ///
    /// # Panics
    ///
    /// If there is no such element, or if what is there is no value of the type, a `bool` that is
    /// neither true nor false; [`try_get`](Self::try_get) does not.
    ///
    /// # Examples
    ///
    /// ```
    /// let block = procession_shm::SharedMemory::create_anonymous(8)?;
    /// assert_eq!(block.view::<u32>().get(1), 0);
    /// # Ok::<(), procession_shm::BlockError>(())
    /// ```
    #[track_caller]
    pub fn get(&self, index: usize) -> T {
        self.assert_exists(index);
        self.load(index).unwrap_or_else(|| no_value())
    }

    /// Returns element `index`.
    ///
    /// # Errors
    ///
    /// [`AccessError::OutOfBounds`], and [`AccessError::NoValue`] if what is there is no value of the
    /// type.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::{AccessError, SharedMemory};
    ///
    /// let block = SharedMemory::create_anonymous(1)?;
    /// block.write_at(0, &[2])?;
    /// assert_eq!(block.view::<u8>().try_get(0), Ok(2));
    /// assert_eq!(block.view::<bool>().try_get(0), Err(AccessError::NoValue));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_get(&self, index: usize) -> Result<T, AccessError> {
        self.check(index)?;
        self.load(index).ok_or(AccessError::NoValue)
    }

    /// Replaces element `index`.
    ///
    /// # Panics
    ///
    /// If there is no such element; [`try_set`](Self::try_set) does not.
    #[track_caller]
    pub fn set(&self, index: usize, value: T) {
        self.assert_exists(index);
        self.store(index, value);
    }

    /// Replaces element `index`.
    ///
    /// # Errors
    ///
    /// [`AccessError::OutOfBounds`].
    pub fn try_set(&self, index: usize, value: T) -> Result<(), AccessError> {
        self.check(index)?;
        self.store(index, value);
        Ok(())
    }

    /// Copies all elements out, into as many.
    ///
    /// # Panics
    ///
    /// If there are not exactly as many, and as [`get`](Self::get);
    /// [`slice`](Self::slice) and [`try_get`](Self::try_get) do not.
    ///
    /// # Examples
    ///
    /// ```
    /// let block = procession_shm::SharedMemory::create_anonymous(8)?;
    /// let mut numbers = [1_u16; 4];
    /// block.view().copy_to_slice(&mut numbers);
    /// assert_eq!(numbers, [0; 4]);
    /// # Ok::<(), procession_shm::BlockError>(())
    /// ```
    #[track_caller]
    pub fn copy_to_slice(&self, into: &mut [T]) {
        self.assert_as_many(into.len());
        // Not in one go, for there would be no values in between.
        for (index, into) in into.iter_mut().enumerate() {
            *into = self.load(index).unwrap_or_else(|| no_value());
        }
    }

    /// Copies as many elements in.
    ///
    /// # Panics
    ///
    /// If there are not exactly as many.
    ///
    /// # Examples
    ///
    /// ```
    /// let block = procession_shm::SharedMemory::create_anonymous(8)?;
    /// block.view().copy_from_slice(&[1_u16, 2, 3, 4]);
    /// assert_eq!(block.view::<u16>().get(2), 3);
    /// # Ok::<(), procession_shm::BlockError>(())
    /// ```
    #[track_caller]
    pub fn copy_from_slice(&self, from: &[T]) {
        self.assert_as_many(from.len());
        words::write(self.words, self.at, bytemuck::cast_slice(from));
    }

    /// Sets all elements to `value`, one after the other.
    ///
    /// # Examples
    ///
    /// ```
    /// let block = procession_shm::SharedMemory::create_anonymous(3)?;
    /// block.view::<bool>().fill(true);
    /// assert_eq!(block.to_vec(), [1, 1, 1]);
    /// # Ok::<(), procession_shm::BlockError>(())
    /// ```
    pub fn fill(&self, value: T) {
        for index in 0..self.len {
            self.store(index, value);
        }
    }

    /// Returns a copy of all elements.
    ///
    /// # Panics
    ///
    /// If one of them is no value of the type; [`try_to_vec`](Self::try_to_vec) does not.
    ///
    /// # Examples
    ///
    /// ```
    /// let block = procession_shm::SharedMemory::create_anonymous(16)?;
    /// assert_eq!(block.view::<f64>().to_vec(), [0.0, 0.0]);
    /// # Ok::<(), procession_shm::BlockError>(())
    /// ```
    #[track_caller]
    pub fn to_vec(&self) -> Vec<T> {
        self.load_all().unwrap_or_else(|| no_value())
    }

    /// Returns a copy of all elements.
    ///
    /// # Errors
    ///
    /// [`AccessError::NoValue`] if one of them is no value of the type.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::{AccessError, SharedMemory};
    ///
    /// let block = SharedMemory::create_anonymous(8)?;
    /// assert_eq!(block.view::<char>().try_to_vec(), Ok(vec!['\0', '\0']));
    /// block.view().set(1, u32::MAX);
    /// assert_eq!(block.view::<char>().try_to_vec(), Err(AccessError::NoValue));
    /// # Ok::<(), procession_shm::BlockError>(())
    /// ```
    pub fn try_to_vec(&self) -> Result<Vec<T>, AccessError> {
        self.load_all().ok_or(AccessError::NoValue)
    }

    /// Returns an iterator that gets each element when its turn comes.
    ///
    /// It panics where [`get`](Self::get) does.
    ///
    /// # Examples
    ///
    /// ```
    /// let block = procession_shm::SharedMemory::create_anonymous(4)?;
    /// assert!(block.view::<u8>().iter().eq([0; 4]));
    /// # Ok::<(), procession_shm::BlockError>(())
    /// ```
    pub fn iter(&self) -> impl ExactSizeIterator<Item = T> + use<'a, T> {
        let view = *self;
        (0..self.len).map(move |index| view.get(index))
    }

    /// Where an element begins, in bytes.
    fn place(&self, index: usize) -> usize {
        self.at + index * size_of::<T>()
    }

    fn load(&self, index: usize) -> Option<T> {
        let mut value = MaybeUninit::<T>::zeroed();
        let at = value.as_mut_ptr().cast::<u8>();
        // SAFETY: so many bytes are this function's own, and zeroed.
        let bytes = unsafe { slice::from_raw_parts_mut(at, size_of::<T>()) };
        words::read(self.words, self.place(index), bytes);
        // SAFETY: it is this function's own, and aligned as the type is.
        if !unsafe { are_values(NonNull::from(&mut value).cast::<T>(), 1) } {
            return None;
        }
        // SAFETY: its bytes are a value, as was just seen.
        Some(unsafe { value.assume_init() })
    }

    fn store(&self, index: usize, value: T) {
        words::write(self.words, self.place(index), bytemuck::bytes_of(&value));
    }

    fn load_all(&self) -> Option<Vec<T>> {
        let len = self.len * size_of::<T>();
        let mut values = Vec::<T>::with_capacity(self.len);
        let at = values.as_mut_ptr();
        // SAFETY: there is room for so many bytes.
        unsafe { at.cast::<u8>().write_bytes(0, len) };
        // SAFETY: so many bytes are this function's own, and zeroed.
        let bytes = unsafe { slice::from_raw_parts_mut(at.cast::<u8>(), len) };
        words::read(self.words, self.at, bytes);
        // SAFETY: a vector's memory is never at zero, and aligned as the type is.
        let first = unsafe { NonNull::new_unchecked(at) };
        // SAFETY: so many elements' bytes were written.
        if !unsafe { are_values(first, self.len) } {
            return None;
        }
        // SAFETY: they are values, as was just seen.
        unsafe { values.set_len(self.len) };
        Some(values)
    }

    fn check(&self, index: usize) -> Result<(), AccessError> {
        let len = self.len;
        if index >= len {
            return Err(AccessError::OutOfBounds { index, len });
        }
        Ok(())
    }

    #[track_caller]
    fn assert_exists(&self, index: usize) {
        let len = self.len;
        assert!(
            index < len,
            "index out of bounds: the len is {len} but the index is {index}"
        );
    }

    #[track_caller]
    fn assert_as_many(&self, given: usize) {
        let len = self.len;
        assert_eq!(given, len, "a view of {len} elements takes as many");
    }
}

impl<T> Clone for View<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for View<'_, T> {}

impl<T: Plain + fmt::Debug> fmt::Debug for View<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_to_vec() {
            Ok(elements) => f.debug_tuple("View").field(&elements).finish(),
            Err(_) => f
                .debug_tuple("View")
                .field(&format_args!("<overwritten>"))
                .finish(),
        }
    }
}
