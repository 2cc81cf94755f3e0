//! How many of something each process has, so that what the dead have can be told.
//!
//! A slot is the process's [`Identity`] and its count. It is changed under the mutex of the place,
//! by anybody, and is free while its identity is zero. The identity is written last when a slot is
//! taken and first when it is given up, so that a slot is valid whenever it names somebody.
//!
//! The sum of all counts is kept beside them. Who dies between the two leaves it wrong;
//! [`recount`](Roster::recount) is part of recovering.

use super::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use procession_os::futex;
use procession_os::identity::Identity;
use std::time::Duration;

/// How many processes can have something at one time: what fits into two pages of memory.
#[cfg(not(loom))]
pub const SLOTS: usize = 496;
#[cfg(loom)]
pub const SLOTS: usize = 2;

/// The counts of all processes. All zeros is a roster with nobody in it.
#[derive(Debug)]
#[repr(C)]
pub struct Roster {
    sum: AtomicU32,
    /// No slot from this one on was ever used, so that nobody looks there.
    used: AtomicU32,
    /// When somebody last set out to look for the dead, in milliseconds; wraps around.
    looked: AtomicU32,
    slots: [Slot; SLOTS],
}

#[derive(Debug)]
#[repr(C)]
struct Slot {
    who: AtomicU64,
    count: AtomicU32,
    /// Of these, how many were there when all were marked last.
    marked: AtomicU32,
}

impl Roster {
    /// A roster for loom.
    #[cfg(loom)]
    #[expect(clippy::new_without_default, reason = "it is a model")]
    pub fn new() -> Self {
        let slot = |_| Slot {
            who: AtomicU64::new(0),
            count: AtomicU32::new(0),
            marked: AtomicU32::new(0),
        };
        Self {
            sum: AtomicU32::new(0),
            used: AtomicU32::new(0),
            looked: AtomicU32::new(0),
            slots: std::array::from_fn(slot),
        }
    }

    /// Returns what all have together.
    #[inline]
    pub fn sum(&self) -> u32 {
        self.sum.load(Relaxed)
    }

    /// Gives one more to `who`; false if it has no slot and none is free. Under the mutex.
    pub fn add(&self, who: Identity) -> bool {
        if let Some(slot) = self.find(who.to_word()) {
            slot.count.store(slot.count().saturating_add(1), Relaxed);
        } else if let Some(slot) = self.take_free() {
            slot.fill(who, 1);
        } else {
            return false;
        }
        self.sum.store(self.sum().saturating_add(1), Relaxed);
        true
    }

    /// Takes one from `who`; false if it had none. Under the mutex.
    pub fn take(&self, who: Identity) -> bool {
        let Some(slot) = self.find(who.to_word()) else {
            return false;
        };
        match slot.count() {
            0 | 1 => slot.free(),
            more => slot.count.store(more - 1, Relaxed),
        }
        self.sum.store(self.sum().saturating_sub(1), Relaxed);
        true
    }

    /// Marks all that everybody has. Under the mutex.
    pub fn mark_all(&self) {
        for slot in self.in_use() {
            slot.marked.store(slot.count(), Relaxed);
        }
    }

    /// Takes one mark from `who`. Under the mutex.
    pub fn unmark(&self, who: Identity) {
        if let Some(slot) = self.find(who.to_word()) {
            let fewer = slot.marked.load(Relaxed).saturating_sub(1);
            slot.marked.store(fewer, Relaxed);
        }
    }

    /// Returns how many are marked. Under the mutex.
    pub fn marked(&self) -> u32 {
        self.total(|slot| &slot.marked)
    }

    /// Returns what those named have together. Under the mutex.
    pub fn sum_of(&self, named: &[Identity]) -> u32 {
        let is_named = |slot: &&Slot| named.iter().any(|who| who.to_word() == slot.who());
        let counts = self.in_use().iter().filter(is_named).map(Slot::count);
        counts.fold(0, u32::saturating_add)
    }

    /// Takes all from those named, who are dead. Under the mutex.
    pub fn remove(&self, dead: &[Identity]) {
        for slot in self.in_use() {
            if dead.iter().any(|who| who.to_word() == slot.who()) {
                slot.free();
            }
        }
        self.recount();
    }

    /// Returns who has something and does not run any more. Without the mutex: it takes long, and
    /// the dead do not come back.
    pub fn dead(&self) -> Vec<Identity> {
        let named = self.in_use().iter().map(Slot::who);
        let named = named.filter_map(Identity::from_word);
        named.filter(|who| !who.is_alive()).collect()
    }

    /// Returns whether nobody has looked for the dead for so long; then the caller is to look.
    ///
    /// It is for those who look now and then: however many they are, the work is done once. If who
    /// set out to look dies, the next one looks.
    pub fn is_to_be_looked_at(&self, every: Duration) -> bool {
        let now = now_in_ms();
        let last = self.looked.load(Relaxed);
        let since = Duration::from_millis(now.wrapping_sub(last).into());
        since >= every
            && self
                .looked
                .compare_exchange(last, now, Relaxed, Relaxed)
                .is_ok()
    }

    /// Computes the sum anew. Under the mutex.
    pub fn recount(&self) {
        self.sum.store(self.total(|slot| &slot.count), Relaxed);
    }

    fn total(&self, of: impl Fn(&Slot) -> &AtomicU32) -> u32 {
        let named = self.in_use().iter().filter(|slot| slot.who() != 0);
        named.fold(0, |sum, slot| sum.saturating_add(of(slot).load(Relaxed)))
    }

    fn find(&self, who: u64) -> Option<&Slot> {
        self.in_use().iter().find(|slot| slot.who() == who)
    }

    fn take_free(&self) -> Option<&Slot> {
        if let Some(slot) = self.find(0) {
            return Some(slot);
        }
        let next = self.in_use().len();
        let slot = self.slots.get(next)?;
        self.used.store(next as u32 + 1, Relaxed);
        Some(slot)
    }

    fn in_use(&self) -> &[Slot] {
        let used = self.used.load(Relaxed) as usize;
        &self.slots[..used.min(SLOTS)]
    }
}

/// What the clock shows; wraps around.
pub(crate) fn now_in_ms() -> u32 {
    futex::now().map_or(0, |now| now.as_millis() as u32)
}

impl Slot {
    fn who(&self) -> u64 {
        self.who.load(Relaxed)
    }

    fn count(&self) -> u32 {
        self.count.load(Relaxed)
    }

    fn fill(&self, who: Identity, count: u32) {
        self.count.store(count, Relaxed);
        self.marked.store(0, Relaxed);
        self.who.store(who.to_word(), Relaxed);
    }

    fn free(&self) {
        self.who.store(0, Relaxed);
    }
}
