//! Who is at the other end.

use super::PeerCredentials;
use crate::address::Address;
use std::fmt;

/// Who has connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    pub(super) address: Option<Address>,
    pub(super) credentials: Option<PeerCredentials>,
}

impl Peer {
    /// Returns its address; `None` if it has none, as is usual over Unix sockets.
    pub fn address(&self) -> Option<&Address> {
        self.address.as_ref()
    }

    /// Returns which process it is and of whom, as the kernel knows; `None` over TCP.
    pub fn credentials(&self) -> Option<PeerCredentials> {
        self.credentials
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.credentials, &self.address) {
            (Some(peer), _) => write!(f, "process {} of user {}", peer.pid, peer.uid),
            (None, Some(address)) => address.fmt(f),
            (None, None) => f.write_str("somebody unknown"),
        }
    }
}
