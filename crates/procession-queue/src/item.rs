//! Items as bytes, before they are put and after they are got.

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
    pub(crate) fn encode<T: Serialize>(item: &T) -> Result<Self, PutError> {
        let mut encoder = Encoder::new(MessageKind::VALUE);
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
        self.message.deliver();
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

/// A record that was taken out of a queue.
pub(crate) struct Taken(pub(crate) Kind, pub(crate) Vec<u8>);

impl Taken {
    /// Decodes the item. What its handles claimed is this process's.
    #[inline]
    pub(crate) fn decode<T: DeserializeOwned>(self) -> Result<T, GetError> {
        let Self(kind, bytes) = self;
        let bytes = match kind {
            Kind::Large => Stored::collect(&bytes)?.to_vec(),
            _ => bytes,
        };
        let packet = Packet::parse(bytes, Vec::new())?;
        Ok(packet.expect(MessageKind::VALUE)?.decode()?)
    }
}
