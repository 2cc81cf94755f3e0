//! A pair of rings for messages between two processes: the memory of a connection.
//!
//! [`Rings::create`] makes the two ends. What one writes, the other reads, and the other way round.
//! A ring holds whole messages only. What it has no room for, and file descriptors, go *beside* it, over whatever
//! else connects the two; the ring keeps both in order. Nor can one sleep here: whoever uses the rings has bells, such as
//! a byte in a socket, that are rung when [`RingWriter::wake`] says so. `procession-pipe` puts it together.
//!
//! ```
//! use procession_os::wait::Deadline;
//! use procession_shm::ring::{Next, Rings};
//!
//! let (here, there) = Rings::create(64 << 10)?;
//! let written = here.write(Deadline::NEVER, |writer| writer.push(b"hello"))??;
//! assert!(written);
//!
//! let message = there.read(Deadline::NEVER, |reader| {
//!     let Some(Next::InRing(len)) = reader.next()? else { return Ok(None) };
//!     let mut message = Vec::new();
//!     reader.pop(len, &mut message);
//!     Ok::<_, procession_shm::ring::RingError>(Some(message))
//! })??;
//! assert_eq!(message.as_deref(), Some(b"hello".as_slice()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Several holders of one end
//!
//! Threads and processes can share an end: one of them at a time writes, and one reads, under a robust
//! lock for each. A process that is killed while it has one leaves whole messages and blocks nobody. Only a
//! message that it was sending, or receiving, beside the ring is cut short, and with it the use of
//! that direction. Whoever overwrites such a lock while it is held can crash the holder (see
//! [`robust`](procession_os::robust)); an end that one process has to itself has locks out of reach
//! ([`RingEnd::keep_here`]).
//!
//! Nothing that is read from the memory is trusted: `index.rs` says what is checked.

mod atomic;
mod error;
mod index;
mod local;
mod mark;
mod memory;
mod reader;
mod writer;

pub use error::RingError;
pub use mark::Sleeper;
pub use reader::{Next, RingReader};
pub use writer::RingWriter;

use crate::{Format, Segment, SegmentKind, ShmError};
use index::Size;
use local::LocalLock;
use memory::{Head, Memory};
use procession_os::wait::Deadline;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::Arc;

/// The maker of pairs of rings.
#[derive(Debug)]
pub enum Rings {}

impl Rings {
    /// Makes two rings of at least `capacity` bytes each (the next power of two from 128 on) and
    /// returns their two ends.
    ///
    /// # Errors
    ///
    /// [`ShmError::OutOfMemory`] if `/dev/shm` is full, [`ShmError::Family`] or
    /// [`ShmError::System`] if the system refuses.
    ///
    /// # Examples
    ///
    /// ```
    /// let (here, _there) = procession_shm::ring::Rings::create(1000)?;
    /// assert_eq!(here.capacity(), 1024);
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    pub fn create(capacity: usize) -> Result<(RingEnd, RingEnd), ShmError> {
        let wanted = capacity as u64;
        let too_much = || ShmError::OutOfMemory { wanted };
        let capacity = capacity.max(LINE).checked_next_power_of_two();
        let capacity = capacity.ok_or_else(too_much)?;
        let lines = (capacity / LINE + HEAD_LINES).checked_mul(2);
        let mut made = Ok(());
        let segment = Segment::create(format(), lines.ok_or_else(too_much)?, |payload| {
            let half = payload.len() / 2;
            made = payload.chunks_exact_mut(half).try_for_each(|ring| {
                // SAFETY: the ring is new, begins on a line, and has room for its head.
                unsafe { Head::init_at(ring.as_mut_ptr().cast()) }
            });
        })?;
        made.map_err(ShmError::System)?;
        let end = |number| RingEnd::new(segment.clone(), number).ok_or_else(too_much);
        Ok((end(0)?, end(1)?))
    }
}

/// One end of a pair of rings: the writing side of one and the reading side of the other.
///
/// It is a handle: clones, and copies in other processes, are the same end.
///
/// # When the other side is gone
///
/// It is not noticed here; whatever goes beside the rings tells.
#[derive(Clone)]
pub struct RingEnd {
    /// 0 or 1: the ring that is written to.
    number: u8,
    out: Memory,
    back: Memory,
    /// What stands in for the locks of this end, if one process has it to itself.
    local: Arc<Local>,
    segment: Segment,
}

#[derive(Debug, Default)]
struct Local {
    writer: LocalLock,
    reader: LocalLock,
}

/// The unit of a ring's memory.
#[repr(C, align(128))]
struct Line([u8; 128]);

const LINE: usize = size_of::<Line>();
const HEAD_LINES: usize = size_of::<Head>() / LINE;

impl RingEnd {
    fn new(segment: Segment, number: u8) -> Option<Self> {
        let half = segment.payload_len() / 2;
        let size = half.checked_sub(size_of::<Head>())?;
        let size = Size::new(size as u64).filter(|_| size >= LINE && half.is_multiple_of(LINE))?;
        let memory = |ring: u8| {
            let offset = usize::from(ring) * half;
            // SAFETY: each half of the payload has room for the head and a ring of this size, and
            // is a whole number of lines; the segment stays beside it in the end.
            unsafe { Memory::new(&segment, offset, size) }
        };
        let (out, back) = match number {
            0 => (memory(0), memory(1)),
            1 => (memory(1), memory(0)),
            _ => return None,
        };
        Some(Self {
            number,
            out,
            back,
            local: Arc::default(),
            segment,
        })
    }

