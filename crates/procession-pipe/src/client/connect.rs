//! Connecting with a deadline.

use crate::Deadline;
use crate::address::{Address, UnixPlace};
use nix::errno::Errno;
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, setsockopt, sockopt};
use nix::sys::time::TimeVal;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

/// The shortest time to wait; for the kernel, zero is for ever.
const AT_LEAST: Duration = Duration::from_micros(1);

/// Connects to the address.
pub(super) fn connect(address: &Address, deadline: Deadline) -> io::Result<OwnedFd> {
    match address {
        Address::Path(path) => connect_unix(&UnixPlace::path(path)?, deadline),
        Address::Abstract(name) => connect_unix(&UnixPlace::abstract_name(name)?, deadline),
        Address::Tcp(address) => connect_tcp(address, deadline),
    }
}

fn connect_tcp(address: &SocketAddr, deadline: Deadline) -> io::Result<OwnedFd> {
    let stream = match deadline.left() {
        None => TcpStream::connect(address)?,
        Some(left) => TcpStream::connect_timeout(address, left.max(AT_LEAST))?,
    };
    stream.set_nodelay(true)?;
    Ok(stream.into())
}

/// A Unix socket waits in `connect` for a place in the listener's queue. Without blocking it fails
/// at once and `poll` does not tell when to try again; so it blocks, for as long as `SO_SNDTIMEO`
/// allows.
fn connect_unix(place: &UnixPlace, deadline: Deadline) -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let fd = socket::socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    loop {
        set_timeout(&fd, deadline.left().map(|left| left.max(AT_LEAST)))?;
        match socket::connect(fd.as_raw_fd(), place.addr()) {
            Ok(()) => break,
            Err(Errno::EAGAIN) if deadline.passed() => return Err(ErrorKind::TimedOut.into()),
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    set_timeout(&fd, None)?;
    Ok(fd)
}

/// Sets how long a call waits; `None` is for ever.
fn set_timeout(fd: &OwnedFd, timeout: Option<Duration>) -> io::Result<()> {
    let timeout = timeout.unwrap_or_default();
    // Longer than a day is taken up again.
    let seconds = timeout.as_secs().min(86_400) as i64;
    let timeout = TimeVal::new(seconds, timeout.subsec_micros().into());
    Ok(setsockopt(fd, sockopt::SendTimeout, &timeout)?)
}
