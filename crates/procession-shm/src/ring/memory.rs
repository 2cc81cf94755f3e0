//! Where the parts of a ring lie in its segment.

use super::RingError;
use super::atomic::{AtomicU32, Ordering};
use super::index::{Count, Size};
use super::local::LocalLock;
use super::mark::Marks;
use crate::Segment;
use procession_os::robust::{Acquired, RobustMutex};
use procession_os::wait::Deadline;
use std::ops::Range;
use std::ptr::NonNull;

/// What the writers write, and the readers look at, or the other way round; in cache lines of its
/// own.
#[repr(C, align(128))]
pub(super) struct Side {
    /// Held by whoever writes, or reads, at an end that several processes may have.
    mutex: RobustMutex,
    /// The bytes that were written to the ring, or read from it.
    pub(super) count: Count,
    /// The messages that were announced as coming beside the ring, or were taken there.
    pub(super) beside: AtomicU32,
    /// One of the three below: how far the last message beside the ring has come.
    state: AtomicU32,
}

/// No message beside the ring is on its way.
const WHOLE: u32 = 0;
/// A part of a message may have gone, or come, beside the ring.
const PARTIAL: u32 = 1;
/// A process died in the midst of a message beside the ring.
const BROKEN: u32 = 2;

impl Side {
    /// Runs `work` while this thread has the side to itself.
    #[inline]
    pub(super) fn hold<R>(
        &self,
        local: &LocalLock,
        deadline: Deadline,
        work: impl FnOnce() -> R,
    ) -> Result<R, RingError> {
        if local.is_in_use() {
            let held = local.lock(deadline)?;
            let result = work();
            drop(held);
            return Ok(result);
        }
        let held = Hold::new(self, deadline)?;
        if local.is_in_use() {
            // It was taken over while this thread waited.
            drop(held);
            return self.hold(local, deadline, work);
        }
        let result = work();
        drop(held);
        Ok(result)
    }

    /// Has `local` stand in for the mutex, unless somebody holds that at this moment.
    pub(super) fn take_over(&self, local: &LocalLock) -> Result<(), RingError> {
        let held = Hold::new(self, Deadline::PASSED)?;
        local.take_over();
        drop(held);
        Ok(())
    }

    pub(super) fn is_partial(&self) -> bool {
        self.state.load(Ordering::Relaxed) == PARTIAL
    }

    pub(super) fn is_broken(&self) -> bool {
        self.state.load(Ordering::Relaxed) == BROKEN
    }

    pub(super) fn set_partial(&self, partial: bool) {
        let state = if partial { PARTIAL } else { WHOLE };
        self.state.store(state, Ordering::Relaxed);
    }
}

/// The proof that this thread holds the mutex of a side.
struct Hold<'a>(&'a Side);

impl<'a> Hold<'a> {
    fn new(side: &'a Side, deadline: Deadline) -> Result<Self, RingError> {
        let acquired = side.mutex.lock_until(deadline)?;
        // A message in the ring is there or not, with one store. One beside it may be half there.
        if acquired == Acquired::OwnerDied && side.is_partial() {
            side.state.store(BROKEN, Ordering::Relaxed);
        }
        Ok(Self(side))
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        // SAFETY: this thread locked it in `new`, and the hold is not sent to another one.
        let unlocked = unsafe { self.0.mutex.unlock() };
        // A mutex that was overwritten is told of by the next call.
        let _ = unlocked;
    }
}

/// The first bytes of a ring; its bytes follow.
#[repr(C)]
pub(super) struct Head {
    pub(super) writer: Side,
    pub(super) reader: Side,
    sleep: Sleep,
}

/// Whether readers sleep, and whether they are there; in a line that is seldom written.
#[repr(C, align(128))]
struct Sleep {
    marks: Marks,
    /// Not zero if a holder of the reading end has let go of it.
    left: AtomicU32,
}