    /// Has `work` write, once no other thread or process writes at this end.
    ///
    /// # Errors
    ///
    /// [`RingError::TimedOut`] at the deadline, [`RingError::Damaged`], [`RingError::Lock`], and
    /// [`RingError::Copied`] in a copy of the process that [keeps](Self::keep_here) the end.
    #[inline]
    pub fn write<R>(
        &self,
        deadline: Deadline,
        work: impl FnOnce(&mut RingWriter<'_>) -> R,
    ) -> Result<R, RingError> {
        let mut writer = RingWriter::new(&self.out);
        let side = &self.out.head().writer;
        side.hold(&self.local.writer, deadline, || work(&mut writer))
    }

    /// Has `work` read, once no other thread or process reads at this end.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    #[inline]
    pub fn read<R>(
        &self,
        deadline: Deadline,
        work: impl FnOnce(&mut RingReader<'_>) -> R,
    ) -> Result<R, RingError> {
        let mut reader = RingReader::new(&self.back);
        let side = &self.back.head().reader;
        side.hold(&self.local.reader, deadline, || work(&mut reader))
    }

    /// Looks where the next message is that can be read here, whoever reads it.
    ///
    /// # Errors
    ///
    /// [`RingError::Damaged`].
    pub fn next(&self) -> Result<Option<Next>, RingError> {
        reader::next(&self.back)
    }

    /// Has the writers at the other end ring for the next message, as
    /// [`Sleeper::Watchers`], then looks whether there is one.
    ///
    /// # Errors
    ///
    /// [`RingError::Damaged`].
    pub fn arm(&self) -> Result<Option<Next>, RingError> {
        self.back.head().marks().watch();
        self.next()
    }

    /// Returns whether the writers at the other end ring for the next message; since the last [`arm`](Self::arm) they
    /// have not, then.
    pub fn is_armed(&self) -> bool {
        self.back.head().marks().is_watching()
    }

    /// Has the writers at the other end ring no more until the next [`arm`](Self::arm), which saves
    /// them a bell for a reader that is awake. Nobody else may sleep at this end.
    pub fn disarm(&self) {
        self.back.head().marks().unwatch();
    }

    /// Has this process keep the end to itself: its locks lie in memory of its own from now on, out of reach of
    /// whoever has the other end, and cost less. No other process may have this end, nor may this process have
    /// another handle to it than clones of this one; it is not handed on any more, and a copy of the process cannot use it.
    ///
    /// # Errors
    ///
    /// [`RingError::TimedOut`] if somebody writes or reads at this moment, [`RingError::Damaged`] and
    /// [`RingError::Lock`]. Then the locks in the ring are used as before.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_os::wait::Deadline;
    ///
    /// let (here, there) = procession_shm::ring::Rings::create(1000)?;
    /// here.keep_here()?;
    /// assert!(here.write(Deadline::NEVER, |writer| writer.push(b"hello"))??);
    /// assert!(there.next()?.is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn keep_here(&self) -> Result<(), RingError> {
        let writer = (&self.out.head().writer, &self.local.writer);
        let reader = (&self.back.head().reader, &self.local.reader);
        for (side, local) in [writer, reader] {
            if !local.is_in_use() {
                side.take_over(local)?;
            }
        }
        Ok(())
    }

    /// Returns whether all that was written at this end was read.
    pub fn was_all_read(&self) -> bool {
        matches!(reader::next(&self.out), Ok(None))
    }

    /// Notes that a holder of this end has let go of it, once it has.
    pub fn note_leaving(&self) {
        self.back.head().note_leaving();
    }

    /// Returns whether a holder of the other end has let go of it since this was last asked.
    #[inline]
    pub fn other_may_have_left(&self) -> bool {
        self.out.head().take_leaving()
    }

    /// Returns how many bytes each ring holds. A message takes eight beside its own.
    pub fn capacity(&self) -> usize {
        self.segment.payload_len() / 2 - size_of::<Head>()
    }

    /// Returns the segment that the rings lie in.
    pub fn segment(&self) -> &Segment {
        &self.segment
    }
}

fn format() -> Format {
    Format::of::<Line>(SegmentKind::RINGS)
}

impl fmt::Debug for RingEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RingEnd")
            .field("segment", &self.segment.name())
            .field("number", &self.number)
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}

/// Encodes a handle; only into a message to another process.
impl Serialize for RingEnd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.local.writer.is_in_use() || self.local.reader.is_in_use() {
            return Err(serde::ser::Error::custom(KEPT));
        }
        (self.number, &self.segment).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RingEnd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (number, Decoded(segment)) = Deserialize::deserialize(deserializer)?;
        let end = Self::new(segment, number);
        end.ok_or_else(|| serde::de::Error::custom("the memory of a connection has no size"))
    }
}

const KEPT: &str = "this end of the connection is kept by its process and cannot be handed on";

struct Decoded(Segment);

impl<'de> Deserialize<'de> for Decoded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Segment::deserialize(deserializer, format()).map(Self)
    }
}
