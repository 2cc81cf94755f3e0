//! A socket that listens, of any family.

use super::peer::Peer;
use crate::address::Address;
use procession_os::socket::peer_credentials;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;

/// It does not block; the sockets that it gives do.
#[derive(Debug)]
pub(super) enum Socket {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl Socket {
    /// Takes the next connection; [`WouldBlock`](io::ErrorKind::WouldBlock) if there is none.
    pub(super) fn accept(&self) -> io::Result<(OwnedFd, Peer)> {
        match self {
            Self::Unix(listener) => {
                let (stream, address) = listener.accept()?;
                let peer = Peer {
                    address: Address::of_unix(&address),
                    credentials: peer_credentials(stream.as_fd()).ok(),
                };
                Ok((stream.into(), peer))
            }
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept()?;
                // Of a connection that has gone already, who accepts it is told.
                let _ = stream.set_nodelay(true);
                let peer = Peer {
                    address: Some(address.into()),
                    credentials: None,
                };
                Ok((stream.into(), peer))
            }
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(listener) => listener.as_fd(),
            Self::Tcp(listener) => listener.as_fd(),
        }
    }
}
