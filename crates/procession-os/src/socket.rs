//! Messages with file descriptors beside them, and who is at the other end.
//!
//! The functions here try first and sleep afterwards, in the call itself or with `poll` and
//! `MSG_DONTWAIT`. They never set `O_NONBLOCK`: the flag belongs to the open file description, which
//! other processes share.
//!
//! [`recv_with_fds`], which waits for what another process has yet to do, tries again for as long as
//! the [`WaitPolicy`](crate::policy::WaitPolicy) says. The others wait for bytes, or room, of a
//! message on its way, and sleep at once: the kernel then moves more of it at a time.
//!
//! A descriptor that is no socket (a pipe, a terminal) is written to and read from as such. Two
//! things differ there: no descriptors can go beside the bytes, and where `SIGPIPE` has its
//! default action (Rust programs ignore it) a write to a pipe without a reader ends the process.
//! A deadline holds on such a descriptor as long as nobody else reads or writes it at the same
//! time.

mod control;
mod patience;
mod plain;
mod uninit;

use crate::wait::{self, Deadline};
use nix::errno::Errno;
use nix::sys::socket::{
    self, AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, SockaddrLike,
    SockaddrStorage,
};
use patience::{Stopped, patiently, sleep_until};
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// The most file descriptors that go with one message, the kernel's limit.
pub const MAX_FDS: usize = 253;

/// Makes two connected stream sockets, neither of which a started program inherits.
///
/// # Errors
///
/// What `socketpair` reports, above all that too many files are open.
///
/// # Examples
///
/// ```
/// use procession_os::socket;
/// use procession_os::wait::Deadline;
/// use std::io::IoSlice;
/// use std::os::fd::AsFd;
///
/// let (here, there) = socket::pair()?;
/// let sent = socket::send_with_fds(
///     here.as_fd(),
///     &[IoSlice::new(b"look: "), IoSlice::new(b"a socket")],
///     &[here.as_fd()],
///     Deadline::NEVER,
/// )?;
/// assert_eq!(sent, 14);
///
/// let mut bytes = [0; 64];
/// let received = socket::recv_with_fds(there.as_fd(), &mut bytes, Deadline::NEVER)?;
/// assert_eq!(&bytes[..received.len], b"look: a socket");
/// assert_eq!(received.fds.len(), 1);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SockFlag::SOCK_CLOEXEC;
    Ok(socket::socketpair(
        AddressFamily::Unix,
        SockType::Stream,
        None,
        flags,
    )?)
}

