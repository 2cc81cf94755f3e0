//! The reading of messages from a ring.

use super::RingError;
use super::atomic::Ordering;
use super::mark::Marks;
use super::memory::Memory;
use super::writer::{PREFIX, outstanding};
use std::fmt;

/// The reading side of a ring, while the calling thread has it to itself; see
/// [`RingEnd::read`](super::RingEnd::read).
pub struct RingReader<'a> {
    memory: &'a Memory,
}

/// Where the next message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// In the ring, with so many bytes.
    InRing(usize),
    /// It comes, or has come, beside the ring.
    Beside,
}

impl<'a> RingReader<'a> {
    pub(super) fn new(memory: &'a Memory) -> Self {
        Self { memory }
    }

    /// Looks where the next message is, if there is one.
    ///
    /// # Errors
    ///
    /// [`RingError::Damaged`], and [`RingError::CutShort`] after a process was killed with a
    /// message half received beside the ring.
    #[inline]
    pub fn next(&self) -> Result<Option<Next>, RingError> {
        if self.memory.head().reader.is_broken() {
            return Err(RingError::CutShort);
        }
        next(self.memory)
    }

    /// Takes the next message, which is in the ring and has `len` bytes, and appends it to `to`.
    #[inline]
    pub fn pop(&mut self, len: usize, to: &mut Vec<u8>) {
        let read = self.memory.head().reader.count.load();
        self.memory.drain(read.wrapping_add(PREFIX as u64), len, to);
        self.took(read, len);
    }

    /// Takes the next message, which is in the ring and as long as `to`.
    #[inline]
    pub fn pop_into(&mut self, to: &mut [u8]) {
        let read = self.memory.head().reader.count.load();
        self.memory.copy(read.wrapping_add(PREFIX as u64), to);
        self.took(read, to.len());
    }

    /// Says that a part of the message that comes beside the ring may have been received, and
    /// nobody else can go on with it.
    pub fn begin_beside(&mut self) {
        self.memory.head().reader.set_partial(true);
    }

    /// Says that none of the message that comes beside the ring has been received yet.
    pub fn nothing_beside(&mut self) {
        self.memory.head().reader.set_partial(false);
    }

    /// Says that the message that came beside the ring was received.
    pub fn end_beside(&mut self) {
        let reader = &self.memory.head().reader;
        reader.beside.fetch_add(1, Ordering::Release);
        reader.set_partial(false);
    }

    /// Returns whether a part of a message was received beside the ring.
    pub fn is_partial(&self) -> bool {
        self.memory.head().reader.is_partial()
    }

    /// Says that the caller is going to take a bell of the watchers: if it is killed behind that, the next
    /// message is rung for all the same.
    pub fn begin_taking(&self) {
        self.marks().begin_taking();
    }

    /// Whether somebody may watch beside whoever receives; then a bell of theirs may be taken only
    /// after [`begin_taking`](Self::begin_taking).
    pub fn is_watched(&self) -> bool {
        self.marks().is_watched()
    }

    /// Calls `sleep` if there is no message, once the writers are bound to ring for the next one, as
    /// [`Sleeper::Receiver`](super::Sleeper::Receiver).
    ///
    /// `sleep` waits for a bell and takes it.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    pub fn sleep<R>(&self, sleep: impl FnOnce() -> R) -> Result<Option<R>, RingError> {
        let set = self.marks().fall_asleep();
        let slept = match self.next()? {
            Some(_) => None,
            None => Some(sleep()),
        };
        self.marks().wake_up(set);
        Ok(slept)
    }

    /// Does as [`sleep`](Self::sleep), as one of the [`Sleeper::Watchers`](super::Sleeper::Watchers).
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    pub fn sleep_watching<R>(&self, sleep: impl FnOnce() -> R) -> Result<Option<R>, RingError> {
        self.marks().watch();
        Ok(match self.next()? {
            Some(_) => None,
            None => Some(sleep()),
        })
    }

    fn marks(&self) -> &Marks {
        self.memory.head().marks()
    }

    #[inline]
    fn took(&self, read: u64, len: usize) {
        let taken = (PREFIX + len) as u64;
        let reader = &self.memory.head().reader;
        reader.count.store(read.wrapping_add(taken));
    }
}

/// Where the next message is, for whoever looks.
#[inline]
pub(super) fn next(memory: &Memory) -> Result<Option<Next>, RingError> {
    let head = memory.head();
    // What comes beside the ring first: everything that was written to the ring before that was
    // announced is older, and is seen now.
    let announced = head.writer.beside.load(Ordering::Acquire);
    let read = head.reader.count.load();
    let filled = memory.size.filled(head.writer.count.load(), read)?;
    if filled == 0 {
        let taken = head.reader.beside.load(Ordering::Relaxed);
        return Ok((outstanding(announced, taken) > 0).then_some(Next::Beside));
    }
    let room = filled
        .checked_sub(PREFIX)
        .ok_or(RingError::Damaged("a message has no length"))?;
    let mut prefix = [0; PREFIX];
    memory.copy(read, &mut prefix);
    match u64::from_le_bytes(prefix) {
        len if len <= room as u64 => Ok(Some(Next::InRing(len as usize))),
        _ => Err(RingError::Damaged(
            "a message is longer than what was written",
        )),
    }
}

impl fmt::Debug for RingReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RingReader").finish_non_exhaustive()
    }
}
