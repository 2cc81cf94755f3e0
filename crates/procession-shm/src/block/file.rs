//! The file of a block in `/dev/shm`: which one a name stands for, and taking names away.

use super::error::BlockError;
use super::name::BlockName;
use crate::family::DIRECTORY;
use crate::name::Name;
use crate::pages::Pages;
use crate::reserve;
use nix::fcntl::OFlag;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

/// What tells a file from another one that has its name later.
pub(super) type Inode = u64;

/// A block that is mapped.
pub(super) struct Found {
    pub(super) memory: Pages,
    pub(super) inode: Inode,
}

/// How often another block may take the name while this one is being mapped.
const ATTEMPTS: usize = 100;

/// Maps the block of that name, all of it reserved.
pub(super) fn attach(name: &BlockName) -> Result<Found, BlockError> {
    for _ in 0..ATTEMPTS {
        let (file, metadata) = open(name)?;
        reserve::fill_holes(&file, &metadata)?;
        let memory = reserve::find(&name.os_id())
            .map_err(|error| BlockError::of_name(error.into(), name))?;
        // It was opened twice, by its name.
        let inode = metadata.ino();
        if is_still(name, inode) && memory.len() as u64 == metadata.len() {
            return Ok(Found { memory, inode });
        }
    }
    Err(BlockError::NotReady(name.to_string()))
}

fn open(name: &BlockName) -> Result<(File, Metadata), BlockError> {
    // Not through `shm_open`, which does not tell a folder from a bad name.
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
        .open(path(name))
        .map_err(|error| BlockError::of_name(error, name))?;
    let metadata = file.metadata().map_err(BlockError::System)?;
    if !metadata.is_file() {
        return Err(BlockError::NotMemory(name.to_string()));
    }
    if metadata.len() == 0 {
        return Err(BlockError::NotReady(name.to_string()));
    }
    Ok((file, metadata))
}

/// Gives the segment a name that other programs know, beside its own.
pub(super) fn publish(own: Name, name: &BlockName) -> Result<Inode, BlockError> {
    let own = format!("{DIRECTORY}{own}");
    let metadata = fs::symlink_metadata(&own).map_err(BlockError::System)?;
    fs::hard_link(&own, path(name)).map_err(|error| BlockError::of_name(error, name))?;
    Ok(metadata.ino())
}

/// Takes the name away if it still stands for that block.
pub(super) fn remove(name: &BlockName, inode: Inode) -> Result<(), BlockError> {
    if !is_still(name, inode) {
        return Err(BlockError::NotFound(name.to_string()));
    }
    remove_any(name)
}

/// Takes the name away, whatever block it stands for.
pub(super) fn remove_any(name: &BlockName) -> Result<(), BlockError> {
    fs::remove_file(path(name)).map_err(|error| BlockError::of_name(error, name))
}

fn is_still(name: &BlockName, inode: Inode) -> bool {
    inode_of(name).is_ok_and(|found| found == inode)
}

fn inode_of(name: &BlockName) -> io::Result<Inode> {
    Ok(fs::symlink_metadata(path(name))?.ino())
}

fn path(name: &BlockName) -> String {
    format!("{DIRECTORY}/{name}")
}
