//! An entry: a key and its value, as they lie in an area.
//!
//! | word | content |
//! |---|---|
//! | 0 | bytes of the key in the lower half, words of the block in the upper |
//! | 1 | [`Form`] in the lower 8 bits, bytes of the content above |
//! | 2 | version: no two entries that a stripe ever had have the same |
//! | 3 | order: when the key was inserted, in comparison with others |
//! | 4.. | the key |
//! | then | the content: the value, or where it is |
//!
//! An entry is written where nobody looks, and not changed from when it is part of the dict until it is
//! no more.

use crate::DictError;
use crate::class::Class;
use crate::memory::{Memory, WORD};
use std::sync::atomic::Ordering;

/// The words in front of the key.
const HEAD: usize = 4;

/// The most bytes of a key's encoding.
pub(crate) const MAX_KEY: usize = 64 << 10;
/// The most bytes of content; a larger value has a segment of its own.
pub(crate) const MAX_CONTENT: usize = 64 << 10;

/// How a value lies in the dict: marks in a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form(pub(crate) u8);

impl Form {
    /// Nothing but its encoding.
    pub(crate) const BARE: Self = Self(0);
    /// A message.
    pub(crate) const MESSAGE: Self = Self(1);
    /// A message [with the names](crate::handles) of what is held for it.
    pub(crate) const HANDLES: Self = Self(2);
    /// The rest of the form is that of what is in the segment whose name is here.
    const APART: u8 = 4;

    /// Returns the form of a value that is in a segment of its own.
    pub(crate) fn apart(self) -> Self {
        Self(self.0 | Self::APART)
    }

    pub(crate) fn is_apart(self) -> bool {
        self.0 & Self::APART != 0
    }

    /// Returns the form of what is in the segment.
    pub(crate) fn inside(self) -> Self {
        Self(self.0 & !Self::APART)
    }
}

/// What the head of an entry says, which was checked against the area that it lies in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    /// The word where its block begins.
    pub(crate) at: usize,
    pub(crate) class: Class,
    pub(crate) key_len: usize,
    pub(crate) len: usize,
    pub(crate) form: Form,
    pub(crate) version: u64,
    pub(crate) order: u64,
}

impl Entry {
    /// Returns the size of block that such an entry needs.
    #[inline]
    pub(crate) fn class(key_len: usize, len: usize) -> Option<Class> {
        Class::of(HEAD + key_len.div_ceil(WORD) + len.div_ceil(WORD))
    }

    /// Reads the head of the entry whose block begins at a word.
    #[inline]
    pub(crate) fn read(memory: &Memory, at: usize) -> Result<Self, DictError> {
        let damaged = || DictError::Damaged("an entry makes no sense");
        let end = at.checked_add(HEAD).ok_or_else(damaged)?;
        let head = memory.words().get(at..end).ok_or_else(damaged)?;
        let [sizes, content, version, order] =
            [0, 1, 2, 3].map(|word: usize| head[word].load(Ordering::Relaxed));
        let words = (sizes >> 32) as usize;
        let entry = Self {
            at,
            class: Class::with(words).ok_or_else(damaged)?,
            key_len: sizes as u32 as usize,
            len: usize::try_from(content >> 8).map_err(|_| damaged())?,
            form: Form(content as u8),
            version,
            order,
        };
        let fits = entry.len <= MAX_CONTENT
            && entry.key_len <= MAX_KEY
            && entry.used() <= words
            && at + words <= memory.words().len();
        fits.then_some(entry).ok_or_else(damaged)
    }

    /// Writes the entry into its block.
    #[inline]
    pub(crate) fn write(
        &self,
        memory: &Memory,
        key: &[u8],
        content: &[u8],
    ) -> Result<(), DictError> {
        let outside = || DictError::Damaged("a block is outside of its area");
        let head = memory.words().get(self.at..self.at + HEAD);
        let head = head.ok_or_else(outside)?;
        let sizes = (self.class.words as u64) << 32 | self.key_len as u64;
        let words = [
            sizes,
            (self.len as u64) << 8 | u64::from(self.form.0),
            self.version,
            self.order,
        ];
        for (word, value) in head.iter().zip(words) {
            word.store(value, Ordering::Relaxed);
        }
        memory.write(self.key_at(), key).ok_or_else(outside)?;
        memory.write(self.content_at(), content).ok_or_else(outside)
    }

    /// Whether it is the entry of this key.
    #[inline]
    pub(crate) fn has_key(&self, memory: &Memory, key: &[u8]) -> bool {
        self.key_len == key.len() && memory.is_at(self.key_at(), key)
    }

    /// Appends the key's bytes.
    pub(crate) fn read_key(&self, memory: &Memory, to: &mut Vec<u8>) -> Result<(), DictError> {
        let read = memory.read(self.key_at(), self.key_len, to);
        read.ok_or(DictError::Damaged("a key is outside of its area"))
    }

    /// Appends the content's bytes.
    #[inline]
    pub(crate) fn read_content(&self, memory: &Memory, to: &mut Vec<u8>) -> Result<(), DictError> {
        let read = memory.read(self.content_at(), self.len, to);
        read.ok_or(DictError::Damaged("a value is outside of its area"))
    }

    /// Returns how many words of the block are used.
    pub(crate) fn used(&self) -> usize {
        HEAD + self.key_len.div_ceil(WORD) + self.len.div_ceil(WORD)
    }

    #[inline]
    fn key_at(&self) -> usize {
        self.at + HEAD
    }

    #[inline]
    fn content_at(&self) -> usize {
        self.key_at() + self.key_len.div_ceil(WORD)
    }
}
