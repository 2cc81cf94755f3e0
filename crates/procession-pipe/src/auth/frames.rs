//! The frames of a handshake, which are short, on a socket of somebody who is not yet trusted.
//!
//! Exactly the frame is read, because what follows belongs to the connection. It is read without
//! room for descriptors, so the kernel drops those that a stranger sends along.

use super::{AuthenticationError, MAX_FRAME};
use nix::errno::Errno;
use nix::sys::socket::{self, MsgFlags};
use procession_os::socket::send_with_fds;
use procession_os::wait::{self, Deadline};
use procession_wire::frame::{Announced, Head, announced};
use std::io::{ErrorKind, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd};

const SHORT_HEAD: usize = 4;
const LONG_HEAD: usize = 12;

/// What has arrived of the next frame.
#[derive(Debug)]
pub(crate) struct Frames {
    bytes: [u8; LONG_HEAD + MAX_FRAME],
    len: usize,
}

impl Default for Frames {
    fn default() -> Self {
        Self {
            bytes: [0; LONG_HEAD + MAX_FRAME],
            len: 0,
        }
    }
}

impl Frames {
    /// Waits for the next frame.
    pub(crate) fn next(
        &mut self,
        fd: BorrowedFd<'_>,
        deadline: Deadline,
    ) -> Result<Vec<u8>, AuthenticationError> {
        loop {
            if let Some(frame) = self.try_next(fd)? {
                return Ok(frame);
            }
            if !wait::readable(fd, deadline)? {
                return Err(AuthenticationError::TimedOut);
            }
        }
    }

    /// Returns the next frame if it has come; never waits.
    pub(crate) fn try_next(
        &mut self,
        fd: BorrowedFd<'_>,
    ) -> Result<Option<Vec<u8>>, AuthenticationError> {
        loop {
            let (head, total) = self.extent()?;
            if self.len == total {
                let frame = self.bytes[head..total].to_vec();
                self.len = 0;
                return Ok(Some(frame));
            }
            let room = &mut self.bytes[self.len..total];
            match socket::recv(fd.as_raw_fd(), room, MsgFlags::MSG_DONTWAIT) {
                Ok(0) => return Err(AuthenticationError::Closed),
                Ok(len) => self.len += len,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(None),
                Err(errno) => return Err(std::io::Error::from(errno).into()),
            }
        }
    }

    /// Returns where the head of the frame ends and where the frame does, as far as is known: what
    /// is not known yet ends where it will be.
    fn extent(&self) -> Result<(usize, usize), AuthenticationError> {
        let [a, b, c, d, long @ ..] = self.bytes;
        if self.len < SHORT_HEAD {
            return Ok((0, SHORT_HEAD));
        }
        let announced = announced([a, b, c, d]).map_err(|_| AuthenticationError::BadFrame)?;
        match (announced, long.first_chunk()) {
            (Announced::Len(len), _) => whole(SHORT_HEAD, len),
            (Announced::Long, Some(long)) if self.len >= LONG_HEAD => {
                whole(LONG_HEAD, u64::from_be_bytes(*long))
            }
            (Announced::Long, _) => Ok((0, LONG_HEAD)),
        }
    }
}

fn whole(head: usize, len: u64) -> Result<(usize, usize), AuthenticationError> {
    match usize::try_from(len) {
        Ok(len) if len <= MAX_FRAME => Ok((head, head + len)),
        _ => Err(AuthenticationError::BadFrame),
    }
}

/// Sends a frame whole; an empty one is none.
pub(crate) fn send(
    fd: BorrowedFd<'_>,
    frame: &[u8],
    deadline: Deadline,
) -> Result<(), AuthenticationError> {
    if frame.is_empty() {
        return Ok(());
    }
    let bytes = [Head::new(frame.len()).as_bytes(), frame].concat();
    let mut at = 0;
    while at < bytes.len() {
        match send_with_fds(fd, &[IoSlice::new(&bytes[at..])], &[], deadline) {
            Ok(len) => at += len,
            // It may have gone after it said why, which is still to be read.
            Err(error) if is_gone(error.kind()) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn is_gone(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
}
