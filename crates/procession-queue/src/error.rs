//! What the operations of a queue answer when they cannot do it.

use procession_os::robust::LockError;
use procession_shm::ShmError;
use procession_wire::{DecodeError, EncodeError};
use std::error::Error;
use std::io;

/// The queue was closed or shut down, by this or by another process.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue is closed")]
pub struct Closed;

procession_os::debug_in_words!(Closed);

/// The queue's memory cannot be used: it was overwritten, or the system refuses.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Somebody has overwritten the queue's memory.
    #[error("the queue's memory was overwritten: {0}; make a new queue")]
    Damaged(&'static str),
    /// A lock in the queue's memory cannot be taken.
    #[error("the queue's lock cannot be taken: {0}")]
    Lock(#[from] LockError),
    /// A thread that does not go on holds a lock in the queue's memory: it is stopped, for
    /// instance. Calls that are not to wait report this after a second.
    #[error("thread {} holds the queue's lock and does not go on; continue or end it", .thread.unwrap_or(0))]
    Held {
        /// The number of the thread, if it is known.
        thread: Option<u32>,
    },
    /// A part of the queue, or what a handle in the first item stands for, cannot be opened; when
    /// out of file descriptors or memory, for instance. Nothing was taken out of the queue.
    #[error("a part of the queue cannot be opened: {0}")]
    Open(#[source] DecodeError),
    /// The system does not let this thread wait.
    #[error("cannot wait: {0}")]
    Sleep(#[source] io::Error),
    /// The system has no descriptor for another producer that is counted.
    #[error("a producer cannot be counted: {0}")]
    Count(#[source] io::Error),
    /// As many living processes as a joinable queue can tell apart have items that are not done.
    #[error("too many processes have items of this queue that are not done; call task_done")]
    TooManyConsumers,
    /// The queue is in a manager's server, which could not be asked; the source is the manager's
    /// error.
    #[error("the queue's server cannot be asked: {0}")]
    Server(#[source] Box<dyn Error + Send + Sync>),
}

procession_os::debug_in_words!(Fault {
    Damaged,
    Lock,
    Held,
    Open,
    Sleep,
    Count,
    TooManyConsumers,
    Server
});

/// The state of a queue cannot be told.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The queue was closed.
    #[error(transparent)]
    Closed(#[from] Closed),
    /// The queue's memory cannot be used.
    #[error(transparent)]
    Fault(#[from] Fault),
}

procession_os::debug_in_words!(StateError { Closed, Fault });

/// An item was not put. The queue is as usable as before.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum PutError {
    /// The queue was full, all the time if the call was to wait.
    #[error("the queue is full")]
    Full,
    /// The queue was closed or shut down.
    #[error(transparent)]
    Closed(#[from] Closed),
    /// The item's encoding is longer than a queue takes.
    #[error("an item of {len} bytes is more than the {max} that a queue takes")]
    TooLarge {
        /// The bytes of the item.
        len: usize,
        /// The most bytes of an item.
        max: usize,
    },
    /// The item has a file descriptor in it, which cannot lie in shared memory.
    #[error("a queue cannot hold file descriptors; send the item over a connection instead")]
    Descriptors,
    /// The item could not be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// There is no memory for the item.
    #[error(transparent)]
    Memory(#[from] ShmError),
    /// The queue's memory cannot be used.
    #[error(transparent)]
    Fault(#[from] Fault),
}

procession_os::debug_in_words!(PutError {
    Full,
    Closed,
    TooLarge,
    Descriptors,
    Encode,
    Memory,
    Fault
});

/// Not all of several items were put.
#[derive(thiserror::Error)]
#[error("after {put} items: {error}")]
pub struct PutManyError {
    /// How many were put: these first ones of the items, and no others.
    pub put: usize,
    /// Why the next one was not.
    #[source]
    pub error: PutError,
}

procession_os::debug_in_words!(PutManyError);

/// No item was got.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum GetError {
    /// The queue was empty, all the time if the call was to wait.
    #[error("the queue is empty")]
    Empty,
    /// The queue was closed, or shut down, and there is nothing left in it.
    #[error(transparent)]
    Closed(#[from] Closed),
    /// An item was taken out that cannot be decoded. It is gone.
    #[error("an item was lost: {0}")]
    Decode(#[from] DecodeError),
    /// The queue's memory cannot be used.
    #[error(transparent)]
    Fault(#[from] Fault),
}

procession_os::debug_in_words!(GetError {
    Empty,
    Closed,
    Decode,
    Fault
});

/// An item was not counted as done.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum TaskDoneError {
    /// All items that this process has got are done already.
    #[error("task_done was called more often than this process has got items")]
    TooOften,
    /// The queue was closed.
    #[error(transparent)]
    Closed(#[from] Closed),
    /// The queue's memory cannot be used.
    #[error(transparent)]
    Fault(#[from] Fault),
}

procession_os::debug_in_words!(TaskDoneError {
    TooOften,
    Closed,
    Fault
});

/// Not all items of a queue are done.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The timeout passed.
    #[error("not all items were done before the timeout")]
    TimedOut,
    /// Processes have ended that had got items and not said that they are done.
    #[error("{items} items were lost by processes that ended before they were done")]
    Lost {
        /// How many items.
        items: u64,
    },
    /// The queue was closed.
    #[error(transparent)]
    Closed(#[from] Closed),
    /// The queue's memory cannot be used.
    #[error(transparent)]
    Fault(#[from] Fault),
}

procession_os::debug_in_words!(JoinError {
    TimedOut,
    Lost,
    Closed,
    Fault
});

impl From<LockError> for StateError {
    fn from(error: LockError) -> Self {
        Self::Fault(error.into())
    }
}

impl Fault {
    /// Returns whether it is only that a lock was held until the deadline.
    pub(crate) fn is_timeout(&self) -> bool {
        matches!(self, Self::Lock(LockError::TimedOut))
    }
}

macro_rules! from_state_error {
    ($($error:ident),*) => {$(
        impl From<StateError> for $error {
            fn from(error: StateError) -> Self {
                match error {
                    StateError::Closed(closed) => Self::Closed(closed),
                    StateError::Fault(fault) => Self::Fault(fault),
                }
            }
        }
    )*};
}

from_state_error!(PutError, GetError, TaskDoneError, JoinError);
