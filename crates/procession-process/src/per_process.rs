//! What a process has once, and a copy of it has to make for itself.

use std::io;
use std::process;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A value that the process that made it shares, a thread's mailbox for example.
///
/// A copy of the process has the value and not the thread. So it makes one of its own.
pub(crate) struct PerProcess<T>(Mutex<Option<(u32, T)>>);

impl<T: Clone> PerProcess<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Returns this process's value, if it has one.
    pub(crate) fn get(&self) -> Option<T> {
        own(self.lock().as_ref())
    }

    /// Returns this process's value, made by `make` if it has none.
    pub(crate) fn get_or_make(&self, make: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let mut held = self.lock();
        if let Some(value) = own(held.as_ref()) {
            return Ok(value);
        }
        let value = make()?;
        let others = held.replace((process::id(), value.clone()));
        // Dropping it would do to the other process's value what only that process may do.
        std::mem::forget(others);
        Ok(value)
    }

    fn lock(&self) -> MutexGuard<'_, Option<(u32, T)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn own<T: Clone>(held: Option<&(u32, T)>) -> Option<T> {
    let own = held.filter(|(maker, _)| *maker == process::id());
    own.map(|(_, value)| value.clone())
}
