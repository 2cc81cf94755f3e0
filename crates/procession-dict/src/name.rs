//! The name of a segment, as it lies in shared memory.

use crate::DictError;
use crate::memory::Memory;
use procession_shm::{Format, Segment, SegmentKind, ShmError};
use std::sync::atomic::{AtomicU64, Ordering};

const WORDS: usize = 8;
const BYTES: usize = WORDS * 8;

/// The name of a segment that belongs to a dict; the empty one stands for the dict's own segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name([u64; WORDS]);

impl Name {
    pub(crate) const NONE: Self = Self([0; WORDS]);

    /// Returns the name of a segment.
    pub(crate) fn of(segment: &Segment) -> Result<Self, DictError> {
        Self::parse(segment.name().as_bytes()).ok_or(DictError::Damaged("a name is too long"))
    }

    /// Returns the name that these bytes are.
    pub(crate) fn parse(name: &[u8]) -> Option<Self> {
        let mut bytes = [0; BYTES];
        bytes.get_mut(1..=name.len())?.copy_from_slice(name);
        bytes[0] = name.len() as u8;
        let mut words = [0; WORDS];
        for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_ne_bytes(bytes.try_into().ok()?);
        }
        Some(Self(words))
    }

    /// Opens the segment.
    pub(crate) fn open(self) -> Result<Segment, DictError> {
        let bytes: Vec<u8> = self.0.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let text = bytes.get(1..=usize::from(bytes[0])).map(str::from_utf8);
        let Some(Ok(text)) = text else {
            return Err(DictError::Damaged("a name makes no sense"));
        };
        Segment::open(text, format()).map_err(DictError::Open)
    }

    /// Has the dict give the segment up. What cannot be opened goes with the dict.
    pub(crate) fn give_up(self) {
        if let Ok(segment) = self.open() {
            segment.detach();
        }
    }
}

/// What the segments are that belong to a dict, beside its own.
fn format() -> Format {
    Format::of::<u64>(SegmentKind::DICT_PART)
}

/// Makes a segment of so many zeroed words.
pub(crate) fn make(words: usize) -> Result<Memory, ShmError> {
    Segment::create(format(), words, |_| {}).map(Memory::of)
}

/// Makes a segment with a copy of `bytes`.
pub(crate) fn copy_of(bytes: &[u8]) -> Result<Segment, ShmError> {
    let words = bytes.len().div_ceil(8);
    Segment::create(format(), words, |memory| {
        memory[..bytes.len()].copy_from_slice(bytes);
    })
}

/// A [`Name`] in shared memory; written and read under a lock.
#[repr(transparent)]
pub(crate) struct NameCell([AtomicU64; WORDS]);

impl NameCell {
    pub(crate) fn load(&self) -> Name {
        Name(std::array::from_fn(|at| self.0[at].load(Ordering::Relaxed)))
    }

    /// Writes the name such that a process that is killed in it leaves the old name, none, or the
    /// new one.
    pub(crate) fn store(&self, name: Name) {
        // The length is in the first word. Without one there is no name.
        self.0[0].store(0, Ordering::Release);
        for (cell, word) in self.0[1..].iter().zip(&name.0[1..]) {
            cell.store(*word, Ordering::Release);
        }
        self.0[0].store(name.0[0], Ordering::Release);
    }

    /// Whether there is a name.
    pub(crate) fn is_some(&self) -> bool {
        self.0[0].load(Ordering::Relaxed) != 0
    }
}
