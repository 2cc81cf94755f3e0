//! Which parts of an array are held, by whom.
//!
//! | field | meaning | written |
//! |---|---|---|
//! | `released` | changes when a part is released; the futex | with each change |
//! | `waiting` | how many may have to be woken; too many if one of them died | grows under the mutex |
//! | `overdue` | what a thread waits for that has waited for long, and goes before others | under the mutex |
//! | `overdue_until` | until when it does, in milliseconds; wraps around | under the mutex |
//! | `slots` | a range, and the process and thread that hold it | under the mutex |
//!
//! A slot is free while its process is zero, which is written last when it is taken and first when
//! it is given up. Two that are taken never overlap.
//!
//! Whoever holds a part is counted among those who are in [for parts](crate::machine::readers). So
//! when nobody is in, what is left here is of the dead, who may have left their parts half changed.

use crate::machine::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed, wake};
use crate::machine::readers::ReadersState;
use crate::machine::roster::now_in_ms;
use procession_os::identity::Identity;
use procession_os::robust::LockError;
use std::ops::Range;
use std::time::Duration;

/// What segments have that are read side by side.
#[repr(C)]
pub(crate) struct SideBySide {
    pub(crate) readers: ReadersState,
    pub(crate) claims: ClaimsState,
}

/// How many parts can be held at one time.
const SLOTS: usize = 121;
/// For how long a waiter goes first that gives no sign of life.
const PATIENCE: Duration = Duration::from_millis(256);

#[repr(C)]
pub(crate) struct ClaimsState {
    pub(crate) released: AtomicU32,
    pub(crate) waiting: AtomicU32,
    overdue_until: AtomicU32,
    overdue: Slot,
    slots: [Slot; SLOTS],
}

#[repr(C)]
struct Slot {
    who: AtomicU64,
    start: AtomicU64,
    end: AtomicU64,
    thread: AtomicU32,
}

/// What came of asking for a part.
pub(crate) enum Claim {
    /// It is held now, in the slot of this number.
    Taken(usize),
    /// Another thread holds some of it.
    Held,
}

impl ClaimsState {
    /// Takes a part if nobody has any of it. Under the mutex.
    pub(crate) fn take(
        &self,
        range: &Range<usize>,
        who: Identity,
        thread: u32,
    ) -> Result<Claim, LockError> {
        let holders = || self.slots.iter().filter(|slot| slot.overlaps(range));
        if holders().any(|slot| slot.is_of(who, thread)) {
            return Err(LockError::HeldByThisThread);
        }
        if holders().next().is_some() || self.goes_first(range, who, thread) {
            return Ok(Claim::Held);
        }
        let free = self.slots.iter().position(|slot| slot.who() == 0);
        let free = free.ok_or(LockError::TooManyProcesses)?;
        self.slots[free].fill(range, who, thread);
        if self.overdue.is_of(who, thread) {
            self.overdue.who.store(0, Relaxed);
        }
        Ok(Claim::Taken(free))
    }

    /// Has a thread that has waited for long go before others, if none does. Under the mutex.
    ///
    /// It is to say so again as long as it waits: one that is stopped or dead is let go.
    pub(crate) fn let_first(&self, range: &Range<usize>, who: Identity, thread: u32) {
        if self.overdue.is_of(who, thread) || !self.is_overdue() {
            let until = now_in_ms().wrapping_add(PATIENCE.as_millis() as u32);
            self.overdue_until.store(until, Relaxed);
            self.overdue.fill(range, who, thread);
        }
    }

    /// Has nobody wait for this thread any more. Under the mutex.
    pub(crate) fn let_go(&self, who: Identity, thread: u32) {
        if self.overdue.is_of(who, thread) {
            self.overdue.who.store(0, Relaxed);
            self.released.fetch_add(1, Relaxed);
            self.wake();
        }
    }

    /// Whether another thread goes first that waits for some of the range.
    fn goes_first(&self, range: &Range<usize>, who: Identity, thread: u32) -> bool {
        self.overdue.overlaps(range) && !self.overdue.is_of(who, thread) && self.is_overdue()
    }

    fn is_overdue(&self) -> bool {
        let left = self.overdue_until.load(Relaxed).wrapping_sub(now_in_ms());
        self.overdue.who() != 0 && Duration::from_millis(left.into()) <= PATIENCE
    }

    /// Gives a part up. Under the mutex; true if somebody [has to be woken](Self::wake).
    pub(crate) fn give_up(&self, slot: usize) -> bool {
        self.slots[slot].who.store(0, Relaxed);
        self.released.fetch_add(1, Relaxed);
        self.waiting.load(Relaxed) > 0
    }

    pub(crate) fn wake(&self) {
        wake(&self.released, u32::MAX);
    }

    /// Returns who holds some of a part and does not run any more. Without the mutex: it takes
    /// long, and the dead do not come back.
    pub(crate) fn dead(&self, range: &Range<usize>) -> Vec<Identity> {
        let holders = self.slots.iter().filter(|slot| slot.overlaps(range));
        let holders = holders.filter_map(|slot| Identity::from_word(slot.who()));
        holders.filter(|who| !who.is_alive()).collect()
    }

    /// Takes what the dead hold from them; tells first that it was something. Under the mutex.
    pub(crate) fn remove(&self, is_dead: impl Fn(u64) -> bool, tell: impl Fn()) {
        let taken = self.slots.iter().filter(|slot| slot.who() != 0);
        for slot in taken.filter(|slot| is_dead(slot.who())) {
            tell();
            slot.who.store(0, Relaxed);
        }
        self.released.fetch_add(1, Relaxed);
        self.wake();
    }
}

impl Slot {
    fn who(&self) -> u64 {
        self.who.load(Relaxed)
    }

    fn is_of(&self, who: Identity, thread: u32) -> bool {
        self.who() == who.to_word() && self.thread.load(Relaxed) == thread
    }

    fn overlaps(&self, range: &Range<usize>) -> bool {
        let start = self.start.load(Relaxed).max(range.start as u64);
        let end = self.end.load(Relaxed).min(range.end as u64);
        self.who() != 0 && start < end
    }

    fn fill(&self, range: &Range<usize>, who: Identity, thread: u32) {
        self.start.store(range.start as u64, Relaxed);
        self.end.store(range.end as u64, Relaxed);
        self.thread.store(thread, Relaxed);
        self.who.store(who.to_word(), Relaxed);
    }
}
