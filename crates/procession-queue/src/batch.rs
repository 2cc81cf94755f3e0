//! Several items that are put together.

use crate::PutError;
use crate::core::Record;
use crate::home::Home;
use crate::item::{self, Item};
use crate::record::Kind;
use procession_wire::buffer::Buffer;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Encoded items, most of them one behind the other in one buffer.
pub(crate) struct Batch {
    bytes: Buffer,
    parts: Vec<Part>,
}

enum Part {
    /// An item that is nothing but bytes, up to here.
    Bytes(usize),
    /// One that is large or has handles in it.
    Item(Box<Item>),
}

impl Batch {
    pub(crate) fn encode<'a, T: Serialize + DeserializeOwned + 'a>(
        items: impl IntoIterator<Item = &'a T>,
        queue: &Home,
    ) -> Result<Self, PutError> {
        let items = items.into_iter();
        let mut batch = Self {
            bytes: Buffer::new(),
            parts: Vec::with_capacity(items.size_hint().0),
        };
        for item in items {
            let part = match item::append(item, queue, &mut batch.bytes)? {
                None => Part::Bytes(batch.bytes.len()),
                Some(other) => Part::Item(Box::new(other)),
            };
            batch.parts.push(part);
        }
        Ok(batch)
    }

    /// Returns what goes into the chain of chunks.
    pub(crate) fn records(&self) -> Vec<Record<'_>> {
        let mut start = 0;
        let record = |part| match part {
            &Part::Bytes(end) => {
                let bytes = &self.bytes[start..end];
                start = end;
                (Kind::Item, bytes)
            }
            Part::Item(item) => item.record(),
        };
        self.parts.iter().map(record).collect()
    }

    /// So many of the items are in the queue.
    pub(crate) fn deliver(self, count: usize) {
        for part in self.parts.into_iter().take(count) {
            if let Part::Item(item) = part {
                item.deliver();
            }
        }
    }
}
