//! Records, and the memory they lie in.
//!
//! A *chunk* is a piece of memory with a [`Link`] at its beginning and records behind it, one after
//! the other, each at a multiple of 8 bytes:
//!
//! | field | size | content |
//! |---|---|---|
//! | head | 8 | length of the content in the upper 56 bits, [`Kind`] in the lower 8 |
//! | content | padded to 8 | the item; or the name of the segment that holds it; or nothing |
//!
//! The last record of a chunk that is left is [`Kind::Next`]; room for it is kept.
//!
//! Nothing that is read here is trusted: what does not lie inside of the chunk is not there.

use crate::Fault;
use crate::atomic::{AtomicU64, Ordering};
use crate::memory::Memory;
use crate::name::NameCell;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// The content is an item's message.
    Item = 1,
    /// The content is the message of a segment with an item's message in it.
    Large = 2,
    /// The chain goes on in the next chunk.
    Next = 3,
    /// As [`Item`](Self::Item), for one [with handles](crate::handles) in it.
    Handles = 4,
    /// As [`Large`](Self::Large), for an item with handles in it.
    LargeHandles = 5,
}

impl Kind {
    fn of(head: u64) -> Option<Self> {
        use Kind::{Handles, Item, Large, LargeHandles, Next};
        let mut kinds = [Item, Large, Next, Handles, LargeHandles].into_iter();
        kinds.find(|&kind| kind as u8 == head as u8)
    }
}

/// What a chunk begins with.
#[repr(C, align(8))]
pub(crate) struct Link {
    /// The chunk's number in the chain, so that no chain leads back.
    pub(crate) number: AtomicU64,
    /// The name of the next chunk, once there is a [`Kind::Next`].
    pub(crate) next: NameCell,
}

/// Where the first record of a chunk is.
pub(crate) const FIRST: u64 = 64;
const _: () = assert!(size_of::<Link>() <= FIRST as usize);
const HEAD: usize = 8;

/// The memory of a chunk, as long as its mapping lives.
#[derive(Clone, Copy)]
pub(crate) struct Area(Memory);

impl Area {
    pub(crate) fn new(memory: Memory) -> Self {
        Self(memory)
    }

    /// Returns how many bytes a record takes with so much content.
    #[inline]
    pub(crate) fn needed(content: usize) -> u64 {
        (HEAD + content.next_multiple_of(8)) as u64
    }

    /// Returns the most that a chunk of this size could have to offer to one record.
    pub(crate) fn room(&self) -> u64 {
        (self.0.len() as u64).saturating_sub(FIRST + HEAD as u64)
    }

    /// Returns whether `needed` bytes fit at `offset`, with the record that ends the chunk behind.
    #[inline]
    pub(crate) fn fits(&self, offset: u64, needed: u64) -> bool {
        let end = offset.checked_add(needed + HEAD as u64);
        end.is_some_and(|end| end <= self.0.len() as u64)
    }

    /// Returns what the chunk begins with.
    pub(crate) fn link(&self) -> Result<&Link, Fault> {
        self.0.link().ok_or(Fault::Damaged("a chunk is too small"))
    }

    /// Writes a record; the caller has seen to it that it fits, and holds the producers' lock.
    #[inline]
    pub(crate) fn write(&self, offset: u64, kind: Kind, content: &[u8]) -> Result<(), Fault> {
        let head = (content.len() as u64) << 8 | u64::from(kind as u8);
        self.head(offset)?.store(head, Ordering::Relaxed);
        let written = self.0.write(offset as usize + HEAD, content);
        written.ok_or(TOO_LONG)
    }

    /// Returns the kind and the length of a record that was published; the caller holds the
    /// consumers' lock.
    #[inline]
    pub(crate) fn look(&self, offset: u64) -> Result<(Kind, usize), Fault> {
        let head = self.head(offset)?.load(Ordering::Relaxed);
        let kind = Kind::of(head).ok_or(Fault::Damaged("a record is of no kind"))?;
        Ok((kind, (head >> 8) as usize))
    }

    /// Copies the content of a record that was [looked at](Self::look) behind what is in a buffer.
    #[inline]
    pub(crate) fn read(&self, offset: u64, len: usize, to: &mut Vec<u8>) -> Result<(), Fault> {
        let read = self.0.read(offset as usize + HEAD, len, to);
        read.ok_or(TOO_LONG)
    }

    #[inline]
    fn head(&self, offset: u64) -> Result<&AtomicU64, Fault> {
        let inside = usize::try_from(offset).ok().filter(|_| offset >= FIRST);
        let word = inside.and_then(|offset| self.0.word(offset));
        word.ok_or(Fault::Damaged("a record is not where a chunk is"))
    }
}

const TOO_LONG: Fault = Fault::Damaged("a record is longer than its chunk");
