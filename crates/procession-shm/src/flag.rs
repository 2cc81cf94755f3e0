//! A bool in shared memory, whatever the byte there is.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};

/// An `AtomicBool` of which any byte is a value; what a [`Shared<AtomicBool>`](crate::Shared) is used
/// as.
///
/// It has the methods of [`AtomicBool`](std::sync::atomic::AtomicBool). Here only zero and one are
/// ever written. Should another process write another byte, the lowest bit counts.
///
/// # Examples
///
/// ```
/// use procession_shm::Shared;
/// use std::sync::atomic::{AtomicBool, Ordering};
///
/// let stop = Shared::new(AtomicBool::new(false))?;
/// let same = stop.clone();
/// std::thread::spawn(move || same.store(true, Ordering::Release)).join().unwrap();
/// assert!(stop.load(Ordering::Acquire));
/// # Ok::<(), procession_shm::ShmError>(())
/// ```
#[repr(transparent)]
pub struct AtomicFlag(AtomicU8);

impl AtomicFlag {
    /// Returns the value.
    #[inline]
    pub fn load(&self, order: Ordering) -> bool {
        truth(self.0.load(order))
    }

    /// Replaces the value.
    #[inline]
    pub fn store(&self, value: bool, order: Ordering) {
        self.0.store(value.into(), order);
    }

    /// Replaces the value and returns what it was.
    #[inline]
    pub fn swap(&self, value: bool, order: Ordering) -> bool {
        truth(self.0.swap(value.into(), order))
    }

    /// Replaces the value if it is `current`, and returns what it was.
    ///
    /// # Errors
    ///
    /// What it is, if that is not `current`.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::Shared;
    /// use std::sync::atomic::{AtomicBool, Ordering};
    ///
    /// let taken = Shared::new(AtomicBool::new(false))?;
    /// let take = || taken.compare_exchange(false, true, Ordering::AcqRel, Ordering::Relaxed);
    /// assert_eq!((take(), take()), (Ok(false), Err(true)));
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    pub fn compare_exchange(
        &self,
        current: bool,
        new: bool,
        success: Ordering,
        failure: Ordering,
    ) -> Result<bool, bool> {
        let mut expected = u8::from(current);
        loop {
            match self
                .0
                .compare_exchange(expected, new.into(), success, failure)
            {
                Ok(found) => return Ok(truth(found)),
                // Another byte of the same truth.
                Err(found) if truth(found) == current => expected = found,
                Err(found) => return Err(truth(found)),
            }
        }
    }

    /// As [`compare_exchange`](Self::compare_exchange), but may fail for no reason, which is faster
    /// in a loop on some processors.
    ///
    /// # Errors
    ///
    /// What it is, which may be `current`.
    pub fn compare_exchange_weak(
        &self,
        current: bool,
        new: bool,
        success: Ordering,
        failure: Ordering,
    ) -> Result<bool, bool> {
        // Strong if another byte is there, or it would fail for ever.
        self.compare_exchange(current, new, success, failure)
    }

    /// Replaces the value by what `change` makes of it, as often as it takes; returns what it was.
    ///
    /// # Errors
    ///
    /// What it is, if `change` returns `None`.
    pub fn fetch_update(
        &self,
        set_order: Ordering,
        fetch_order: Ordering,
        mut change: impl FnMut(bool) -> Option<bool>,
    ) -> Result<bool, bool> {
        let changed = |byte| change(truth(byte)).map(u8::from);
        let updated = self.0.fetch_update(set_order, fetch_order, changed);
        updated.map(truth).map_err(truth)
    }

    /// Replaces the value by the logical "and" with `value`, and returns what it was.
    #[inline]
    pub fn fetch_and(&self, value: bool, order: Ordering) -> bool {
        truth(self.0.fetch_and(value.into(), order))
    }

    /// Replaces the value by the logical "or" with `value`, and returns what it was.
    #[inline]
    pub fn fetch_or(&self, value: bool, order: Ordering) -> bool {
        truth(self.0.fetch_or(value.into(), order))
    }

    /// Replaces the value by the logical "xor" with `value`, and returns what it was.
    #[inline]
    pub fn fetch_xor(&self, value: bool, order: Ordering) -> bool {
        truth(self.0.fetch_xor(value.into(), order))
    }

    /// Replaces the value by the logical "nand" with `value`, and returns what it was.
    #[inline]
    pub fn fetch_nand(&self, value: bool, order: Ordering) -> bool {
        if value {
            self.fetch_xor(true, order)
        } else {
            self.swap(true, order)
        }
    }

    /// Replaces the value by its contrary, and returns what it was.
    #[inline]
    pub fn fetch_not(&self, order: Ordering) -> bool {
        self.fetch_xor(true, order)
    }
}

fn truth(byte: u8) -> bool {
    byte & 1 != 0
}

impl fmt::Debug for AtomicFlag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.load(Ordering::Relaxed).fmt(f)
    }
}
