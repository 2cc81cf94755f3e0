//! Where in the block of a list what is.
//!
//! It is the layout of `multiprocessing.shared_memory.ShareableList` of CPython 3.9 and later, in
//! the byte order of the machine:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | the number of items, N |
//! | 8 × (N + 1) | where each item's slot begins, and where the last one ends, from the first on |
//! | K | the slots |
//! | 8 × N | each item's format, as of Python's `struct`, filled up with NULs |
//! | N | how each item is read: 0 as it is, 1 as text, 2 as bytes, 3 as `None` |
//!
//! Formats are `q`, `d`, `xxxxxxx?` for a bool, `xxxxxx?x` for `None`, and `<length>s` for text
//! and bytes. The number and the places are never changed once they are written.

use super::ListError;
use super::item::{ListItem, SLOT};
use crate::SharedMemory;
use std::ops::Range;

/// The places of a list's parts, checked to be inside of its block.
pub(super) struct Layout {
    /// Where the slots begin and the last ends, from the block's beginning on.
    ends: Vec<usize>,
}

/// What an item's format and transformation say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Int,
    Float,
    Bool,
    None,
    /// Text of so many bytes, NULs behind it included.
    Str(usize),
    Bytes(usize),
}

impl Layout {
    /// Lays out a list whose slots have room for these items.
    pub(super) fn of(items: &[ListItem]) -> Self {
        let mut end = places_end(items.len());
        let mut ends = vec![end];
        ends.extend(items.iter().map(|item| {
            end += item.slot_len();
            end
        }));
        Self { ends }
    }

    /// Reads a list's layout, believing nothing.
    pub(super) fn read(block: &SharedMemory) -> Result<Self, ListError> {
        const PLACES: ListError = ListError::Damaged("the places of its items make no sense");
        const LEN: ListError = ListError::Damaged("it is too short for its items");
        let items = word(block, 0)
            .filter(|&items| items <= block.len() / SLOT)
            .ok_or(LEN)?;
        let first = places_end(items);
        let place = |index| word(block, SLOT * (index + 1))?.checked_add(first);
        let ends: Option<Vec<usize>> = (0..=items).map(place).collect();
        let layout = Self {
            ends: ends.ok_or(PLACES)?,
        };
        let begins = layout.ends.first() == Some(&first);
        if !begins || !layout.ends.is_sorted() {
            return Err(PLACES);
        }
        match layout.total() {
            Some(total) if total <= block.len() => Ok(layout),
            _ => Err(LEN),
        }
    }

    /// The number of items.
    pub(super) fn len(&self) -> usize {
        self.ends.len() - 1
    }

    /// The bytes of all parts; `None` if there are more than can be counted.
    pub(super) fn total(&self) -> Option<usize> {
        self.slots_end().checked_add(self.len() * (SLOT + 1))
    }

    /// The slot of an item that exists.
    pub(super) fn slot(&self, index: usize) -> Range<usize> {
        self.ends[index]..self.ends[index + 1]
    }

    /// Where an item's format is.
    pub(super) fn format(&self, index: usize) -> usize {
        self.slots_end() + SLOT * index
    }

    /// Where it is said how an item is read.
    pub(super) fn transform(&self, index: usize) -> usize {
        self.slots_end() + SLOT * self.len() + index
    }

    /// Where the items begin, as the block says it: from the first slot on.
    pub(super) fn places(&self) -> impl Iterator<Item = usize> {
        self.ends.iter().map(|end| end - self.ends[0])
    }

    fn slots_end(&self) -> usize {
        self.ends[self.len()]
    }
}

impl Form {
    /// The form of an item in a slot of so many bytes.
    pub(super) fn of(item: &ListItem, slot: usize) -> Self {
        match item {
            ListItem::None => Self::None,
            ListItem::Bool(_) => Self::Bool,
            ListItem::Int(_) => Self::Int,
            ListItem::Float(_) => Self::Float,
            ListItem::Str(_) => Self::Str(slot),
            ListItem::Bytes(_) => Self::Bytes(slot),
        }
    }

    /// Reads a form; `None` if it is none that Python writes, or does not fit into the slot.
    pub(super) fn parse(format: [u8; SLOT], transform: u8, slot: usize) -> Option<Self> {
        let format = str::from_utf8(&format).ok()?.trim_end_matches('\0');
        let text = || format.strip_suffix('s')?.parse().ok();
        let (form, len) = match (transform, format) {
            (0, "q") => (Self::Int, SLOT),
            (0, "d") => (Self::Float, SLOT),
            (0, "xxxxxxx?") => (Self::Bool, SLOT),
            (3, "xxxxxx?x") => (Self::None, SLOT),
            (1, _) => (Self::Str(text()?), text()?),
            (2, _) => (Self::Bytes(text()?), text()?),
            _ => return None,
        };
        (len <= slot).then_some(form)
    }

    /// The format, as of Python's `struct`.
    pub(super) fn format(self) -> String {
        match self {
            Self::Int => "q".to_owned(),
            Self::Float => "d".to_owned(),
            Self::Bool => "xxxxxxx?".to_owned(),
            Self::None => "xxxxxx?x".to_owned(),
            Self::Str(len) | Self::Bytes(len) => format!("{len}s"),
        }
    }

    /// How Python transforms what it has unpacked.
    pub(super) fn transform(self) -> u8 {
        match self {
            Self::Int | Self::Float | Self::Bool => 0,
            Self::Str(_) => 1,
            Self::Bytes(_) => 2,
            Self::None => 3,
        }
    }
}

/// Where the places end and the slots begin.
fn places_end(items: usize) -> usize {
    SLOT * (items + 2)
}

/// A number that is no more than memory can have.
fn word(block: &SharedMemory, at: usize) -> Option<usize> {
    let mut bytes = [0; SLOT];
    block.read_at(at, &mut bytes).ok()?;
    usize::try_from(i64::from_ne_bytes(bytes)).ok()
}
