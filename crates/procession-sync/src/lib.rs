//! What processes wait for each other with, in shared memory.
//!
//! ```
//! use procession_sync::{Event, Lock};
//! use std::thread;
//!
//! let (lock, done) = (Lock::new()?, Event::new()?);
//! let (same_lock, same_done) = (lock.clone(), done.clone());
//! let held = lock.acquire()?;
//! let other = thread::spawn(move || {
//!     assert!(same_lock.try_acquire().is_err());
//!     same_done.set();
//! });
//! done.wait();
//! drop(held);
//! assert!(!lock.locked());
//! # other.join().unwrap();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | type | for |
//! |---|---|
//! | [`Lock`] | one at a time |
//! | [`RLock`] | one at a time, who may come in again |
//! | [`RwLock`] | one that writes, or any number that read |
//! | [`Semaphore`], [`BoundedSemaphore`] | so many at a time |
//! | [`Condition`] | waiting for what others do under a lock or an rlock |
//! | [`Event`] | waiting until something has happened |
//! | [`Barrier`] | waiting until all are there |
//!
//! All are handles: a clone, or what arrives when one is encoded into a message to another
//! process, is the same thing. Each lives in a [segment](procession_shm::Segment) of its own.
//!
//! # When a process dies
//!
//! Nobody waits for a dead process, wherever it was killed.
//!
//! Whoever acquires a lock after its owner died is told, by [`AcquireError::Poisoned`], which
//! contains the guard: repair what the lock protects, call [`Poisoned::repaired`], and go on. Or
//! give up with `?`, in a function that returns `anyhow::Result` or a boxed error.
//! Semaphores get back what the dead held. Setting an event, notifying, and breaking a barrier
//! never wait for those who wait. If a process is killed between changing something and waking
//! those who wait for it, they find out within a second.
//!
//! # Waiting
//!
//! Who waits first looks again for a moment, as the process's [`WaitPolicy`] says, then sleeps.
//! Timeouts are on the monotonic clock. A signal does not end the waiting.
//!
//! No waiter is starved. A lock or permit that is free goes to whoever asks first, which is often
//! the process that has just released it; but what a waiter has slept for, a millisecond or longer,
//! is left to it by everybody that comes later, at least once in a millisecond. So a waiter is
//! overtaken by those that fell asleep before it, and otherwise by short holds only. The same goes
//! for acquiring the lock again at the end of [`Condition::wait`], and for the locks of
//! [`Value`](procession_shm::Value) and [`Array`](procession_shm::Array).
//!
//! Two things follow. A call that does not wait, such as [`Lock::try_acquire`], may take a
//! millisecond if what it asks for is free and left to a waiter. And waiters that are killed or
//! stopped delay others: what is left to them in vain is taken after 8 ms, and after 64 ms in all
//! they are forgotten.
#![doc(html_root_url = "https://docs.rs/procession-sync/latest")]

mod machine;
#[cfg(loom)]
pub mod model;
mod place;

#[cfg(not(loom))]
mod barrier;
#[cfg(not(loom))]
mod condition;
#[cfg(not(loom))]
mod condition_lock;
#[cfg(not(loom))]
mod event;
#[cfg(not(loom))]
mod handle;
#[cfg(not(loom))]
mod hold;
#[cfg(not(loom))]
mod left;
#[cfg(not(loom))]
mod lock;
#[cfg(not(loom))]
mod owner;
#[cfg(not(loom))]
mod rlock;
#[cfg(not(loom))]
mod rwlock;
#[cfg(not(loom))]
mod semaphore;

use procession_shm::machine::{atomic, sleeper};

#[cfg(not(loom))]
pub use crate::{
    barrier::Barrier,
    condition::Condition,
    condition_lock::ConditionLock,
    event::Event,
    lock::{Lock, LockGuard},
    rlock::{RLock, RLockGuard},
    rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard},
    semaphore::{BoundedSemaphore, Permit, Semaphore},
};
pub use machine::barrier::BarrierError;
pub use machine::permits::PermitError;
pub use procession_os::policy::{WaitPolicy, set_wait_policy, wait_policy};
pub use procession_shm::{AcquireError, LockError, LockResult, Poisoned, Repair, ShmError};
