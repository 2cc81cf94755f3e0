//! A segment whose handle lies in shared memory.
//!
//! The handle is kept as the message in which it would travel. Such a message counts as a holder
//! of the segment ([`Segment`]'s documentation says how holders are counted), so the segment
//! lives while no process has it mapped: between a producer that has ended and a consumer that
//! has not begun. Whoever removes the message from the queue takes the count over.

use crate::memory::{Memory, Segment};
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

    /// Encodes a handle, which counts as a holder once the message is delivered.
    pub(crate) fn message(&self) -> Result<Message, EncodeError> {
        Message::encode(Kind::VALUE, self)
    }

    /// Decodes a handle, and takes over what it counted.
    pub(crate) fn collect(message: &[u8]) -> Result<Self, DecodeError> {
        Packet::parse(message, Vec::new())?.decode()
    }

    /// Returns the bytes, which are there for as long as this process has the segment.
    pub(crate) fn memory(&self) -> Memory {
        // SAFETY: whoever uses the memory keeps this, or a clone of it; no reference is made to it.
        unsafe { Memory::of(&self.0) }
    }

    /// Makes the message that this was collected from count again.
    pub(crate) fn count_again(&self) -> Result<(), DecodeError> {
        let again = self.message();
        let again = again.map_err(|error| DecodeError::Value(error.to_string()))?;
        again.delivered();
        Ok(())
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
    /// Opens the segment, and takes over what the name counted.
    pub(crate) fn collect(&self) -> Result<Stored, DecodeError> {
        let bytes = self.to_bytes();
        let len = usize::from(bytes[0]);
        Stored::collect(bytes.get(1..=len).ok_or(DecodeError::Truncated)?)
    }

    /// Opens the segment; the name goes on counting.
    ///
    /// The lock of a side whose place has the name must be held, so that nobody collects it
    /// meanwhile. First the name's count becomes this process's, then the name is counted again:
    /// somebody killed in between is no holder any more, and none too many are counted.
    pub(crate) fn open(&self) -> Result<Stored, DecodeError> {
        let stored = self.collect()?;
        stored.count_again()?;
        Ok(stored)
    }
}
