//! What connections run over.

use procession_pipe::{Address, Channel, Client, Connection, Listener};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};

/// Makes two channels that are connected to each other.
pub(crate) type Connect = fn() -> (Channel, Channel);

pub(crate) fn pair() -> (Channel, Channel) {
    Channel::pair().expect("a pair of sockets")
}

pub(crate) fn rings() -> (Channel, Channel) {
    Channel::pair_with_rings(4096).expect("a pair of rings")
}

pub(crate) fn unix_path() -> (Channel, Channel) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    meet(Address::unix(directory.path().join("socket")))
}

pub(crate) fn abstract_name() -> (Channel, Channel) {
    meet(Address::unique().expect("there is randomness"))
}

pub(crate) fn tcp_v4() -> (Channel, Channel) {
    meet((Ipv4Addr::LOCALHOST, 0))
}

/// Over version 4 on a machine without version 6.
pub(crate) fn tcp_v6() -> (Channel, Channel) {
    match TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) {
        Ok(_) => meet((Ipv6Addr::LOCALHOST, 0)),
        Err(_) => tcp_v4(),
    }
}

/// Connects a client to a listener, which are gone afterwards.
fn meet(address: impl Into<Address>) -> (Channel, Channel) {
    let listener = Listener::builder().key("the key").bind(address);
    let listener = listener.expect("nobody listens there");
    let client = Client::builder().key("the key");
    let client: Connection<(), ()> = client
        .connect(listener.local_addr())
        .expect("the listener listens");
    let server: Connection<(), ()> = listener.accept().expect("a client has come");
    (client.into(), server.into())
}
