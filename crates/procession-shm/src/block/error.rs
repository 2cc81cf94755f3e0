//! What can go wrong with a named block.

use super::name::{BlockName, NameError};
use crate::ShmError;
use crate::family::FamilyError;
use nix::errno::Errno;
use std::io;

/// A named block was not made, found or removed.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum BlockError {
    /// The name is one that no block can have.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A block of no bytes was asked for, which the system cannot map.
    #[error("a block has at least one byte")]
    ZeroSize,
    /// There is a block of that name.
    #[error("a block named {0:?} exists; attach to it, or choose another name")]
    AlreadyExists(String),
    /// There is no block of that name, or no more.
    #[error("there is no block named {0:?}")]
    NotFound(String),
    /// The block has no bytes yet: the program that makes it is just about to give it its size.
    #[error("the block named {0:?} is being made; try again")]
    NotReady(String),
    /// Under that name there is something else: a folder or a pipe, for instance.
    #[error("{0:?} is not a block of shared memory")]
    NotMemory(String),
    /// There is no room for it, or the system refused to make memory.
    #[error(transparent)]
    Memory(#[from] ShmError),
    /// The system refused; for lack of permission, for instance.
    #[error("cannot open the block: {0}")]
    System(#[source] io::Error),
}

procession_os::debug_in_words!(BlockError {
    Name,
    ZeroSize,
    AlreadyExists,
    NotFound,
    NotReady,
    NotMemory,
    Memory,
    System
});

impl BlockError {
    /// What the system said about a name.
    pub(super) fn of_name(error: io::Error, name: &BlockName) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound(name.to_string()),
            io::ErrorKind::AlreadyExists => Self::AlreadyExists(name.to_string()),
            io::ErrorKind::IsADirectory => Self::NotMemory(name.to_string()),
            // A symbolic link is not followed.
            _ if error.raw_os_error() == Some(Errno::ELOOP as i32) => {
                Self::NotMemory(name.to_string())
            }
            _ => Self::System(error),
        }
    }
}

impl From<FamilyError> for BlockError {
    fn from(error: FamilyError) -> Self {
        Self::Memory(error.into())
    }
}
