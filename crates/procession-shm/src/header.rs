//! The first bytes of every segment.
//!
//! | line | field | written |
//! |---|---|---|
//! | 1 | magic, version, kind, type hash, element size and alignment, elements | once, before READY |
//! | 1 | state | `BEING_MADE` → `READY`, once |
//! | 1 | holders | by every process that gains or drops the segment |
//! | 2 | mutex, poison | by whoever holds the mutex (poison is also cleared without it), and what the mutex has of its waiters by them |
//!
//! All of it is atomic, for another process may write into it whatever it likes at any time.

use crate::OpenError;
use crate::format::{Format, Found, HEADER_LEN, Measure};
use procession_os::robust::RobustMutex;
use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

#[repr(C, align(64))]
pub(crate) struct Header {
    magic: AtomicU64,
    version: AtomicU32,
    state: AtomicU32,
    kind: AtomicU32,
    align: AtomicU32,
    type_hash: AtomicU64,
    size: AtomicU64,
    elements: AtomicU64,
    /// Processes that map the segment, and handles to it that are on their way. Zero is final.
    holders: AtomicU64,
    _reserved: AtomicU64,
    pub(crate) mutex: RobustMutex,
    pub(crate) poison: AtomicU32,
}

const MAGIC: u64 = u64::from_le_bytes(*b"processn");
const VERSION: u32 = 2;

/// What `state` holds from the file's creation on.
const BEING_MADE: u32 = 0;
/// What `state` holds once everything else is written.
const READY: u32 = 1;

const _: () = assert!(size_of::<Header>() == HEADER_LEN);

impl Header {
    /// Writes everything but the state; the one holder is the caller.
    ///
    /// # Safety
    ///
    /// `at` must be the start of a mapping of a new, zeroed segment of at least [`HEADER_LEN`]
    /// bytes that nobody else uses.
    pub(crate) unsafe fn init_at(
        at: *mut Self,
        format: &Format,
        elements: usize,
    ) -> io::Result<()> {
        // SAFETY: the mutex lies inside of what `at` points to.
        let mutex = unsafe { &raw mut (*at).mutex };
        // SAFETY: the caller vouches for the memory, and that nobody else uses it.
        unsafe { RobustMutex::init_at(mutex) }?;
        // SAFETY: zeros are valid for every other field.
        let header = unsafe { &*at };
        header.version.store(VERSION, Ordering::Relaxed);
        header.kind.store(format.kind_number(), Ordering::Relaxed);
        header.align.store(format.align as u32, Ordering::Relaxed);
        header.type_hash.store(format.type_hash, Ordering::Relaxed);
        header.size.store(format.size as u64, Ordering::Relaxed);
        header.elements.store(elements as u64, Ordering::Relaxed);
        header.holders.store(1, Ordering::Relaxed);
        header.magic.store(MAGIC, Ordering::Relaxed);
        Ok(())
    }

    /// Lets others in: all that was written before is seen by whoever sees the new state.
    pub(crate) fn set_ready(&self) {
        self.state.store(READY, Ordering::Release);
    }

    /// Checks the header of a file of `mapped` bytes, trusting nothing.
    pub(crate) fn verify(&self, mapped: usize) -> Result<Found, OpenError> {
        match self.state.load(Ordering::Acquire) {
            READY => self.verify_rest(mapped),
            BEING_MADE => Err(OpenError::NotReady),
            _ => Err(OpenError::Damaged("its state is none")),
        }
    }

    fn verify_rest(&self, mapped: usize) -> Result<Found, OpenError> {
        if self.magic.load(Ordering::Relaxed) != MAGIC {
            return Err(OpenError::Damaged("it does not begin like a segment"));
        }
        if self.version.load(Ordering::Relaxed) != VERSION {
            return Err(OpenError::Damaged("it has the layout of another version"));
        }
        let found = self
            .found()
            .ok_or(OpenError::Damaged("its size makes no sense"))?;
        if found.measure.total != mapped {
            return Err(OpenError::Damaged("it is not as large as it says"));
        }
        Ok(found)
    }

    fn found(&self) -> Option<Found> {
        let kind = self.kind.load(Ordering::Relaxed);
        let size = usize::try_from(self.size.load(Ordering::Relaxed)).ok()?;
        let align = usize::try_from(self.align.load(Ordering::Relaxed)).ok()?;
        let elements = usize::try_from(self.elements.load(Ordering::Relaxed)).ok()?;
        Some(Found {
            kind,
            type_hash: self.type_hash.load(Ordering::Relaxed),
            size,
            align,
            elements,
            measure: Measure::new(kind, size, align, elements)?,
        })
    }

    pub(crate) fn holders(&self) -> u64 {
        self.holders.load(Ordering::Relaxed)
    }

    /// Adds a holder; false if there was none left, for then the name is gone or about to go.
    pub(crate) fn add_holder(&self) -> bool {
        let more = |count: u64| count.checked_add(1).filter(|_| count != 0);
        self.holders
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .is_ok()
    }

    /// Takes a holder away; true if it was the last.
    pub(crate) fn remove_holder(&self) -> bool {
        // Nothing is freed when the count is zero but the name, so no ordering is needed.
        let fewer = |count: u64| count.checked_sub(1);
        self.holders
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer)
            == Ok(1)
    }
}
