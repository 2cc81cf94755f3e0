//! Who takes part in something: counted by the kernel, which misses nobody's end.
//!
//! Whoever takes part has a descriptor of the segment's file with a read lock on it, a lock of the
//! open file and not of the process (`F_OFD_SETLK`). The kernel gives such a lock up with the last
//! descriptor of the open file: when it is dropped, when its process ends in whatever way, and when
//! a message with a duplicate in it is lost. Nobody ever takes a write lock, so taking part never
//! waits; whoever looks asks the kernel whether a write lock could be had (`F_OFD_GETLK`).

use crate::Segment;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::sys::mman::shm_open;
use nix::sys::stat::Mode;
use procession_wire::handle;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// The proof that somebody takes part in what a segment is for, as long as it or a duplicate lives.
///
/// In a message it travels as a descriptor, and takes part on its way too; a message that is lost
/// takes it along. A process that is forked without the library has a duplicate of every one.
///
/// # Examples
///
/// ```
/// use procession_shm::{Array, Lookout, Presence};
///
/// let array = Array::<u8>::zeroed(20_000)?;
/// let lookout = Lookout::open(array.segment())?;
/// assert!(!lookout.sees_anybody()?);
///
/// let presence = Presence::in_segment(array.segment())?;
/// assert!(lookout.sees_anybody()?);
/// drop(presence);
/// assert!(!lookout.sees_anybody()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "it takes part until it is dropped"]
pub struct Presence(OwnedFd);

impl Presence {
    /// Takes part from now on.
    ///
    /// # Errors
    ///
    /// What the system reports on opening the segment's file: no descriptor is left, or this
    /// process has become a user who may not. A [small](Segment::create_small) one has no file.
    pub fn in_segment(segment: &Segment) -> io::Result<Self> {
        let file = open(segment)?;
        fcntl(&file, FcntlArg::F_OFD_SETLK(&whole_file(libc::F_RDLCK)))?;
        Ok(Self(file))
    }
}

/// Encodes a duplicate of the descriptor; only into a message to another process.
impl Serialize for Presence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        handle::serialize_fd(self.0.as_fd(), serializer)
    }
}

impl<'de> Deserialize<'de> for Presence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        handle::deserialize_fd(deserializer).map(Self)
    }
}

/// Looks whether anybody takes part in what a segment is for; takes no part itself.
#[derive(Debug)]
pub struct Lookout(OwnedFd);

impl Lookout {
    /// Opens the segment's file.
    ///
    /// # Errors
    ///
    /// As [`Presence::in_segment`].
    pub fn open(segment: &Segment) -> io::Result<Self> {
        open(segment).map(Self)
    }

    /// Returns whether anybody takes part at this moment.
    ///
    /// # Errors
    ///
    /// What `fcntl` reports.
    ///
    /// # When the other side is gone
    ///
    /// A process that has ended takes no part any more, however it did.
    pub fn sees_anybody(&self) -> io::Result<bool> {
        let mut found = whole_file(libc::F_WRLCK);
        fcntl(&self.0, FcntlArg::F_OFD_GETLK(&mut found))?;
        Ok(i32::from(found.l_type) != libc::F_UNLCK)
    }
}

fn open(segment: &Segment) -> io::Result<OwnedFd> {
    if segment.key().cell.is_some() {
        let problem = "a small object has no file of its own in which anybody could take part";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    }
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    Ok(shm_open(segment.name().as_str(), flags, Mode::empty())?)
}

fn whole_file(kind: i32) -> libc::flock {
    libc::flock {
        l_type: kind as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}