/// Sends the beginning of `bufs`, with `fds` beside the first byte; returns how many bytes went.
///
/// If any byte went, the descriptors went with it. What is left of the bytes is the caller's to
/// send, without them.
///
/// # Errors
///
/// - [`TimedOut`](io::ErrorKind::TimedOut) if the deadline passed before there was room;
/// - `ENOTSOCK` if there are `fds` and `fd` is no socket;
/// - [`Unsupported`](io::ErrorKind::Unsupported) if there are `fds` and `fd` is a socket to another
///   machine, where the kernel would drop them without a word;
/// - what `sendmsg` reports: `EINVAL` for more than [`MAX_FDS`] descriptors, `ETOOMANYREFS` if too
///   many are on their way already.
///
/// # When the other side is gone
///
/// [`BrokenPipe`](io::ErrorKind::BrokenPipe), or [`ConnectionReset`](io::ErrorKind::ConnectionReset)
/// if it went without reading all that it was sent. `SIGPIPE` is not raised.
pub fn send_with_fds(
    fd: BorrowedFd<'_>,
    bufs: &[IoSlice<'_>],
    fds: &[BorrowedFd<'_>],
    deadline: Deadline,
) -> io::Result<usize> {
    let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let control = if raw.is_empty() { &[] } else { &rights[..] };
    if !raw.is_empty() {
        check_carries_fds(fd)?;
    }
    let result = sleep_until(
        deadline,
        |flags| {
            let flags = flags | MsgFlags::MSG_NOSIGNAL;
            socket::sendmsg::<()>(fd.as_raw_fd(), bufs, control, flags, None)
        },
        |deadline| wait::writable(fd, deadline),
    );
    match result {
        Err(Stopped::Kernel(Errno::ENOTSOCK)) if raw.is_empty() => plain::write(fd, bufs, deadline),
        result => Ok(result?),
    }
}

/// What one call of [`recv_with_fds`] took.
#[derive(Debug)]
pub struct Received {
    /// How many bytes; zero means that the other side has closed.
    pub len: usize,
    /// The descriptors that came beside them, closed on exec.
    pub fds: Vec<OwnedFd>,
    /// Whether descriptors were lost because this process had no room for them.
    ///
    /// The bytes are not lost, so the reader can find the end of the message before it reports
    /// the error.
    pub truncated: bool,
}

/// Receives up to `buf.len()` bytes, at least one, and the descriptors beside them.
///
/// `buf` must not be empty: nothing could be told from the end then.
///
/// # Errors
///
/// [`TimedOut`](io::ErrorKind::TimedOut) if the deadline passed before there was anything;
/// otherwise what `recvmsg` reports.
///
/// # When the other side is gone
///
/// What it had sent is received first. Then a length of zero, or once
/// [`ConnectionReset`](io::ErrorKind::ConnectionReset) if it went without reading all that it was
/// sent.
pub fn recv_with_fds(
    fd: BorrowedFd<'_>,
    buf: &mut [u8],
    deadline: Deadline,
) -> io::Result<Received> {
    debug_assert!(
        !buf.is_empty(),
        "an empty buffer cannot be told from the end"
    );
    let result = patiently(
        deadline,
        |flags| control::recvmsg(fd, buf, flags),
        |deadline| wait::readable(fd, deadline),
    );
    match result {
        Err(Stopped::Kernel(Errno::ENOTSOCK)) => {
            let len = plain::read(fd, deadline, || nix::unistd::read(fd, buf))?;
            Ok(Received {
                len,
                fds: Vec::new(),
                truncated: false,
            })
        }
        result => Ok(result?),
    }
}

/// As [`recv_with_fds`], but sleeps at once if there is nothing: for whoever has looked elsewhere
/// for long enough. `fd` must be a socket.
///
/// # Errors
///
/// As [`recv_with_fds`].
///
/// # When the other side is gone
///
/// As [`recv_with_fds`].
pub fn recv_with_fds_asleep(
    fd: BorrowedFd<'_>,
    buf: &mut [u8],
    deadline: Deadline,
) -> io::Result<Received> {
    Ok(sleep_until(
        deadline,
        |flags| control::recvmsg(fd, buf, flags),
        |deadline| wait::readable(fd, deadline),
    )?)
}

/// Receives up to `buf.len()` bytes, at least one, and closes descriptors beside them.
///
/// `buf` must not be empty: nothing could be told from the end then.
///
/// # Errors
///
/// As [`recv_with_fds`].
///
/// # When the other side is gone
///
/// As [`recv_with_fds`].
///
/// # Examples
///
/// ```
/// use procession_os::socket;
/// use procession_os::wait::Deadline;
/// use std::io::IoSlice;
/// use std::os::fd::AsFd;
///
/// let (here, there) = socket::pair()?;
/// socket::send_with_fds(here.as_fd(), &[IoSlice::new(b"hello")], &[], Deadline::NEVER)?;
/// let mut bytes = [0; 5];
/// assert_eq!(socket::recv(there.as_fd(), &mut bytes, Deadline::NEVER)?, 5);
/// assert_eq!(&bytes, b"hello");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn recv(fd: BorrowedFd<'_>, buf: &mut [u8], deadline: Deadline) -> io::Result<usize> {
    debug_assert!(
        !buf.is_empty(),
        "an empty buffer cannot be told from the end"
    );
    let result = sleep_until(
        deadline,
        |flags| socket::recv(fd.as_raw_fd(), buf, flags),
        |deadline| wait::readable(fd, deadline),
    );
    match result {
        Err(Stopped::Kernel(Errno::ENOTSOCK)) => {
            plain::read(fd, deadline, || nix::unistd::read(fd, buf))
        }
        result => Ok(result?),
    }
}

/// Receives up to `most` bytes behind those that are in `bytes`, into room that is reserved there,
/// and closes descriptors beside them; returns how many came.
///
/// The room is not made zero first. There must be some.
///
/// # Errors
///
/// As [`recv_with_fds`].
///
/// # When the other side is gone
///
/// As [`recv_with_fds`].
pub fn recv_behind(
    fd: BorrowedFd<'_>,
    bytes: &mut Vec<u8>,
    most: usize,
    deadline: Deadline,
) -> io::Result<usize> {
    let room = bytes.spare_capacity_mut();
    let most = most.min(room.len());
    let room = &mut room[..most];
    debug_assert!(
        !room.is_empty(),
        "without room nothing can be told from the end"
    );
    let result = sleep_until(
        deadline,
        |flags| uninit::recv(fd, room, flags),
        |deadline| wait::readable(fd, deadline),
    );
    let received = match result {
        Err(Stopped::Kernel(Errno::ENOTSOCK)) => {
            plain::read(fd, deadline, || uninit::read(fd, room))?
        }
        result => result?,
    };
    // SAFETY: the kernel has just written this many bytes behind those that were there.
    unsafe { bytes.set_len(bytes.len() + received) };
    Ok(received)
}

/// Who made the socket at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerCredentials {
    /// Its process; zero if it is in a namespace that this process does not see.
    pub pid: u32,
    /// Its effective user.
    pub uid: u32,
    /// Its effective group.
    pub gid: u32,
}

/// Asks the kernel who connected, or listened at, the other end of a Unix socket.
///
/// The answer is of the moment of connecting: the socket may have been handed on since, and for a
/// [`pair`] it is the process that made both.
///
/// # Errors
///
/// What `getsockopt` reports, `ENOTSOCK` if `fd` is no socket.
///
/// # Examples
///
/// ```
/// use procession_os::socket;
/// use std::os::fd::AsFd;
///
/// let (here, _there) = socket::pair()?;
/// assert_eq!(socket::peer_credentials(here.as_fd())?.pid, std::process::id());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn peer_credentials(fd: BorrowedFd<'_>) -> io::Result<PeerCredentials> {
    let peer = socket::getsockopt(&fd, socket::sockopt::PeerCredentials)?;
    Ok(PeerCredentials {
        pid: peer.pid().cast_unsigned(),
        uid: peer.uid(),
        gid: peer.gid(),
    })
}

/// Refuses a socket that would drop descriptors.
fn check_carries_fds(fd: BorrowedFd<'_>) -> io::Result<()> {
    let address = socket::getsockname::<SockaddrStorage>(fd.as_raw_fd());
    match address.map(|address| address.family()) {
        Ok(family) if family != Some(AddressFamily::Unix) => {
            let words = "file descriptors go over Unix sockets only";
            Err(io::Error::new(io::ErrorKind::Unsupported, words))
        }
        // What is no socket has its error when it is written to.
        _ => Ok(()),
    }
}
