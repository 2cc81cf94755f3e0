//! What stands in for segments: chunks for one item each.

pub(crate) use super::home::HomeSegment;
use super::life;
use crate::atomic::AtomicU64;
use crate::name::NameCell;
use crate::record::{FIRST, Link};
use loom::sync::atomic::Ordering::Relaxed;
use procession_shm::{Format, ShmError};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

/// How many chunks can be made in one run of a model.
const CHUNKS: usize = 6;
/// A record of one word, and the head of the record that ends the chunk.
const WORDS: usize = 3;

loom::lazy_static! {
    static ref CHUNK: [Chunk; CHUNKS] = std::array::from_fn(|_| Chunk::new());
    /// How many of them were made. The first is the home chunk.
    static ref MADE: AtomicUsize = AtomicUsize::new(1);
}

/// The memory of a chunk.
struct Chunk {
    link: Link,
    words: [AtomicU64; WORDS],
    /// How many handles there are. It is no step: only what holds the queue's locks changes it.
    holders: AtomicU32,
    /// Whether the queue holds it; as the other.
    is_part: AtomicBool,
}

impl Chunk {
    fn new() -> Self {
        let link = Link {
            number: AtomicU64::new(0),
            next: NameCell::new(),
        };
        Self {
            link,
            words: std::array::from_fn(|_| AtomicU64::new(0)),
            holders: AtomicU32::new(0),
            is_part: AtomicBool::new(false),
        }
    }

    fn is_held(&self) -> bool {
        self.holders.load(Ordering::Relaxed) != 0 || self.is_part.load(Ordering::Relaxed)
    }
}

/// A chunk's memory, which is never taken away.
#[derive(Clone, Copy)]
pub(crate) struct Memory(u8);

impl Memory {
    pub(crate) const HOME: Self = Self(0);

    /// # Safety
    ///
    /// None is needed; it is so declared because what it stands for is.
    pub(crate) unsafe fn of(segment: &Segment) -> Self {
        Self(segment.0)
    }

    pub(crate) fn len(&self) -> usize {
        FIRST as usize + WORDS * 8
    }

    pub(crate) fn link(&self) -> Option<&Link> {
        Some(&self.chunk().link)
    }

    pub(crate) fn word(&self, offset: usize) -> Option<&AtomicU64> {
        let index = offset.checked_sub(FIRST as usize)? / 8;
        self.chunk().words.get(index)
    }

    pub(crate) fn write(&self, offset: usize, from: &[u8]) -> Option<()> {
        if let Ok(bytes) = from.try_into() {
            let word = u64::from_le_bytes(bytes);
            self.word(offset)?.store(word, Relaxed);
        }
        Some(())
    }

    pub(crate) fn read(&self, offset: usize, len: usize, to: &mut Vec<u8>) -> Option<()> {
        let bytes = self.word(offset)?.load(Relaxed).to_le_bytes();
        to.extend_from_slice(bytes.get(..len)?);
        Some(())
    }

    pub(crate) fn copy(&self, offset: usize, len: usize) -> Option<Vec<u8>> {
        let mut copy = Vec::new();
        self.read(offset, len, &mut copy)?;
        Some(copy)
    }

    fn chunk(self) -> &'static Chunk {
        &CHUNK[usize::from(self.0)]
    }
}

/// A handle to a segment. Each counts for itself, as if each were in a process of its own.
pub(crate) struct Segment(u8);

impl Segment {
    pub(crate) fn create(
        _: Format,
        wanted: usize,
        _: impl FnOnce(&mut [u8]),
    ) -> Result<Self, ShmError> {
        let index = MADE.load(Ordering::Relaxed);
        if !life::is_alive() || index == CHUNKS {
            let wanted = wanted as u64;
            return Err(ShmError::OutOfMemory { wanted });
        }
        MADE.store(index + 1, Ordering::Relaxed);
        Ok(Self(index as u8).counted())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
        _: Format,
    ) -> Result<Self, D::Error> {
        let index = u8::deserialize(deserializer)?;
        let found = CHUNK.get(usize::from(index));
        let there = found.is_some_and(Chunk::is_held);
        there
            .then(|| Self(index).counted())
            .ok_or_else(|| serde::de::Error::custom("the chunk is gone"))
    }

    pub(crate) fn attach_to(&self, _: &HomeSegment) {
        self.set_part(true);
    }

    pub(crate) fn detach(&self) {
        self.set_part(false);
    }

    fn set_part(&self, part: bool) {
        if life::is_alive() {
            CHUNK[usize::from(self.0)]
                .is_part
                .store(part, Ordering::Relaxed);
        }
    }

    fn counted(self) -> Self {
        count(self.0, 1);
        self
    }
}

/// Returns how many chunks somebody holds.
pub(crate) fn chunks_held() -> usize {
    CHUNK.iter().filter(|chunk| chunk.is_held()).count()
}

/// Changes how many hold a chunk; the dead hold what they held.
fn count(index: u8, change: i32) {
    if life::is_alive() {
        let holders = &CHUNK[usize::from(index)].holders;
        let sum = holders.load(Ordering::Relaxed).checked_add_signed(change);
        holders.store(
            sum.expect("nobody gives up what it has not"),
            Ordering::Relaxed,
        );
    }
}

impl Clone for Segment {
    fn clone(&self) -> Self {
        Self(self.0).counted()
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        count(self.0, -1);
    }
}

impl Serialize for Segment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}
