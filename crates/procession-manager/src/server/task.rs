//! What the server process runs.

use super::accept::accept_all;
use super::home::Home;
use crate::address::Address;
use crate::protocol::RingsFor;
use crossbeam_channel::bounded;
use procession_wire::Fd;
use std::os::unix::net::UnixListener;
use std::thread;

/// Hosts objects until somebody asks for the end.
pub(crate) fn run(
    listening: Fd<UnixListener>,
    address: Address,
    rings: RingsFor,
) -> anyhow::Result<()> {
    let (end, ended) = bounded(1);
    let home = Home::settle(address, rings, end)?;
    thread::Builder::new()
        .name("manager-accept".to_owned())
        .spawn(move || accept_all(&listening.0, home))?;
    // The home has the sender, so that nothing but a request ends this.
    let _ = ended.recv();
    home.clear();
    Ok(())
}
