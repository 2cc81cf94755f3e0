//! The end of a ring that is written to.

use super::RingError;
use super::end::Memory;
use procession_os::wait::Deadline;
use std::fmt;

/// The writing end of a ring; dropping it closes the ring.
///
/// # When the other side is gone
///
/// Writing is [`RingError::Closed`] when the reader was dropped, and [`RingError::PeerDied`] when
/// its process has ended and there is no room left. Bytes that fit are written though nobody is
/// going to read them.
pub struct RingWriter {
    memory: Memory,
    /// This end's count: nobody else's word is taken for it.
    written: u64,
    cut_short: bool,
}

/// The bytes that say how long a message is.
pub(super) const HEAD: usize = 8;

impl RingWriter {
    pub(super) fn take(memory: Memory) -> Result<Self, RingError> {
        memory.heads().writer.take()?;
        Ok(Self {
            memory,
            written: 0,
            cut_short: false,
        })
    }

    /// Writes as many of the bytes as there is room for at this moment, and returns how many.
    ///
    /// # Errors
    ///
    /// [`RingError::Closed`] and [`RingError::Damaged`].
    ///
    /// # When the other side is gone
    ///
    /// [`RingError::Closed`] if the reader was dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::ring::{End, Rings};
    ///
    /// let rings = Rings::create(4096)?;
    /// let (mut writer, _) = rings.take(End::Near)?;
    /// let (_, mut reader) = rings.take(End::Far)?;
    /// assert_eq!(writer.try_write(b"hello")?, 5);
    /// let mut bytes = Vec::new();
    /// assert_eq!(reader.try_read(3, &mut bytes)?, 3);
    /// assert_eq!(bytes, b"hel");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_write(&mut self, bytes: &[u8]) -> Result<usize, RingError> {
        let room = self.room()?;
        let len = bytes.len().min(room);
        self.memory.fill(self.written, &bytes[..len]);
        self.publish(len);
        Ok(len)
    }

    /// Sends a message of any length: what does not fit streams through the ring.
    ///
    /// # Errors
    ///
    /// [`RingError::TimedOut`] at the deadline. If a part of the message was written by then, the
    /// ring is of no use any more: the next message is [`RingError::CutShort`].
    /// [`RingError::Damaged`] if the memory was overwritten.
    ///
    /// # When the other side is gone
    ///
    /// [`RingError::Closed`] or, within a second, [`RingError::PeerDied`]; a message that fits may
    /// be sent all the same.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_os::wait::Deadline;
    /// use procession_shm::ring::{End, Rings};
    ///
    /// let rings = Rings::create(4096)?;
    /// let (mut writer, _) = rings.take(End::Near)?;
    /// let (_, mut reader) = rings.take(End::Far)?;
    /// writer.send(b"hello", Deadline::NEVER)?;
    /// assert_eq!(reader.recv(1000, Deadline::NEVER)?, b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send(&mut self, message: &[u8], deadline: Deadline) -> Result<(), RingError> {
        if self.cut_short {
            return Err(RingError::CutShort);
        }
        let head = (message.len() as u64).to_le_bytes();
        if self.room()? >= HEAD + message.len() {
            self.memory.fill(self.written, &head);
            self.memory.fill(self.written + HEAD as u64, message);
            self.publish(HEAD + message.len());
            return Ok(());
        }
        let start = self.written;
        let sent = self.stream(&head, deadline);
        let sent = sent.and_then(|()| self.stream(message, deadline));
        self.cut_short = sent.is_err() && self.written != start;
        sent
    }

    /// Closes the ring: the reader gets what was written, and then an error.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_os::wait::Deadline;
    /// use procession_shm::ring::{End, RingError, Rings};
    ///
    /// let rings = Rings::create(4096)?;
    /// let mut near = rings.take(End::Near)?;
    /// let mut far = rings.take(End::Far)?;
    /// near.0.close();
    /// let ended = far.1.recv(1000, Deadline::NEVER).unwrap_err();
    /// assert!(matches!(ended, RingError::Closed));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&mut self) {
        self.memory.heads().writer.close();
    }

    fn stream(&mut self, mut bytes: &[u8], deadline: Deadline) -> Result<(), RingError> {
        while !bytes.is_empty() {
            let reader = &self.memory.heads().reader;
            let moved = || self.room().map_or(true, |room| room != 0);
            reader.wait(deadline, moved)?;
            let len = self.try_write(bytes)?;
            bytes = &bytes[len..];
        }
        Ok(())
    }

    #[inline]
    fn room(&self) -> Result<usize, RingError> {
        let reader = &self.memory.heads().reader;
        if reader.is_closed() || self.memory.heads().writer.is_closed() {
            return Err(RingError::Closed);
        }
        self.memory.size.room(self.written, reader.count.load())
    }

    #[inline]
    fn publish(&mut self, len: usize) {
        self.written = self.written.wrapping_add(len as u64);
        let half = &self.memory.heads().writer;
        half.count.store(self.written);
        half.moved();
    }
}

impl Drop for RingWriter {
    fn drop(&mut self) {
        self.memory.heads().writer.close_dropped();
    }
}

impl fmt::Debug for RingWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RingWriter")
            .field("segment", &self.memory.segment().name())
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}
