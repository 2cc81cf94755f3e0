//! An area: the table of a stripe, and the blocks behind it.
//!
//! The table is a power of two of *slots*, each one word: empty, left, or the place of an entry with a
//! part of its key's hash. A key's entry is looked for from the slot that its hash says on, up to the
//! first one that is empty. So one store of a slot inserts, replaces or removes, and the table is whole
//! before it and after it.

use crate::DictError;
use crate::entry::Entry;
use crate::memory::Memory;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

/// Nothing was ever here since the table was made.
pub(crate) const EMPTY: u64 = 0;
/// What was here is not any more; what is looked for may be behind.
pub(crate) const LEFT: u64 = 1;

/// The fewest slots of a table, so that the first word behind it has a number that is neither of the
/// two above.
pub(crate) const FEWEST: usize = 8;

/// An area in this process's memory.
#[derive(Clone)]
pub(crate) struct Area {
    pub(crate) memory: Memory,
    slots: usize,
}

/// Where a key is in a table, or is to be.
pub(crate) struct Spot {
    /// The slot, and the entry there.
    pub(crate) found: Option<(usize, Entry)>,
    /// The first slot on the way that has no entry.
    pub(crate) vacant: Option<usize>,
}

impl Area {
    /// Checks that the table fits.
    pub(crate) fn new(memory: Memory, slots: usize) -> Result<Self, DictError> {
        let len = memory.words().len();
        let fits = slots.is_power_of_two() && (FEWEST..len).contains(&slots);
        if !fits || u32::try_from(len).is_err() {
            return Err(DictError::Damaged("a table makes no sense"));
        }
        Ok(Self { memory, slots })
    }

    /// Returns how many slots there are, which is also where the first block begins.
    #[inline]
    pub(crate) fn slots(&self) -> usize {
        self.slots
    }

    /// Returns how many words there are, those of the slots included.
    pub(crate) fn len(&self) -> usize {
        self.memory.words().len()
    }

    /// Returns one of the slots.
    #[inline]
    pub(crate) fn slot(&self, number: usize) -> &AtomicU64 {
        &self.memory.words()[number & (self.slots - 1)]
    }

    /// Looks for a key.
    #[inline]
    pub(crate) fn find(&self, hash: u64, key: &[u8]) -> Result<Spot, DictError> {
        let mut vacant = None;
        for step in 0..self.slots {
            let number = (hash as usize).wrapping_add(step) & (self.slots - 1);
            let slot = self.slot(number).load(Ordering::Relaxed);
            if slot <= LEFT {
                vacant.get_or_insert(number);
                if slot == EMPTY {
                    break;
                }
            } else if (slot >> 32) as u32 == hash as u32 {
                let entry = self.entry(slot)?;
                if entry.has_key(&self.memory, key) {
                    let found = Some((number, entry));
                    return Ok(Spot { found, vacant });
                }
            }
        }
        let found = None;
        Ok(Spot { found, vacant })
    }

    /// Returns what goes into the slot of an entry.
    #[inline]
    pub(crate) fn slot_of(hash: u64, at: usize) -> u64 {
        hash << 32 | at as u64
    }

    /// Returns the entry that a slot leads to.
    #[inline]
    pub(crate) fn entry(&self, slot: u64) -> Result<Entry, DictError> {
        let at = slot as u32 as usize;
        if at < self.slots {
            return Err(DictError::Damaged("a slot leads into the table"));
        }
        Entry::read(&self.memory, at)
    }

    /// Shows all entries, each with what its slot has.
    pub(crate) fn each(
        &self,
        mut see: impl FnMut(usize, u64, Entry) -> Result<(), DictError>,
    ) -> Result<(), DictError> {
        for number in 0..self.slots {
            let slot = self.slot(number).load(Ordering::Relaxed);
            if slot > LEFT {
                see(number, slot, self.entry(slot)?)?;
            }
        }
        Ok(())
    }

    /// Enters an entry into a table that nobody else sees and that has room for it.
    pub(crate) fn enter(&self, slot: u64) {
        let first = (slot >> 32) as usize;
        let found = (0..self.slots).try_for_each(|step| {
            let free = self.slot(first.wrapping_add(step));
            if free.load(Ordering::Relaxed) != EMPTY {
                return ControlFlow::Continue(());
            }
            free.store(slot, Ordering::Relaxed);
            ControlFlow::Break(())
        });
        debug_assert!(found.is_break(), "the table was made large enough");
    }
}
