//! Why nobody was accepted.

use std::io;

/// No client was accepted.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// Nobody came in time.
    #[error("no client was let in in time")]
    TimedOut,
    /// The listener is closed.
    #[error("the listener is closed")]
    Closed,
    /// The kernel refused.
    #[error("cannot wait for clients: {0}")]
    Io(#[from] io::Error),
}

procession_os::debug_in_words!(AcceptError {
    TimedOut,
    Closed,
    Io
});
