//! What can go wrong with a dict.

use procession_os::robust::LockError;
use procession_shm::{OpenError, ShmError};
use procession_wire::{DecodeError, EncodeError};
use std::io;

/// A call of a [`Dict`](crate::Dict) or a [`Set`](crate::Set) failed. Unless the variant says
/// otherwise, nothing was changed.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum DictError {
    /// The key or the value could not be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The keys of this type do not have one encoding each: fields are left out of some of them, or
    /// there is a handle in them, for instance. Such keys cannot be found by their bytes.
    #[error(
        "a {0} cannot be a key of a dict in shared memory: equal keys must be encoded equally, \
         so no field may be left out, and no handle be in it"
    )]
    Key(&'static str),
    /// The key's or the value's encoding is longer than a dict takes.
    #[error("{len} bytes are more than the {max} that a dict takes for a {what}")]
    TooLarge {
        /// A key or a value.
        what: &'static str,
        /// The bytes of it.
        len: usize,
        /// The most bytes.
        max: usize,
    },
    /// The value has a file descriptor in it, which cannot lie in shared memory.
    #[error(
        "a dict in shared memory cannot hold file descriptors; send the value over a connection"
    )]
    Descriptors,
    /// There is no memory for the value, or for the dict to grow.
    #[error(transparent)]
    Memory(#[from] ShmError),
    /// What lies in the dict, or lay there until this call replaced or removed it, could not be
    /// decoded. What the call was to change is changed.
    #[error("what is in the dict cannot be decoded: {0}")]
    Decode(#[from] DecodeError),
    /// A part of the dict cannot be opened; when out of file descriptors or memory, for instance.
    #[error("a part of the dict cannot be opened: {0}")]
    Open(#[source] OpenError),
    /// Another thread held the lock of a part of the dict until the [timeout](crate::Dict::with_timeout)
    /// of this handle: it is stopped, for instance.
    #[error("thread {} holds a lock of the dict and does not go on; continue or end it", .thread.unwrap_or(0))]
    Held {
        /// The number of the thread, if it is known.
        thread: Option<u32>,
    },
    /// A lock in the dict's memory cannot be taken.
    #[error("the dict's lock cannot be taken: {0}")]
    Lock(#[source] LockError),
    /// Somebody has overwritten the dict's memory.
    #[error("the dict's memory was overwritten: {0}; make a new dict")]
    Damaged(&'static str),
    /// The system does not let this thread wait.
    #[error("cannot wait: {0}")]
    Sleep(#[source] io::Error),
}

procession_os::debug_in_words!(DictError {
    Encode,
    Key,
    TooLarge,
    Descriptors,
    Memory,
    Decode,
    Open,
    Held,
    Lock,
    Damaged,
    Sleep
});
