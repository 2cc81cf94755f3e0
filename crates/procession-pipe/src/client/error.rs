//! Why there is no connection.

use crate::auth::AuthenticationError;
use std::io::{self, ErrorKind};

/// There is no connection to the listener.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The listener's queue was full, or it could not be reached, for as long as there was time.
    #[error("cannot connect in time")]
    TimedOut,
    /// The handshake failed.
    #[error(transparent)]
    Authentication(#[from] AuthenticationError),
    /// The kernel refused; above all nobody listens.
    #[error("cannot connect: {0}")]
    Io(#[source] io::Error),
}

procession_os::debug_in_words!(ConnectError {
    TimedOut,
    Authentication,
    Io
});

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::TimedOut => Self::TimedOut,
            _ => Self::Io(error),
        }
    }
}
