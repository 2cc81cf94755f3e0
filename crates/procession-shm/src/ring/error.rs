//! What goes wrong at one end of a pair of rings.

use procession_os::robust::LockError;

/// An end of a pair of rings cannot be used, now or any more.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RingError {
    /// Another thread, or another process that holds the same end, used it until the deadline.
    #[error("another thread or process used this end of the connection until the timeout")]
    TimedOut,
    /// A process that holds the same end has passed on only a part of a message beside the rings,
    /// and nobody else can go on with it.
    #[error("another process has left a message unfinished on this end of the connection")]
    CutShort,
    /// Another process keeps this end to itself, of which this one is a copy.
    #[error("the connection belongs to the process of which this is a copy")]
    Copied,
    /// The memory was overwritten.
    #[error("the memory of the connection was overwritten: {0}")]
    Damaged(&'static str),
    /// The end's lock cannot be used.
    #[error("cannot use the memory of the connection: {0}")]
    Lock(LockError),
}

impl From<LockError> for RingError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::TimedOut | LockError::WouldBlock => Self::TimedOut,
            LockError::Damaged => Self::Damaged("a lock is not one any more"),
            error => Self::Lock(error),
        }
    }
}

procession_os::debug_in_words!(RingError {
    TimedOut,
    CutShort,
    Copied,
    Damaged,
    Lock
});
