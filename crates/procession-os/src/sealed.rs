//! Anonymous files that nobody can change any more, read where they lie.

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::ptr::NonNull;

/// What must be ruled out for memory to be borrowed: that anybody writes into it or cuts it off.
const SEALS: SealFlag = SealFlag::F_SEAL_WRITE.union(SealFlag::F_SEAL_SHRINK);

/// Seals a file of `memfd_create`: nobody changes it any more, this process included.
///
/// # Errors
///
/// What `fcntl` reports: `EPERM` if the file was made without `MFD_ALLOW_SEALING`.
pub fn seal(file: &File) -> io::Result<()> {
    let all = SEALS | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
    fcntl(file.as_fd(), FcntlArg::F_ADD_SEALS(all))?;
    Ok(())
}

/// The bytes of a sealed file.
///
/// # Examples
///
/// ```
/// use nix::sys::memfd::{MFdFlags, memfd_create};
/// use procession_os::sealed::{Sealed, seal};
/// use std::fs::File;
/// use std::io::Write;
///
/// let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
/// let mut file = File::from(memfd_create(c"example", flags)?);
/// file.write_all(b"written once")?;
/// assert!(Sealed::of(&file)?.is_none(), "it could still change");
///
/// seal(&file)?;
/// let sealed = Sealed::of(&file)?.expect("it is sealed");
/// assert_eq!(sealed.as_ref(), b"written once");
/// assert!(file.write_all(b"again").is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Sealed {
    at: NonNull<u8>,
    len: usize,
}

// SAFETY: the bytes are never written, so any thread may read them and any may unmap them.
unsafe impl Send for Sealed {}
// SAFETY: as above.
unsafe impl Sync for Sealed {}

impl Sealed {
    /// Maps a file; `None` if it is not sealed, is empty, or takes less memory than it is long: reading what was
    /// never written would take the rest.
    ///
    /// # Errors
    ///
    /// What `fstat` or `mmap` reports, want of memory above all.
    pub fn of(file: &File) -> io::Result<Option<Self>> {
        // What is no file of memory has no seals.
        let seals = fcntl(file.as_fd(), FcntlArg::F_GET_SEALS).unwrap_or(0);
        if !SealFlag::from_bits_retain(seals).contains(SEALS) {
            return Ok(None);
        }
        // The length is asked for after the seals, when it cannot become less.
        let found = file.metadata()?;
        let Some(len) = NonZeroUsize::new(found.len() as usize) else {
            return Ok(None);
        };
        if found.blocks().saturating_mul(512) < found.len() {
            return Ok(None);
        }
        // Private, because kernels before 6.7 map no sealed file that this process has open for writing as
        // shared. The pages are the file's own all the same, as nobody writes to them.
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing that is there.
        let at = unsafe {
            mmap(
                None,
                len,
                ProtFlags::PROT_READ,
                MapFlags::MAP_PRIVATE,
                file,
                0,
            )
        }?;
        let sealed = Self {
            at: at.cast(),
            len: len.get(),
        };
        crate::huge::populate_to_read(sealed.at.as_ptr(), sealed.len);
        Ok(Some(sealed))
    }
}

impl AsRef<[u8]> for Sealed {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the mapping is that long and lasts as long as `self`; the file has at least as many bytes,
        // which its seals keep from being changed or cut off.
        unsafe { std::slice::from_raw_parts(self.at.as_ptr(), self.len) }
    }
}

impl Drop for Sealed {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and nobody borrows from it any more.
        let _ = unsafe { munmap(self.at.cast(), self.len) };
    }
}
