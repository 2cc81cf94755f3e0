//! A cell of a slab with the object that lies in it, and who holds that.

use super::layout::CHUNK_CELLS;
use super::memory::Slab;
use super::meta::{LINKED, Meta, SENT, SHARED, Word};
use crate::family::holders::Holder;
use crate::family::{self, Lease};
use crate::format::Found;
use crate::header::{self, SlotSet};
use crate::name::{CellName, Name};
use crate::{OpenError, reserve};
use nix::errno::Errno;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::ptr::NonNull;
use std::sync::atomic::Ordering::SeqCst;

/// An object in a slab.
#[derive(Clone, Copy)]
pub(crate) struct Cell {
    pub(super) slab: &'static Slab,
    pub(super) index: usize,
    pub(super) generation: u32,
}

impl Cell {
    /// Returns the object that a name stands for, if it is there at this moment.
    pub(super) fn of(slab: &'static Slab, name: CellName) -> Option<Self> {
        let index = name.index as usize;
        let cell = Self {
            slab,
            index,
            generation: name.generation,
        };
        let is_there = index < slab.layout.cells() && cell.size().is_some() && !cell.is_gone();
        is_there.then_some(cell)
    }

    /// Returns the bytes that it may take, if there is such a cell and it was used before.
    pub(super) fn size(&self) -> Option<usize> {
        let (chunk, cell) = (self.index / CHUNK_CELLS, self.index % CHUNK_CELLS);
        let chunk = self.slab.chunk(chunk);
        let size = chunk.size()?;
        let is_one = cell < super::layout::CHUNK / size && chunk.has_meta(cell);
        is_one.then_some(size)
    }

