//! What connections run over.

use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};

/// Makes two sockets that are connected to each other.
pub(crate) type Connect = fn() -> (OwnedFd, OwnedFd);

pub(crate) fn pair() -> (OwnedFd, OwnedFd) {
    procession_os::socket::pair().expect("a pair of sockets")
}

pub(crate) fn unix_path() -> (OwnedFd, OwnedFd) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).expect("a socket");
    let client = UnixStream::connect(&path).expect("the listener listens");
    let (server, _) = listener.accept().expect("a client has come");
    (client.into(), server.into())
}

pub(crate) fn tcp_v4() -> (OwnedFd, OwnedFd) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let client = TcpStream::connect(address).expect("the listener listens");
    let (server, _) = listener.accept().expect("a client has come");
    (client.into(), server.into())
}
