//! The raw guard of a segment's lock, which the typed guards contain.

use crate::poison::{LockResult, Poisoned, Repair};
use crate::{AcquireError, Segment};
use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::thread;

/// The proof that this thread holds a segment's lock; dropping it unlocks.
///
/// If it is dropped in a panic that began after it was taken, the segment is poisoned. If it is
/// leaked, the lock stays held until its thread ends.
///
/// It cannot be sent to another thread:
///
/// ```compile_fail,E0277
/// fn send(held: procession_shm::Held<'static>) {
///     std::thread::spawn(move || drop(held));
/// }
/// ```
#[must_use = "the lock is released when this is dropped"]
pub struct Held<'a> {
    segment: &'a Segment,
    panicking: bool,
    poisoned: bool,
    // The lock belongs to the thread that took it.
    _not_send: PhantomData<*const ()>,
}

impl<'a> Held<'a> {
    #[inline]
    pub(crate) fn new(segment: &'a Segment) -> Self {
        Self {
            segment,
            panicking: thread::panicking(),
            poisoned: segment.is_poisoned(),
            _not_send: PhantomData,
        }
    }

    /// Returns the segment whose lock is held.
    #[inline]
    pub fn segment(&self) -> &'a Segment {
        self.segment
    }

    /// Leaves the lock held without a guard; [`Segment::resume`] makes one again.
    #[inline]
    pub fn keep(self) -> Kept {
        let kept = Kept {
            panicking: self.panicking,
            _not_send: PhantomData,
        };
        mem::forget(self);
        kept
    }

    /// Makes the guard of a lock that this thread has kept.
    #[inline]
    pub(crate) fn of_kept(segment: &'a Segment, kept: Kept) -> Self {
        Self {
            segment,
            panicking: kept.panicking,
            poisoned: segment.is_poisoned(),
            _not_send: PhantomData,
        }
    }

    /// Returns whether the segment was poisoned when the lock was taken.
    pub fn poisoned(&self) -> bool {
        self.poisoned
    }

    /// Makes a typed guard of this one, inside of a [`Poisoned`] if the segment is.
    ///
    /// # Errors
    ///
    /// [`AcquireError::Poisoned`].
    pub fn into_guard<G>(self, wrap: impl FnOnce(Self) -> G) -> LockResult<G> {
        let poisoned = self.poisoned;
        let guard = wrap(self);
        if poisoned {
            Err(AcquireError::Poisoned(Poisoned::new(guard)))
        } else {
            Ok(guard)
        }
    }
}

/// What a thread remembers of a lock that it holds without a [`Held`].
#[derive(Debug, Clone, Copy)]
#[must_use = "the lock is held until its thread ends if it is not resumed"]
pub struct Kept {
    panicking: bool,
    _not_send: PhantomData<*const ()>,
}

impl Repair for Held<'_> {
    fn clear_poison(&self) {
        self.segment.clear_poison();
    }
}

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.panicking && thread::panicking() {
            self.segment.poison();
        }
        // SAFETY: this exists because the calling thread took the lock, and is not `Send`.
        unsafe { self.segment.unlock() };
    }
}

impl fmt::Debug for Held<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held")
            .field("segment", &self.segment.name())
            .field("poisoned", &self.poisoned)
            .finish()
    }
}
