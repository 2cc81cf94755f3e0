//! Why a handshake ended without a connection.

use super::Digest;
use std::io::{self, ErrorKind};

/// The other side of a new connection has not shown that it has the key, or does not believe that
/// this side has; Python's exception of the same name.
///
/// It concerns one connection, which is closed.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum AuthenticationError {
    /// The other side's reply was not made with the key.
    #[error("the other side replied with a wrong digest: it has another key")]
    WrongKey,
    /// The other side did not accept this side's reply.
    #[error("the other side rejected the digest: it has another key")]
    Rejected,
    /// The other side's reply names no digest that is allowed, and is not of the old form.
    #[error("the other side's reply or challenge names no digest that is allowed here")]
    UnsupportedDigest,
    /// The reply is not as long as the digest that it names.
    #[error("the other side's reply is {len} bytes long, which no {digest} is")]
    WrongLength {
        /// The digest it names, or is taken for.
        digest: Digest,
        /// The length of what should have been the HMAC.
        len: usize,
    },
    /// What came instead of a challenge is none.
    #[error("what the other side sent is no challenge: it does not expect a handshake")]
    NoChallenge,
    /// The challenge is too short to be worth an answer.
    #[error("the other side's challenge is only {0} bytes long")]
    ShortChallenge(usize),
    /// A frame is longer than any of a handshake, or its length is negative.
    #[error("the other side announced a frame that no handshake has")]
    BadFrame,
    /// The handshake was not over in time.
    #[error("the other side did not finish the handshake in time")]
    TimedOut,
    /// There were too many handshakes under way, and this was the one that had begun first.
    #[error("the other side was slow while too many others waited")]
    Crowded,
    /// The other side went before the handshake was over.
    #[error("the other side went during the handshake")]
    Closed,
    /// The kernel refused.
    #[error("cannot do the handshake: {0}")]
    Io(#[source] io::Error),
}

procession_os::debug_in_words!(AuthenticationError {
    WrongKey,
    Rejected,
    UnsupportedDigest,
    WrongLength,
    NoChallenge,
    ShortChallenge,
    BadFrame,
    TimedOut,
    Crowded,
    Closed,
    Io
});

impl From<io::Error> for AuthenticationError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::TimedOut => Self::TimedOut,
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => Self::Closed,
            _ => Self::Io(error),
        }
    }
}
