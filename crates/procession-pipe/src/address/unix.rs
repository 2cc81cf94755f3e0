//! Unix addresses in the form that the kernel takes.
//!
//! It takes at most 107 bytes. A longer path is reached through its directory:
//! `/proc/self/fd/<number>/<last part>`, where the number is of a descriptor of the directory.

use nix::sys::socket::UnixAddr;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The longest path or name that the kernel takes.
const MAX_LEN: usize = 107;

/// An address for the kernel, with what it needs while it is used.
#[derive(Debug)]
pub(crate) struct UnixPlace {
    addr: UnixAddr,
    _directory: Option<File>,
}

impl UnixPlace {
    pub(crate) fn path(path: &Path) -> io::Result<Self> {
        let bytes = path.as_os_str().as_bytes();
        if bytes.contains(&0) || bytes.is_empty() {
            return Err(invalid("a socket's path is not empty and has no zero byte"));
        }
        if bytes.len() <= MAX_LEN {
            return Ok(UnixAddr::new(path)?.into());
        }
        let (directory, name) = split_path(path)?;
        let directory = open_path(&directory)?;
        let short = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string());
        let short = short.join(name);
        if short.as_os_str().len() > MAX_LEN {
            return Err(invalid(
                "the last part of a socket's path must be shorter than 80 bytes",
            ));
        }
        Ok(Self {
            addr: UnixAddr::new(&short)?,
            _directory: Some(directory),
        })
    }

    pub(crate) fn abstract_name(name: &[u8]) -> io::Result<Self> {
        if name.len() > MAX_LEN {
            return Err(invalid("an abstract name has at most 107 bytes"));
        }
        Ok(UnixAddr::new_abstract(name)?.into())
    }

    pub(crate) fn addr(&self) -> &UnixAddr {
        &self.addr
    }
}

impl From<UnixAddr> for UnixPlace {
    fn from(addr: UnixAddr) -> Self {
        Self {
            addr,
            _directory: None,
        }
    }
}

/// Returns the directory of a path, and the last part.
pub(crate) fn split_path(path: &Path) -> io::Result<(PathBuf, &std::ffi::OsStr)> {
    let name = path
        .file_name()
        .ok_or_else(|| invalid("a socket's path ends in a name"))?;
    let directory = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new("/"),
    };
    Ok((directory.to_owned(), name))
}

/// Opens a directory for nothing but going through it.
fn open_path(directory: &Path) -> io::Result<File> {
    let flags = nix::fcntl::OFlag::O_PATH | nix::fcntl::OFlag::O_DIRECTORY;
    std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(directory)
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, why)
}
