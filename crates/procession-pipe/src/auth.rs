//! The handshake that shows to both sides of a new connection that the other one has the key.
//!
//! It is the one of Python's `multiprocessing.connection`, in both of its forms. [`Listener`] and
//! [`Client`] do it for every connection when they have a key; the functions here do a half of it
//! on any stream socket.
//!
//! # On the wire
//!
//! Everything is a frame ([`procession_wire::frame`]), and what is received is at most
//! [`MAX_FRAME`] bytes long. Whoever *delivers* a challenge learns whether the other side has the
//! key, whoever *answers* one shows that it has it:
//!
//! | step | deliverer | answerer |
//! |---|---|---|
//! | challenge | `#CHALLENGE#{sha256}` and 40 random bytes → | |
//! | reply | | ← `{sha256}` and the HMAC of all that came after `#CHALLENGE#` |
//! | verdict | `#WELCOME#` or `#FAILURE#` → | |
//!
//! The listener delivers first, then they swap. The digests are those of [`Digest`]; the answerer
//! may name another one than it was asked for, as Python allows: the HMAC covers the name that was
//! asked for, so nobody on the way can change that.
//!
//! Python 3.11 and earlier know neither names nor prefixes. Lengths tell:
//!
//! | | the form of Python ≤ 3.11 | how it is told apart |
//! |---|---|---|
//! | challenge | 20 random bytes | by its length of 20 |
//! | reply | the bare HMAC-MD5 of the challenge, whatever that contains | by its length of 16 |
//!
//! A challenge that is delivered here is always of the new form, because an old answerer takes all
//! of it for the random bytes and answers in its form, which is accepted.
//!
//! # What it is worth
//!
//! The key is never sent, and who does not have it cannot finish the handshake. What is sent
//! afterwards is neither encrypted nor protected against change, and somebody between the two
//! sides can pass on the handshake itself. Over a network that is not trusted, tunnel it.
//!
//! [`Listener`]: crate::Listener
//! [`Client`]: crate::Client

mod digest;
mod error;
mod frames;
mod handshake;
mod key;
mod response;

pub use digest::Digest;
pub use error::AuthenticationError;
pub use response::{respond, verify};

pub(crate) use frames::{Frames, send};
pub(crate) use handshake::{CLIENT, Half, Handshake, LISTENER};
pub(crate) use key::Key;

use crate::Deadline;
use std::os::fd::{AsFd, BorrowedFd};

/// The longest frame of a handshake that is received.
pub const MAX_FRAME: usize = 256;

/// Challenges the other side of a stream socket to show that it has the key.
///
/// Exactly the handshake is read, nothing beyond. Descriptors that come beside it are dropped.
///
/// # Errors
///
/// Every [`AuthenticationError`] but [`Rejected`](AuthenticationError::Rejected): above all
/// [`WrongKey`](AuthenticationError::WrongKey), of which the other side is told.
///
/// # When the other side is gone
///
/// [`AuthenticationError::Closed`].
///
/// # Examples
///
/// ```
/// use procession_pipe::auth::{AuthenticationError, answer_challenge, deliver_challenge};
/// use procession_pipe::Deadline;
/// use std::os::unix::net::UnixStream;
/// use std::thread;
///
/// let (here, there) = UnixStream::pair()?;
/// let answer = thread::spawn(move || answer_challenge(&there, b"another key", Deadline::NEVER));
/// let refused = deliver_challenge(&here, b"the key", Deadline::NEVER);
/// assert!(matches!(refused, Err(AuthenticationError::WrongKey)));
///
/// let rejected = answer.join().expect("no panic");
/// assert!(matches!(rejected, Err(AuthenticationError::Rejected)));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn deliver_challenge(
    socket: impl AsFd,
    key: &[u8],
    deadline: Deadline,
) -> Result<(), AuthenticationError> {
    shake(socket.as_fd(), key.into(), &[Half::Deliver], deadline)
}

/// Answers the challenge of the other side of a stream socket.
///
/// Exactly the handshake is read, nothing beyond. Descriptors that come beside it are dropped.
///
/// # Errors
///
/// Every [`AuthenticationError`] but [`WrongKey`](AuthenticationError::WrongKey): above all
/// [`Rejected`](AuthenticationError::Rejected).
///
/// # When the other side is gone
///
/// [`AuthenticationError::Closed`].
///
/// # Examples
///
/// ```
/// use procession_pipe::auth::{answer_challenge, deliver_challenge};
/// use procession_pipe::Deadline;
/// use std::os::unix::net::UnixStream;
/// use std::thread;
///
/// let (here, there) = UnixStream::pair()?;
/// let answer = thread::spawn(move || answer_challenge(&there, b"the key", Deadline::NEVER));
/// deliver_challenge(&here, b"the key", Deadline::NEVER)?;
/// answer.join().expect("no panic")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn answer_challenge(
    socket: impl AsFd,
    key: &[u8],
    deadline: Deadline,
) -> Result<(), AuthenticationError> {
    shake(socket.as_fd(), key.into(), &[Half::Answer], deadline)
}

/// Does the given halves of the handshake.
pub(crate) fn shake(
    fd: BorrowedFd<'_>,
    key: Key,
    halves: &'static [Half],
    deadline: Deadline,
) -> Result<(), AuthenticationError> {
    let (mut handshake, opening) = Handshake::begin(key, halves)?;
    send(fd, &opening, deadline)?;
    let mut frames = Frames::default();
    loop {
        let frame = frames.next(fd, deadline)?;
        let step = handshake.take(&frame);
        send(fd, step.frame(), deadline)?;
        if step.outcome()? {
            return Ok(());
        }
    }
}
