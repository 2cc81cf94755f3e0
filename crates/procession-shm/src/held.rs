//! The raw guard of a segment's lock, which the typed guards contain.

use crate::machine::place::Place;
use crate::machine::readers::ReadersState;
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
    /// Who is noted as the writer of what can be read side by side. A process that was forked
    /// meanwhile is another one.
    writer: Option<Identity>,
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
            writer: None,
            _not_send: PhantomData,
        }
    }

    /// Notes that the holder writes what nobody reads.
    #[inline]
    pub(crate) fn begin_writing(self, readers: &ReadersState) -> Self {
        readers.begin_writing();
        self.writing()
    }

    /// For a holder that the readers' state knows to write.
    #[inline]
    pub(crate) fn writing(mut self) -> Self {
        self.writer = Some(Identity::of_this_process());
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
    /// let reading = array.segment().lock()?.downgrade();
    /// assert_eq!((array.segment().readers(), array.segment().holder()), (1, None));
    /// # drop(reading);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn downgrade(mut self) -> Reading<'a> {
        let segment = self.segment;
        // A copy that a fork made writes as little as it reads.
        let who = self.writer.take().expect("what is locked can be read");
        let ours = who == Identity::of_this_process();
        let wake = ours && segment.state().downgrade(who);
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
            writer: self.writer,
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
            writer: kept.writer,
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
        guarded(self.poisoned, wrap(self))
    }
}

/// What a thread remembers of a lock that it holds without a [`Held`].
#[derive(Debug, Clone, Copy)]
#[must_use = "the lock is held until its thread ends if it is not resumed"]
pub struct Kept {
    panicking: bool,
    writer: Option<Identity>,
    _not_send: PhantomData<*const ()>,
}

impl Held<'_> {
    /// True if readers have to be woken when it is unlocked.
    #[inline]
    fn end_writing(&self) -> bool {
        self.writer == Some(Identity::of_this_process()) && self.segment.state().end_writing()
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
        if !self.panicking && thread::panicking() {
            self.segment.poison();
        }
        let wake = self.writer.is_some() && self.end_writing();
        // SAFETY: this exists because the calling thread took the lock, and is not `Send`.
        unsafe { self.segment.unlock() };
        if wake {
            self.segment.state().wake_readers();
        }
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
