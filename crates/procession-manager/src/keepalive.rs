//! Noticing that another machine is gone.

use nix::sys::socket::{SockaddrLike, SockaddrStorage, getsockname, setsockopt, sockopt};
use std::os::fd::{AsFd, AsRawFd};

/// How long a connection may be quiet before the other machine is asked whether it is there.
const IDLE_SECONDS: u32 = 15;

/// How long until it is asked again.
const INTERVAL_SECONDS: u32 = 5;

/// How often it is asked.
const TIMES: u32 = 3;

/// Has a connection over TCP end when the other machine does not answer for about half a minute.
///
/// The end of a process on it is told at once; this is for one that lost its power or its network.
/// Others than TCP have no other machine, and a system that refuses leaves the connection as it is.
pub(crate) fn watch_machine(socket: &impl AsFd) {
    let socket = socket.as_fd();
    let address = getsockname::<SockaddrStorage>(socket.as_raw_fd());
    let is_tcp = address.is_ok_and(|address| {
        let family = address.family();
        family == Some(nix::sys::socket::AddressFamily::Inet)
            || family == Some(nix::sys::socket::AddressFamily::Inet6)
    });
    if is_tcp {
        let _ = setsockopt(&socket, sockopt::KeepAlive, &true);
        let _ = setsockopt(&socket, sockopt::TcpKeepIdle, &IDLE_SECONDS);
        let _ = setsockopt(&socket, sockopt::TcpKeepInterval, &INTERVAL_SECONDS);
        let _ = setsockopt(&socket, sockopt::TcpKeepCount, &TIMES);
        let unanswered = (IDLE_SECONDS + INTERVAL_SECONDS * TIMES) * 1000;
        let _ = setsockopt(&socket, sockopt::TcpUserTimeout, &unanswered);
    }
}
