//! One side of a queue, in shared memory: the producers' or the consumers'.

use crate::Fault;
use crate::atomic::{AtomicU64, Ordering, RobustMutex, fence};
use crate::cursor::{At, Cursor};
use crate::event::Event;
use crate::name::{Name, NameCell};
use crate::patience::Patience;
use procession_os::eldest::Eldest;
#[cfg(not(loom))]
use procession_os::futexes::Watch;
use procession_os::robust::{Acquired, LockError};
use procession_os::wait::Deadline;
use std::marker::PhantomData;

/// What one side writes, and the other only looks at.
///
/// The two sides have a lock each, so that a producer and a consumer are in nobody's way. The
/// word which the other side looks at, and what only the lock's holders look at, are in different
/// cache lines (and in different pairs of lines, for processors that fetch pairs).
#[repr(C, align(128))]
pub(crate) struct Side {
    pub(crate) cursor: Cursor,
    inner: Inner,
}

#[repr(C, align(128))]
struct Inner {
    mutex: RobustMutex,
    /// Where the other side sleeps until this one publishes.
    event: Event,
    /// Which of those that wait to go through this side has waited longest. Advice, and no part of
    /// what the model of a queue tries.
    eldest: Eldest,
    places: [Place; 2],
}

/// The number of no chunk.
pub(crate) const NOWHERE: u64 = u64::MAX;

/// Where a side is in the chain of chunks. Two of them take turns, see [`crate::cursor`].
#[repr(C)]
pub(crate) struct Place {
    /// The number of the chunk: chunks are numbered along the chain.
    pub(crate) chunk: AtomicU64,
    /// Where in the chunk the next record begins.
    pub(crate) offset: AtomicU64,
    /// How to find the chunk's memory.
    pub(crate) name: NameCell,
}

impl Place {
    /// Writes the place; the caller holds the lock, and the place is not the current one.
    ///
    /// Who goes on in the chunk that a place has does not write its name again. So the number goes
    /// before the name is changed and comes back after it: whatever instruction this is killed at,
    /// the name that is there belongs to the number, or there is no number. Whoever goes
    /// to another chunk calls [`unname`](Self::unname) first: what a killed writer did not publish
    /// is undone, and the number that its chunk had is given to another one.
    #[inline]
    pub(crate) fn go(&self, chunk: u64, offset: u64, name: impl FnOnce() -> Name) {
        self.offset.store(offset, Ordering::Relaxed);
        if self.chunk.load(Ordering::Relaxed) != chunk {
            self.unname();
            self.name.store(name());
            // Release: whoever finds the number, though the writer was killed, finds the name.
            self.chunk.store(chunk, Ordering::Release);
        }
    }

    /// Takes the number away, so that the name counts for nothing; the caller is as
    /// [`go`](Self::go) demands.
    pub(crate) fn unname(&self) {
        self.chunk.store(NOWHERE, Ordering::Relaxed);
        fence(Ordering::Release);
    }
}

impl Side {
    /// Makes the lock of a new queue; the rest of a side begins as zeros.
    ///
    /// # Safety
    ///
    /// `at` must point to zeroed memory of this size and alignment that nobody else uses yet.
    #[cfg(not(loom))]
    pub(crate) unsafe fn init_at(at: *mut Self) -> std::io::Result<()> {
        // SAFETY: the mutex lies inside of what `at` points to.
        let mutex = unsafe { &raw mut (*at).inner.mutex };
        // SAFETY: the caller vouches for the memory, and that nobody else uses it.
        unsafe { RobustMutex::init_at(mutex) }
    }

