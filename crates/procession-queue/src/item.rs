//! Items as bytes, before they are put and after they are got.

use crate::handles;
use crate::record::Kind;
use crate::stored::Stored;
use crate::write::INLINE;
use crate::{Fault, GetError, PutError};
use procession_shm::Opened;
use procession_wire::buffer::Buffer;
use procession_wire::{DecodeError, Kind as MessageKind, Message, Packet};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ops::Range;

/// The most bytes of an item's encoding: 1 GiB for what the user puts in, and some for the rest.
pub const MAX_ITEM_LEN: usize = (1 << 30) + (1 << 10);

/// Appends an item to `bytes`, or returns it, if it is not just some bytes.
#[inline]
pub(crate) fn append<T: Serialize + DeserializeOwned>(
    item: &T,
    bytes: &mut Vec<u8>,
) -> Result<Option<Item>, PutError> {
    match Message::append(MessageKind::VALUE, item, INLINE, bytes)? {
        None => Ok(None),
        Some(message) => Item::of(message).map(Some),
    }
}

/// An encoded item that is large or has handles in it. Dropping it takes back what those claimed.
pub(crate) struct Item {
    message: Message,
    /// The message with the names of what its handles stand for, if it has handles.
    with_names: Option<Vec<u8>>,
    /// The handle to the segment with a copy of a large item, encoded.
    large: Option<Message>,
}

impl Item {
    #[cold]
    fn of(message: Message) -> Result<Self, PutError> {
        if !message.fds().is_empty() {
            return Err(PutError::Descriptors);
        }
        let with_names = handles::with_names(&message);
        let content = with_names.as_deref().unwrap_or(message.bytes());
        let large = match content.len() {
            0..=INLINE => None,
            _ => Some(store(content)?),
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
            (Some(handle), None) => (Kind::Large, handle.bytes()),
            (Some(handle), Some(_)) => (Kind::LargeHandles, handle.bytes()),
        }
    }

    /// The item is in the queue: what it claimed is the queue's.
    #[inline]
    pub(crate) fn deliver(self) {
        self.message.delivered();
        if let Some(handle) = self.large {
            handle.delivered();
        }
    }
}

#[cold]
fn store(bytes: &[u8]) -> Result<Message, PutError> {
    let (len, max) = (bytes.len(), MAX_ITEM_LEN);
    if len > max {
        return Err(PutError::TooLarge { len, max });
    }
    // The message keeps the segment.
    Ok(Stored::copy_of(bytes)?.message()?)
}

/// An item that was taken out of a queue. What its handles claimed is this process's.
pub(crate) enum Taken {
    /// Where what is encoded is in the bytes that were read.
    Item(Range<usize>),
    Other(Box<Other>),
}

/// One that is not just some bytes.
pub(crate) enum Other {
    /// Where what is encoded is.
    Large(Stored),
    /// An item of which so many bytes are encoded, and what its handles stand for.
    Handles(Taken, usize, Vec<Opened>),
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
            Kind::Large => Stored::collect(content).map(Self::Large),
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
        let (len, opened) = handles::open(content.len(), read)?;
        let item = Taken::Item(start..start + content.len());
        Ok(Self::Handles(item, len, opened))
    }

    fn large_with_handles(handle: &[u8]) -> Result<Self, DecodeError> {
        let stored = Stored::collect(handle)?;
        let memory = stored.memory();
        let read = |at: usize, len: usize| memory.copy(at, len);
        match handles::open(memory.len(), read) {
            Ok((len, opened)) => {
                let item = Taken::Other(Box::new(Self::Large(stored)));
                Ok(Self::Handles(item, len, opened))
            }
            Err(error) => {
                // The record goes on counting as a holder.
                stored.count_again()?;
                Err(error)
            }
        }
    }

    #[cold]
    fn decode<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, GetError> {
        match self {
            Self::Large(stored) => decode(&copied(&stored)?),
            Self::Handles(Taken::Item(range), len, _opened) => decode(&bytes[range][..len]),
            Self::Handles(Taken::Other(item), len, _opened) => match *item {
                Self::Large(stored) => decode(&copied(&stored)?[..len]),
                other => other.decode(bytes),
            },
            Self::Lost(error) => Err(error.into()),
        }
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
