//! How an object is kept in the server.

use crate::threads::this_thread;
use anyhow::anyhow;
use procession_call::Failure;
use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Says how objects of type `T` are kept: [`Locked`] or [`Concurrent`].
pub trait Access<T>: sealed::Sealed + 'static {
    /// What holds the object.
    #[doc(hidden)]
    type Cell: Any + Send + Sync;

    /// Puts the object in.
    #[doc(hidden)]
    fn hold(object: T) -> Self::Cell;
}

/// The object has a lock, and one call at a time works on it.
#[derive(Debug, Clone, Copy)]
pub struct Locked;

/// The object has no lock: calls work on it at the same time, each on a thread of its own, and
/// may block.
#[derive(Debug, Clone, Copy)]
pub struct Concurrent;

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Locked {}
    impl Sealed for super::Concurrent {}
}

impl<T: Send + 'static> Access<T> for Locked {
    type Cell = Guarded<T>;

    fn hold(object: T) -> Guarded<T> {
        Guarded {
            object: Mutex::new(object),
            holder: AtomicU64::new(NOBODY),
        }
    }
}

impl<T: Send + Sync + 'static> Access<T> for Concurrent {
    type Cell = Open<T>;

    fn hold(object: T) -> Open<T> {
        Open(object)
    }
}

/// An object under a lock that knows when a thread waits for itself.
pub struct Guarded<T> {
    object: Mutex<T>,
    /// The thread that has the lock. Only that thread ever compares it with itself, so that no
    /// ordering is needed.
    holder: AtomicU64,
}

const NOBODY: u64 = 0;

impl<T> Guarded<T> {
    /// Works on the object when no other call does.
    ///
    /// A panic leaves the object as it is, for the calls that follow: one caller's mistake must
    /// not take the object from the others.
    pub(crate) fn enter<R>(&self, work: impl FnOnce(&mut T) -> R) -> Result<R, Failure> {
        let me = this_thread();
        if self.holder.load(Ordering::Relaxed) == me {
            return Err(Failure::from(anyhow!(
                "the object's method called the object itself, through a proxy: \
                 call the method directly"
            )));
        }
        let mut object = self.object.lock().unwrap_or_else(PoisonError::into_inner);
        let _holding = Holding::new(&self.holder, me);
        Ok(work(&mut object))
    }
}

impl<T> fmt::Debug for Guarded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").finish_non_exhaustive()
    }
}

struct Holding<'a>(&'a AtomicU64);

impl<'a> Holding<'a> {
    fn new(holder: &'a AtomicU64, me: u64) -> Self {
        holder.store(me, Ordering::Relaxed);
        Self(holder)
    }
}

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        self.0.store(NOBODY, Ordering::Relaxed);
    }
}

/// An object without a lock.
pub struct Open<T>(pub(crate) T);

impl<T> fmt::Debug for Open<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open").finish_non_exhaustive()
    }
}
