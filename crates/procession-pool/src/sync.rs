//! Atomics, locks, the sleep of threads and what connects processes, in one place so that loom can stand in for
//! them.

#[cfg(not(loom))]
pub(crate) use procession_pipe::Channel;
#[cfg(not(loom))]
pub(crate) use procession_process::Process;
#[cfg(not(loom))]
pub(crate) use procession_shm::Shared;
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
#[cfg(not(loom))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
#[cfg(not(loom))]
pub(crate) use std::thread::{Thread, current, park, park_timeout};

#[cfg(loom)]
pub(crate) use crate::model::channel::Channel;
#[cfg(loom)]
pub(crate) use crate::model::process::Process;
#[cfg(loom)]
pub(crate) use crate::model::shared::Shared;
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU8, AtomicU64, Ordering};
#[cfg(loom)]
pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
#[cfg(loom)]
pub(crate) use loom::thread::{Thread, current, park};

use procession_os::wait::Deadline;
use std::time::Duration;

/// Looks again for as long as that pays.
#[cfg(not(loom))]
#[inline]
pub(crate) fn spin<R>(deadline: Deadline, look: impl FnMut() -> Option<R>) -> Option<R> {
    procession_os::policy::wait_policy().spin(deadline, look)
}

/// Under loom no time passes, so that one look is as good as many.
#[cfg(loom)]
pub(crate) fn spin<R>(_: Deadline, mut look: impl FnMut() -> Option<R>) -> Option<R> {
    look()
}

/// Returns how long something may last. Under loom no time passes.
pub(crate) const fn lasting(span: Duration) -> Duration {
    if cfg!(loom) {
        Duration::from_hours(1)
    } else {
        span
    }
}

/// Under loom a time that runs out may do so at once.
#[cfg(loom)]
pub(crate) fn park_timeout(_: Duration) {
    loom::thread::yield_now();
}
