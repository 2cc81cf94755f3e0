//! The two sides of a queue together: how many items are between them, and the end of both.

use crate::atomic::{AtomicU32, Ordering};
use crate::cursor::{At, Seen};
use crate::event::Event;
use crate::patience::Patience;
use crate::side::{Locked, Side};
use crate::{Closed, Fault, StateError};

/// The sides, in shared memory.
#[repr(C, align(128))]
pub(crate) struct Sides {
    /// Whether the queue goes on: [`OPEN`], [`SHUT`] or [`CLOSED`], in this order. Written under
    /// both locks.
    end: AtomicU32,
    /// Where those sleep who wait until all is done. Used under the consumers' lock.
    pub(crate) finished: Event,
    pub(crate) put: Side,
    pub(crate) get: Side,
}

/// Items are put and got.
const OPEN: u32 = 0;
/// Nothing is put any more; what is there is got.
const SHUT: u32 = 1;
/// Nothing is put or got any more.
const CLOSED: u32 = 2;

/// How often the number of items is looked for without a lock.
const LOOKS: u32 = 64;

impl Sides {
    /// Makes the locks of a new queue; the rest begins as zeros.
    ///
    /// # Safety
    ///
    /// `at` must point to zeroed memory of this size and alignment that nobody else uses yet.
    #[cfg(not(loom))]
    pub(crate) unsafe fn init_at(at: *mut Self) -> std::io::Result<()> {
        // SAFETY: the side lies inside of what `at` points to.
        let put = unsafe { &raw mut (*at).put };
        // SAFETY: as above.
        let get = unsafe { &raw mut (*at).get };
        // SAFETY: the caller vouches for the memory.
        unsafe { Side::init_at(put) }?;
        // SAFETY: as above.
        unsafe { Side::init_at(get) }
    }

