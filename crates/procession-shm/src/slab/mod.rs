//! Slabs: segments that have many small objects in them.
//!
//! A lock, an event, a value or a small array takes a *cell* of a slab, which all processes of the family
//! share: no name, no descriptor and no mapping of its own. A handle to it names the slab, the cell and the
//! cell's generation.
//!
//! # Who holds an object
//!
//! A slab has a *row* of bits for each slot of the family, a bit for each cell: the process of a slot holds
//! an object if the bit of its cell is set in the row of the slot. A row takes memory only
//! when its process first holds something in the slab. Setting and clearing a bit is idempotent, and
//! what a dead process held is what is set in its row. Messages hold an object as they hold a segment; the
//! file that the names in queues are links of is an empty one, the object's *anchor*.
//!
//! # What is done when
//!
//! | to | in this order | killed in between |
//! |---|---|---|
//! | make | reserve the memory; set the bit; take the free cell; write what it is; make it ready | the bit is in a dead process's row, and goes with it; the cell is closed then |
//! | hold | look at the generation; set the bit; look again, and mark that there are several | the same |
//! | drop | clear the bit; close the object if nobody holds it | the object is held by nobody, which the next one to look finds |
//! | close | see that nobody holds it; say so (`CLOSING`); see it again; free the cell, if nobody came between | the next one to look does it again |
//!
//! [`meta`] has the states. A bit may be set for a moment that says nothing: by a process that wanted a cell
//! which another was faster to take, or that has a handle to an object which was there before. Whoever
//! clears such a bit closes the object if nobody holds it, as whoever drops one does, for it
//! may have kept the last holder from that. Each process sets the bit of a cell once: who finds its own bit set
//! tries another cell.
//!
//! # Growing
//!
//! Slabs are numbered, and their names say so: whoever needs another one opens, or makes, the
//! one with the next number. It gets its name when it is complete. Within a slab, memory is reserved
//! before it is written: by `MADV_POPULATE_WRITE`, which needs no descriptor, and of which a full file system
//! is an error. What is reserved, and said so afterwards, is reserved twice if the process is killed in between.
//!
//! A process that frees more than it remembers gives the memory of chunks back in which nothing lies: it takes all
//! their cells, as one that makes objects would, has the kernel remove the memory, and frees them. What
//! is known of the cells stays, for a stale handle must not find its generation again, and so does the size of the
//! chunk's cells. Whoever takes a cell looks twice, before and after, whether its memory is reserved.
//!
//! A slab whose name was taken away is used on by those who have mapped it, and nothing new is put into it:
//! others could not open it. Its number may be given to another one, from which its nonce tells it.
//!
//! # Mappings
//!
//! A process maps a slab when it first makes or receives something in it, and keeps it until it ends. So
//! references and guards point to memory that stays, and a forked child has all that its parent had.
//! Memory that a process still uses must not become another object's. So an object stays held, though its last
//! handle is gone, until the process ends: if a guard of its lock was leaked, for the kernel follows
//! the list of a thread's locks; if a child has it that was forked [without this crate's knowledge](forked);
//! and if the process leaves its family and may go on, or has other threads.

mod cell;
mod chunk;
pub(crate) mod forked;
mod layout;
mod memory;
mod meta;
mod remains;
mod stock;

pub(crate) use cell::{Admitted, Cell};
pub(crate) use memory::Slab;
pub(crate) use remains::{Look, look_at, objects};
pub(crate) use stock::tidy_up;

use crate::family::Stay;
use crate::family::holders::Holder;
use crate::format::{Format, Measure};
use crate::name::{CellName, Name};
use crate::{OpenError, ShmError, grant};
use nix::unistd::geteuid;
use procession_os::robust::RobustMutex;
use std::io;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// All that this process has mapped.
static SLABS: Mutex<Vec<&'static Slab>> = Mutex::new(Vec::new());

fn slabs() -> MutexGuard<'static, Vec<&'static Slab>> {
    SLABS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns those in which new objects may lie.
fn listed(family: u64) -> Vec<&'static Slab> {
    let mut known = mapped(family);
    known.retain(|slab| !slab.is_retired());
    known
}

/// Returns all that this process has mapped of a family's.
pub(crate) fn mapped(family: u64) -> Vec<&'static Slab> {
    let slabs = slabs();
    let known = slabs.iter().copied();
    known.filter(|slab| slab.family == family).collect()
}

