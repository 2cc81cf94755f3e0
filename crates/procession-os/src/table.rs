//! A page of words that processes share through a descriptor.
//!
//! It has no name, needs no `/dev/shm`, and can be opened by whoever is handed the descriptor, a
//! process of another user included.

use crate::file_size::within_limit;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

/// How many words a table has.
pub const WORDS: usize = 512;

const LEN: NonZeroUsize = NonZeroUsize::new(WORDS * size_of::<u64>()).unwrap();

/// Without these the length could change, and an access be a signal.
const SEALS: SealFlag = SealFlag::F_SEAL_SHRINK.union(SealFlag::F_SEAL_GROW);

/// [`WORDS`] atomic words, zero at first, in memory that several processes map.
///
/// What is in them may have been written by any process that has the descriptor.
///
/// # Examples
///
/// ```
/// use procession_os::table::Table;
/// use std::os::fd::AsFd;
/// use std::sync::atomic::Ordering;
///
/// let one = Table::new(c"example")?;
/// let other = Table::open(one.as_fd().try_clone_to_owned()?)?;
/// one.words()[7].store(1, Ordering::Relaxed);
/// assert_eq!(other.words()[7].load(Ordering::Relaxed), 1);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Table {
    at: NonNull<AtomicU64>,
    file: File,
}

// SAFETY: what lies there is atomic, and the mapping belongs to no thread.
unsafe impl Send for Table {}
// SAFETY: as above.
unsafe impl Sync for Table {}

impl Table {
    /// Makes a table; `name` is what `/proc/PID/maps` shows.
    ///
    /// # Errors
    ///
    /// If there is no descriptor or no memory left, or a limit of file sizes is below a page.
    pub fn new(name: &std::ffi::CStr) -> io::Result<Self> {
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let file = File::from(memfd_create(name, flags)?);
        within_limit(|| file.set_len(LEN.get() as u64))?;
        fcntl(file.as_fd(), FcntlArg::F_ADD_SEALS(SEALS))?;
        Self::map(file)
    }

    /// Maps the table of this descriptor.
    ///
    /// # Errors
    ///
    /// [`InvalidData`](io::ErrorKind::InvalidData) if it is no table; what `mmap` reports.
    pub fn open(fd: OwnedFd) -> io::Result<Self> {
        let file = File::from(fd);
        let seals = fcntl(file.as_fd(), FcntlArg::F_GET_SEALS).unwrap_or(0);
        // The length is asked for after the seals, when it cannot change any more.
        let is_sealed = SealFlag::from_bits_retain(seals).contains(SEALS);
        if !is_sealed || file.metadata()?.len() != LEN.get() as u64 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no table"));
        }
        Self::map(file)
    }

    /// Returns the words.
    #[inline]
    pub fn words(&self) -> &[AtomicU64; WORDS] {
        // SAFETY: the mapping has these words, aligned to a page, for as long as `self` lives; they are only
        // accessed as atomics, here and in other processes.
        unsafe { self.at.cast::<[AtomicU64; WORDS]>().as_ref() }
    }

    fn map(file: File) -> io::Result<Self> {
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing that is there.
        let at = unsafe { mmap(None, LEN, access, MapFlags::MAP_SHARED, &file, 0) }?;
        Ok(Self {
            at: at.cast(),
            file,
        })
    }
}

impl AsFd for Table {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and nobody borrows from it any more.
        let _ = unsafe { munmap(self.at.cast(), LEN.get()) };
    }
}
