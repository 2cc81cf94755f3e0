//! The name of a stored segment, as it lies in shared memory.

use crate::atomic::{AtomicU64, Ordering};

/// Under loom a name is a number.
const WORDS: usize = if cfg!(loom) { 2 } else { 6 };
const BYTES: usize = WORDS * 8;

/// The message that a stored segment travels in, with its length in the first byte; all zeros for the
/// chunk that lies in the queue's own segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name([u64; WORDS]);

impl Name {
    /// The chunk in the queue's own segment.
    pub(crate) const HOME: Self = Self([0; WORDS]);

    /// Keeps the bytes of a message; `None` if they are too many, which those of a handle are not.
    pub(crate) fn new(message: &[u8]) -> Option<Self> {
        let mut bytes = [0; BYTES];
        bytes.get_mut(1..=message.len())?.copy_from_slice(message);
        bytes[0] = message.len() as u8;
        let mut words = [0; WORDS];
        for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_ne_bytes(bytes.try_into().ok()?);
        }
        Some(Self(words))
    }

    /// Returns the bytes of the message, with their number in the first byte.
    pub(crate) fn to_bytes(self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        for (bytes, word) in bytes.chunks_exact_mut(8).zip(self.0) {
            bytes.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }
}

/// A [`Name`] in shared memory; written and read under a lock.
#[repr(transparent)]
pub(crate) struct NameCell([AtomicU64; WORDS]);

impl NameCell {
    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }

    /// Reads the name.
    pub(crate) fn load(&self) -> Name {
        Name(std::array::from_fn(|at| self.0[at].load(Ordering::Relaxed)))
    }

    /// Writes the name.
    pub(crate) fn store(&self, name: Name) {
        for (cell, word) in self.0.iter().zip(name.0) {
            cell.store(word, Ordering::Relaxed);
        }
    }
}
