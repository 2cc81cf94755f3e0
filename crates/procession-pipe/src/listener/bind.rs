//! Making sockets that listen.
//!
//! # Leftover files
//!
//! A socket's file outlives a process that is killed, and the kernel binds no second socket to it.
//! Who binds a path
//!
//! 1. locks the directory (`flock`, which ends with the process),
//! 2. binds; if something is there, asks the kernel whether any socket is bound to it, unlinks it
//!    if not, and binds again,
//! 3. listens,
//! 4. unlocks the directory.
//!
//! The question is a `connect` of a datagram socket. The kernel looks for the socket of the file
//! before it compares types, so it answers `ECONNREFUSED` if there is none, and `EPROTOTYPE` if
//! there is, whether that listens or will in a moment; and its owner notices nothing.
//!
//! Under the lock nobody else of this protocol unlinks or binds, so nothing is replaced that was
//! made after the question. Who closes a listener unlinks first, while the kernel's answer is
//! still that the file is in use, so a file that is in the way of somebody else is never unlinked
//! by its former owner. Whoever is killed at any point leaves at most a file without a socket, and
//! no lock. Only a program that does not lock, and unlinks and binds between a question and its
//! answer's use, could lose its file.

use super::file::SocketFile;
use super::socket::Socket;
use crate::Deadline;
use crate::address::{Address, UnixPlace, split_path};
use nix::errno::Errno;
use nix::sys::socket::{self, AddressFamily, Backlog, SockFlag, SockType};
use nix::sys::stat::{Mode, fchmod};
use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::thread;
use std::time::Duration;

/// A socket that listens.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) socket: Socket,
    pub(super) address: Address,
    pub(super) file: Option<SocketFile>,
}

/// How long another process may hold the directory, which takes it microseconds.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
const LOCK_PAUSE: Duration = Duration::from_millis(1);

/// Makes a socket that listens at the address.
pub(super) fn bind(address: Address, backlog: Backlog, mode: Option<u32>) -> io::Result<Bound> {
    match address {
        Address::Path(path) => bind_path(&std::path::absolute(path)?, backlog, mode),
        Address::Abstract(name) if name.is_empty() => bind(Address::unique()?, backlog, mode),
        Address::Abstract(name) => bind_name(name, backlog),
        Address::Tcp(address) => bind_tcp(address, backlog),
    }
}

fn bind_tcp(address: SocketAddr, backlog: Backlog) -> io::Result<Bound> {
    let listener = TcpListener::bind(address)?;
    // It listens already; this makes the queue longer.
    socket::listen(&listener, backlog)?;
    listener.set_nonblocking(true)?;
    Ok(Bound {
        address: listener.local_addr()?.into(),
        socket: Socket::Tcp(listener),
        file: None,
    })
}

fn bind_name(name: Vec<u8>, backlog: Backlog) -> io::Result<Bound> {
    let place = UnixPlace::abstract_name(&name)?;
    let fd = unix_socket(SockType::Stream)?;
    socket::bind(fd.as_raw_fd(), place.addr())?;
    socket::listen(&fd, backlog)?;
    Ok(Bound {
        socket: Socket::Unix(fd.into()),
        address: Address::Abstract(name),
        file: None,
    })
}

fn bind_path(path: &Path, backlog: Backlog, mode: Option<u32>) -> io::Result<Bound> {
    let place = UnixPlace::path(path)?;
    let fd = unix_socket(SockType::Stream)?;
    // The file gets the mode of the socket, so that it is never open to more than it should.
    fchmod(&fd, Mode::S_IRUSR | Mode::S_IWUSR)?;
    let _locked = lock(&split_path(path)?.0)?;
    match socket::bind(fd.as_raw_fd(), place.addr()) {
        Err(Errno::EADDRINUSE) => {
            remove_leftover(path, &place)?;
            socket::bind(fd.as_raw_fd(), place.addr())?;
        }
        result => result?,
    }
    let file = SocketFile::made(path)?;
    if let Some(mode) = mode {
        fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    socket::listen(&fd, backlog)?;
    Ok(Bound {
        socket: Socket::Unix(fd.into()),
        address: path.into(),
        file: Some(file),
    })
}

/// Makes a socket that does not block.
fn unix_socket(kind: SockType) -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    Ok(socket::socket(AddressFamily::Unix, kind, flags, None)?)
}

/// Locks a directory until the file is dropped.
fn lock(directory: &Path) -> io::Result<File> {
    let file = File::open(directory)?;
    let deadline = Deadline::after(LOCK_TIMEOUT);
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Interrupted => {}
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if deadline.passed() => {
                let why = "another process keeps the directory of the socket locked";
                return Err(io::Error::new(ErrorKind::TimedOut, why));
            }
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
        }
    }
}

/// Removes a socket's file that no socket is bound to.
fn remove_leftover(path: &Path, place: &UnixPlace) -> io::Result<()> {
    let kind = fs::symlink_metadata(path)?.file_type();
    if !kind.is_socket() {
        let why = "there is something else than a socket at the path";
        return Err(io::Error::new(ErrorKind::AddrInUse, why));
    }
    let question = unix_socket(SockType::Datagram)?;
    match socket::connect(question.as_raw_fd(), place.addr()) {
        Err(Errno::ECONNREFUSED) => fs::remove_file(path),
        Ok(()) | Err(Errno::EPROTOTYPE) => Err(Errno::EADDRINUSE.into()),
        Err(errno) => Err(errno.into()),
    }
}
