//! What the server process runs.

use super::accept::accept_all;
use super::home::Home;
use crate::address::Address;
use crossbeam_channel::bounded;
use procession_os::lifeline;
use procession_wire::Fd;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

/// Hosts objects until somebody asks for the end, or ends the lifeline.
#[expect(clippy::needless_pass_by_value, reason = "a task owns its arguments")]
pub(crate) fn run(
    listening: Fd<UnixListener>,
    address: Address,
    lifeline: Fd<UnixStream>,
) -> anyhow::Result<()> {
    if !lifeline::end_with(lifeline.0.as_fd())? {
        return Ok(());
    }
    let (end, ended) = bounded(1);
    let home = Home::settle(address, end)?;
    thread::Builder::new()
        .name("manager-accept".to_owned())
        .spawn(move || accept_all(&listening.0, home))?;
    // The home has the sender, so that nothing but a request ends this.
    let _ = ended.recv();
    home.clear();
    Ok(())
}
