//! The one word that each side of a queue publishes with.
//!
//! The word holds how many items went through the side so far, and which of the side's two places
//! is the current one. Everything else that a side knows (chunk, offset) is in its current place.
//! Whoever advances writes the *other* place, and then the word, with one store. So whatever
//! instruction it is killed at, the word names a place that is whole: there is nothing to repair.

use crate::atomic::{AtomicU64, Ordering};

/// A value of a side's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At(u64);

impl At {
    /// Returns how many items went through so far, in 63 bits.
    #[inline]
    pub(crate) fn count(self) -> u64 {
        self.0 >> 1
    }

    /// Returns the index of the current place.
    #[inline]
    pub(crate) fn place(self) -> usize {
        (self.0 & 1) as usize
    }

    /// Returns the word after `items` more went through, with the other place as the current one.
    #[inline]
    pub(crate) fn advanced(self, items: u64) -> Self {
        Self((self.0 & 1 ^ 1) | self.count().wrapping_add(items) << 1)
    }

    /// Returns how many items `behind` has still to come to be here.
    #[inline]
    pub(crate) fn ahead_of(self, behind: Self) -> u64 {
        self.0.wrapping_sub(behind.0 & !1) >> 1
    }
}

/// No queue has so many items at a time; a difference that is larger is none.
const MOST: u64 = 1 << 48;

impl At {
    /// Returns how many items were put here and not got up to `got`; `None` if this is not ahead,
    /// because it is old, or garbage.
    #[inline]
    pub(crate) fn left(self, got: Self) -> Option<u64> {
        Some(self.ahead_of(got)).filter(|&items| items <= MOST)
    }
}

/// The word in shared memory.
#[repr(transparent)]
pub(crate) struct Cursor(AtomicU64);

impl Cursor {
    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Reads the word.
    ///
    /// Acquire: what was written before the word was published is seen by whoever sees the word.
    #[inline]
    pub(crate) fn load(&self) -> At {
        At(self.0.load(Ordering::Acquire))
    }

    /// Writes the word; the caller holds the side's lock.
    #[inline]
    pub(crate) fn publish(&self, at: At) {
        self.0.store(at.0, Ordering::Release);
    }
}

/// A side's word as a process of the other side last saw it, in the memory of that process.
///
/// The word only goes on. Who goes by an old one finds too little in the queue, or too little room,
/// and only then looks at the word itself: it lies in a cache line that the other side writes with
/// each item, and fetching that line costs more than all the rest.
pub(crate) struct Seen(AtomicU64);

impl Seen {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Returns what was seen.
    ///
    /// Acquire: it may have been another thread that saw it.
    #[inline]
    pub(crate) fn load(&self) -> At {
        At(self.0.load(Ordering::Acquire))
    }

    /// Looks at the word.
    #[inline]
    pub(crate) fn look(&self, cursor: &Cursor) -> At {
        let at = cursor.load();
        self.0.store(at.0, Ordering::Release);
        at
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn advancing_changes_the_place() {
        let start = At(0);
        let later = start.advanced(2);
        assert_eq!((later.count(), later.place()), (2, 1));
        assert_eq!(later.advanced(1).place(), start.place());
        assert_eq!(later.ahead_of(start), 2);
        assert_eq!(later.advanced(5).ahead_of(later), 5);
    }

    #[test]
    fn counts_wrap() {
        let last = At(u64::MAX);
        let first = last.advanced(1);
        assert_eq!((first.count(), first.place()), (0, 0));
        assert_eq!(first.ahead_of(last), 1);
        assert_eq!(last.ahead_of(last), 0);
    }
}
