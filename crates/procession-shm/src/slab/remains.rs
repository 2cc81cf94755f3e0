//! What dead processes and lost messages have left in slabs.

use super::cell::Cell;
use super::layout::CHUNK_CELLS;
use super::memory::Slab;
use crate::family::Lease;
use crate::header::SlotSet;
use std::sync::atomic::Ordering::SeqCst;

/// Takes what dead processes hold, and closes what nobody holds; returns how many objects are gone.
pub(crate) fn look_at(slab: &'static Slab, dead: &SlotSet, lease: &Lease) -> usize {
    let rows = slab.rows();
    for slot in dead.iter().filter(|&slot| rows.contains(slot)) {
        for word in 0..slab.layout.row_words() {
            let word = slab.row_word(slot, word);
            if word.load(SeqCst) != 0 {
                word.store(0, SeqCst);
            }
        }
    }
    let mut closed = 0;
    for at in 0..slab.layout.row_words() {
        // Those of a word lie in one chunk, and their metas on one page.
        let index = at * 64;
        if !slab
            .chunk(index / CHUNK_CELLS)
            .has_meta(index % CHUNK_CELLS)
        {
            continue;
        }
        let held = rows.iter().map(|slot| slab.row_word(slot, at).load(SeqCst));
        let held = held.fold(0, |all, one| all | one);
        for bit in (0..64).filter(|bit| held & 1 << bit == 0) {
            closed += usize::from(close_if_lost(slab, index + bit, lease));
        }
    }
    closed
}

fn close_if_lost(slab: &'static Slab, index: usize, lease: &Lease) -> bool {
    let word = slab.meta(index).word();
    let cell = Cell {
        slab,
        index,
        generation: word.generation(),
    };
    !word.is_free() && cell.size().is_some() && cell.close(false, Some(lease))
}

/// An object as it is found in a slab.
pub(crate) struct Look {
    pub(crate) cell: Cell,
    /// The bytes that it takes.
    pub(crate) bytes: usize,
}

/// Returns all objects that lie in a slab.
pub(crate) fn objects(slab: &'static Slab) -> impl Iterator<Item = Look> {
    (0..slab.layout.cells()).filter_map(move |index| {
        let chunk = slab.chunk(index / CHUNK_CELLS);
        if !chunk.has_meta(index % CHUNK_CELLS) {
            return None;
        }
        let cell = Cell {
            slab,
            index,
            generation: slab.meta(index).word().generation(),
        };
        let bytes = cell.size()? + super::layout::META;
        (!cell.is_gone()).then_some(Look { cell, bytes })
    })
}
