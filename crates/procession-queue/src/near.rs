//! One side of a queue as this process sees it.

use crate::cursor::Seen;
use crate::home::Home;
use crate::local::Local;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a process knows of a side, in its own memory.
#[repr(align(128))]
pub(crate) struct Near {
    local: Mutex<Local>,
    /// The other side's word.
    pub(crate) seen: Seen,
}

impl Near {
    pub(crate) fn new(home: &Home) -> Self {
        Self {
            local: Mutex::new(Local::new(home)),
            seen: Seen::new(),
        }
    }

    /// Taken after the lock in shared memory, and for short only. It is there because the other
    /// one is in memory that a scribbler may reach.
    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, Local> {
        self.local.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
