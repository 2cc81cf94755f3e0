//! What the server process runs.

use super::accept::accept_all;
use super::home::Home;
use crate::address::Address;
use crossbeam_channel::bounded;
use procession_wire::handle;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::thread;

/// The listening socket on its way to the server.
#[derive(Debug)]
pub(crate) struct Listening(pub(crate) UnixListener);

impl Serialize for Listening {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        handle::serialize_fd(self.0.as_fd(), serializer)
    }
}

impl<'de> Deserialize<'de> for Listening {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fd: OwnedFd = handle::deserialize_fd(deserializer)?;
        Ok(Self(fd.into()))
    }
}

/// Hosts objects until somebody asks for the end.
pub(crate) fn run(listening: Listening, address: Address) -> anyhow::Result<()> {
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