impl Head {
    /// # Safety
    ///
    /// `at` must be valid for writes, aligned, zeroed, and not yet used by anybody.
    pub(super) unsafe fn init_at(at: *mut Self) -> std::io::Result<()> {
        // SAFETY: the field lies inside of what the caller vouches for.
        let writer = unsafe { &raw mut (*at).writer.mutex };
        // SAFETY: as above.
        let reader = unsafe { &raw mut (*at).reader.mutex };
        // SAFETY: the caller vouches for the memory.
        unsafe { RobustMutex::init_at(writer) }?;
        // SAFETY: as above.
        unsafe { RobustMutex::init_at(reader) }
    }

    pub(super) fn marks(&self) -> &Marks {
        &self.sleep.marks
    }

    pub(super) fn note_leaving(&self) {
        self.sleep.left.store(1, Ordering::Release);
    }

    pub(super) fn take_leaving(&self) -> bool {
        let left = &self.sleep.left;
        left.load(Ordering::Relaxed) != 0 && left.swap(0, Ordering::Acquire) != 0
    }
}

/// A ring's memory in this process; whoever has it keeps the segment mapped.
#[derive(Clone)]
pub(super) struct Memory {
    at: NonNull<u8>,
    pub(super) size: Size,
}

// SAFETY: the memory is a segment's, which stays mapped; it is used as `index` says.
unsafe impl Send for Memory {}
// SAFETY: as above; the bytes are used by whoever holds a side's mutex, all else is atomic.
unsafe impl Sync for Memory {}

impl Memory {
    /// # Safety
    ///
    /// At `offset`, a multiple of 128, the segment must have room for the head and for a ring of
    /// that size, and it must stay mapped for as long as this or a clone is used.
    pub(super) unsafe fn new(segment: &Segment, offset: usize, size: Size) -> Self {
        // SAFETY: the caller vouches that this lies inside of the segment.
        let at = unsafe { segment.payload().add(offset) };
        Self { at, size }
    }

    #[inline]
    pub(super) fn head(&self) -> &Head {
        // SAFETY: the head lies there, aligned, and is made of atomics and mutexes.
        unsafe { self.at.cast::<Head>().as_ref() }
    }

    /// Copies `from` into the ring, from position `count` on. Only the writer does so, and only
    /// where there is room.
    #[inline]
    pub(super) fn fill(&self, count: u64, from: &[u8]) {
        let (first, second) = self.size.parts(count, from.len());
        let (head, tail) = from.split_at(first.len());
        for (part, from) in [(first, head), (second, tail)] {
            let to = self.byte(&part);
            // SAFETY: the part lies inside of the ring, which `from` does not.
            unsafe { to.copy_from_nonoverlapping(from.as_ptr(), part.len()) };
        }
    }

    /// Appends `len` bytes from position `count` on to `to`. Only the reader does so, and only
    /// what was written.
    #[inline]
    pub(super) fn drain(&self, count: u64, len: usize, to: &mut Vec<u8>) {
        to.reserve(len);
        let (first, second) = self.size.parts(count, len);
        for part in [first, second] {
            let end = to.len();
            let free = to.spare_capacity_mut().as_mut_ptr().cast::<u8>();
            // SAFETY: the part lies inside of the ring, and there is room for it in `to`.
            unsafe { self.byte(&part).copy_to_nonoverlapping(free, part.len()) };
            // SAFETY: the bytes were written on the line before.
            unsafe { to.set_len(end + part.len()) };
        }
    }

    /// Copies `to.len()` bytes from position `count` on. Only the reader does so, and only what was
    /// written.
    #[inline]
    pub(super) fn copy(&self, count: u64, to: &mut [u8]) {
        let (first, second) = self.size.parts(count, to.len());
        let (head, tail) = to.split_at_mut(first.len());
        for (part, to) in [(first, head), (second, tail)] {
            let from = self.byte(&part);
            // SAFETY: the part lies inside of the ring, and `to` is as long.
            unsafe { from.copy_to_nonoverlapping(to.as_mut_ptr(), part.len()) };
        }
    }

    fn byte(&self, part: &Range<usize>) -> *mut u8 {
        self.at
            .as_ptr()
            .wrapping_add(size_of::<Head>() + part.start)
    }
}
