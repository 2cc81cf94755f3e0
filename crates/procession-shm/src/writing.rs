//! Writing to a segment that others read side by side.

use crate::claims::ClaimsState;
use crate::machine::place::Place;
use crate::machine::readers::{self, Purpose, ReadersState};
use crate::reading::is_read_by_this_thread;
use crate::{Held, Segment};
use procession_os::identity::Identity;
use procession_os::robust::LockError;
use procession_os::wait::Deadline;
use std::sync::atomic::Ordering;

impl Segment {
    /// Takes the segment's lock when nobody reads any more, waiting for as long as a living thread
    /// holds it, or a living process reads.
    ///
    /// A writer that waits goes before readers that come later.
    ///
    /// # Errors
    ///
    /// [`LockError::HeldByThisThread`], also if this thread reads, or [`LockError::Damaged`] and its
    /// like if the memory was overwritten.
    ///
    /// # Panics
    ///
    /// If the segment's kind is not [read side by side](crate::SegmentKind::read_side_by_side).
    ///
    /// # When the other side is gone
    ///
    /// If a writer died, the lock is obtained and [`Held::poisoned`] is true. A reader that died is
    /// not waited for any more, within a fraction of a second.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::{Array, LockError};
    ///
    /// let array = Array::from_slice(&[1, 2, 3])?;
    /// let held = array.segment().write()?;
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| {
    ///         assert_eq!(array.segment().try_read().unwrap_err(), LockError::WouldBlock);
    ///     });
    /// });
    /// # drop(held);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn write(&self) -> Result<Held<'_>, LockError> {
        self.when_nobody_reads(self.lock()?, Deadline::NEVER)
    }

    /// Takes the segment's lock if nobody else holds it or reads at this moment.
    ///
    /// # Errors
    ///
    /// [`LockError::WouldBlock`], and those of [`write`](Self::write).
    ///
    /// # Panics
    ///
    /// As [`write`](Self::write).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::{Array, LockError};
    ///
    /// let array = Array::from_slice(&[1, 2, 3])?;
    /// let reading = array.segment().read()?;
    /// assert_eq!(array.segment().try_write().unwrap_err(), LockError::HeldByThisThread);
    /// drop(reading);
    /// assert!(array.segment().try_write().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_write(&self) -> Result<Held<'_>, LockError> {
        match readers::try_write(self) {
            Ok(held) => Ok(self.noted(held, self.state())),
            Err(LockError::WouldBlock) if self.is_read_here() => Err(LockError::HeldByThisThread),
            Err(error) => Err(error),
        }
    }

    /// Takes the segment's lock when nobody reads any more, waiting until `deadline` at the longest.
    ///
    /// # Errors
    ///
    /// [`LockError::TimedOut`], and those of [`write`](Self::write).
    ///
    /// # Panics
    ///
    /// As [`write`](Self::write).
    pub fn write_until(&self, deadline: Deadline) -> Result<Held<'_>, LockError> {
        self.when_nobody_reads(self.lock_until(deadline)?, deadline)
    }

    /// Takes the lock to write, for a call that has no way to say that it cannot.
    #[inline]
    #[track_caller]
    pub(crate) fn write_or_panic(&self) -> Held<'_> {
        match self.write() {
            Ok(held) => held,
            Err(error) => crate::segment::unreachable_memory(error),
        }
    }

    /// Unlocks what was held to write.
    ///
    /// # Safety
    ///
    /// The calling thread must hold the lock.
    #[inline]
    pub(crate) unsafe fn unlock_after_writing(&self) {
        // A copy that a fork made of the holder does not write.
        let ours = self.noted_writer() == Some(Identity::of_this_process());
        let readers = self.readers_state().filter(|_| ours);
        let waiting = readers.filter(|readers| readers.end_writing());
        // SAFETY: the caller vouches for it.
        unsafe { self.unlock() };
        if let Some(readers) = waiting {
            readers.wake_readers();
        }
    }

    /// Returns the process that wrote last: one that was forked meanwhile is another.
    #[inline]
    pub(crate) fn noted_writer(&self) -> Option<Identity> {
        Identity::from_word(self.mapping.writer.load(Ordering::Relaxed))
    }

    #[inline]
    fn when_nobody_reads<'a>(
        &'a self,
        held: Held<'a>,
        deadline: Deadline,
    ) -> Result<Held<'a>, LockError> {
        match self.readers_state() {
            Some(readers) if readers.readers() == 0 => {
                readers.begin_writing();
                Ok(self.noted(held, readers))
            }
            _ => self.wait_for_readers(held, deadline),
        }
    }

    #[cold]
    fn wait_for_readers<'a>(
        &'a self,
        held: Held<'a>,
        deadline: Deadline,
    ) -> Result<Held<'a>, LockError> {
        drop(held);
        if self.is_read_here() {
            return Err(LockError::HeldByThisThread);
        }
        Ok(self.noted(readers::write(self, deadline)?, self.state()))
    }

    #[inline]
    fn noted<'a>(&self, held: Held<'a>, readers: &ReadersState) -> Held<'a> {
        if readers.purpose() == Purpose::Parts {
            self.settle_parts(readers);
        }
        let who = Identity::of_this_process().to_word();
        self.mapping.writer.store(who, Ordering::Relaxed);
        held.writing()
    }

    /// Ends the time of parts, which nobody is in for any more.
    #[cold]
    fn settle_parts(&self, readers: &ReadersState) {
        // What is still held was held by the dead.
        if let Some(claims) = self.claims() {
            claims.remove(|_| true, || self.poison());
        }
        readers.set_purpose(Purpose::Read);
    }

    /// Returns whether some of it may be written though nobody holds the lock to write.
    #[inline]
    pub(crate) fn is_written_in_parts(&self) -> bool {
        let parts =
            |readers: &ReadersState| readers.purpose() == Purpose::Parts && readers.readers() > 0;
        self.readers_state().is_some_and(parts)
    }

    fn is_read_here(&self) -> bool {
        is_read_by_this_thread(self, Identity::of_this_process())
    }
}

impl Segment {
    #[inline]
    pub(crate) fn readers_state(&self) -> Option<&ReadersState> {
        self.mapping.side_by_side().map(|state| &state.readers)
    }

    #[inline]
    pub(crate) fn claims(&self) -> Option<&ClaimsState> {
        self.mapping.side_by_side().map(|state| &state.claims)
    }
}
