//! The raw guard of a segment's lock, which the typed guards contain.

use crate::machine::place::Place;
use crate::poison::{LockResult, Repair, guarded};
use crate::{Reading, Segment};
use procession_os::identity::Identity;
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
    /// Whether there is a readers' state, which knows the holder to write.
    writes: bool,
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
            writes: false,
            _not_send: PhantomData,
        }
    }

    /// For a holder that the readers' state knows to write.
    #[inline]
    pub(crate) fn writing(self) -> Self {
        let segment = self.segment;
        let kept = Kept {
            writes: true,
            ..self.keep()
        };
        Self::of_kept(segment, kept)
    }

    /// Gives the lock up for reading, without letting a writer come in between.
    ///
    /// # Panics
    ///
    /// If the segment's kind is not [read side by side](crate::SegmentKind::read_side_by_side).
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::Array::from_slice(&[1, 2, 3])?;
    /// let reading = array.segment().write()?.downgrade();
    /// assert_eq!((array.segment().readers(), array.segment().holder()), (1, None));
    /// # drop(reading);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn downgrade(mut self) -> Reading<'a> {
        let segment = self.segment;
        // A copy that a fork made writes as little as it reads.
        let who = segment.noted_writer().expect("what is locked can be read");
        let ours = who == Identity::of_this_process();
        let wake = mem::take(&mut self.writes) && ours && segment.state().downgrade(who);
        let reading = Reading::counted(segment, who);
        drop(self);
        if wake {
            segment.state().wake_readers();
        }
        reading
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
            writes: self.writes,
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
            writes: kept.writes,
            _not_send: PhantomData,
        }
    }

    /// Returns whether the segment was poisoned when the lock was taken.
    pub fn poisoned(&self) -> bool {
        self.poisoned
    }

    /// Makes a typed guard of this one, inside of a [`Poisoned`](crate::Poisoned) if the segment is.
    ///
    /// # Errors
    ///
    /// [`AcquireError::Poisoned`](crate::AcquireError::Poisoned).
    pub fn into_guard<G>(self, wrap: impl FnOnce(Self) -> G) -> LockResult<G> {
        guarded(self.poisoned, wrap(self))
    }
}

/// What a thread remembers of a lock that it holds without a [`Held`].
#[derive(Debug, Clone, Copy)]
#[must_use = "the lock is held until its thread ends if it is not resumed"]
pub struct Kept {
    panicking: bool,
    writes: bool,
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
        if self.writes {
            // SAFETY: this exists because the calling thread took the lock, and is not `Send`.
            return unsafe { self.segment.unlock_after_writing() };
        }
        // SAFETY: as above.
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
