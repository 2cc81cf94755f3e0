//! A file in this process's memory. No descriptor of it stays open.

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::ptr::NonNull;

/// All bytes of a file, for reading and writing, shared with others that map it.
pub(crate) struct Pages {
    at: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping stays where it is until it is dropped; its users say how they access it.
unsafe impl Send for Pages {}
// SAFETY: as above.
unsafe impl Sync for Pages {}

impl Pages {
    /// Maps the first `len` bytes of a file.
    pub(crate) fn of(file: impl AsFd, len: usize) -> Result<Self, Errno> {
        let length = NonZeroUsize::new(len).ok_or(Errno::EINVAL)?;
        let both = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: the kernel chooses an address where nothing is.
        let at = unsafe { mmap(None, length, both, MapFlags::MAP_SHARED, file, 0) }?;
        Ok(Self { at: at.cast(), len })
    }

    /// Returns where they begin, which is on a page.
    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut u8 {
        self.at.as_ptr()
    }

    #[inline]
    pub(crate) fn at(&self) -> NonNull<u8> {
        self.at
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: it is what was mapped, and its users borrow from `self`.
        let _ = unsafe { munmap(self.at.cast(), self.len) };
    }
}