    #[inline]
    pub(super) fn meta(&self) -> &'static Meta {
        self.slab.meta(self.index)
    }

    /// Returns where it begins and what it is; trusts nothing.
    pub(crate) fn find(&self) -> Result<(NonNull<u8>, Found), OpenError> {
        let size = self.size().ok_or(OpenError::Gone)?;
        let found = self.meta().found(size);
        let found = found.ok_or(OpenError::Damaged("its size makes no sense"))?;
        Ok((self.slab.cell(self.index, size), found))
    }

    pub(crate) fn name(&self) -> Name {
        let mut name = self.slab.name();
        name.cell = Some(CellName {
            nonce: self.slab.nonce,
            index: self.index as u32,
            generation: self.generation,
        });
        name
    }

    /// Returns whether something else lies there by now, or nothing.
    pub(crate) fn is_gone(&self) -> bool {
        let word = self.meta().word();
        word.generation() != self.generation || !word.is_there()
    }

    /// Notes a new holder; `None` if the object is gone.
    pub(crate) fn admit(&self, holder: Holder, lease: Option<&Lease>) -> Option<Admitted> {
        // Without this, a handle that is long stale would seem to hold what lies there now.
        if self.is_gone() {
            return None;
        }
        // First: whoever closes from here on sees it, and who has begun before is seen below.
        let admitted = self.note(holder)?;
        if self.meta().mark(self.generation, SHARED) {
            return Some(admitted);
        }
        if admitted == Admitted::Now {
            self.withdraw(holder, lease);
        }
        None
    }

    /// Takes back a hold on whatever lies in the cell, which may have kept its last holder from closing it.
    pub(super) fn withdraw(&self, holder: Holder, lease: Option<&Lease>) {
        self.dismiss(holder);
        let there = Self {
            generation: self.meta().word().generation(),
            ..*self
        };
        there.close(false, lease);
    }

    /// Has a slot be able to hold it.
    pub(crate) fn reserve_row(&self, slot: u32) -> Result<(), OpenError> {
        let reserved = self.slab.reserve_row(slot);
        reserved.map_err(|_| OpenError::System(Errno::ENOMEM.into()))
    }

    /// Sets the bit of a holder; `None` if there is no memory for it.
    pub(super) fn note(&self, holder: Holder) -> Option<Admitted> {
        match holder {
            Holder::Slot(slot) => {
                self.slab.reserve_row(slot).ok()?;
                let (word, bit) = self.bit();
                let before = self.slab.row_word(slot, word).fetch_or(bit, SeqCst);
                let is_new = before & bit == 0;
                Some(if is_new {
                    Admitted::Now
                } else {
                    Admitted::Before
                })
            }
            Holder::Counted => {
                self.meta().count();
                Some(Admitted::Now)
            }
        }
    }

    /// Takes a holder away.
    pub(crate) fn dismiss(&self, holder: Holder) {
        match holder {
            Holder::Slot(slot) => {
                let (word, bit) = self.bit();
                self.slab.row_word(slot, word).fetch_and(!bit, SeqCst);
            }
            Holder::Counted => self.meta().uncount(),
        }
    }

    fn bit(&self) -> (usize, u64) {
        (self.index / 64, 1 << (self.index % 64))
    }

    /// Returns the slots of those who hold it.
    pub(crate) fn slots(&self) -> SlotSet {
        let (word, bit) = self.bit();
        let mut slots = SlotSet::default();
        for slot in self.slab.rows().iter() {
            if self.slab.row_word(slot, word).load(SeqCst) & bit != 0 {
                slots.insert(slot);
            }
        }
        slots
    }

    pub(crate) fn counted(&self) -> u64 {
        self.meta().counted().into()
    }

    fn is_held(&self) -> bool {
        let (word, bit) = self.bit();
        let mut slots = self.slab.rows().iter();
        self.counted() != 0
            || slots.any(|slot| self.slab.row_word(slot, word).load(SeqCst) & bit != 0)
    }

    /// Frees the cell if nobody holds the object; `was_maker` if the maker holds it no more. Returns whether
    /// it is free now.
    pub(crate) fn close(&self, was_maker: bool, lease: Option<&Lease>) -> bool {
        let is_held = || self.is_held();
        let is_elsewhere = |word: Word| self.is_elsewhere(word, lease);
        let closed = (self.meta()).close(self.generation, was_maker, is_held, is_elsewhere);
        let Some(word) = closed else { return false };
        if word.has(LINKED) {
            reserve::unlink(self.name());
        }
        super::stock::freed(*self);
        true
    }

    /// Frees a cell that this process has taken, and nobody else knows.
    pub(super) fn give_up(&self, holder: Holder) {
        self.dismiss(holder);
        let _ = self
            .meta()
            .close(self.generation, true, || false, |_| false);
    }

    /// Returns whether a message holds it.
    fn is_elsewhere(&self, word: Word, lease: Option<&Lease>) -> bool {
        let name = self.name();
        let sent = || match lease {
            Some(lease) => lease.is_on_its_way(name),
            None => family::with_lease(|lease| lease.is_on_its_way(name)).unwrap_or(true),
        };
        word.has(SENT) && sent() || word.has(LINKED) && self.links() > 0
    }

    /// Returns how many messages in shared memory hold it.
    pub(crate) fn links(&self) -> u64 {
        fs::symlink_metadata(self.name().path())
            .map_or(0, |anchor| anchor.nlink().saturating_sub(1))
    }

    /// Makes a mark of the [header's](header); false if the object is gone.
    pub(crate) fn mark(&self, mark: u32) -> bool {
        let mark = match mark {
            header::SENT => SENT,
            _ => LINKED,
        };
        self.meta().mark(self.generation, mark)
    }

    /// Returns whether a message with a handle to it has been left in shared memory at any time.
    pub(crate) fn was_left(&self) -> bool {
        self.meta().word().has(LINKED)
    }

    /// Returns whether a message with a handle to it has been sent at any time.
    pub(crate) fn was_sent(&self) -> bool {
        self.meta().word().has(SENT)
    }
}

/// How a holder has come to be noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admitted {
    Now,
    /// It was noted before, and nobody has taken that back.
    Before,
}
