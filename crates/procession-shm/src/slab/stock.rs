//! Where a process finds cells that are free.
//!
//! Nothing of this lies in shared memory: what counts is the word of each cell. A process remembers cells that
//! it saw free, and what it has freed itself, and tries them; another process may have been faster.

use super::cell::{Admitted, Cell};
use super::chunk::Chunk;
use super::layout::{CHUNK, CHUNK_CELLS, SIZES};
use super::memory::Slab;
use super::{listed, open_next};
use crate::ShmError;
use crate::family::holders::Holder;
use crate::family::{self, Lease};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Some free cells of one size.
struct Shelf {
    cells: Vec<(&'static Slab, u32)>,
    /// Which chunk is looked through next.
    next: usize,
    /// How many cells were freed that were not worth remembering.
    surplus: usize,
}

struct Stock {
    family: u64,
    /// Where there may be memory to be given back, for cells of which size.
    due: Option<(&'static Slab, usize)>,
    shelves: [Shelf; SIZES.len()],
}

static STOCK: Mutex<Stock> = Mutex::new(Stock {
    family: 0,
    due: None,
    shelves: [const {
        Shelf {
            cells: Vec::new(),
            next: 0,
            surplus: 0,
        }
    }; SIZES.len()],
});

/// Whether something is [due](Stock::due).
static IS_DUE: AtomicBool = AtomicBool::new(false);

/// As many are remembered.
const MOST: usize = 1024;

fn stock_of(family: u64) -> MutexGuard<'static, Stock> {
    let mut stock = STOCK.lock().unwrap_or_else(PoisonError::into_inner);
    if stock.family != family {
        stock.family = family;
        stock.due = None;
        for shelf in &mut stock.shelves {
            shelf.cells.clear();
            shelf.next = 0;
            shelf.surplus = 0;
        }
    }
    stock
}

/// Remembers a cell that is free again.
pub(super) fn freed(cell: Cell) {
    let Some(class) = cell.size().and_then(super::layout::class_of) else {
        return;
    };
    let mut stock = stock_of(cell.slab.family);
    let shelf = &mut stock.shelves[class];
    if shelf.cells.len() < MOST {
        return shelf.cells.push((cell.slab, cell.index as u32));
    }
    shelf.surplus += 1;
    // One look for as many cells as a chunk has.
    if shelf.surplus >= CHUNK / SIZES[class] {
        shelf.surplus = 0;
        stock.due = Some((cell.slab, class));
        IS_DUE.store(true, Relaxed);
    }
}

/// Gives back the memory of chunks in which nothing lies, if that is due. Nothing of the family may be locked.
#[inline]
pub(crate) fn tidy_up(holder: Holder) {
    if IS_DUE.load(Relaxed) {
        give_back_due(holder);
    }
}

#[cold]
fn give_back_due(holder: Holder) {
    let Holder::Slot(slot) = holder else { return };
    let _left = family::with_lease(|lease| {
        IS_DUE.store(false, Relaxed);
        let due = stock_of(lease.family()).due.take();
        let Some((slab, class)) = due else { return };
        let chunks = (0..slab.layout.chunks).filter(|&at| {
            let chunk = slab.chunk(at);
            chunk.has_class(class) && chunk.has_memory()
        });
        chunks.for_each(|chunk| give_back(slab, chunk, class, (slot, lease)));
    });
}

fn give_back(slab: &'static Slab, chunk: usize, class: usize, (slot, lease): (u32, &Lease)) {
    let cells = 0..CHUNK / SIZES[class];
    let known = slab.chunk(chunk);
    let is_free =
        |cell| known.has_meta(cell) && slab.meta(chunk * CHUNK_CELLS + cell).word().is_free();
    if !cells.clone().all(is_free) {
        return;
    }
    // Whoever would make an object finds them taken. If this process is killed, they are freed as what it made.
    let claimed =
        cells.map_while(|cell| claim(slab, chunk * CHUNK_CELLS + cell, slot, Some(lease)));
    let claimed: Vec<_> = claimed.collect();
    if claimed.len() == CHUNK / SIZES[class] {
        slab.give_back_chunk(chunk);
        let is_elsewhere = |&(other, index): &(&'static Slab, u32)| {
            !std::ptr::eq(other, slab) || index as usize / CHUNK_CELLS != chunk
        };
        stock_of(slab.family).shelves[class]
            .cells
            .retain(is_elsewhere);
    }
    // Last: who takes one from here on sees that its memory is to be reserved.
    for cell in claimed {
        cell.give_up(Holder::Slot(slot));
    }
}

/// Takes a cell of a size for a process; `None` if there are no slabs to be had.
pub(super) fn take(
    family: u64,
    class: usize,
    slot: u32,
    lease: Option<&Lease>,
) -> Result<Option<Cell>, ShmError> {
    loop {
        let next = stock_of(family).shelves[class].cells.pop();
        match next {
            Some((slab, index)) => {
                if let Some(cell) = try_to_take(slab, index as usize, class, slot, lease)? {
                    return Ok(Some(cell));
                }
            }
            None if !refill(family, class, slot)? => return Ok(None),
            None => {}
        }
    }
}

fn try_to_take(
    slab: &'static Slab,
    index: usize,
    class: usize,
    slot: u32,
    lease: Option<&Lease>,
) -> Result<Option<Cell>, ShmError> {
    if slab.is_retired() {
        return Ok(None);
    }
    slab.reserve_row(slot)?;
    slab.reserve_cell(index, SIZES[class])?;
    let Some(cell) = claim(slab, index, slot, lease) else {
        return Ok(None);
    };
    // Again: before it was taken, its memory may have been given back.
    if let Err(error) = slab.reserve_cell(index, SIZES[class]) {
        cell.give_up(Holder::Slot(slot));
        return Err(error);
    }
    Ok(Some(cell))
}

/// Takes a cell if it is free; `None` if it is not.
fn claim(slab: &'static Slab, index: usize, slot: u32, lease: Option<&Lease>) -> Option<Cell> {
    let word = slab.meta(index).word();
    let cell = Cell {
        slab,
        index,
        generation: word.generation(),
    };
    if !word.is_free() {
        return None;
    }
    // First: whoever finds the cell taken, and nobody that holds it, knows its maker to be dead.
    if cell.note(Holder::Slot(slot)) != Some(Admitted::Now) {
        return None;
    }
    if slab.meta(index).take(word).is_some() {
        return Some(cell);
    }
    cell.withdraw(Holder::Slot(slot), lease);
    None
}

/// Finds cells that seem free; false if there are none, and no more slabs.
fn refill(family: u64, class: usize, slot: u32) -> Result<bool, ShmError> {
    /// How many chunks are looked through before a new one is used. What is free in others is found later.
    const LOOKS: usize = 4;
    let mut limit = LOOKS;
    loop {
        let slabs = listed(family);
        let mut stock = stock_of(family);
        let shelf = &mut stock.shelves[class];
        shelf.look_through(&chunks_of(&slabs, class), class, limit);
        if shelf.cells.is_empty()
            && let Some((slab, chunk)) = use_chunk(&slabs, class)
        {
            shelf.look_into(slab, chunk, class);
        }
        if !shelf.cells.is_empty() {
            // Those that begin to look at the same moment begin with different cells.
            let apart = slot as usize % shelf.cells.len();
            shelf.cells.rotate_left(apart);
            return Ok(true);
        }
        drop(stock);
        if limit == usize::MAX {
            return Ok(false);
        }
        match open_next(family, &slabs) {
            Ok(()) => {}
            // Whatever is left is used first.
            Err(error) if slabs.is_empty() => return Err(error),
            Err(_) => limit = usize::MAX,
        }
    }
}

/// The chunks that have cells of a size.
fn chunks_of(slabs: &[&'static Slab], class: usize) -> Vec<(&'static Slab, usize)> {
    let chunks = slabs.iter().flat_map(|&slab| {
        let chunks = (0..slab.layout.chunks).map(move |chunk| (slab, chunk));
        chunks.filter(|(slab, chunk)| slab.chunk(*chunk).has_class(class))
    });
    chunks.collect()
}

/// Has a chunk that is not used yet be for a size.
fn use_chunk(slabs: &[&'static Slab], class: usize) -> Option<(&'static Slab, usize)> {
    let chunks = slabs
        .iter()
        .flat_map(|&slab| (0..slab.layout.chunks).map(move |at| (slab, at)));
    let mut unused = chunks.filter(|(slab, at)| slab.chunk(*at) == Chunk::UNUSED);
    unused.find(|(slab, at)| slab.take_chunk(*at, class))
}

impl Shelf {
    /// Looks through the next `limit` chunks, until something is found.
    fn look_through(&mut self, chunks: &[(&'static Slab, usize)], class: usize, limit: usize) {
        for _ in 0..limit.min(chunks.len()) {
            let (slab, chunk) = chunks[self.next % chunks.len()];
            self.next = self.next.wrapping_add(1);
            self.look_into(slab, chunk, class);
            if !self.cells.is_empty() {
                break;
            }
        }
    }

    /// Puts what is free in a chunk on the shelf; the first goes first.
    fn look_into(&mut self, slab: &'static Slab, chunk: usize, class: usize) {
        let known = slab.chunk(chunk);
        for cell in (0..CHUNK / SIZES[class]).rev() {
            let index = chunk * CHUNK_CELLS + cell;
            if !known.has_meta(cell) || slab.meta(index).word().is_free() {
                self.cells.push((slab, index as u32));
            }
        }
    }
}
