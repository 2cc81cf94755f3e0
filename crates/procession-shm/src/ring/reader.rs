//! The end of a ring that is read from.

use super::RingError;
use super::end::Memory;
use super::writer::HEAD;
use procession_os::wait::Deadline;
use std::fmt;
use std::mem;

/// The reading end of a ring; dropping it closes the ring.
///
/// # When the other side is gone
///
/// What was written is read first. Then reading is [`RingError::Closed`] when the writer was
/// dropped, and [`RingError::PeerDied`] when its process has ended.
pub struct RingReader {
    memory: Memory,
    /// This end's count: nobody else's word is taken for it.
    read: u64,
    /// What has arrived of the message that is being received: first of its length, then of it.
    partial: Vec<u8>,
    /// The length of that message, once it is known.
    len: Option<usize>,
}

impl RingReader {
    pub(super) fn take(memory: Memory) -> Result<Self, RingError> {
        memory.heads().reader.take()?;
        Ok(Self {
            memory,
            read: 0,
            partial: Vec::new(),
            len: None,
        })
    }

    /// Appends what is in the ring at this moment to `to`, up to `max` bytes; returns how many.
    ///
    /// # Errors
    ///
    /// [`RingError::Closed`] and [`RingError::Damaged`].
    ///
    /// # When the other side is gone
    ///
    /// [`RingError::Closed`] if the writer was dropped and all was read; of one that was killed it
    /// reads nothing for ever.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::ring::{End, Rings};
    ///
    /// let rings = Rings::create(4096)?;
    /// let mut near = rings.take(End::Near)?;
    /// let mut far = rings.take(End::Far)?;
    /// let mut bytes = Vec::new();
    /// assert_eq!(far.1.try_read(9, &mut bytes)?, 0);
    /// near.0.try_write(b"hello")?;
    /// assert_eq!(far.1.try_read(9, &mut bytes)?, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_read(&mut self, max: usize, to: &mut Vec<u8>) -> Result<usize, RingError> {
        let len = self.available()?.min(max);
        self.memory.drain(self.read, len, to);
        self.publish(len);
        Ok(len)
    }

    /// Receives a message of up to `limit` bytes.
    ///
    /// No more memory is taken than bytes arrive, whatever the message says of its length. A
    /// message of which a part has arrived at the deadline is gone on with by the next call.
    ///
    /// # Errors
    ///
    /// [`RingError::TimedOut`] at the deadline. [`RingError::TooLong`], now and ever after: what
    /// follows such a message cannot be found. [`RingError::Damaged`] if the memory was
    /// overwritten.
    ///
    /// # When the other side is gone
    ///
    /// [`RingError::Closed`] or, within a second, [`RingError::PeerDied`], after all messages that
    /// were sent whole.
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
    /// near.0.send(b"hello", Deadline::NEVER)?;
    /// assert_eq!(far.1.recv(1000, Deadline::NEVER)?, b"hello");
    /// drop(near);
    /// let ended = far.1.recv(1000, Deadline::NEVER).unwrap_err();
    /// assert!(matches!(ended, RingError::Closed));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv(&mut self, limit: usize, deadline: Deadline) -> Result<Vec<u8>, RingError> {
        if let Some(message) = self.recv_at_once(limit)? {
            return Ok(message);
        }
        let len = match self.len {
            Some(len) => len,
            None => self.recv_len(limit, deadline)?,
        };
        self.gather(len, deadline)?;
        self.len = None;
        Ok(mem::take(&mut self.partial))
    }

    /// Closes the ring: the writer gets an error.
    pub fn close(&mut self) {
        self.memory.heads().reader.close();
    }

    /// Receives a message that is in the ring as a whole.
    #[inline]
    fn recv_at_once(&mut self, limit: usize) -> Result<Option<Vec<u8>>, RingError> {
        let begun = self.len.is_some() || !self.partial.is_empty();
        let available = self.available()?;
        if begun || available < HEAD {
            return Ok(None);
        }
        let len = u64::from_le_bytes(self.memory.peek::<HEAD>(self.read));
        if len > limit.min(available - HEAD) as u64 {
            return Ok(None);
        }
        let mut message = Vec::new();
        let start = self.read.wrapping_add(HEAD as u64);
        self.memory.drain(start, len as usize, &mut message);
        self.publish(HEAD + len as usize);
        Ok(Some(message))
    }

    fn recv_len(&mut self, limit: usize, deadline: Deadline) -> Result<usize, RingError> {
        self.gather(HEAD, deadline)?;
        let head = self.partial.first_chunk::<HEAD>();
        let len = u64::from_le_bytes(*head.ok_or(RingError::CutShort)?);
        if len > limit as u64 {
            return Err(RingError::TooLong { len, limit });
        }
        self.partial.clear();
        self.len = Some(len as usize);
        Ok(len as usize)
    }

    /// Reads until the partial message has `len` bytes.
    fn gather(&mut self, len: usize, deadline: Deadline) -> Result<(), RingError> {
        while self.partial.len() < len {
            let writer = &self.memory.heads().writer;
            let moved = || self.available().map_or(true, |available| available != 0);
            writer.wait(deadline, moved)?;
            let mut partial = mem::take(&mut self.partial);
            let read = self.try_read(len - partial.len(), &mut partial);
            self.partial = partial;
            read?;
        }
        Ok(())
    }

    /// Returns how many bytes are in the ring; an error if there are none and never will be.
    #[inline]
    fn available(&self) -> Result<usize, RingError> {
        let writer = &self.memory.heads().writer;
        // First whether it is closed: what was written before that is seen then.
        let closed = writer.is_closed();
        let available = self.memory.size.filled(writer.count.load(), self.read)?;
        if available == 0 && closed {
            return Err(RingError::Closed);
        }
        Ok(available)
    }

    #[inline]
    fn publish(&mut self, len: usize) {
        self.read = self.read.wrapping_add(len as u64);
        let half = &self.memory.heads().reader;
        half.count.store(self.read);
        half.moved();
    }
}

impl Drop for RingReader {
    fn drop(&mut self) {
        self.memory.heads().reader.close_dropped();
    }
}

impl fmt::Debug for RingReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RingReader")
            .field("segment", &self.memory.segment().name())
            .field("read", &self.read)
            .finish_non_exhaustive()
    }
}
