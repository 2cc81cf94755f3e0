//! Memory that processes share: values, arrays, and the segments they are made of.
//!
//! ```
//! use procession_shm::{Array, Value};
//!
//! let numbers = Array::from_iter(1..5)?;
//! let sum = Value::new(0)?;
//! for i in 0..numbers.len() {
//!     sum.update(|sum| *sum += numbers.get(i));
//! }
//! assert_eq!(sum.get(), 10);
//! # Ok::<(), procession_shm::ShmError>(())
//! ```
//!
//! # Handles
//!
//! [`Value`] and [`Array`] are handles: a clone is another handle to the same memory, and so is
//! what arrives when one is encoded into a message to another process with [`procession_wire`].
//! The memory lives for as long as there is a handle to it, messages on their way included.
//!
//! | | lock | for |
//! |---|---|---|
//! | [`Value`], [`Array`] | one each | whatever is read and then written |
//! | [`RawValue`], [`RawArray`] | none | what has one writer, or parts that each have one |
//! | [`Shared`] | none | counters, flags and what else atomics are for |
//! | [`SharedMemory`], [`ShareableList`] | none | what programs in C or Python use too; found by name |
//!
//! # Locks, and what happens when their owner dies
//!
//! Each segment has a robust mutex, and every access to the data is made under it. A process that
//! is killed while it holds the mutex leaves the data *poisoned*: whoever locks next gets
//! [`AcquireError::Poisoned`], which contains the guard, repairs what it finds, and goes on. That
//! stays so until the poison is cleared. A panic with a guard poisons too.
//!
//! # Nothing is left behind
//!
//! A [`family`] is a root process and what it started. Its names in `/dev/shm` go with their last
//! handle, with the last process, or, if all of them were killed, when the next family starts. What a
//! killed process held is given back when it is reaped, or when memory is short.
//!
//! # What this crate makes of `shared_memory`
//!
//! The [`shared_memory`] crate makes the segments and named blocks. It keeps a descriptor for each mapping,
//! so they are mapped without it, and without one. Each segment is reserved when it is made, so that a full `/dev/shm` is an error and not a signal later; has a header
//! that is checked when it is opened; has holders, the last of whom
//! and nobody else takes its name away; and is never confused by forks.
#![doc(html_root_url = "https://docs.rs/procession-shm/latest")]

mod array;
mod block;
mod claims;
mod error;
pub mod family;
mod flag;
pub mod fork;
mod format;
mod grant;
mod guard;
mod header;
mod held;
mod in_flight;
mod kind;
mod list;
pub mod machine;
mod mapping;
mod name;
mod opened;
mod pages;
mod plain;
mod poison;
mod presence;
mod raw;
mod reading;
mod registry;
mod reserve;
pub mod ring;
mod segment;
mod shared;
mod slab;
mod value;
mod writing;

pub use array::{AccessError, Array, ArrayPart, PartGuard};
pub use block::{BlockError, NameError, OutOfBlock, SharedMemory, View, ViewError};
pub use bytemuck::{self, AnyBitPattern, CheckedBitPattern, NoUninit, Pod, Zeroable};
pub use error::{OpenError, ShmError};
pub use family::{FamilyError, leftovers, sweep};
pub use flag::AtomicFlag;
pub use format::Format;
pub use grant::grant_to;
pub use guard::{Guard, ReadGuard};
pub use held::{Held, Kept};
pub use kind::SegmentKind;
pub use list::{ListError, ListItem, ShareableList};
pub use opened::Opened;
pub use plain::Plain;
pub use poison::{AcquireError, LockResult, Poisoned, Repair};
pub use presence::{Lookout, Presence};
pub use procession_os::robust::LockError;
pub use raw::{RawArray, RawValue};
pub use reading::Reading;
pub use segment::Segment;
pub use shared::{Atomics, Shared};
pub use value::Value;