/// Opens, or makes, the first slab that is not known.
fn open_next(family: u64, known: &[&'static Slab]) -> Result<(), ShmError> {
    let has = |number: u64| known.iter().any(|slab| slab.number == number);
    let mut number = 0;
    while has(number) {
        number += 1;
    }
    loop {
        match Slab::open(family, number) {
            // It was let in for something that it was handed.
            Ok(slab) if !slab.is_of(geteuid().as_raw()) => {
                return Err(ShmError::System(io::ErrorKind::PermissionDenied.into()));
            }
            Ok(slab) => {
                add(slab);
                return Ok(());
            }
            Err(OpenError::Gone) => {}
            Err(OpenError::System(error)) => return Err(ShmError::System(error)),
            Err(error) => return Err(ShmError::System(io::Error::other(error))),
        }
        if let Some(slab) = Slab::make(family, number)? {
            add(slab);
            return Ok(());
        }
    }
}

/// Keeps a slab, unless another thread has mapped it just before.
fn add(slab: Slab) -> &'static Slab {
    let mut slabs = slabs();
    let key = |slab: &Slab| (slab.family, slab.number, slab.nonce);
    let known = slabs.iter().find(|known| key(known) == key(&slab));
    known.copied().unwrap_or_else(|| {
        forked::watch();
        let slab: &'static Slab = Box::leak(Box::new(slab));
        slabs.push(slab);
        slab
    })
}

/// Returns the slab of this name, mapping it if this process has not.
pub(crate) fn slab_of(name: Name) -> Result<&'static Slab, OpenError> {
    let number = name.counter();
    if let Some(known) = listed(name.family)
        .into_iter()
        .find(|slab| slab.number == number && slab.is_listed())
    {
        return Ok(known);
    }
    Slab::open(name.family, number).map(add)
}

/// Returns the object of this name; `admit` is asked before a slab is mapped.
pub(crate) fn find(
    name: Name,
    cell: CellName,
    admit: impl FnOnce() -> Result<(), OpenError>,
) -> Result<Cell, OpenError> {
    let is_it = |slab: &Slab| (slab.number, slab.nonce) == (name.counter(), cell.nonce);
    let known = mapped(name.family).into_iter().find(|slab| is_it(slab));
    let slab = if let Some(slab) = known {
        slab
    } else {
        admit()?;
        add(Slab::open(name.family, name.counter())?)
    };
    let found = Cell::of(slab, cell).filter(|cell| is_it(cell.slab));
    found.ok_or(OpenError::Gone)
}

/// A cell that this process has taken, and nobody knows yet.
pub(crate) struct Taken {
    cell: Cell,
    holder: Holder,
    is_ready: bool,
}

impl Taken {
    /// Clears the cell; returns where it begins.
    pub(crate) fn clear(&self, measure: &Measure) -> io::Result<NonNull<u8>> {
        let size = self.cell.size().unwrap_or(0);
        debug_assert!(measure.total <= size);
        let at = self.cell.slab.cell(self.cell.index, size);
        // SAFETY: it is a cell of this size, reserved, which nobody else uses.
        unsafe { at.write_bytes(0, measure.total) };
        // SAFETY: a cell begins with a mutex, on a cache line; nobody uses it.
        unsafe { RobustMutex::init_at(at.cast().as_ptr()) }?;
        Ok(at)
    }

    pub(crate) fn cell(&self) -> Cell {
        self.cell
    }

    /// Lets others in.
    pub(crate) fn set_ready(mut self, format: &Format, elements: usize) {
        let meta = self.cell.meta();
        meta.describe(format, elements);
        meta.set_ready(meta.word());
        self.is_ready = true;
    }
}

impl Drop for Taken {
    /// Frees what was not made ready.
    fn drop(&mut self) {
        if !self.is_ready {
            self.cell.dismiss(self.holder);
            self.cell.close(true, None);
        }
    }
}

/// Takes a cell for an object of so many bytes; `None` if it is to have a segment of its own: because it is large,
/// or because this process cannot have a slab.
pub(crate) fn take(stay: &Stay, format: &Format, elements: usize) -> Option<(Taken, Measure)> {
    let Holder::Slot(slot) = stay.holder() else {
        return None;
    };
    u32::try_from(elements).ok()?;
    let measure = Measure::in_cell(format.kind_number(), format.size, format.align, elements)?;
    let class = layout::class_of(measure.total)?;
    // A process that has become another user makes what that user's processes can open.
    let user = geteuid().as_raw();
    let is_others = |slab: &&Slab| slab.family == stay.family.number() && !slab.is_of(user);
    if grant::is_for_other_than(user) || slabs().iter().any(is_others) {
        return None;
    }
    let taken = stock::take(stay.family.number(), class, slot, stay.lease());
    let cell = taken.ok().flatten()?;
    let taken = Taken {
        cell,
        holder: Holder::Slot(slot),
        is_ready: false,
    };
    Some((taken, measure))
}

/// Has a slot be able to hold what lies in the slabs that this process has mapped.
pub(crate) fn reserve_rows(family: u64, holder: Holder) -> Result<(), ShmError> {
    let Holder::Slot(slot) = holder else {
        return Ok(());
    };
    let slabs = mapped(family);
    slabs.iter().try_for_each(|slab| slab.reserve_row(slot))
}
