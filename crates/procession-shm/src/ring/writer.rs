//! The writing of messages to a ring.

use super::atomic::Ordering;
use super::memory::Memory;
use super::{RingError, Sleeper};
use std::fmt;

/// The bytes that say how long a message is, before its own.
pub(super) const PREFIX: usize = 8;

/// The writing side of a ring, while the calling thread has it to itself; see
/// [`RingEnd::write`](super::RingEnd::write).
pub struct RingWriter<'a> {
    memory: &'a Memory,
}

impl<'a> RingWriter<'a> {
    pub(super) fn new(memory: &'a Memory) -> Self {
        Self { memory }
    }

    /// Writes a message, if it fits into what is free now and everything that went beside the ring
    /// was taken; returns whether it did. It is there whole, or not at all, whenever this process is
    /// killed.
    ///
    /// Whoever writes one must [`wake`](Self::wake) the reader afterwards.
    ///
    /// # Errors
    ///
    /// [`RingError::Damaged`], and [`RingError::CutShort`] after a process was killed with a
    /// message half sent beside the ring.
    #[inline]
    pub fn push(&mut self, message: &[u8]) -> Result<bool, RingError> {
        self.check_whole()?;
        let head = self.memory.head();
        let written = head.writer.count.load();
        let room = self.memory.size.room(written, head.reader.count.load())?;
        let Some(len) = message.len().checked_add(PREFIX) else {
            return Ok(false);
        };
        if len > room || !self.beside_was_taken() {
            return Ok(false);
        }
        let prefix = (message.len() as u64).to_le_bytes();
        self.memory.fill(written, &prefix);
        self.memory
            .fill(written.wrapping_add(PREFIX as u64), message);
        // The bytes before the count: they are seen by whoever sees it.
        head.writer.count.store(written.wrapping_add(len as u64));
        Ok(true)
    }

    /// Says that a message is going to be sent beside the ring. If this process is killed before
    /// it says more, the end is of no more use.
    ///
    /// # Errors
    ///
    /// [`RingError::CutShort`] if an earlier message beside the ring is not whole.
    pub fn begin_beside(&mut self) -> Result<(), RingError> {
        self.check_whole()?;
        self.memory.head().writer.set_partial(true);
        Ok(())
    }

    /// Says that the first bytes of a message have gone beside the ring: a reader that looks into
    /// the ring only is told so.
    ///
    /// A reader that has found them before has taken the message before it was announced, and is
    /// ahead by one for that moment.
    pub fn announce_beside(&mut self) {
        let writer = &self.memory.head().writer;
        writer.beside.fetch_add(1, Ordering::Release);
    }

    /// Says that a message has gone beside the ring whole, or that nothing of it has.
    pub fn end_beside(&mut self) {
        self.memory.head().writer.set_partial(false);
    }

    /// Returns whether a message was sent in part beside the ring.
    pub fn is_partial(&self) -> bool {
        self.memory.head().writer.is_partial()
    }

    /// Returns how many bytes the readers have read of this ring, and whether that is all.
    pub fn progress(&self) -> (u64, bool) {
        let head = self.memory.head();
        let read = head.reader.count.load();
        (read, read == head.writer.count.load())
    }

    /// Calls `ring` for those that may be asleep, so that what was written or announced is found.
    pub fn wake(&mut self, ring: impl FnMut(Sleeper)) {
        self.memory.head().marks().wake(ring);
    }

    fn check_whole(&self) -> Result<(), RingError> {
        let writer = &self.memory.head().writer;
        if writer.is_partial() || writer.is_broken() {
            return Err(RingError::CutShort);
        }
        Ok(())
    }

    /// Whether the readers have all that went beside the ring. Before that nothing must be written
    /// to it: it would be read first.
    #[inline]
    fn beside_was_taken(&self) -> bool {
        let head = self.memory.head();
        let taken = head.reader.beside.load(Ordering::Acquire);
        outstanding(head.writer.beside.load(Ordering::Relaxed), taken) == 0
    }
}

/// Returns how many messages were announced beside the ring and not yet taken; none if the reader
/// is ahead.
pub(super) fn outstanding(announced: u32, taken: u32) -> u32 {
    announced
        .wrapping_sub(taken)
        .cast_signed()
        .max(0)
        .cast_unsigned()
}

impl fmt::Debug for RingWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RingWriter").finish_non_exhaustive()
    }
}
