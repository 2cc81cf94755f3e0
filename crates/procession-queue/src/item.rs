//! Items as bytes, before they are put and after they are got.

use crate::handles::{self, Held};
use crate::home::Home;
use crate::record::Kind;
use crate::stored::Stored;
use crate::write::INLINE;
use crate::{Fault, GetError, PutError};
use procession_wire::buffer::Buffer;
use procession_wire::{DecodeError, EncodeError, Kind as MessageKind, Message, Packet};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ops::Range;

/// The most bytes of an item's encoding: 1 GiB for what the user puts in, and some for the rest.
pub const MAX_ITEM_LEN: usize = (1 << 30) + (1 << 10);

/// Appends an item to `bytes`, or returns it, if it is not just some bytes.
#[inline]
pub(crate) fn append<T: Serialize + DeserializeOwned>(
    item: &T,
    queue: &Home,
    bytes: &mut Vec<u8>,
) -> Result<Option<Item>, PutError> {
    match Message::append(MessageKind::VALUE, item, INLINE, bytes)? {
        None => Ok(None),
        Some(message) => Item::of(message, queue).map(Some),
    }
}

/// An encoded item for a certain queue that is large or has handles in it. Dropping it gives up what the
/// queue holds for it.
pub(crate) struct Item {
    message: Message,
    /// The message with the names of what its handles stand for, if it has handles.
    with_names: Option<Vec<u8>>,
    /// The segment with a copy of a large item.
    large: Option<Large>,
}

/// A segment that the queue holds, with its handle, encoded.
struct Large {
    /// `None` once the item is in the queue.
    stored: Option<Stored>,
    handle: Vec<u8>,
}

impl Drop for Large {
    fn drop(&mut self) {
        if let Some(stored) = &self.stored {
            stored.detach();
        }
    }
}

impl Item {
    #[cold]
    fn of(message: Message, queue: &Home) -> Result<Self, PutError> {
        let with_names = leave(&message, queue)?;
        let content = with_names.as_deref().unwrap_or(message.bytes());
        let large = match content.len() {
            0..=INLINE => None,
            _ => Some(store(content, queue)?),
        };
        Ok(Self {
            message,
            with_names,
            large,
        })
    }

    /// Returns what goes into the chain of chunks.
    #[inline]
    pub(crate) fn record(&self) -> (Kind, &[u8]) {
        match (&self.large, &self.with_names) {
            (None, None) => (Kind::Item, self.message.bytes()),
            (None, Some(content)) => (Kind::Handles, content),
            (Some(large), None) => (Kind::Large, &large.handle),
            (Some(large), Some(_)) => (Kind::LargeHandles, &large.handle),
        }
    }

    /// The item is in the queue, which goes on holding what it holds for it.
    #[inline]
    pub(crate) fn deliver(self) {
        self.message.delivered();
        if let Some(mut large) = self.large {
            large.stored = None;
        }
    }
}

#[cold]
fn leave(message: &Message, queue: &Home) -> Result<Option<Vec<u8>>, PutError> {
    if !message.fds().is_empty() {
        return Err(PutError::Descriptors);
    }
    let left = handles::leave_in(&queue.segment().name(), message);
    left.map_err(|error| {
        let words = format!("the queue cannot hold what a handle stands for: {error}");
        PutError::Encode(EncodeError::Value(words))
    })
}

#[cold]
fn store(bytes: &[u8], queue: &Home) -> Result<Large, PutError> {
    let (len, max) = (bytes.len(), MAX_ITEM_LEN);
    if len > max {
        return Err(PutError::TooLarge { len, max });
    }
    let stored = Stored::copy_of(bytes)?;
    let handle = stored.handle()?;
    // First, so that no item is ever in the queue that it does not hold.
    stored.attach_to(queue.segment());
    Ok(Large {
        stored: Some(stored),
        handle,
    })
}

/// An item that was taken out of a queue. When it is dropped, the queue gives up what it held for it.
pub(crate) enum Taken {
    /// Where what is encoded is in the bytes that were read.
    Item(Range<usize>),
    Other(Box<Other>),
}

