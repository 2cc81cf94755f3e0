//! What can go wrong when a segment is made or found.

use crate::family::FamilyError;
use crate::reserve::has_room;
use nix::errno::Errno;
use shared_memory::ShmemError;
use std::io;

/// Shared memory was not made. Nothing is left of the attempt.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ShmError {
    /// There is no room for it: `/dev/shm` is full, or it is more than a process can address.
    #[error(
        "no room for {wanted} bytes of shared memory: ask for less, drop what is no longer used, \
         or enlarge /dev/shm, and the limit of the size of files (`ulimit -f`) if there is one"
    )]
    OutOfMemory {
        /// The bytes that were asked for, bookkeeping included; saturated.
        wanted: u64,
    },
    /// There is room in `/dev/shm`, but this process may have no more memory: of a limit (`ulimit -v`, a control
    /// group) or of the machine.
    #[error(
        "this process gets no memory for {wanted} bytes more, though /dev/shm has room for them: drop what is no \
         longer used, or raise the limit of its address space (`ulimit -v`) or of its control group"
    )]
    NoMemory {
        /// The bytes that were asked for, bookkeeping included.
        wanted: u64,
    },
    /// The type must stand at multiples of more than a page.
    #[error("shared memory aligns to at most {max} bytes, not to {wanted}")]
    Alignment {
        /// The alignment of the type.
        wanted: usize,
        /// The largest that is supported.
        max: usize,
    },
    /// This process could not join its family.
    #[error(transparent)]
    Family(#[from] FamilyError),
    /// The system refused; when out of file descriptors, for instance.
    #[error("cannot make shared memory: {0}")]
    System(#[source] io::Error),
}

procession_os::debug_in_words!(ShmError {
    OutOfMemory,
    NoMemory,
    Alignment,
    Family,
    System
});

impl ShmError {
    pub(crate) fn from_errno(errno: Errno, wanted: usize) -> Self {
        match errno {
            Errno::ENOMEM if has_room(wanted) => Self::NoMemory {
                wanted: wanted as u64,
            },
            Errno::ENOSPC | Errno::ENOMEM | Errno::EFBIG => Self::out_of_memory(wanted),
            errno => Self::System(errno.into()),
        }
    }

    pub(crate) fn from_crate(error: &ShmemError, wanted: usize) -> Self {
        Self::from_errno(errno_of(error), wanted)
    }

    pub(crate) fn out_of_memory(wanted: usize) -> Self {
        Self::OutOfMemory {
            wanted: wanted as u64,
        }
    }
}

/// Shared memory that somebody named was not found, or is not what it should be.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The name is not one that the library gives.
    #[error("{0:?} is not the name of a segment")]
    BadName(String),
    /// The segment belongs to processes that this one is not related to.
    #[error("the segment belongs to another family of processes")]
    OtherFamily,
    /// There is no such segment, or no more: its last holder has dropped it.
    #[error("the segment is gone; keep a handle to it until the other process has its own")]
    Gone,
    /// The segment is still being made; its maker has not given away a handle yet.
    #[error("the segment is not ready")]
    NotReady,
    /// It was made for something else.
    #[error("the segment is not a {wanted}")]
    WrongKind {
        /// What was asked for.
        wanted: &'static str,
    },
    /// Its elements have another type, size or alignment.
    #[error("the segment holds another type of element")]
    WrongType,
    /// It is another user's, who has not let this process in.
    #[error(
        "the segment belongs to user {owner}, and this process is user {this}: a process of another user \
         gets what it is to share in its arguments, or by a call inside `grant_to`; what it makes \
         itself is for its own children"
    )]
    OtherUser {
        /// The number of the user who made it.
        owner: u32,
        /// The number of this process's user.
        this: u32,
    },
    /// Its header is not one that the library writes, or it does not agree with the file's size.
    #[error("the segment is damaged: {0}")]
    Damaged(&'static str),
    /// This process is not in its family any more.
    #[error(transparent)]
    Family(#[from] FamilyError),
    /// The system refused; when out of file descriptors, for instance.
    #[error("cannot open the segment: {0}")]
    System(#[source] io::Error),
}

procession_os::debug_in_words!(OpenError {
    BadName,
    OtherFamily,
    Gone,
    NotReady,
    WrongKind,
    WrongType,
    OtherUser,
    Damaged,
    Family,
    System
});

impl OpenError {
    /// Returns whether it is only that there are no file descriptors or no memory left.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::OpenError;
    /// use std::io;
    ///
    /// const EMFILE: i32 = 24;
    /// assert!(OpenError::System(io::Error::from_raw_os_error(EMFILE)).is_shortage());
    /// assert!(!OpenError::Gone.is_shortage());
    /// ```
    pub fn is_shortage(&self) -> bool {
        let Self::System(error) = self else {
            return false;
        };
        let errno = error.raw_os_error().map(Errno::from_raw);
        matches!(errno, Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM))
    }
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Gone,
            _ => Self::System(error),
        }
    }
}

impl From<Errno> for OpenError {
    fn from(errno: Errno) -> Self {
        match errno {
            // What `mmap` says of an empty file.
            Errno::EINVAL => Self::Damaged("it is empty"),
            errno => io::Error::from(errno).into(),
        }
    }
}

/// What the system said to the crate.
fn errno_of(error: &ShmemError) -> Errno {
    match *error {
        ShmemError::MapCreateFailed(code)
        | ShmemError::MapOpenFailed(code)
        | ShmemError::UnknownOsError(code) => Errno::from_raw(code.cast_signed()),
        _ => Errno::UnknownErrno,
    }
}
