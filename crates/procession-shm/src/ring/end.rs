//! What the two ends of a ring have in common: its memory, and how one waits for the other.

use super::RingError;
use super::atomic::{AtomicU32, AtomicU64, Ordering};
use super::bell::Bell;
use super::index::{Count, Size};
use crate::Segment;
use procession_os::identity::Identity;
use procession_os::policy::wait_policy;
use procession_os::wait::Deadline;
use std::ops::Range;
use std::ptr::NonNull;
use std::time::Duration;

/// What one end writes and the other one looks at, in a pair of cache lines of its own.
#[repr(C, align(128))]
pub(super) struct Half {
    pub(super) count: Count,
    /// Not zero once the end was closed.
    closed: AtomicU32,
    /// Where the other end sleeps until this one moves.
    bell: Bell,
    /// The [`Identity`] of the process that took this end; zero before.
    owner: AtomicU64,
}

impl Half {
    /// Makes the calling process the owner, if nobody is yet.
    pub(super) fn take(&self) -> Result<(), RingError> {
        let me = Identity::of_this_process().to_word();
        let relaxed = Ordering::Relaxed;
        let taken = self.owner.compare_exchange(0, me, relaxed, relaxed);
        taken.map(drop).map_err(|_| RingError::Taken)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire) != 0
    }

    pub(super) fn close(&self) {
        self.closed.store(1, Ordering::Release);
        self.bell.ring();
    }

    /// Closes an end that is dropped, unless the drop is of a copy that a fork made of it.
    pub(super) fn close_dropped(&self) {
        if self.owner.load(Ordering::Relaxed) == Identity::of_this_process().to_word() {
            self.close();
        }
    }

    /// Wakes the other end, after this one has stored its count.
    #[inline]
    pub(super) fn moved(&self) {
        self.bell.ring();
    }

    /// Whether the owner is known to have ended.
    fn is_dead(&self) -> bool {
        let owner = Identity::from_word(self.owner.load(Ordering::Relaxed));
        owner.is_some_and(|owner| !owner.is_alive())
    }

    /// Waits until `ready`, or until this end, which is the other one's, is closed or dead.
    pub(super) fn wait(
        &self,
        deadline: Deadline,
        ready: impl Fn() -> bool,
    ) -> Result<(), RingError> {
        let mut slice = FIRST_LOOK;
        let ended = || ready() || self.is_closed();
        let check = || ended().then_some(());
        let park = |deadline: Deadline| {
            let Some(expected) = self.bell.expect(ended) else {
                return Ok(true);
            };
            let look = deadline.left().map_or(slice, |left| left.min(slice));
            let woken = self.bell.sleep(expected, Deadline::after(look));
            if woken.map_err(RingError::Sleep)? {
                return Ok(true);
            }
            slice = (slice * 2).min(LONGEST_LOOK);
            // What it wrote before it died is there, since the look comes after its death.
            if self.is_dead() && !ended() {
                return Err(RingError::PeerDied);
            }
            Ok(!deadline.passed())
        };
        let waited = wait_policy().wait(deadline, check, park)?;
        waited.ok_or(RingError::TimedOut)
    }
}

/// The first bytes of a ring; its bytes follow.
#[repr(C)]
pub(super) struct Heads {
    pub(super) writer: Half,
    pub(super) reader: Half,
}

/// The first slice of sleep between two looks at whether the other process lives.
const FIRST_LOOK: Duration = Duration::from_millis(10);
/// The longest slice.
const LONGEST_LOOK: Duration = Duration::from_secs(1);

/// A ring's memory in this process.
#[derive(Clone)]
pub(super) struct Memory {
    segment: Segment,
    at: NonNull<u8>,
    pub(super) size: Size,
}

// SAFETY: the memory is the segment's, which stays mapped; it is used as `index` says.
unsafe impl Send for Memory {}
// SAFETY: as above; through a shared reference only atomics are used.
unsafe impl Sync for Memory {}

impl Memory {
    /// # Safety
    ///
    /// At `offset`, a multiple of 128, the segment must have room for the heads and for a ring of
    /// that size.
    pub(super) unsafe fn new(segment: Segment, offset: usize, size: Size) -> Self {
        // SAFETY: the caller vouches that this lies inside of the segment.
        let at = unsafe { segment.payload().add(offset) };
        Self { segment, at, size }
    }

    #[inline]
    pub(super) fn heads(&self) -> &Heads {
        // SAFETY: the heads lie there, aligned, and are made of atomics.
        unsafe { self.at.cast::<Heads>().as_ref() }
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
        let (first, second) = self.size.parts(count, len);
        to.reserve(len);
        for part in [first, second] {
            let end = to.len();
            let free = to.spare_capacity_mut().as_mut_ptr().cast::<u8>();
            // SAFETY: the part lies inside of the ring, and there is room for it in `to`.
            unsafe { self.byte(&part).copy_to_nonoverlapping(free, part.len()) };
            // SAFETY: the bytes were written on the line before.
            unsafe { to.set_len(end + part.len()) };
        }
    }

    /// Copies `N` bytes from position `count` on. Only the reader does so, and only what was
    /// written.
    #[inline]
    pub(super) fn peek<const N: usize>(&self, count: u64) -> [u8; N] {
        let mut bytes = [0; N];
        let (first, second) = self.size.parts(count, N);
        let (head, tail) = bytes.split_at_mut(first.len());
        for (part, to) in [(first, head), (second, tail)] {
            let from = self.byte(&part);
            // SAFETY: the part lies inside of the ring, and `to` is as long.
            unsafe { from.copy_to_nonoverlapping(to.as_mut_ptr(), part.len()) };
        }
        bytes
    }

    fn byte(&self, part: &Range<usize>) -> *mut u8 {
        self.at
            .as_ptr()
            .wrapping_add(size_of::<Heads>() + part.start)
    }

    pub(super) fn segment(&self) -> &Segment {
        &self.segment
    }
}
