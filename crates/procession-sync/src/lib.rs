//! What processes wait for each other with, in shared memory.
//!
//! ```
//! use procession_sync::Lock;
//!
//! let lock = Lock::new()?;
//! let same = lock.clone();
//! let held = lock.acquire().unwrap();
//! std::thread::spawn(move || assert!(same.try_acquire().is_err())).join().unwrap();
//! drop(held);
//! assert!(!lock.locked());
//! # Ok::<(), procession_shm::ShmError>(())
//! ```
//!
//! A [`Lock`] is a handle: a clone, or what arrives when one is encoded into a message to another
//! process, is the same lock. It lives in a [segment](procession_shm::Segment) of its own.
//!
//! # When the owner dies
//!
//! Nobody waits for a dead process. Whoever acquires the lock next is told, by
//! [`AcquireError::Poisoned`], which contains the guard: repair what the lock protects, call
//! [`Poisoned::repaired`], and go on.
#![forbid(unsafe_code)]

mod lock;

pub use lock::{Lock, LockGuard};
pub use procession_shm::{AcquireError, LockError, LockResult, Poisoned, Repair, ShmError};
