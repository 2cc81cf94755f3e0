//! What goes wrong between the two ends of a ring.

use std::io;

/// Bytes did not go through a ring.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RingError {
    /// The other end was closed. A reader has read all that was written before.
    #[error("the other end of the ring is closed")]
    Closed,
    /// The process with the other end has ended. A reader has read all that it wrote.
    #[error("the process at the other end of the ring has ended")]
    PeerDied,
    /// The deadline passed.
    #[error("the other end of the ring was idle until the timeout")]
    TimedOut,
    /// A message was given up after a part of it was written; nothing can follow it.
    #[error("an earlier message was cut short by a timeout; make a new ring")]
    CutShort,
    /// A message is longer than the reader accepts.
    #[error("a message of {len} bytes is more than the {limit} that are accepted")]
    TooLong {
        /// The bytes of the message, as it says.
        len: u64,
        /// The most that is accepted.
        limit: usize,
    },
    /// Some process has taken this end already.
    #[error("this end of the rings was taken already")]
    Taken,
    /// The ring's memory was overwritten.
    #[error("the ring's memory was overwritten: {0}; make a new ring")]
    Damaged(&'static str),
    /// The system does not let this thread wait.
    #[error("cannot wait: {0}")]
    Sleep(#[source] io::Error),
}
