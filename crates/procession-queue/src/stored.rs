//! A segment whose handle lies in shared memory.
//!
//! The handle is kept as the message in which it would travel. The segment is a part of the queue's own
//! ([`Segment::attach_to`]), which holds it while no process has it mapped: between a producer that has
//! ended and a consumer that has not begun. Whoever removes the message from the queue detaches the
//! segment. A process that is killed before it does so leaves it until the queue is gone.

use crate::memory::{HomeSegment, Memory, Segment};
use crate::name::Name;
use procession_os::huge;
use procession_shm::{Format, SegmentKind, ShmError};
use procession_wire::{DecodeError, EncodeError, Kind, Message, Packet};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A segment that belongs to a queue: a chunk, or one large item.
#[derive(Clone)]
pub(crate) struct Stored(Segment);

impl Stored {
    /// Makes a segment of `len` zeroed bytes.
    pub(crate) fn create(len: usize) -> Result<Self, ShmError> {
        Segment::create(Self::format(), len, |_| {}).map(Self)
    }

    /// Makes a segment with a copy of `bytes`.
    pub(crate) fn copy_of(bytes: &[u8]) -> Result<Self, ShmError> {
        let fill = |payload: &mut [u8]| {
            huge::populate(payload);
            payload.copy_from_slice(bytes);
        };
        Segment::create(Self::format(), bytes.len(), fill).map(Self)
    }

    /// Encodes a handle.
    pub(crate) fn handle(&self) -> Result<Vec<u8>, EncodeError> {
        let message = Message::encode_to_lie(Kind::VALUE, self)?;
        Ok(message.bytes().to_vec())
    }

    /// Has the queue hold the segment.
    pub(crate) fn attach_to(&self, queue: &HomeSegment) {
        self.0.attach_to(queue);
    }

    /// Has the queue hold the segment no more.
    pub(crate) fn detach(&self) {
        self.0.detach();
    }

    /// Opens the segment of a handle, which the queue goes on holding.
    pub(crate) fn open(handle: &[u8]) -> Result<Self, DecodeError> {
        Packet::parse(handle, Vec::new())?.decode()
    }

    /// Returns the bytes, which are there for as long as this process has the segment.
    pub(crate) fn memory(&self) -> Memory {
        // SAFETY: whoever uses the memory keeps this, or a clone of it; no reference is made to it.
        unsafe { Memory::of(&self.0) }
    }

    fn format() -> Format {
        Format::of::<u8>(SegmentKind::QUEUE_PART)
    }
}

impl Serialize for Stored {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Stored {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Segment::deserialize(deserializer, Self::format()).map(Self)
    }
}

impl Name {
    /// Opens the segment, which the queue goes on holding.
    pub(crate) fn open(&self) -> Result<Stored, DecodeError> {
        let bytes = self.to_bytes();
        let len = usize::from(bytes[0]);
        Stored::open(bytes.get(1..=len).ok_or(DecodeError::Truncated)?)
    }

    /// Has the queue give the segment up. What cannot be opened goes with the queue.
    pub(crate) fn give_up(&self) {
        if let Ok(stored) = self.open() {
            stored.detach();
        }
    }
}
