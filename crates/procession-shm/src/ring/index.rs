//! The positions of a ring's two ends, apart from its memory.
//!
//! Each end counts the bytes that went through it, in 64 bits that never wrap in practice, and
//! writes its own count only. The bytes between the two counts are in the ring:
//!
//! | who | reads | then | then stores |
//! |---|---|---|---|
//! | writer | the reader's count (acquire) | copies bytes into the free part | its count (release) |
//! | reader | the writer's count (acquire) | copies bytes out of the full part | its count (release) |
//!
//! A process that is killed at any instruction has either stored its count or not: the others see a
//! ring that is as it was.
//!
//! Neither count is trusted. Whatever they are, what follows from them lies inside of the ring, or
//! is an error.

use super::RingError;
use super::atomic::{AtomicU64, Ordering};
use std::ops::Range;

/// What one end tells the other: how many bytes went through it.
pub(super) struct Count(AtomicU64);

impl Count {
    #[cfg(all(test, loom))]
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Reads it; what the other end did before it stored the count is seen.
    #[inline]
    pub(super) fn load(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Writes it; only the end whose count it is does so.
    #[inline]
    pub(super) fn store(&self, count: u64) {
        self.0.store(count, Ordering::Release);
    }
}

/// A ring's size, and what follows from two counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    /// A power of two.
    capacity: u64,
}

impl Size {
    /// `None` if it is not a power of two, or nothing.
    pub(super) fn new(capacity: u64) -> Option<Self> {
        capacity.is_power_of_two().then_some(Self { capacity })
    }

    /// Returns how many bytes are in the ring.
    #[inline]
    pub(super) fn filled(self, written: u64, read: u64) -> Result<usize, RingError> {
        let filled = written.wrapping_sub(read);
        if filled > self.capacity {
            return Err(RingError::Damaged("more was read than was written"));
        }
        Ok(filled as usize)
    }

    /// Returns how many more bytes fit.
    #[inline]
    pub(super) fn room(self, written: u64, read: u64) -> Result<usize, RingError> {
        Ok(self.capacity as usize - self.filled(written, read)?)
    }

    /// Returns where in the ring's memory `len` bytes from `count` on are: in two parts, if they
    /// go over the end. `len` must not be more than the capacity.
    #[inline]
    pub(super) fn parts(self, count: u64, len: usize) -> (Range<usize>, Range<usize>) {
        let at = (count & (self.capacity - 1)) as usize;
        let first = len.min(self.capacity as usize - at);
        (at..at + first, 0..len - first)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn parts_go_over_the_end() {
        let size = Size::new(8).unwrap();
        assert_eq!(size.parts(6, 1), (6..7, 0..0));
        assert_eq!(size.parts(6, 2), (6..8, 0..0));
        assert_eq!(size.parts(14, 8), (6..8, 0..6));
        assert_eq!(size.parts(u64::MAX, 3), (7..8, 0..2));
    }

    #[test]
    fn counts_that_cannot_be_are_errors() {
        let size = Size::new(8).unwrap();
        assert_eq!(size.filled(8, 0).unwrap(), 8);
        assert_eq!(size.room(u64::MAX.wrapping_add(3), u64::MAX).unwrap(), 5);
        assert!(size.filled(9, 0).is_err());
        assert!(size.room(0, 1).is_err());
        assert!(Size::new(0).is_none() && Size::new(12).is_none());
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use loom::cell::UnsafeCell;
    use loom::sync::Arc;
    use loom::thread;

    struct Ring {
        written: Count,
        read: Count,
        bytes: [UnsafeCell<u8>; 2],
    }

    fn ring() -> Arc<Ring> {
        Arc::new(Ring {
            written: Count::new(),
            read: Count::new(),
            bytes: std::array::from_fn(|_| UnsafeCell::new(0)),
        })
    }

    #[test]
    fn bytes_arrive_in_order_and_nobody_touches_them_together() {
        loom::model(|| {
            let (size, ring) = (Size::new(2).unwrap(), ring());
            let same = Arc::clone(&ring);
            let writer = thread::spawn(move || {
                for written in 0..3 {
                    while size.room(written, same.read.load()).unwrap() == 0 {
                        thread::yield_now();
                    }
                    let (part, _) = size.parts(written, 1);
                    // SAFETY: what loom checks here is that nobody else uses the byte.
                    same.bytes[part.start].with_mut(|byte| unsafe { *byte = written as u8 });
                    same.written.store(written + 1);
                }
            });
            for read in 0..3 {
                while size.filled(ring.written.load(), read).unwrap() == 0 {
                    thread::yield_now();
                }
                let (part, _) = size.parts(read, 1);
                // SAFETY: as above.
                let byte = ring.bytes[part.start].with(|byte| unsafe { *byte });
                assert_eq!(u64::from(byte), read);
                ring.read.store(read + 1);
            }
            writer.join().unwrap();
        });
    }
}
