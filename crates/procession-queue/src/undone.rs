//! Who has taken items of a joinable queue, and how many of them are not done.
//!
//! Each process that takes items has an entry: who it is, and how many items it has taken and not
//! done. Entries are read and written under
//! the consumers' lock only.
//!
//! *Lost* are the items that were taken and are not done, less those that living processes have.
//! It is counted that way round because a process may be killed after it has taken an item and
//! before it has noted that: such an item is lost, though no entry tells of it. For the same
//! reason the entry of a dead process may be given to another one.

use crate::Fault;
use crate::atomic::{AtomicU32, AtomicU64, Ordering};
use procession_os::identity::Identity;

/// How many processes can have items that are not done.
pub(crate) const ENTRIES: usize = 1024;

/// What one process has taken and not done.
#[repr(C)]
pub(crate) struct Entry {
    /// The process's [`Identity`], or zero.
    owner: AtomicU64,
    items: AtomicU64,
}

impl Entry {
    /// Counts items that this process has taken.
    pub(crate) fn add(&self, items: u64) {
        let sum = self.items().saturating_add(items);
        self.items.store(sum, Ordering::Relaxed);
    }

    /// Counts one item less; false if there was none.
    pub(crate) fn remove_one(&self) -> bool {
        let less = self.items().checked_sub(1);
        if let Some(items) = less {
            self.items.store(items, Ordering::Relaxed);
        }
        less.is_some()
    }

    fn owner(&self) -> Option<Identity> {
        Identity::from_word(self.owner.load(Ordering::Relaxed))
    }

    fn items(&self) -> u64 {
        self.items.load(Ordering::Relaxed)
    }

    /// Gives the entry to another process. Killed in between, it has none of its items.
    fn give_to(&self, owner: Identity) {
        self.items.store(0, Ordering::Relaxed);
        // Release: nobody finds the new owner with the old one's items.
        self.owner.store(owner.to_word(), Ordering::Release);
    }

    /// Whether another process may have it.
    fn is_free(&self) -> bool {
        self.items_of_living() == 0
    }

    fn items_of_living(&self) -> u64 {
        match self.items() {
            0 => 0,
            items if self.owner().is_some_and(Identity::is_alive) => items,
            _ => 0,
        }
    }
}

/// The entries of a joinable queue; the consumers' lock is held while it is used.
#[derive(Clone, Copy)]
pub(crate) struct Table<'a> {
    entries: &'a [Entry; ENTRIES],
}

impl<'a> Table<'a> {
    pub(crate) fn new(entries: &'a [Entry; ENTRIES]) -> Self {
        Self { entries }
    }

    /// Returns the entry of this process, whose index `hint` remembers.
    pub(crate) fn ours(self, hint: &AtomicU32) -> Result<&'a Entry, Fault> {
        let me = Identity::of_this_process();
        let index = hint.load(Ordering::Relaxed) as usize;
        if let Some(entry) = self
            .entries
            .get(index)
            .filter(|entry| entry.owner() == Some(me))
        {
            return Ok(entry);
        }
        let index = self.find_or_enter(me)?;
        hint.store(index as u32, Ordering::Relaxed);
        Ok(&self.entries[index])
    }

    fn find_or_enter(self, me: Identity) -> Result<usize, Fault> {
        let mut entries = self.entries.iter();
        if let Some(index) = entries.position(|entry| entry.owner() == Some(me)) {
            return Ok(index);
        }
        let free = self.entries.iter().position(Entry::is_free);
        let index = free.ok_or(Fault::TooManyConsumers)?;
        self.entries[index].give_to(me);
        Ok(index)
    }

    /// Returns how many items living processes have taken and not done.
    pub(crate) fn items_of_living(self) -> u64 {
        let items = self.entries.iter().map(Entry::items_of_living);
        items.fold(0, u64::saturating_add)
    }
}
