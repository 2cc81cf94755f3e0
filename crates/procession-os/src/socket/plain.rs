//! Descriptors that are no sockets.

use super::patience::in_time;
use crate::wait::{self, Deadline};
use nix::errno::Errno;
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;

/// How much a pipe takes without blocking once `poll` says that it can be written.
const PIPE_BUF: usize = 4096;

pub(super) fn write(
    fd: BorrowedFd<'_>,
    bufs: &[IoSlice<'_>],
    deadline: Deadline,
) -> io::Result<usize> {
    loop {
        let result = if deadline == Deadline::NEVER {
            nix::sys::uio::writev(fd, bufs)
        } else {
            in_time(wait::writable(fd, deadline)?)?;
            nix::unistd::write(fd, first_bytes(bufs))
        };
        match result {
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => in_time(wait::writable(fd, deadline)?)?,
            result => return Ok(result?),
        }
    }
}

/// Returns what can be written at once without blocking.
fn first_bytes<'a>(bufs: &'a [IoSlice<'_>]) -> &'a [u8] {
    let first = bufs
        .iter()
        .find(|buf| !buf.is_empty())
        .map_or(&[][..], |buf| buf);
    &first[..first.len().min(PIPE_BUF)]
}

pub(super) fn read(
    fd: BorrowedFd<'_>,
    deadline: Deadline,
    mut read: impl FnMut() -> Result<usize, Errno>,
) -> io::Result<usize> {
    loop {
        in_time(wait::readable(fd, deadline)?)?;
        match read() {
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            result => return Ok(result?),
        }
    }
}