    /// Two sides with nothing between them.
    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self {
            end: AtomicU32::new(OPEN),
            finished: Event::new(),
            put: Side::new(),
            get: Side::new(),
        }
    }

    /// Whether nothing is put any more.
    #[inline]
    pub(crate) fn is_shut(&self) -> bool {
        self.end.load(Ordering::Acquire) != OPEN
    }

    /// Fails if nothing may be put any more.
    #[inline]
    pub(crate) fn check_shut(&self) -> Result<(), Closed> {
        if self.is_shut() {
            return Err(Closed);
        }
        Ok(())
    }

    /// Fails if nothing may be got any more, though something be there.
    #[inline]
    fn check_closed(&self) -> Result<(), Closed> {
        match self.end.load(Ordering::Acquire) {
            OPEN | SHUT => Ok(()),
            _ => Err(Closed),
        }
    }

    /// Returns for how many items there is room; for fewer than in truth, but never for none if
    /// there is some.
    #[inline]
    pub(crate) fn room(&self, capacity: u64, seen: &Seen) -> u64 {
        let put = self.put.cursor.load();
        // Without the lock others may have put meanwhile, and what they have put may be taken: then
        // nothing is left of what this process knows of.
        let room = |got: At| capacity.saturating_sub(put.left(got).unwrap_or(0));
        match room(seen.load()) {
            0 => room(seen.look(&self.get.cursor)),
            room => room,
        }
    }

    /// Whether a consumer needs not wait: there is an item, or there will be none.
    #[inline]
    pub(crate) fn may_get(&self, seen: &Seen) -> bool {
        let got = self.get.cursor.load();
        let known = seen.load().left(got);
        known.is_some_and(|items| items != 0)
            || seen.look(&self.put.cursor).count() != got.count()
            || self.is_shut()
    }

    /// Returns how many items there are, if nothing is put or got meanwhile.
    #[cfg(not(loom))]
    pub(crate) fn items(&self) -> u64 {
        let got = self.get.cursor.load();
        self.put.cursor.load().left(got).unwrap_or(0)
    }

    /// Returns how many items there are for the consumers, who have come to `got`; fewer than in
    /// truth, but never none if there is one. `None` if the words make no sense.
    #[inline]
    pub(crate) fn available(&self, got: At, seen: &Seen) -> Option<u64> {
        match seen.load().left(got) {
            // Old: others may have taken what this process has seen.
            None | Some(0) => seen.look(&self.put.cursor).left(got),
            available => available,
        }
    }

    /// Ends the putting for ever; what is in the queue can still be got.
    ///
    /// As this takes both locks, a consumer that has the one of its side, finds nothing, and then
    /// finds the queue [shut](Self::is_shut), knows that nothing will come.
    pub(crate) fn shutdown(&self, patience: Patience) -> Result<(), Fault> {
        self.end_if(SHUT, patience, || true).map(drop)
    }

    /// Ends the putting for ever if nobody is left to put anything; returns whether it did.
    ///
    /// `is_deserted` is asked under both locks. A producer is [counted](Self::count) before it asks,
    /// under the lock of its side, whether the queue is shut: of two that meet here, either the one
    /// is seen or the other sees that the queue has ended.
    pub(crate) fn shutdown_if(
        &self,
        patience: Patience,
        is_deserted: impl FnOnce() -> bool,
    ) -> Result<bool, Fault> {
        self.end_if(SHUT, patience, is_deserted)
    }

    /// Ends putting and getting for ever.
    pub(crate) fn close(&self, patience: Patience) -> Result<(), Fault> {
        self.end_if(CLOSED, patience, || true).map(drop)
    }

    /// Ends the queue and wakes all.
    ///
    /// All are woken first, and need a lock to sleep again: whatever instruction this is killed
    /// at, either the queue has not ended, or all see that it has.
    fn end_if(
        &self,
        end: u32,
        patience: Patience,
        condition: impl FnOnce() -> bool,
    ) -> Result<bool, Fault> {
        let put = self.put.lock(patience)?;
        let get = self.get.lock(patience)?;
        if !condition() {
            return Ok(false);
        }
        put.announce();
        get.announce();
        self.finished.announce();
        let end = end.max(self.end.load(Ordering::Relaxed));
        self.end.store(end, Ordering::Release);
        Ok(true)
    }

    /// Notes that producers are counted from now on, if the queue is not shut; the caller is
    /// present already.
    ///
    /// All are woken first, for who waits without a limit has to look now and then from here on:
    /// nobody tells it that the last producer was killed.
    pub(crate) fn count(&self, counted: &AtomicU32, patience: Patience) -> Result<(), StateError> {
        let put = self.put.lock(patience)?;
        self.check_shut()?;
        if counted.load(Ordering::Relaxed) == 0 {
            put.announce();
            counted.store(1, Ordering::Release);
        }
        Ok(())
    }

    /// Takes the lock of the consumers, if the queue is not closed.
    #[inline]
    pub(crate) fn lock_get(&self, patience: Patience) -> Result<Locked<'_>, StateError> {
        let locked = self.get.lock(patience)?;
        self.check_closed()?;
        Ok(locked)
    }

    /// Returns the number of items at one instant, of a queue that is not closed.
    pub(crate) fn len(&self) -> Result<u64, StateError> {
        self.check_closed()?;
        if let Some(len) = (0..LOOKS).find_map(|_| self.len_if_quiet()) {
            return Ok(len);
        }
        // Under the lock nothing is put.
        let locked = self.put.lock(Patience::None)?;
        Ok(locked.cursor().load().ahead_of(self.get.cursor.load()))
    }

    /// Returns the number of items, unless something was put meanwhile.
    fn len_if_quiet(&self) -> Option<u64> {
        let before: At = self.put.cursor.load();
        let len = before.ahead_of(self.get.cursor.load());
        // If nothing was put, that was the number when the other word was read.
        (self.put.cursor.load() == before).then_some(len)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_though_more_was_taken_than_was_put_when_a_producer_looked() {
        // SAFETY: zeros are valid for the sides, whose locks are not used here.
        let sides: Sides = unsafe { std::mem::zeroed() };
        let seen = Seen::new();
        let before = sides.put.cursor.load();
        sides.put.cursor.publish(before.advanced(7));
        assert_eq!(sides.room(7, &seen), 0);
        sides.get.cursor.publish(before.advanced(9));
        assert_eq!(sides.room(7, &seen), 7);
    }
}
