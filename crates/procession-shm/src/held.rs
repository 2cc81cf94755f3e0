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
    /// One word beside the reference, so that a guard is passed on in two registers: several fields
    /// would be stored one by one and loaded together, which costs more than the lock does.
    marks: Marks,
    // The lock belongs to the thread that took it.
    _not_send: PhantomData<*const ()>,
}

impl<'a> Held<'a> {
    #[inline]
    pub(crate) fn new(segment: &'a Segment) -> Self {
        let marks = Marks::NONE.with(Marks::PANICKING, thread::panicking());
        Self::marked(segment, marks)
    }

    /// For a holder that the readers' state knows to write.
    #[inline]
    pub(crate) fn writing(mut self) -> Self {
        // Looked at again: ending the time of parts, which came before this, tells of dead holders.
        let poisoned = self.segment.is_poisoned();
        let marks = self.marks.with(Marks::WRITES, true);
        self.marks = marks.with(Marks::POISONED, poisoned);
        self
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
        let writes = self.marks.have(Marks::WRITES);
        self.marks = self.marks.with(Marks::WRITES, false);
        let wake = writes && ours && segment.state().downgrade(who);
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
            marks: self.marks,
            _not_send: PhantomData,
        };
        mem::forget(self);
        kept
    }

    /// Makes the guard of a lock that this thread has kept.
    #[inline]
    pub(crate) fn of_kept(segment: &'a Segment, kept: Kept) -> Self {
        Self::marked(segment, kept.marks)
    }

    #[inline]
    fn marked(segment: &'a Segment, marks: Marks) -> Self {
        Self {
            segment,
            marks: marks.with(Marks::POISONED, segment.is_poisoned()),
            _not_send: PhantomData,
        }
    }

    /// Returns whether the segment was poisoned when the lock was taken.
    pub fn poisoned(&self) -> bool {
        self.marks.have(Marks::POISONED)
    }

    /// Makes a typed guard of this one, inside of a [`Poisoned`](crate::Poisoned) if the segment is.
    ///
    /// # Errors
    ///
    /// [`AcquireError::Poisoned`](crate::AcquireError::Poisoned).
    pub fn into_guard<G>(self, wrap: impl FnOnce(Self) -> G) -> LockResult<G> {
        guarded(self.poisoned(), wrap(self))
    }
}

/// What a thread remembers of a lock that it holds without a [`Held`].
#[derive(Debug, Clone, Copy)]
#[must_use = "the lock is held until its thread ends if it is not resumed"]
pub struct Kept {
    marks: Marks,
    _not_send: PhantomData<*const ()>,
}

/// What is known of a holder.
#[derive(Debug, Clone, Copy)]
struct Marks(u8);

impl Marks {
    const NONE: Self = Self(0);
    /// Its thread was panicking when the lock was taken.
    const PANICKING: Self = Self(1);
    /// The segment was poisoned when the lock was taken.
    const POISONED: Self = Self(2);
    /// There is a readers' state, which knows the holder to write.
    const WRITES: Self = Self(4);

    #[inline]
    fn have(self, mark: Self) -> bool {
        self.0 & mark.0 != 0
    }

    #[inline]
    fn with(self, mark: Self, set: bool) -> Self {
        let others = self.0 & !mark.0;
        Self(if set { others | mark.0 } else { others })
    }
}

impl Repair for Held<'_> {
    fn clear_poison(&self) {
        self.segment.clear_poison();
    }
}

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.marks.have(Marks::PANICKING) && thread::panicking() {
            self.segment.poison();
        }
        if self.marks.have(Marks::WRITES) {
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
            .field("poisoned", &self.poisoned())
            .finish()
    }
}