    /// A side that nothing went through yet.
    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        let place = || Place {
            chunk: AtomicU64::new(0),
            offset: AtomicU64::new(0),
            name: NameCell::new(),
        };
        let inner = Inner {
            mutex: RobustMutex::new(),
            event: Event::new(),
            eldest: Eldest::new(),
            places: [place(), place()],
        };
        Self {
            cursor: Cursor::new(),
            inner,
        }
    }

    /// Takes the side's lock.
    ///
    /// If the last holder died in it, the side is whole nevertheless, but somebody may sleep whom
    /// the dead one had meant to wake.
    #[inline]
    pub(crate) fn lock(&self, patience: Patience) -> Result<Locked<'_>, Fault> {
        let acquired = match self.inner.mutex.try_lock() {
            Err(LockError::WouldBlock) => self.lock_contended(patience)?,
            acquired => acquired?,
        };
        let locked = Locked {
            side: self,
            _not_send: PhantomData,
        };
        if acquired == Acquired::OwnerDied {
            self.inner.event.wake();
        }
        Ok(locked)
    }

    #[cold]
    fn lock_contended(&self, patience: Patience) -> Result<Acquired, Fault> {
        let mutex = &self.inner.mutex;
        match (mutex.lock_until(patience.for_lock()), patience) {
            (Err(LockError::TimedOut), Patience::None) => Err(Fault::Held {
                thread: mutex.holder(),
            }),
            (acquired, _) => Ok(acquired?),
        }
    }

    /// Returns what says who goes through this side first.
    #[inline]
    pub(crate) fn eldest(&self) -> &Eldest {
        &self.inner.eldest
    }

    /// Sleeps until this side announces something, unless `ready` under its lock; may also return
    /// for no reason. Returns false if the deadline passed first.
    pub(crate) fn sleep(
        &self,
        deadline: Deadline,
        ready: impl FnOnce() -> bool,
    ) -> Result<bool, Fault> {
        let expected = match self.expect(deadline, ready) {
            Err(fault) if fault.is_timeout() => return Ok(false),
            expected => expected?,
        };
        let Some(expected) = expected else {
            // Ready, and yet the caller may have failed to get the other side's lock in time.
            return Ok(!deadline.passed());
        };
        let slept = self.inner.event.sleep(expected, deadline);
        slept.map_err(Fault::Sleep)
    }

    /// Returns what to sleep on until this side announces something; `None` if `ready` under its
    /// lock.
    #[cfg(not(loom))]
    pub(crate) fn arm(
        &self,
        deadline: Deadline,
        ready: impl FnOnce() -> bool,
    ) -> Result<Option<Watch<'_>>, Fault> {
        let expected = self.expect(deadline, ready)?;
        Ok(expected.map(|expected| self.inner.event.watch(expected)))
    }

    fn expect(
        &self,
        deadline: Deadline,
        ready: impl FnOnce() -> bool,
    ) -> Result<Option<u32>, Fault> {
        let _locked = self.lock(Patience::Until(deadline))?;
        Ok((!ready()).then(|| self.inner.event.expect()))
    }
}

/// The proof that this thread holds a side's lock.
pub(crate) struct Locked<'a> {
    side: &'a Side,
    // The lock belongs to the thread that took it.
    _not_send: PhantomData<*const ()>,
}

impl Locked<'_> {
    /// Returns one of the two places.
    #[inline]
    pub(crate) fn place(&self, index: usize) -> &Place {
        &self.side.inner.places[index & 1]
    }

    /// Makes the side be at `next`, with the place that `go` writes; wakes who waits for that.
    #[inline]
    pub(crate) fn publish(&self, next: At, go: impl FnOnce(&Place)) {
        go(self.place(next.place()));
        self.announce();
        self.side.cursor.publish(next);
    }

    /// Wakes those who sleep until this side publishes; goes before the publishing.
    #[inline]
    pub(crate) fn announce(&self) {
        self.side.inner.event.announce();
    }

    /// Returns the side's word.
    #[inline]
    pub(crate) fn cursor(&self) -> &Cursor {
        &self.side.cursor
    }
}

impl Drop for Locked<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: this exists because the calling thread took the lock, and is not `Send`.
        let unlocked = unsafe { self.side.inner.mutex.unlock() };
        // Of a damaged mutex the next to lock it is told.
        let _ = unlocked;
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn name(byte: u8) -> Name {
        Name::new(&[byte; 20]).expect("it is short enough")
    }

    #[test]
    fn a_name_is_written_anew_where_a_writer_was_killed_before_it_had_written_the_number() {
        // SAFETY: zeros are valid for a place, which is made of atomics.
        let place: Place = unsafe { std::mem::zeroed() };
        place.go(5, 64, || name(5));
        // The steps of going to chunk 6, but for the last.
        place.unname();
        place.name.store(name(6));
        place.go(5, 128, || name(5));
        assert_eq!(place.name.load(), name(5));
        assert_eq!(place.chunk.load(Ordering::Relaxed), 5);
    }
}
