//! One connection in the handshake.

use super::peer::Peer;
use crate::Deadline;
use crate::auth::{AuthenticationError, Frames, Handshake, Key, LISTENER, send};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// What is sent in a handshake fits into the buffer of a new socket, so nothing waits for room.
const AT_ONCE: Deadline = Deadline::PASSED;

/// A connection whose handshake is under way.
#[derive(Debug)]
pub(super) struct Guest {
    socket: OwnedFd,
    pub(super) peer: Peer,
    handshake: Handshake,
    frames: Frames,
    began: Instant,
}

impl Guest {
    /// Receives a connection with a challenge.
    pub(super) fn receive(
        socket: OwnedFd,
        peer: Peer,
        key: Key,
    ) -> Result<Self, (Peer, AuthenticationError)> {
        let begun = Handshake::begin(key, LISTENER).map_err(AuthenticationError::from);
        let opened = begun.and_then(|(handshake, opening)| {
            send(socket.as_fd(), &opening, AT_ONCE)?;
            Ok(handshake)
        });
        match opened {
            Err(error) => Err((peer, error)),
            Ok(handshake) => Ok(Self {
                socket,
                peer,
                handshake,
                frames: Frames::default(),
                began: Instant::now(),
            }),
        }
    }

    /// Goes as far as what has arrived allows; true at the end of the handshake.
    pub(super) fn go_on(&mut self) -> Result<bool, AuthenticationError> {
        while let Some(frame) = self.frames.try_next(self.socket.as_fd())? {
            let step = self.handshake.take(&frame);
            send(self.socket.as_fd(), step.frame(), AT_ONCE)?;
            if step.outcome()? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns how much longer it may stay if it may for `long` in all.
    pub(super) fn left_of(&self, long: Duration) -> Duration {
        long.saturating_sub(self.began.elapsed())
    }

    pub(super) fn into_parts(self) -> (OwnedFd, Peer) {
        (self.socket, self.peer)
    }
}

impl AsFd for Guest {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
