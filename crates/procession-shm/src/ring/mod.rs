//! Rings of bytes between two processes: the fastest way from one to the other and back.
//!
//! A ring has one writer and one reader. [`Rings`] are two of them in one segment, one for each
//! direction, as a call and its answer need:
//!
//! ```
//! use procession_os::wait::Deadline;
//! use procession_shm::ring::{End, Rings};
//!
//! let rings = Rings::create(64 << 10)?;
//! let (mut requests, mut replies) = rings.take(End::Near)?;
//! let server = std::thread::spawn(move || {
//!     let (mut replies, mut requests) = rings.take(End::Far)?;
//!     let request = requests.recv(1000, Deadline::NEVER)?;
//!     replies.send(&request.to_ascii_uppercase(), Deadline::NEVER)
//! });
//! requests.send(b"hello", Deadline::NEVER)?;
//! assert_eq!(replies.recv(1000, Deadline::NEVER)?, b"HELLO");
//! server.join().unwrap()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Messages may be longer than the ring. Nothing that is read from the memory is trusted:
//! `index.rs` says what each end checks, and why a process may be killed at any instruction.
//!
//! # How the other process's death is noticed
//!
//! An end waits as the process's [`WaitPolicy`](procession_os::policy::WaitPolicy) says, and sleeps
//! on a futex at last. When an end is taken, the process writes down who it is. A sleeper wakes
//! after 10 ms, 20 ms, and so on up to once in a second, and looks whether the process at the other
//! end lives. Thus an idle ring costs nothing to speak of, no descriptor is needed, and a death is
//! noticed within a second at the latest. Who learns of the death sooner, by a pidfd or a socket,
//! calls [`Rings::close`], which wakes both ends at once.

mod atomic;
mod bell;
mod end;
mod error;
mod index;
mod reader;
mod writer;

pub use error::RingError;
pub use reader::RingReader;
pub use writer::RingWriter;

use crate::{Format, Segment, SegmentKind, ShmError};
use end::{Heads, Memory};
use index::Size;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// One of the two processes, or threads, that talk through [`Rings`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Writes to the first ring, reads from the second.
    Near,
    /// Writes to the second ring, reads from the first.
    Far,
}

/// A handle to two rings in one segment, one for each direction.
///
/// Each end is taken once, by one process; the handle itself may be cloned and sent. It keeps the
/// memory, but says nothing of who has the ends.
///
/// # When the other side is gone
///
/// See [`RingWriter`] and [`RingReader`].
#[derive(Clone)]
pub struct Rings {
    segment: Segment,
    size: Size,
}

/// The unit of a ring's memory.
#[repr(C, align(128))]
struct Line([u8; 128]);

const LINE: usize = size_of::<Line>();
const HEAD_LINES: usize = size_of::<Heads>() / LINE;

impl Rings {
    /// Makes two rings of at least `capacity` bytes each: the next power of two from 128 on.
    ///
    /// # Errors
    ///
    /// [`ShmError::OutOfMemory`] if `/dev/shm` is full, [`ShmError::Family`] or
    /// [`ShmError::System`] if the system refuses.
    ///
    /// # Examples
    ///
    /// ```
    /// let rings = procession_shm::ring::Rings::create(1000)?;
    /// assert_eq!(rings.capacity(), 1024);
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    pub fn create(capacity: usize) -> Result<Self, ShmError> {
        let wanted = capacity as u64;
        let too_much = || ShmError::OutOfMemory { wanted };
        let capacity = capacity.max(LINE).checked_next_power_of_two();
        let capacity = capacity.ok_or_else(too_much)?;
        let lines = (capacity / LINE + HEAD_LINES).checked_mul(2);
        let segment = Segment::create(format(), lines.ok_or_else(too_much)?, |_| {})?;
        let size = Size::new(capacity as u64).ok_or_else(too_much)?;
        Ok(Self { segment, size })
    }

    /// Takes one end: the writer of one ring and the reader of the other.
    ///
    /// # Errors
    ///
    /// [`RingError::Taken`] if somebody has had it before.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::ring::{End, RingError, Rings};
    ///
    /// let rings = Rings::create(1000)?;
    /// let end = rings.take(End::Near)?;
    /// assert!(matches!(rings.take(End::Near), Err(RingError::Taken)));
    /// # drop(end);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn take(&self, end: End) -> Result<(RingWriter, RingReader), RingError> {
        let (out, back) = match end {
            End::Near => (0, 1),
            End::Far => (1, 0),
        };
        let writer = RingWriter::take(self.memory(out))?;
        let reader = RingReader::take(self.memory(back))?;
        Ok((writer, reader))
    }

    /// Closes both rings for both ends, and wakes whoever waits.
    ///
    /// It is for who learns that one of the two processes has ended. What was written can still be
    /// read.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_os::wait::Deadline;
    /// use procession_shm::ring::{End, RingError, Rings};
    ///
    /// let rings = Rings::create(1000)?;
    /// let (_writer, mut reader) = rings.take(End::Near)?;
    /// rings.close();
    /// assert!(matches!(reader.recv(9, Deadline::NEVER), Err(RingError::Closed)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&self) {
        for ring in 0..2 {
            let memory = self.memory(ring);
            memory.heads().writer.close();
            memory.heads().reader.close();
        }
    }

    /// Returns how many bytes each ring holds.
    pub fn capacity(&self) -> usize {
        self.segment.payload_len() / 2 - size_of::<Heads>()
    }

    fn memory(&self, ring: usize) -> Memory {
        let offset = ring * (self.segment.payload_len() / 2);
        // SAFETY: each half of the payload has room for the heads and a ring of this size, and is
        // a whole number of lines.
        unsafe { Memory::new(self.segment.clone(), offset, self.size) }
    }
}

fn format() -> Format {
    Format::of::<Line>(SegmentKind::new(3, "pair of rings"))
}

impl fmt::Debug for Rings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rings")
            .field("segment", &self.segment.name())
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}

/// Encodes a handle; only into a message to another process.
impl Serialize for Rings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.segment.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Rings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let segment = Segment::deserialize(deserializer, format())?;
        let half = segment.payload_len() / 2;
        let size = half.checked_sub(size_of::<Heads>());
        let size = size.filter(|size| half.is_multiple_of(LINE) && *size >= LINE);
        let size = size.and_then(|size| Size::new(size as u64));
        let size = size.ok_or_else(|| serde::de::Error::custom("the rings have no size"))?;
        Ok(Self { segment, size })
    }
}
