//! What is known of a chunk, in one word.

use super::layout::{PAGE_METAS, QUARTER, SIZES};
use std::ops::RangeInclusive;

/// What the word of a chunk says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunk(pub(super) u32);

/// The size of the cells, and one; zero if the chunk is not used yet.
const CLASS: u32 = 0xff;
/// Which quarters of the chunk are reserved.
const QUARTERS: u32 = 8;
const ALL_QUARTERS: u32 = 0xf << QUARTERS;
/// Which pages of its metas are.
const METAS: u32 = 16;
/// Counts how often memory was given back.
const TURN: u32 = 1 << 24;

impl Chunk {
    pub(super) const UNUSED: Self = Self(0);

    /// Returns whether memory of any cell is reserved.
    pub(super) fn has_memory(self) -> bool {
        self.0 & ALL_QUARTERS != 0
    }

    /// Says that memory was given back.
    pub(super) fn without_memory(self) -> Self {
        Self((self.0 & !ALL_QUARTERS).wrapping_add(TURN))
    }

    pub(super) fn with_class(class: usize) -> Self {
        Self(class as u32 + 1)
    }

    pub(super) fn has_class(self, class: usize) -> bool {
        self.0 & CLASS == Self::with_class(class).0
    }

    /// Returns the size of the cells; `None` if there are none.
    pub(super) fn size(self) -> Option<usize> {
        let class = (self.0 & CLASS).checked_sub(1)?;
        SIZES.get(class as usize).copied()
    }

    /// Returns the quarters in which a cell lies.
    pub(super) fn quarters(cell: usize, size: usize) -> RangeInclusive<usize> {
        let start = cell * size;
        start / QUARTER..=(start + size - 1) / QUARTER
    }

    /// Returns the bits that say that a cell, and its meta, are reserved.
    pub(super) fn bits(cell: usize, size: usize) -> u32 {
        let quarters = Self::quarters(cell, size).map(|quarter| 1 << (QUARTERS + quarter as u32));
        quarters.sum::<u32>() | 1 << (METAS + (cell / PAGE_METAS) as u32)
    }

    /// Returns whether the meta of a cell can be read.
    pub(super) fn has_meta(self, cell: usize) -> bool {
        self.0 & 1 << (METAS + (cell / PAGE_METAS) as u32) != 0
    }
}
