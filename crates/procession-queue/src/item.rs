//! Items as bytes, before they are put and after they are got.

use crate::buffer;
use crate::record::Kind;
use crate::stored::Stored;
use crate::write::INLINE;
use crate::{GetError, PutError};
use procession_wire::{Encoder, Kind as MessageKind, Message, Packet};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The most bytes of an item's encoding: 1 GiB for what the user puts in, and some for the rest.
pub const MAX_ITEM_LEN: usize = (1 << 30) + (1 << 10);

/// An encoded item. Dropping it takes back what the handles inside claimed.
pub(crate) struct Item {
    message: Message,
    /// The handle to the segment with a copy of a large item, encoded.
    large: Option<Message>,
}

impl Item {
    /// Encodes an item, and copies a large one into a segment of its own.
    #[inline]
    pub(crate) fn encode<T: Serialize>(item: &T) -> Result<Self, PutError> {
        let mut encoder = Encoder::with_buffer(MessageKind::VALUE, buffer::take());
        encoder.push(item)?;
        let message = encoder.finish();
        let len = message.bytes().len();
        if !message.fds().is_empty() {
            return Err(PutError::Descriptors);
        }
        let large = match len {
            0..=INLINE => None,
            _ => Some(store(message.bytes())?),
        };
        Ok(Self { message, large })
    }

    /// Returns what goes into the chain of chunks.
    #[inline]
    pub(crate) fn record(&self) -> (Kind, &[u8]) {
        match &self.large {
            None => (Kind::Item, self.message.bytes()),
            Some(handle) => (Kind::Large, handle.bytes()),
        }
    }

    /// The item is in the queue: what it claimed is the queue's.
    #[inline]
    pub(crate) fn deliver(self) {
        let (bytes, _) = self.message.deliver();
        buffer::give(bytes);
        if let Some(handle) = self.large {
            handle.deliver();
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
    /// What is encoded.
    Item(Vec<u8>),
    /// Where what is encoded is.
    Large(Stored),
}

impl Taken {
    /// Decodes the item.
    #[inline]
    pub(crate) fn decode<T: DeserializeOwned>(self) -> Result<T, GetError> {
        match self {
            Self::Item(bytes) => {
                let decoded = decode(&bytes);
                buffer::give(bytes);
                decoded
            }
            Self::Large(stored) => decode(&stored.to_vec().unwrap_or_default()),
        }
    }
}

#[inline]
fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, GetError> {
    let packet = Packet::parse(bytes, Vec::new())?;
    Ok(packet.expect(MessageKind::VALUE)?.decode()?)
}