/// One that is not just some bytes.
pub(crate) enum Other {
    /// Where what is encoded is.
    Large(Collected),
    /// An item of which so many bytes are encoded, and what its handles stand for.
    Handles(Taken, usize, Held),
    /// Where it was is gone.
    Lost(DecodeError),
}

impl Taken {
    /// Makes an item of a record that is about to be taken, and was read into `bytes`, behind what was
    /// there.
    ///
    /// # Errors
    ///
    /// [`Fault::Open`] if the item is to stay where it is, because this process has no descriptor
    /// or no memory left to open it.
    #[inline]
    pub(crate) fn of(kind: Kind, bytes: &[u8], start: usize) -> Result<Self, Fault> {
        match kind {
            Kind::Item => Ok(Self::Item(start..bytes.len())),
            kind => Other::opened(kind, bytes, start).map(|other| Self::Other(Box::new(other))),
        }
    }

    /// Decodes the item, of the bytes that it was read into with others.
    #[inline]
    pub(crate) fn decode<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, GetError> {
        match self {
            Self::Item(range) => decode(&bytes[range]),
            Self::Other(other) => other.decode(bytes),
        }
    }
}

impl Other {
    #[cold]
    fn opened(kind: Kind, bytes: &[u8], start: usize) -> Result<Self, Fault> {
        let content = &bytes[start..];
        let opened = match kind {
            Kind::Large => Stored::open(content).map(|stored| Self::Large(Collected(stored))),
            Kind::Handles => Self::with_handles(content, start),
            Kind::LargeHandles => Self::large_with_handles(content),
            Kind::Item | Kind::Next => return Err(Fault::Damaged("a chunk is empty")),
        };
        match opened {
            Err(shortage @ DecodeError::Shortage(_)) => Err(Fault::Open(shortage)),
            // It must not keep others from the items behind it.
            opened => Ok(opened.unwrap_or_else(Self::Lost)),
        }
    }

    fn with_handles(content: &[u8], start: usize) -> Result<Self, DecodeError> {
        let read = |at: usize, len: usize| Some(content.get(at..)?.get(..len)?.to_vec());
        let (len, held) = handles::open(content.len(), read)?;
        let item = Taken::Item(start..start + content.len());
        Ok(Self::Handles(item, len, held))
    }

    fn large_with_handles(handle: &[u8]) -> Result<Self, DecodeError> {
        let stored = Stored::open(handle)?;
        let memory = stored.memory();
        let read = |at: usize, len: usize| memory.copy(at, len);
        let (len, held) = handles::open(memory.len(), read)?;
        let item = Taken::Other(Box::new(Self::Large(Collected(stored))));
        Ok(Self::Handles(item, len, held))
    }

    #[cold]
    fn decode<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, GetError> {
        match self {
            Self::Large(large) => decode(&copied(&large.0)?),
            Self::Handles(Taken::Item(range), len, _held) => decode(&bytes[range][..len]),
            Self::Handles(Taken::Other(item), len, _held) => match *item {
                Self::Large(large) => decode(&copied(&large.0)?[..len]),
                other => other.decode(bytes),
            },
            Self::Lost(error) => Err(error.into()),
        }
    }
}

/// The segment of an item that was taken out.
pub(crate) struct Collected(Stored);

impl Drop for Collected {
    fn drop(&mut self) {
        self.0.detach();
    }
}

/// Copies what is in a segment, which others could write to while it is decoded.
fn copied(stored: &Stored) -> Result<Buffer, DecodeError> {
    let mut bytes = Buffer::new();
    let memory = stored.memory();
    let read = memory.read(0, memory.len(), &mut bytes);
    read.ok_or(DecodeError::Truncated)?;
    Ok(bytes)
}

#[inline]
fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, GetError> {
    let packet = Packet::parse(bytes, Vec::new())?;
    Ok(packet.expect(MessageKind::VALUE)?.decode()?)
}
