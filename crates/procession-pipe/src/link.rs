//! The descriptor under a channel, and how it ended.

use crate::inbox::BELL;
use nix::poll::{PollFd, PollFlags};
use procession_os::socket::{self, Received};
use procession_os::wait::{self, Deadline};
use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A descriptor that remembers a reset.
///
/// The kernel reports a reset once, to the sender or to the receiver, whoever calls first, and the
/// plain end afterwards. Here each call from then on is told, on whichever clone.
#[derive(Debug)]
pub(crate) struct Link {
    fd: OwnedFd,
    reset: Arc<AtomicBool>,
    /// Whether bells come too, for messages that come elsewhere.
    bells: AtomicBool,
}

impl Link {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        Self {
            fd,
            reset: Arc::default(),
            bells: AtomicBool::new(false),
        }
    }

    /// Makes a link to the same socket.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            fd: self.fd.try_clone()?,
            reset: self.reset.clone(),
            bells: AtomicBool::new(self.has_bells()),
        })
    }

    /// Says that bells come over this descriptor from now on.
    pub(crate) fn expect_bells(&self) {
        self.bells.store(true, Ordering::Relaxed);
    }

    /// Returns whether bells come over this descriptor.
    pub(crate) fn has_bells(&self) -> bool {
        self.bells.load(Ordering::Relaxed)
    }

    /// Tells the other side that there is a message elsewhere.
    ///
    /// If there is no room for the bell there is an older one, or a message.
    pub(crate) fn ring(&self) -> io::Result<()> {
        let now = Deadline::PASSED;
        match self.send(&[IoSlice::new(&[BELL])], &[], now) {
            Err(error) if error.kind() == ErrorKind::TimedOut => Ok(()),
            result => result.map(drop),
        }
    }

    /// Returns whether nobody holds the other end any more.
    pub(crate) fn is_hung_up(&self) -> bool {
        let mut polled = [PollFd::new(self.as_fd(), PollFlags::empty())];
        let now = Deadline::PASSED;
        // If the kernel does not say, the next call that sends does.
        wait::poll(&mut polled, now).is_ok_and(|ready| ready > 0)
    }

    /// Receives the first bytes of a message, or a bell, for which the caller has looked elsewhere.
    pub(crate) fn recv_first_asleep(
        &self,
        buf: &mut [u8],
        deadline: Deadline,
    ) -> io::Result<Received> {
        self.remember(socket::recv_with_fds_asleep(self.as_fd(), buf, deadline))
    }

    pub(crate) fn into_fd(self) -> OwnedFd {
        self.fd
    }

    pub(crate) fn send(
        &self,
        bufs: &[IoSlice<'_>],
        fds: &[BorrowedFd<'_>],
        deadline: Deadline,
    ) -> io::Result<usize> {
        self.remember(socket::send_with_fds(self.as_fd(), bufs, fds, deadline))
    }

    /// Receives the first bytes of a message, with the descriptors beside them.
    pub(crate) fn recv_first(&self, buf: &mut [u8], deadline: Deadline) -> io::Result<Received> {
        let received = self.remember(socket::recv_with_fds(self.as_fd(), buf, deadline))?;
        self.checked(received.len)?;
        Ok(received)
    }

    pub(crate) fn recv(&self, buf: &mut [u8], deadline: Deadline) -> io::Result<usize> {
        let len = self.remember(socket::recv(self.as_fd(), buf, deadline))?;
        self.checked(len)
    }

    /// Receives up to `most` bytes into the room behind `bytes`.
    pub(crate) fn recv_behind(
        &self,
        bytes: &mut Vec<u8>,
        most: usize,
        deadline: Deadline,
    ) -> io::Result<usize> {
        let len = self.remember(socket::recv_behind(self.as_fd(), bytes, most, deadline))?;
        self.checked(len)
    }

    /// Tells the end after a reset from the plain one.
    fn checked(&self, len: usize) -> io::Result<usize> {
        if len == 0 && self.reset.load(Ordering::Relaxed) {
            return Err(ErrorKind::ConnectionReset.into());
        }
        Ok(len)
    }

    /// Remembers a reset that the kernel did not report.
    ///
    /// It does not if a call had sent a part when the other side went: the call returns the part's
    /// length, and the next one is told of a plain end. A message sent in part was not read whole.
    pub(crate) fn mark_reset(&self) {
        self.reset.store(true, Ordering::Relaxed);
    }

    fn remember<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if result
            .as_ref()
            .is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
        {
            self.mark_reset();
        }
        result
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
