//! A file or socket as a part of a message.

use crate::handle;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// What has a descriptor, as a part of a message: a file, a socket, a listener of the standard
/// library, or any type that lends a descriptor and can be made of one.
///
/// It is a handle: it can be the argument or the result of a task, a part of what a connection
/// sends, and a field of the user's own serde types. The receiver gets a descriptor of its own, to
/// the same open file: what is read or written on one side moves the position of both, as with
/// [`File::try_clone`](std::fs::File::try_clone), and what is set to be non-blocking is so on both.
/// Up to [`MAX_FDS`](handle::MAX_FDS) go in one message.
///
/// A queue in shared memory refuses it, for a descriptor cannot lie in memory, and so does whatever
/// is no message: a file, a string.
///
/// # When the other side is gone
///
/// A file or socket lives as long as any process has it, or as a message that it is in is on its
/// way. It is closed with a message that nobody receives any more.
///
/// # Examples
///
/// ```
/// use procession_wire::{Fd, Kind, Message, Packet};
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
///
/// let (mut here, there) = UnixStream::pair()?;
/// let message = Message::encode(Kind::VALUE, &Fd(there))?;
///
/// let (bytes, fds) = message.deliver();
/// let mut there: Fd<UnixStream> = Packet::parse(bytes, fds)?.decode()?;
/// there.write_all(b"hello")?;
/// drop(there);
///
/// let mut greeting = String::new();
/// here.read_to_string(&mut greeting)?;
/// assert_eq!(greeting, "hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// What has no descriptor is no part of it:
///
/// ```compile_fail,E0277
/// fn encode(text: procession_wire::Fd<String>) {
///     procession_wire::Message::encode(procession_wire::Kind::VALUE, &text).unwrap();
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fd<T = OwnedFd>(pub T);

impl<T> Fd<T> {
    /// Returns what was wrapped.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_wire::Fd;
    /// use std::fs::File;
    ///
    /// let wrapped = Fd(File::open("/dev/null")?);
    /// let file: File = wrapped.into_inner();
    /// assert!(!file.metadata()?.is_dir());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> From<T> for Fd<T> {
    fn from(wrapped: T) -> Self {
        Self(wrapped)
    }
}

impl<T> Deref for Fd<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Fd<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: AsFd> AsFd for Fd<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Encodes a duplicate of the descriptor; only into a message to another process.
impl<T: AsFd> Serialize for Fd<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        handle::serialize_fd(self.0.as_fd(), serializer)
    }
}

impl<'de, T: From<OwnedFd>> Deserialize<'de> for Fd<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(handle::deserialize_fd(deserializer)?.into()))
    }
}
