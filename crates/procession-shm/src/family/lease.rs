//! The lease: the file whose lock says that a family is alive.

use super::sweep::{DIRECTORY, remove_segments};
use super::{FamilyError, fill, id_of, known};
use nix::fcntl::OFlag;
use nix::unistd::geteuid;
use std::borrow::Cow;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// An open lease. Dropping it closes the file, which gives up its lock unless a forked process
/// has the same open file description.
pub(crate) struct Lease {
    family: u64,
    file: File,
    /// Which file it is, by device and inode: its name may go.
    inode: Option<(u64, u64)>,
    /// Whether another process has the same open file description, whose lock it may not change.
    shared: bool,
}

/// How many ids are tried before something else must be wrong.
const ATTEMPTS: usize = 100;
const MODE: u32 = 0o600;
const NO_LINK: i32 = OFlag::O_NOFOLLOW.bits();

impl Lease {
    /// Makes and holds the lease of a new family.
    pub(super) fn new_family() -> Result<Self, FamilyError> {
        for _ in 0..ATTEMPTS {
            let mut number = [0; 8];
            fill(&mut number)?;
            match Self::make(u64::from_ne_bytes(number)) {
                Ok(lease) if lease.is_linked() => return Ok(lease),
                Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                    return Err(FamilyError::Lease(error));
                }
                _ => {}
            }
        }
        Err(FamilyError::Lease(ErrorKind::AlreadyExists.into()))
    }

    /// Makes and holds the lease of a family that has this number; `None` if there is one.
    pub(super) fn found(family: u64) -> Result<Option<Self>, FamilyError> {
        match Self::make(family) {
            Ok(lease) => Ok(Some(lease).filter(Self::is_linked)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(FamilyError::Lease(error)),
        }
    }

    /// Holds the lease of a family that exists; `None` if it does not any more.
    pub(super) fn join(family: u64) -> Result<Option<Self>, FamilyError> {
        let Some(lease) = Self::open(family).map_err(FamilyError::Lease)? else {
            return Ok(None);
        };
        lease.hold().map_err(FamilyError::Lease)?;
        Ok(Some(lease).filter(Self::is_linked))
    }

    /// Opens the lease of some family without holding it; `None` if there is none.
    pub(super) fn open(family: u64) -> io::Result<Option<Self>> {
        let options = OpenOptions::new()
            .read(true)
            // For the notes of births.
            .write(true)
            .custom_flags(NO_LINK)
            .open(path(family));
        match options {
            Ok(file) => Ok(Some(Self::of(family, file, false))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn family(&self) -> u64 {
        self.family
    }

    /// Locks the lease for this process alone if nobody holds it: then the family is dead.
    ///
    /// False too if the lease has lost its name, for then all was removed already.
    pub(super) fn take_if_dead(&self) -> bool {
        self.take_alone() && self.is_linked()
    }

    /// Returns a lease for another process, which holds the family as long as either does: one with a
    /// lock of its own if this process may open it.
    pub(super) fn for_other(&self) -> io::Result<Self> {
        if let Ok(Some(lease)) = Self::join(self.family) {
            return Ok(lease);
        }
        // Its name is gone, or this is another user now, who cannot open it in this way either.
        match OpenOptions::new().read(true).write(true).open(self.link()) {
            Ok(file) => {
                let lease = Self::of(self.family, file, false);
                lease.hold()?;
                Ok(lease)
            }
            Err(_) => Ok(Self::of(self.family, self.file.try_clone()?, true)),
        }
    }

    /// Returns a path that leads to the file, whatever has become of its name.
    pub(super) fn link(&self) -> String {
        format!("/proc/self/fd/{}", self.file.as_raw_fd())
    }

    fn of(family: u64, file: File, shared: bool) -> Self {
        let inode = inode(&file);
        Self {
            family,
            file,
            inode,
            shared,
        }
    }

    /// Returns the lease that another process made with [`for_other`](Self::for_other).
    pub(super) fn of_file(family: u64, file: File, shared: bool) -> Option<Self> {
        let lease = Self::of(family, file, shared);
        lease.inode.is_some().then_some(lease)
    }

    /// Returns whether its locks are another process's.
    pub(super) fn is_shared(&self) -> bool {
        self.shared
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn into_file(self) -> (File, bool) {
        (self.file, self.shared)
    }

    /// Returns whether it is this process's user's, so that every process of that user can open it.
    pub(super) fn is_own(&self) -> bool {
        self.user() == Some(geteuid().as_raw())
    }

    /// Returns the user who made it.
    pub(super) fn user(&self) -> Option<u32> {
        self.file.metadata().ok().map(|found| found.uid())
    }

    /// Gives up the lease; removes what the family made if nobody else holds it. The process `keeps` its slot if
    /// it holds something still.
    pub(super) fn leave(self, keeps: bool) {
        if self.shared {
            return;
        }
        if !self.is_itself() {
            // Who closed every descriptor may have opened another file under this number.
            return std::mem::forget(self);
        }
        if self.take_alone() || self.let_go_and_take_alone() {
            self.remove_family();
        } else if keeps {
            // With the file the slot's lock would go.
            std::mem::forget(self);
        }
    }

    /// Removes the segments, then the lease; returns how many names are gone. The caller must
    /// hold the lease alone.
    pub(super) fn remove_family(&self) -> usize {
        let segments = remove_segments(self.family);
        let lease = self.is_linked() && fs::remove_file(path(self.family)).is_ok();
        segments + usize::from(lease)
    }

    fn make(family: u64) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create_new(true)
            .mode(MODE)
            .custom_flags(NO_LINK);
        let lease = Self::of(family, options.open(path(family))?, false);
        lease
            .admit_owner()
            .and_then(|()| lease.hold())
            .inspect_err(|_| drop(fs::remove_file(path(family))))?;
        Ok(lease)
    }

    /// Lets this user's processes open it, whatever the umask has taken away.
    fn admit_owner(&self) -> io::Result<()> {
        self.file.set_permissions(Permissions::from_mode(MODE))
    }

    /// Locks it shared. The wait is short: only who cleans up holds it alone.
    fn hold(&self) -> io::Result<()> {
        loop {
            match self.file.lock_shared() {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    fn take_alone(&self) -> bool {
        loop {
            match self.file.try_lock() {
                Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Interrupted => {}
                result => return result.is_ok(),
            }
        }
    }

    fn let_go_and_take_alone(&self) -> bool {
        self.file.unlock().is_ok() && self.take_alone()
    }

    /// Whether the descriptor is still that of the lease.
    pub(super) fn is_itself(&self) -> bool {
        self.inode.is_some() && inode(&self.file) == self.inode
    }

    pub(super) fn is_linked(&self) -> bool {
        self.file
            .metadata()
            .is_ok_and(|metadata| metadata.nlink() > 0)
    }
}

fn inode(file: &File) -> Option<(u64, u64)> {
    let found = file.metadata().ok()?;
    Some((found.dev(), found.ino()))
}

/// How a lease's name ends. No segment's name does: they end in hexadecimal digits.
pub(super) const SUFFIX: &str = "lease";

/// Returns the path of a family's lease. That of the own family is made once, for each child opens it.
fn path(family: u64) -> Cow<'static, Path> {
    match known() {
        Some(own) if own.number() == family => Cow::Borrowed(own.lease()),
        _ => Cow::Owned(path_of(family)),
    }
}

/// Makes the path of a family's lease.
pub(super) fn path_of(family: u64) -> PathBuf {
    PathBuf::from(format!("{DIRECTORY}/procession-{}-{SUFFIX}", id_of(family)))
}
