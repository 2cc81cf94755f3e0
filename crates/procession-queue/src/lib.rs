//! Queues between processes, in shared memory.
//!
//! ```
//! use procession_queue::Queue;
//!
//! let queue = Queue::new()?;
//! queue.put(&(1, "one".to_string()))?;
//! assert_eq!(queue.get()?, (1, "one".to_string()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Queue`] holds any number of items or up to a limit, [`SimpleQueue`] shows less, and
//! [`JoinableQueue`] knows when all its items are done. All are handles: a clone, or what arrives
//! when one is encoded into a message to another process, is the same queue.
//!
//! # The end of a queue
//!
//! `for item in &queue` waits for one item after the other. It ends when somebody calls
//! [`shutdown`](Queue::shutdown), or with the last of the producers, if they are counted:
//!
//! ```
//! use procession_queue::Queue;
//!
//! let queue = Queue::new()?;
//! let producer = queue.producer()?; // give it, or clones of it, to other processes
//! producer.put(&1)?;
//! drop(producer);
//! for item in &queue {
//!     assert_eq!(item?, 1);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The kernel counts them: a [`Producer`] has a descriptor with a lock on it, which goes with the
//! process, however it ends, and with a message that is lost.
//!
//! # How it works
//!
//! Items lie, encoded, one behind the other in a chain of *chunks*: pieces of shared memory, the
//! first of them in the queue's own segment. Producers append to the last chunk and make another
//! when it is full; consumers leave a chunk that they have read, and either give it to the
//! producers or back to the system. A chunk has room for several items, and is used
//! again. An item of more than 2 MiB has a segment of its own, whose handle is in the chain. A queue that
//! has had items of a mebibyte and is empty now keeps two chunks of a few MiB for the next ones.
//!
//! The producers have a lock and so have the consumers. Neither is held while somebody waits, or
//! while an item is encoded or decoded. Each side remembers how far it saw the other one, and looks
//! again only when it has come there: two processes on two processors are in each other's way once
//! for many items.
//!
//! # Whose turn it is
//!
//! An item, or room for one, goes to whoever comes first. But one of what there is, is left to the
//! caller that has waited longest, once it has slept for a millisecond: so no consumer and no
//! producer is starved by one that is there again at once. A call that does not wait may take a
//! millisecond then. If the one that has waited longest is killed or stopped, what is left to it is
//! taken by others after 8 ms, and after 64 ms in all it is forgotten. In a queue that is shut
//! nothing is left to anybody.
//!
//! # Why no death does harm
//!
//! - *No half change is ever seen.* Each side of the queue writes where nobody looks, and makes
//!   it part of the queue with one store (of a word that holds the number of items and which of two
//!   places is the current one). There is nothing to repair, so nobody is told of a poisoned lock.
//! - *Nobody waits for the dead.* The locks are robust mutexes, which the kernel passes on.
//! - *Nobody sleeps on.* Whoever puts wakes the others before the item is there, under the lock;
//!   whoever wants to sleep looks again, under the same lock. Nobody counts waiters.
//! - *What is lost.* A process that is killed takes along what it was itself putting or had just
//!   got: one item, or the items of one `put_many` or `get_many`. A chunk that it was about to
//!   make part of the queue is removed with the family.
#![doc(html_root_url = "https://docs.rs/procession-queue/latest")]
#![cfg_attr(
    loom,
    expect(dead_code, reason = "the model has no handles and no large items")
)]

mod atomic;
mod control;
mod cursor;
mod error;
mod event;
mod handles;
mod item;
mod local;
#[cfg(loom)]
pub mod model;
mod name;
mod patience;
mod read;
mod record;
mod side;
mod sides;
mod stored;
mod walk;
mod write;

#[cfg(not(loom))]
mod batch;
#[cfg(not(loom))]
mod core;
#[cfg(not(loom))]
mod home;
#[cfg(not(loom))]
mod items;
#[cfg(not(loom))]
mod joinable;
#[cfg(not(loom))]
mod memory;
#[cfg(not(loom))]
mod near;
#[cfg(not(loom))]
mod producer;
#[cfg(not(loom))]
mod queue;
#[cfg(not(loom))]
mod simple;
#[cfg(not(loom))]
mod turn;
#[cfg(not(loom))]
mod undone;
#[cfg(not(loom))]
mod waitable;
#[cfg(loom)]
use model::{home, memory};

pub use error::{
    Closed, Fault, GetError, JoinError, PutError, PutManyError, StateError, TaskDoneError,
};
pub use item::MAX_ITEM_LEN;
#[cfg(not(loom))]
pub use items::{IntoItems, Items};
#[cfg(not(loom))]
pub use joinable::JoinableQueue;
pub use procession_shm::ShmError;
#[cfg(not(loom))]
pub use producer::Producer;
#[cfg(not(loom))]
pub use queue::Queue;
#[cfg(not(loom))]
pub use simple::SimpleQueue;
