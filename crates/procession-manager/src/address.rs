//! Where a server listens: an abstract socket, which leaves no file behind.

use procession_shm::family;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::{self, ErrorKind};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

/// The name of a server's socket in the kernel's abstract namespace.
///
/// Nothing of it is in the file system. The name is gone with the server, however that ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Address(String);

impl Address {
    /// Makes a name that nobody has, and a socket that listens there.
    pub(crate) fn bind() -> io::Result<(Self, UnixListener)> {
        let (family, _) = family::identity().map_err(io::Error::other)?;
        loop {
            let number = getrandom::u64().map_err(io::Error::other)?;
            let address = Self(format!("procession-{}-manager-{number:016x}", family.id()));
            match UnixListener::bind_addr(&address.resolve()?) {
                Err(error) if error.kind() == ErrorKind::AddrInUse => {}
                listener => return Ok((address, listener?)),
            }
        }
    }

    /// Connects to the server.
    pub(crate) fn connect(&self) -> io::Result<UnixStream> {
        UnixStream::connect_addr(&self.resolve()?)
    }

    /// Returns the name, without the zero byte that the kernel puts before it.
    pub fn name(&self) -> &str {
        &self.0
    }

    fn resolve(&self) -> io::Result<SocketAddr> {
        SocketAddr::from_abstract_name(&self.0)
    }
}

impl fmt::Display for Address {
    /// Writes the name as `/proc/net/unix` does, with `@` for the zero byte.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}", self.0)
    }
}
