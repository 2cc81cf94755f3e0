//! Where a listener is found.

mod parse;
mod unix;

pub use parse::ParseAddressError;

pub(crate) use unix::{UnixPlace, split_path};

use serde::{Deserialize, Serialize};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::linux::net::SocketAddrExt;
use std::path::{Path, PathBuf};

/// The address of a [`Listener`](crate::Listener).
///
/// As text, it is recognised by how it begins:
///
/// | text | is | in Python |
/// |---|---|---|
/// | `/run/app/socket`, `./socket` | a path, anything with a `/` | `'/run/app/socket'` |
/// | `@app` | an abstract name | `'\0app'` |
/// | `127.0.0.1:6000`, `[::1]:6000` | TCP | `('127.0.0.1', 6000)` |
///
/// An abstract name is Linux's: it is in no file system, so nothing of it is ever left, and
/// nothing but the key keeps other users out. In text, bytes of it that are not printable ASCII,
/// and `\`, are written as in a byte string of Rust.
///
/// # Examples
///
/// ```
/// use procession_pipe::Address;
///
/// let address: Address = "[::1]:6000".parse()?;
/// assert_eq!(address, Address::Tcp("[::1]:6000".parse()?));
/// assert_eq!(Address::unix("/run/app/socket").to_string(), "/run/app/socket");
/// assert_eq!(Address::abstract_name("app").to_string(), "@app");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Address {
    /// A socket in the file system.
    ///
    /// The path may be longer than the 107 bytes that the kernel takes, as long as its last part
    /// is not longer than about 80. One that is not valid Unicode cannot be sent as a value.
    Path(PathBuf),
    /// A name in the kernel's abstract namespace, without the zero byte before it; at most 107
    /// bytes. A listener with an empty one chooses.
    Abstract(Vec<u8>),
    /// An address of the network, version 4 or 6. A listener with port 0 chooses.
    Tcp(SocketAddr),
}

impl Address {
    /// The address of a socket in the file system.
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self::Path(path.into())
    }

    /// The address of a socket with an abstract name, given without the zero byte.
    pub fn abstract_name(name: impl AsRef<[u8]>) -> Self {
        Self::Abstract(name.as_ref().to_vec())
    }

    /// An address of this machine that nobody else has: what Python's listener takes when it is
    /// given none.
    ///
    /// It is an abstract name of 128 random bits, which leaves no file, whoever is killed.
    ///
    /// # Errors
    ///
    /// What the system's source of randomness reports.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pipe::{Address, Listener};
    ///
    /// let listener = Listener::bind(Address::unique()?)?;
    /// assert!(listener.local_addr().to_string().starts_with("@procession-"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn unique() -> io::Result<Self> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let name = format!("procession-{:032x}", u128::from_ne_bytes(random));
        Ok(Self::abstract_name(name))
    }

    /// Looks up a name of the network: the first address of version 4 if it has one, as Python
    /// takes it, otherwise the first.
    ///
    /// # Errors
    ///
    /// What the lookup reports, or [`NotFound`](ErrorKind::NotFound).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pipe::Address;
    ///
    /// assert_eq!(Address::lookup("localhost", 6000)?.to_string(), "127.0.0.1:6000");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn lookup(host: &str, port: u16) -> io::Result<Self> {
        let found: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
        let first = found.iter().find(|address| address.is_ipv4());
        let first = first.or(found.first()).ok_or(ErrorKind::NotFound)?;
        Ok(Self::Tcp(*first))
    }

    /// The address of one end of a Unix socket, if it has any.
    pub(crate) fn of_unix(address: &std::os::unix::net::SocketAddr) -> Option<Self> {
        let path = address.as_pathname().map(Self::from);
        path.or_else(|| address.as_abstract_name().map(Self::abstract_name))
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl<A: Into<IpAddr>> From<(A, u16)> for Address {
    fn from((address, port): (A, u16)) -> Self {
        Self::Tcp((address, port).into())
    }
}

impl From<PathBuf> for Address {
    fn from(path: PathBuf) -> Self {
        Self::Path(path)
    }
}

impl From<&Path> for Address {
    fn from(path: &Path) -> Self {
        Self::Path(path.into())
    }
}

impl From<&Self> for Address {
    fn from(address: &Self) -> Self {
        address.clone()
    }
}
