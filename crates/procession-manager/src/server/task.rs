//! What the server process runs.

use super::accept::accept_all;
use super::home::Home;
use crate::address::Address;
use crate::protocol::RingsFor;
use crossbeam_channel::{Receiver, bounded};
use procession_wire::Fd;
use std::os::unix::net::UnixListener;
use std::{io, thread};

/// Hosts objects until somebody asks for the end.
pub(crate) fn run(
    listening: Fd<UnixListener>,
    address: Address,
    rings: RingsFor,
) -> anyhow::Result<()> {
    let (home, end) = settle(address, rings)?;
    Ok(serve(home, listening.0, &end)?)
}

/// Makes this process a server, and returns what receives the wish for its end.
pub(crate) fn settle(
    address: Address,
    rings: RingsFor,
) -> io::Result<(&'static Home, Receiver<()>)> {
    let (end, ended) = bounded(1);
    Ok((Home::settle(address, rings, end)?, ended))
}

/// Admits the family until the end is wished for.
pub(crate) fn serve(
    home: &'static Home,
    listening: UnixListener,
    end: &Receiver<()>,
) -> io::Result<()> {
    thread::Builder::new()
        .name("manager-accept".to_owned())
        .spawn(move || accept_all(&listening, home))?;
    // The home has the sender, so that nothing but a request ends this.
    let _ = end.recv();
    home.clear();
    Ok(())
}
