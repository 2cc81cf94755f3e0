//! From the lock of an array to its elements.
//!
//! What is read is looked at first, whether it is values of the type ([`Plain`]), and no more than
//! what is read: an element that another process made something else is in nobody's way but of
//! those that read it, and whoever overwrites it mends it.

use super::{AccessError, Array};
use crate::plain::{are_values, no_value};
use crate::{Guard, Held, Plain};
use procession_os::robust::LockError;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::ptr::NonNull;

impl<T: Plain> Array<T> {
    /// Takes the lock, for reading these elements; they must exist.
    #[inline]
    #[track_caller]
    pub(super) fn span(&self, range: Range<usize>) -> Guard<'_, [T]> {
        match self.checked(self.segment.write_or_panic(), &range) {
            Some(held) => self.wrap(held, range),
            None => no_value(),
        }
    }

    /// Takes the lock, for reading these elements; they must exist.
    #[inline]
    pub(super) fn try_span(&self, range: Range<usize>) -> Result<Guard<'_, [T]>, AccessError> {
        let held = self.checked(self.segment.write()?, &range);
        Ok(self.wrap(held.ok_or(AccessError::NoValue)?, range))
    }

    /// Takes the lock, for overwriting these elements, whatever they are; they must exist.
    #[inline]
    #[track_caller]
    pub(super) fn places(&self, range: Range<usize>) -> Places<'_, T> {
        self.uninit(self.segment.write_or_panic(), range)
    }

    /// Takes the lock, for overwriting these elements, whatever they are; they must exist.
    #[inline]
    pub(super) fn try_places(&self, range: Range<usize>) -> Result<Places<'_, T>, LockError> {
        Ok(self.uninit(self.segment.write()?, range))
    }

    /// Passes on what was taken if these elements, which must exist, are values.
    #[inline]
    pub(super) fn checked<H>(&self, held: H, range: &Range<usize>) -> Option<H> {
        // SAFETY: they are elements of a segment of this format, whose lock is held, or which is
        // read.
        let are_values = unsafe { are_values(self.first(range), range.len()) };
        are_values.then_some(held)
    }

    /// Wraps a lock that was [`checked`](Self::checked).
    #[inline]
    pub(super) fn wrap<'a>(&'a self, held: Held<'a>, range: Range<usize>) -> Guard<'a, [T]> {
        // SAFETY: they are elements of a segment of this format, and values.
        unsafe { Guard::new(self.places_of(&range), held) }
    }

    #[inline]
    fn uninit<'a>(&'a self, held: Held<'a>, range: Range<usize>) -> Places<'a, T> {
        let data = NonNull::slice_from_raw_parts(self.first(&range).cast(), range.len());
        // SAFETY: they are elements of a segment of this format, and any bytes will do.
        Places(unsafe { Guard::new(data, held) })
    }

    /// Returns where some elements are, which must exist.
    #[inline]
    pub(super) fn places_of(&self, range: &Range<usize>) -> NonNull<[T]> {
        NonNull::slice_from_raw_parts(self.first(range), range.len())
    }

    /// Returns where the first of some elements is, which must exist.
    #[inline]
    fn first(&self, range: &Range<usize>) -> NonNull<T> {
        debug_assert!(range.start <= range.end && range.end <= self.len());
        let elements: NonNull<T> = self.segment.payload().cast();
        // SAFETY: so many elements lie behind each other, all of them mapped.
        unsafe { elements.add(range.start) }
    }
}

/// Elements that are overwritten under the lock.
pub(super) struct Places<'a, T>(Guard<'a, [MaybeUninit<T>]>);

impl<T: Plain> Places<'_, T> {
    /// Overwrites all of them with `value`.
    #[inline]
    pub(super) fn fill(mut self, value: T) {
        self.0.fill(MaybeUninit::new(value));
    }

    /// Overwrites all of them with `elements`, which must be as many.
    #[inline]
    pub(super) fn copy_from_slice(mut self, elements: &[T]) {
        let from = std::ptr::from_ref(elements) as *const [MaybeUninit<T>];
        // SAFETY: values are more than what may be none.
        self.0.copy_from_slice(unsafe { &*from });
    }
}
