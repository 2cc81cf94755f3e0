//! Making a named block of memory whose every page is there.

use crate::ShmError;
use crate::family::{self, DIRECTORY};
use crate::name::Name;
use crate::pages::Pages;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, posix_fallocate};
use nix::sys::mman::shm_open;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::stat::{Mode, fstat};
use nix::sys::statvfs::{Statvfs, fstatvfs, statvfs};
use shared_memory::{Shmem, ShmemConf, ShmemError};
use std::fs::{self, File, Metadata, Permissions};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

/// A name in `/dev/shm` that goes when this is dropped, unless it is kept.
pub(crate) struct Unlink(Option<Name>);

impl Unlink {
    pub(crate) fn of(name: Name) -> Self {
        Self(Some(name))
    }

    pub(crate) fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Unlink {
    fn drop(&mut self) {
        if let Some(name) = self.0 {
            unlink(name);
        }
    }
}

/// Takes a segment's name away. Who has mapped it keeps the memory.
pub(crate) fn unlink(name: Name) {
    // It may be gone already: somebody swept it, or unlinked it by hand.
    let _ = fs::remove_file(format!("{DIRECTORY}{name}"));
}

/// Makes, maps and reserves `total` zeroed bytes under a new name of this process's family.
///
/// If there is no room, what dead processes of the family hold is given back first.
pub(crate) fn make(total: usize) -> Result<(Name, Pages), ShmError> {
    let try_to = || make_in(family::stay()?.family.number(), total);
    match try_to() {
        Err(full @ (ShmError::OutOfMemory { .. } | ShmError::NoMemory { .. })) => {
            match family::give_back() {
                0 => Err(full),
                _ => try_to(),
            }
        }
        made => made,
    }
}

fn make_in(family: u64, total: usize) -> Result<(Name, Pages), ShmError> {
    let (name, file) = make_sparse(family, total)?;
    let unlink = Unlink::of(name);
    reserve_file(file.as_fd(), total, total)?;
    let pages = map(file.as_fd(), total)?;
    unlink.keep();
    Ok((name, pages))
}

/// Makes and maps `total` zeroed bytes of which none is reserved, under a new name.
pub(crate) fn make_unreserved(family: u64, total: usize) -> Result<(Name, Pages), ShmError> {
    let (name, file) = make_sparse(family, total)?;
    let unlink = Unlink::of(name);
    let pages = map(file.as_fd(), total)?;
    unlink.keep();
    Ok((name, pages))
}

fn map(file: BorrowedFd<'_>, total: usize) -> Result<Pages, ShmError> {
    Pages::of(file, total).map_err(|errno| ShmError::from_errno(errno, total))
}

/// Maps what exists under a name that begins with a slash.
pub(crate) fn find(name: &str) -> Result<Pages, Errno> {
    let file = shm_open(name, OFlag::O_RDWR, Mode::empty())?;
    let len = usize::try_from(fstat(&file)?.st_size).map_err(|_| Errno::EINVAL)?;
    Pages::of(&file, len)
}

/// Reserves what the maker of a file did not, so that writing to it never is a signal.
pub(crate) fn fill_holes(file: &File, metadata: &Metadata) -> Result<(), ShmError> {
    /// The unit of `st_blocks`.
    const BLOCK: u64 = 512;
    let there = metadata.blocks().saturating_mul(BLOCK);
    let total = usize::try_from(metadata.len()).map_err(|_| ShmError::out_of_memory(usize::MAX))?;
    if there >= metadata.len() {
        return Ok(());
    }
    let missing = usize::try_from(metadata.len() - there).unwrap_or(usize::MAX);
    reserve_file(file.as_fd(), total, missing)
}

fn make_sparse(family: u64, total: usize) -> Result<(Name, OwnedFd), ShmError> {
    let (name, mut memory) = make_empty(family, total)?;
    let unlink = Unlink::of(name);
    // Whether the name goes is decided by who holds the segment, not by who made it.
    memory.set_owner(false);
    // The crate keeps a descriptor for as long as it keeps the mapping, which is therefore made anew.
    drop(memory);
    let file = open(name).map_err(|errno| ShmError::from_errno(errno, total))?;
    unlink.keep();
    Ok((name, file))
}

fn make_empty(family: u64, total: usize) -> Result<(Name, Shmem), ShmError> {
    check_file_size_limit(total)?;
    let _placeholder = occupy_descriptor_0();
    loop {
        let name = Name::fresh(family);
        match ShmemConf::new()
            .os_id(name.to_string())
            .size(total)
            .create()
        {
            Ok(memory) => return Ok((name, memory)),
            // A dead process with our number made it.
            Err(ShmemError::MappingIdExists) => {}
            Err(error) => return Err(ShmError::from_crate(&error, total)),
        }
    }
}

/// Exceeding this limit would be a signal, not an error.
fn check_file_size_limit(total: usize) -> Result<(), ShmError> {
    match getrlimit(Resource::RLIMIT_FSIZE) {
        Ok((soft, _)) if soft < total as u64 => Err(ShmError::out_of_memory(total)),
        _ => Ok(()),
    }
}

/// Sees to it that `shared_memory` gets no descriptor 0, which it takes for none: it would not be
/// closed again.
fn occupy_descriptor_0() -> Option<File> {
    match fcntl(std::io::stdin(), FcntlArg::F_GETFD) {
        Err(Errno::EBADF) => File::open("/dev/null").ok(),
        _ => None,
    }
}

/// Opens a file that this process has made.
fn open(name: Name) -> Result<OwnedFd, Errno> {
    let text = name.to_string();
    let open = || shm_open(text.as_str(), OFlag::O_RDWR, Mode::empty());
    match open() {
        // The umask keeps even this user from it.
        Err(Errno::EACCES) => {
            let readable = Permissions::from_mode(0o600);
            fs::set_permissions(format!("{DIRECTORY}{text}"), readable).ok();
            open()
        }
        opened => opened,
    }
}

/// Reserves a part of what exists under a name.
pub(crate) fn reserve_range(name: Name, range: Range<usize>) -> Result<(), ShmError> {
    let file = open(name).map_err(|errno| ShmError::from_errno(errno, range.len()))?;
    check_room(file.as_fd(), range.len())?;
    reserve_step(file.as_fd(), range.start, range.len())
        .map_err(|errno| ShmError::from_errno(errno, range.len()))
}

/// Reserves all of a file, of which so many bytes are not there yet.
fn reserve_file(file: BorrowedFd<'_>, total: usize, missing: usize) -> Result<(), ShmError> {
    check_room(file, missing)?;
    for at in (0..total).step_by(STEP) {
        let len = STEP.min(total - at);
        reserve_step(file, at, len).map_err(|errno| ShmError::from_errno(errno, total))?;
    }
    Ok(())
}

/// What is reserved at one time, so that a signal undoes no more.
const STEP: usize = 64 << 20;

/// Refuses at once what cannot succeed, before other programs find the memory full meanwhile.
fn check_room(file: BorrowedFd<'_>, total: usize) -> Result<(), ShmError> {
    match fstatvfs(file) {
        Ok(room) if !has(&room, total) => Err(ShmError::out_of_memory(total)),
        _ => Ok(()),
    }
}

/// Returns whether all shared memory that there is leaves so many bytes free.
pub(crate) fn has_room(total: usize) -> bool {
    statvfs(DIRECTORY).is_ok_and(|room| has(&room, total))
}

fn has(room: &Statvfs, total: usize) -> bool {
    let is_unlimited = room.blocks() == 0;
    let free = room.blocks_available().saturating_mul(room.fragment_size());
    is_unlimited || free >= total as u64
}

/// Reserves a part, in steps that become smaller while signals come sooner than they are done: the kernel undoes a
/// step that is interrupted.
fn reserve_step(file: BorrowedFd<'_>, at: usize, len: usize) -> Result<(), Errno> {
    let (mut at, end) = (at, at + len);
    let mut step = len;
    while at < end {
        let len = step.min(end - at);
        match posix_fallocate(file, at as i64, len as i64) {
            Ok(()) => at += len,
            Err(Errno::EINTR) => step = (len / 2).max(SMALLEST_STEP),
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// What is reserved in less time than a handler of signals takes.
const SMALLEST_STEP: usize = 4096;
