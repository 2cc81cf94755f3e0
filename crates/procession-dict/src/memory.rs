//! A piece of a segment as words.
//!
//! All access goes through atomics, word by word, so that nothing another process may write there
//! at any time is undefined behaviour: it is found to make no sense, or it is a wrong value.

use procession_shm::Segment;
use procession_wire::buffer;
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) const WORD: usize = size_of::<u64>();

/// Some words of a segment, which stays mapped for as long as this exists.
#[derive(Clone)]
pub(crate) struct Memory {
    segment: Segment,
    /// The first word's place in the payload, in bytes.
    at: usize,
    /// How many words there are.
    len: usize,
}

impl Memory {
    /// Returns so many words of the segment's payload; `None` if they do not lie in it.
    pub(crate) fn new(segment: Segment, at: usize, len: usize) -> Option<Self> {
        let end = len.checked_mul(WORD)?.checked_add(at)?;
        if !at.is_multiple_of(WORD) || end > segment.payload_len() {
            return None;
        }
        Some(Self { segment, at, len })
    }

    /// Returns all words of the segment.
    pub(crate) fn of(segment: Segment) -> Self {
        let len = segment.payload_len() / WORD;
        Self {
            segment,
            at: 0,
            len,
        }
    }

    pub(crate) fn segment(&self) -> &Segment {
        &self.segment
    }

    #[inline]
    pub(crate) fn words(&self) -> &[AtomicU64] {
        let first = self.segment.payload().as_ptr().wrapping_add(self.at);
        // SAFETY: `new` has checked that so many words lie in the segment, which begins at a
        // multiple of 64 and is mapped as long as `self`; nobody uses them but as these atomics.
        unsafe { slice::from_raw_parts(first.cast(), self.len) }
    }

    /// Appends `len` bytes, the first of which is that of the word `at`.
    #[inline]
    pub(crate) fn read(&self, at: usize, len: usize, to: &mut Vec<u8>) -> Option<()> {
        let end = at.checked_add(len.div_ceil(WORD))?;
        let words = self.words().get(at..end)?;
        let start = to.len();
        buffer::make_room(to, words.len() * WORD);
        to.resize(start + words.len() * WORD, 0);
        for (bytes, word) in to[start..].chunks_exact_mut(WORD).zip(words) {
            bytes.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
        }
        to.truncate(start + len);
        Some(())
    }

    /// Writes bytes, the first of them into the word `at`; the last word is filled up with zeros.
    #[inline]
    pub(crate) fn write(&self, at: usize, bytes: &[u8]) -> Option<()> {
        let end = at.checked_add(bytes.len().div_ceil(WORD))?;
        let words = self.words().get(at..end)?;
        for (word, value) in words.iter().zip(words_of(bytes)) {
            word.store(value, Ordering::Relaxed);
        }
        Some(())
    }

    /// Returns whether what [`write`](Self::write) wrote at that word is equal to these bytes.
    #[inline]
    pub(crate) fn is_at(&self, at: usize, bytes: &[u8]) -> bool {
        let words = at
            .checked_add(bytes.len().div_ceil(WORD))
            .and_then(|end| self.words().get(at..end));
        words.is_some_and(|words| {
            let mut pairs = words.iter().zip(words_of(bytes));
            pairs.all(|(word, value)| word.load(Ordering::Relaxed) == value)
        })
    }
}

/// Bytes as words, the last of which is filled up with zeros.
#[inline]
fn words_of(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.chunks(WORD).map(|chunk| {
        let whole = chunk.try_into().map(u64::from_ne_bytes);
        whole.unwrap_or_else(|_| padded(chunk))
    })
}

#[inline]
fn padded(chunk: &[u8]) -> u64 {
    let mut bytes = [0; WORD];
    bytes[..chunk.len()].copy_from_slice(chunk);
    u64::from_ne_bytes(bytes)
}
