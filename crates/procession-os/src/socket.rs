//! Messages with file descriptors beside them, and who is at the other end.
//!
//! The functions here try first and wait afterwards, with `poll` and `MSG_DONTWAIT`. They never
//! set `O_NONBLOCK`: the flag belongs to the open file description, which other processes share.
//!
//! A descriptor that is no socket (a pipe, a terminal) is written to and read from as such. Two
//! things differ there: no descriptors can go beside the bytes, and where `SIGPIPE` has its
//! default action (Rust programs ignore it) a write to a pipe without a reader ends the process.
//! A deadline holds on such a descriptor as long as nobody else reads or writes it at the same
//! time.

use crate::wait::{self, Deadline};
use nix::errno::Errno;
use nix::sys::socket::{self, AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

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
    let flags = MsgFlags::MSG_NOSIGNAL | dont_wait(deadline);
    loop {
        let result = match socket::sendmsg::<()>(fd.as_raw_fd(), bufs, control, flags, None) {
            Err(Errno::ENOTSOCK) if raw.is_empty() => return write_plain(fd, bufs, deadline),
            result => result,
        };
        match result {
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => in_time(wait::writable(fd, deadline)?)?,
            result => return Ok(result?),
        }
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
    loop {
        match recvmsg(fd, buf, dont_wait(deadline)) {
            Err(Errno::ENOTSOCK) => return read_plain(fd, buf, deadline),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => in_time(wait::readable(fd, deadline)?)?,
            result => return Ok(result?),
        }
    }
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

/// A call without a deadline lets the kernel wait, which saves a `poll`.
fn dont_wait(deadline: Deadline) -> MsgFlags {
    match deadline {
        Deadline::NEVER => MsgFlags::empty(),
        _ => MsgFlags::MSG_DONTWAIT,
    }
}

fn in_time(ready: bool) -> io::Result<()> {
    if ready {
        Ok(())
    } else {
        Err(io::ErrorKind::TimedOut.into())
    }
}

/// Room for one `SCM_RIGHTS` of [`MAX_FDS`] descriptors, aligned as the kernel wants it.
#[repr(C, align(8))]
struct Control([u8; CONTROL_LEN]);

/// The kernel's `cmsghdr`: a `size_t` and two `int`.
const HEADER_LEN: usize = size_of::<usize>() + 2 * size_of::<i32>();
const CONTROL_LEN: usize = HEADER_LEN + (MAX_FDS * size_of::<RawFd>()).next_multiple_of(8);

fn recvmsg(fd: BorrowedFd<'_>, buf: &mut [u8], flags: MsgFlags) -> Result<Received, Errno> {
    let mut control = Control([0; CONTROL_LEN]);
    let flags = flags | MsgFlags::MSG_CMSG_CLOEXEC;
    let mut bufs = [IoSliceMut::new(buf)];
    let received = socket::recvmsg::<()>(fd.as_raw_fd(), &mut bufs, Some(&mut control.0), flags)?;
    let (len, flags) = (received.bytes, received.flags);
    let fds = raw_rights(&control.0)
        // SAFETY: the kernel has just put these numbers into this process's table for this call,
        // and nobody else has seen them.
        .map(|raw| unsafe { OwnedFd::from_raw_fd(raw) })
        .collect();
    Ok(Received {
        len,
        fds,
        truncated: flags.contains(MsgFlags::MSG_CTRUNC),
    })
}

/// Returns the descriptor numbers in a control buffer that was zero before the kernel filled it.
///
/// nix hides them all when some were lost; those that arrived would stay open for ever.
fn raw_rights(control: &[u8]) -> impl Iterator<Item = RawFd> {
    headers(control)
        .filter(|(level, kind, _)| (*level, *kind) == (libc::SOL_SOCKET, libc::SCM_RIGHTS))
        .flat_map(|(.., data)| {
            data.as_chunks::<4>()
                .0
                .iter()
                .copied()
                .map(RawFd::from_ne_bytes)
        })
}

/// Returns level, type and data of each control message.
fn headers(mut control: &[u8]) -> impl Iterator<Item = (i32, i32, &[u8])> {
    std::iter::from_fn(move || {
        let (len, rest) = control.split_first_chunk()?;
        let (level, rest) = rest.split_first_chunk()?;
        let (kind, _) = rest.split_first_chunk()?;
        let len = usize::from_ne_bytes(*len);
        // What the kernel did not fill is zero, which is less than any header's length.
        let data = control.get(HEADER_LEN..len)?;
        control = control.get(len.next_multiple_of(8)..).unwrap_or_default();
        Some((i32::from_ne_bytes(*level), i32::from_ne_bytes(*kind), data))
    })
}

/// How much a pipe takes without blocking once `poll` says that it can be written.
const PIPE_BUF: usize = 4096;

fn write_plain(fd: BorrowedFd<'_>, bufs: &[IoSlice<'_>], deadline: Deadline) -> io::Result<usize> {
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

fn read_plain(fd: BorrowedFd<'_>, buf: &mut [u8], deadline: Deadline) -> io::Result<Received> {
    loop {
        in_time(wait::readable(fd, deadline)?)?;
        match nix::unistd::read(fd, buf) {
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            result => {
                return Ok(Received {
                    len: result?,
                    fds: Vec::new(),
                    truncated: false,
                });
            }
        }
    }
}
