//! The server's process, as a client sees it.

use crate::error::ManagerError;
use procession_os::wait;
use procession_pipe::{Channel, Deadline, RecvError};
use procession_wire::Packet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// After how long a wait looks whether the server lives.
const LOOK: Duration = Duration::from_secs(1);

/// The server's pidfd, where the server has told it.
#[derive(Debug, Default)]
pub(super) struct ServerProcess(pub(super) Option<OwnedFd>);

impl ServerProcess {
    /// Waits for the next message of the server.
    ///
    /// The end of a connection tells of the server's in most cases, and at once. It does not where
    /// a copy of the server that a hosted method has forked holds the socket open.
    pub(super) fn receive(&self, channel: &Channel) -> Result<Packet, ManagerError> {
        let mut ended = false;
        loop {
            // What it had sent before its end is there when the end is seen.
            let patience = if ended { Duration::ZERO } else { LOOK };
            match channel.recv_by(Deadline::after(patience)) {
                Err(RecvError::TimedOut) if ended => return Err(ManagerError::Gone),
                Err(RecvError::TimedOut) => ended = self.has_ended(),
                received => return Ok(received?),
            }
        }
    }

    /// Returns what can be read when the server has ended, if that is known.
    pub(super) fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_ref().map(AsFd::as_fd)
    }

    fn has_ended(&self) -> bool {
        let ended = |fd: &OwnedFd| wait::readable(fd.as_fd(), Deadline::PASSED);
        self.0.as_ref().is_some_and(|fd| ended(fd).unwrap_or(false))
    }
}
