//! A stripe of a dict: the keys with one part of their hash in common, with a lock of their own.
//!
//! What there is in a stripe is what the slots of its current area lead to. All else that a stripe
//! knows, how many entries there are and which blocks are free, follows from that, and is worked out anew
//! where a process may have died in changing it. Such a change is made in this order:
//!
//! 1. the stripe is marked as *unsettled*;
//! 2. an entry is written into a block that is free; or a whole area, in a segment that the other
//!    place names;
//! 3. one store makes it part of the dict: of a slot, or of the number of the current area;
//! 4. the numbers are brought up to date, and what is not used any more is made free;
//! 5. the mark is taken away.
//!
//! A process that is killed before the third step has changed nothing, and one that is killed after it
//! has changed all. Whoever has the lock next finds the mark and [settles](crate::settle) the stripe.

use crate::class::CLASSES;
use crate::event::Event;
use crate::name::NameCell;
use procession_os::eldest::Eldest;
use procession_os::robust::RobustMutex;
use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, compiler_fence};

/// A stripe in shared memory. Zeros are a valid value for all of it but the lock.
#[repr(C, align(128))]
pub(crate) struct Stripe {
    pub(crate) mutex: RobustMutex,
    /// Where those sleep that wait for a key.
    pub(crate) event: Event,
    /// Which of those that were overtaken by other changes has waited longest.
    pub(crate) eldest: Eldest,
    /// Not zero while a change is half done.
    unsettled: AtomicU32,
    /// The number of the current area. The place with its lowest bit says where that is.
    pub(crate) generation: AtomicU64,
    /// The version of the last entry that was written.
    pub(crate) version: AtomicU64,
    /// How many entries there are.
    pub(crate) count: AtomicU64,
    /// How many slots are not empty.
    pub(crate) taken: AtomicU64,
    /// The words of all blocks with entries.
    pub(crate) live: AtomicU64,
    /// The first word that was never part of a block.
    pub(crate) end: AtomicU64,
    pub(crate) places: [Place; 2],
    /// Segments of values that are about to become a part of the dict, or to be given up.
    pub(crate) pending: [NameCell; 2],
    /// The first free block of each size, which leads to the next; zero for none.
    pub(crate) free: [AtomicU64; CLASSES],
}

/// Where an area is.
#[repr(C)]
pub(crate) struct Place {
    pub(crate) slots: AtomicU64,
    /// The segment; none for the area in the dict's own.
    pub(crate) name: NameCell,
}

impl Stripe {
    /// Makes a stripe without entries, whose area has so many slots and is in the dict's own segment.
    ///
    /// # Errors
    ///
    /// As [`RobustMutex::init_at`].
    ///
    /// # Safety
    ///
    /// `at` must point to zeroed memory of this size and alignment that nobody else uses yet.
    pub(crate) unsafe fn init_at(at: *mut Self, slots: usize) -> io::Result<()> {
        // SAFETY: the mutex lies inside of what `at` points to.
        let mutex = unsafe { &raw mut (*at).mutex };
        // SAFETY: the caller vouches for the memory, and that nobody else uses it.
        unsafe { RobustMutex::init_at(mutex) }?;
        // SAFETY: the lock was made on the line before, and zeros are valid for the rest.
        let stripe = unsafe { &*at };
        stripe.places[0]
            .slots
            .store(slots as u64, Ordering::Relaxed);
        stripe.end.store(slots as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Marks the beginning of a change. The caller holds the lock.
    #[inline]
    pub(crate) fn unsettle(&self) {
        self.unsettled.store(1, Ordering::Relaxed);
        // A process is killed between two of its instructions, which are to be in this order.
        compiler_fence(Ordering::SeqCst);
    }

    /// Marks the end of a change.
    #[inline]
    pub(crate) fn settled(&self) {
        self.unsettled.store(0, Ordering::Release);
    }

    /// Whether a change is half done.
    #[inline]
    pub(crate) fn is_unsettled(&self) -> bool {
        self.unsettled.load(Ordering::Relaxed) != 0
    }

    /// Returns where the area with this number is.
    pub(crate) fn place(&self, generation: u64) -> &Place {
        &self.places[(generation & 1) as usize]
    }
}

/// Makes a change part of the dict: nothing that comes before is seen later, nothing that comes after
/// is done earlier.
#[inline]
pub(crate) fn publish(word: &AtomicU64, value: u64) {
    word.store(value, Ordering::Release);
    // What is free from here on may be written over from here on.
    compiler_fence(Ordering::SeqCst);
}

/// Adds to a number that only the lock's holder changes.
#[inline]
pub(crate) fn add(number: &AtomicU64, more: usize) {
    let before = number.load(Ordering::Relaxed);
    number.store(before.wrapping_add(more as u64), Ordering::Relaxed);
}

/// Takes from a number that only the lock's holder changes.
#[inline]
pub(crate) fn subtract(number: &AtomicU64, less: usize) {
    let before = number.load(Ordering::Relaxed);
    number.store(before.wrapping_sub(less as u64), Ordering::Relaxed);
}
