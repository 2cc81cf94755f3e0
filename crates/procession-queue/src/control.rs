//! What a queue's own segment begins with.

use crate::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::name::NameCell;
use crate::sides::Sides;

/// The first bytes of the segment. Zeros are a valid value for all of it but the locks.
#[repr(C, align(128))]
pub(crate) struct Control {
    /// The most items that the queue holds at a time; zero for no limit. Written once.
    pub(crate) capacity: AtomicU64,
    /// Not zero if there is a table. Written once.
    pub(crate) joinable: AtomicU32,
    /// Not zero from the first producer on that is counted: the queue ends with the last one.
    /// Written under the producers' lock.
    pub(crate) counted: AtomicU32,
    /// The handles of all processes, and those on their way. Zero is final.
    pub(crate) handles: AtomicU64,
    /// Not zero if the home chunk may be used again.
    pub(crate) home_free: AtomicU32,
    /// Not zero if [`spare`](Self::spare) names a chunk that may be used again.
    pub(crate) spare_full: AtomicU32,
    /// Written by consumers while `spare_full` is zero, read by producers while it is not.
    pub(crate) spare: NameCell,
    pub(crate) sides: Sides,
    /// How many items of a joinable queue are done. Written under the consumers' lock.
    pub(crate) done: AtomicU64,
}

impl Control {
    /// Returns the most items that the queue holds at a time.
    #[inline]
    pub(crate) fn capacity(&self) -> Option<u64> {
        Some(self.capacity.load(Ordering::Relaxed)).filter(|&capacity| capacity != 0)
    }

    /// Returns whether the queue ends when no counted producer is left.
    pub(crate) fn is_counted(&self) -> bool {
        self.counted.load(Ordering::Acquire) != 0
    }

    /// Counts another handle; false if there was none left.
    pub(crate) fn add_handle(&self) -> bool {
        let more = |count: u64| count.checked_add(1).filter(|_| count != 0);
        let relaxed = Ordering::Relaxed;
        self.handles.fetch_update(relaxed, relaxed, more).is_ok()
    }

    /// Takes a handle away; true if it was the last.
    pub(crate) fn remove_handle(&self) -> bool {
        let fewer = |count: u64| count.checked_sub(1);
        // Whoever takes the last one away sees what the others did before they went.
        let updated = self
            .handles
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, fewer);
        updated == Ok(1)
    }
}
