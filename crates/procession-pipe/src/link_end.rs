//! An end of a pair of rings, with what wakes a receiver that sleeps.

use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::unistd;
use procession_shm::ring::{RingEnd, Rings};
use procession_wire::handle;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// One end of two rings in shared memory, for the messages of a channel
/// ([`Channel::add_rings`](crate::Channel::add_rings)).
///
/// It is a handle, and so are its clones: the same end, in other processes too. It has two descriptors, the
/// *bells*: one on which this end sleeps in a receive, and one for the other end.
///
/// # Examples
///
/// ```
/// use procession_pipe::LinkEnd;
///
/// let (near, far) = LinkEnd::pair(1000)?;
/// assert_eq!((near.capacity(), far.capacity()), (1024, 1024));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct LinkEnd {
    ring: RingEnd,
    /// Rung for the receiver at this end.
    ours: Arc<Bell>,
    /// Rung for the receiver at the other end.
    theirs: Arc<Bell>,
}

impl LinkEnd {
    /// Makes two rings of at least `capacity` bytes each, and returns their two ends.
    ///
    /// # Errors
    ///
    /// What `eventfd` reports, above all that too many files are open, and what
    /// [`ShmError`](procession_shm::ShmError) tells.
    pub fn pair(capacity: usize) -> io::Result<(Self, Self)> {
        let (near, far) = Rings::create(capacity).map_err(io::Error::other)?;
        let [here, there] = [Arc::new(Bell::new()?), Arc::new(Bell::new()?)];
        let end = |ring, ours: &Arc<Bell>, theirs: &Arc<Bell>| Self {
            ring,
            ours: Arc::clone(ours),
            theirs: Arc::clone(theirs),
        };
        Ok((end(near, &here, &there), end(far, &there, &here)))
    }

    /// Returns how many bytes each ring holds. A message takes eight beside its own.
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    pub(crate) fn ring(&self) -> &RingEnd {
        &self.ring
    }

    pub(crate) fn ours(&self) -> &Bell {
        &self.ours
    }

    pub(crate) fn theirs(&self) -> &Bell {
        &self.theirs
    }
}

/// What wakes one receiver.
///
/// It costs less than a byte in a socket, and cannot tell that the other side is gone: whoever sleeps on it
/// sleeps on the socket too.
#[derive(Debug)]
pub(crate) struct Bell(OwnedFd);

impl Bell {
    fn new() -> io::Result<Self> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        Ok(Self(EventFd::from_flags(flags)?.into()))
    }

    pub(crate) fn ring(&self) -> io::Result<()> {
        loop {
            match unistd::write(&self.0, &1_u64.to_ne_bytes()) {
                // Then it was rung, and not taken, more often than the kernel can count.
                Ok(_) | Err(Errno::EAGAIN) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Takes all that was rung. If that fails, the next sleep ends at once.
    pub(crate) fn take(&self) {
        let _ = unistd::read(&self.0, &mut [0; size_of::<u64>()]);
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Encodes a handle; only into a message to another process.
impl Serialize for LinkEnd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (&self.ring, &*self.ours, &*self.theirs).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for LinkEnd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (ring, ours, theirs) = Deserialize::deserialize(deserializer)?;
        Ok(Self {
            ring,
            ours: Arc::new(ours),
            theirs: Arc::new(theirs),
        })
    }
}

impl Serialize for Bell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        handle::serialize_fd(self.as_fd(), serializer)
    }
}

impl<'de> Deserialize<'de> for Bell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        handle::deserialize_fd(deserializer).map(Self)
    }
}
