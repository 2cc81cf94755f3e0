//! A socket whose end is the end of a process.
//!
//! A parent that wants its child to end sends a signal, and asks the kernel to send one when it
//! ends itself. Either needs a right that a parent may have lost: one that has become another user,
//! or that is in a sandbox, can do neither. It can always close a socket. Here the child asks the
//! kernel for a signal to *itself* when that happens, which takes nobody else's right, and which no
//! task can block, ignore or be too busy for.

use crate::wait::{self, Deadline};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// From Linux's fcntl.h.
const F_SETSIG: c_int = 10;

/// Has the kernel kill this process when the other end of a Unix stream socket is closed or shut
/// down; returns whether it is open still.
///
/// Nothing may be sent over the socket: bytes that arrive kill the process too. A copy of this
/// process that is forked later is not killed.
///
/// # Errors
///
/// What `fcntl` reports.
///
/// # Examples
///
/// ```
/// use procession_os::lifeline;
/// use std::os::fd::AsFd;
/// use std::os::unix::net::UnixStream;
///
/// let (parent, child) = UnixStream::pair()?;
/// drop(parent);
/// assert!(!lifeline::end_with(child.as_fd())?); // there is nothing left to end with
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn end_with(socket: BorrowedFd<'_>) -> io::Result<bool> {
    let set = |command, value: c_int| {
        // SAFETY: these commands take integers, and the descriptor is borrowed.
        let done = unsafe { libc::fcntl(socket.as_raw_fd(), command, value) };
        Errno::result(done).map(drop)
    };
    set(libc::F_SETOWN, std::process::id().cast_signed())?;
    set(F_SETSIG, libc::SIGKILL)?;
    // SAFETY: as above.
    let flags = unsafe { libc::fcntl(socket.as_raw_fd(), libc::F_GETFL) };
    set(libc::F_SETFL, Errno::result(flags)? | libc::O_ASYNC)?;
    // An end that came before the last step was no reason for a signal; it is reported unasked.
    let mut fds = [PollFd::new(socket, PollFlags::empty())];
    Ok(wait::poll(&mut fds, Deadline::after(Duration::ZERO))? == 0)
}
