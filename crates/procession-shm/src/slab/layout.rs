//! How a slab is laid out.
//!
//! | part | bytes | reserved |
//! |---|---|---|
//! | header | a page | when the slab is made |
//! | metas | [`META`] for each cell | by pages, before the first cell of a page is taken |
//! | rows | a bit for each cell, for each slot of the family | by rows, before the process of the slot holds a cell |
//! | chunks | [`CHUNK`] each | by quarters, before the first cell of a quarter is taken |
//!
//! A chunk has cells of one size, which is chosen when the chunk is first used.

use crate::header::SLOTS;
use std::ops::Range;

pub(super) const PAGE: usize = 4096;
pub(super) const CHUNK: usize = 64 << 10;
/// The bytes that say what is in a cell, and in which state it is.
pub(super) const META: usize = 32;
/// The cells of a chunk, if they are of the smallest size.
pub(super) const CHUNK_CELLS: usize = CHUNK / SIZES[0];
/// The chunks of the largest slab.
pub(super) const MOST_CHUNKS: usize = 256;
/// What is reserved of a chunk at one time.
pub(super) const QUARTER: usize = CHUNK / 4;
/// The cells whose metas are on one page.
pub(super) const PAGE_METAS: usize = PAGE / META;

/// The sizes of cells: whole cache lines, lest two locks lie in one.
pub(super) const SIZES: [usize; 18] = [
    64, 128, 192, 256, 320, 448, 640, 896, 1280, 1792, 2560, 3584, 5120, 7232, 9344, 10880, 13056,
    16384,
];

/// Returns the number of the smallest size that is enough.
pub(super) fn class_of(bytes: usize) -> Option<usize> {
    SIZES.iter().position(|&size| bytes <= size)
}

/// Returns how many chunks the slab of this number has: each has twice what the one before it has, up
/// to 16 MiB. So there are few of them, and the first is small.
pub(super) fn chunks_of(number: u64) -> usize {
    const FIRST: usize = 16;
    FIRST << number.min(4)
}

const _: () = assert!(MOST_CHUNKS == 16 << 4);

/// Where the parts of a slab of so many chunks are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) chunks: usize,
}

impl Layout {
    pub(super) fn cells(self) -> usize {
        self.chunks * CHUNK_CELLS
    }

    /// Returns where the meta of a cell is.
    pub(super) fn meta_at(index: usize) -> usize {
        PAGE + index * META
    }

    /// Returns the words that a row has.
    pub(super) fn row_words(self) -> usize {
        self.cells() / 64
    }

    /// Returns where the row of a slot is.
    pub(super) fn row(self, slot: u32) -> Range<usize> {
        let len = self.row_words() * 8;
        let start = Self::meta_at(self.cells()) + slot as usize * len;
        start..start + len
    }

    /// Returns where a chunk begins.
    pub(super) fn chunk_at(self, chunk: usize) -> usize {
        self.row(SLOTS as u32).start.next_multiple_of(PAGE) + chunk * CHUNK
    }

    /// Returns where a cell of this size begins.
    pub(super) fn cell_at(self, index: usize, size: usize) -> usize {
        self.chunk_at(index / CHUNK_CELLS) + index % CHUNK_CELLS * size
    }

    pub(super) fn total(self) -> usize {
        self.chunk_at(self.chunks)
    }
}
