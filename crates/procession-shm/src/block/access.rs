//! Reading and writing the bytes of a block.

use super::SharedMemory;
use super::words::{self, WORD};
use crate::pages::Pages;
use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::AtomicU64;

/// Bytes were asked for that the block does not have.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{len} bytes at offset {offset} are not inside of the block, which has {size}")]
pub struct OutOfBlock {
    /// Where the first byte was asked for.
    pub offset: usize,
    /// How many bytes were asked for.
    pub len: usize,
    /// The size of the block.
    pub size: usize,
}

procession_os::debug_in_words!(OutOfBlock);

impl SharedMemory {
    /// Copies bytes out of the block, from `offset` on, until `into` is full.
    ///
    /// # Errors
    ///
    /// [`OutOfBlock`]; nothing is copied then.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::SharedMemory;
    ///
    /// let block = SharedMemory::create_anonymous(8)?;
    /// block.write_at(6, &[1, 2])?;
    /// let mut two = [0; 2];
    /// block.read_at(6, &mut two)?;
    /// assert_eq!(two, [1, 2]);
    /// assert!(block.read_at(7, &mut two).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_at(&self, offset: usize, into: &mut [u8]) -> Result<(), OutOfBlock> {
        self.check(offset, into.len())?;
        words::read(self.words(), offset, into);
        Ok(())
    }

    /// Copies `from` into the block, from `offset` on.
    ///
    /// # Errors
    ///
    /// [`OutOfBlock`]; nothing is copied then.
    ///
    /// # Examples
    ///
    /// ```
    /// let block = procession_shm::SharedMemory::create_anonymous(3)?;
    /// block.write_at(1, b"bc")?;
    /// assert_eq!(block.to_vec(), b"\0bc");
    /// assert!(block.write_at(2, b"cd").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write_at(&self, offset: usize, from: &[u8]) -> Result<(), OutOfBlock> {
        self.check(offset, from.len())?;
        words::write(self.words(), offset, from);
        Ok(())
    }

    /// Returns a copy of all bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// let block = procession_shm::SharedMemory::create_anonymous(3)?;
    /// assert_eq!(block.to_vec(), [0, 0, 0]);
    /// # Ok::<(), procession_shm::BlockError>(())
    /// ```
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len()];
        words::read(self.words(), 0, &mut bytes);
        bytes
    }

    /// Returns the block as words of eight bytes; what is left at its end is not among them.
    ///
    /// C and C++ see the same words as `_Atomic uint64_t`, numpy as `uint64`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::Ordering;
    ///
    /// let block = procession_shm::SharedMemory::create_anonymous(20)?;
    /// assert_eq!(block.atomics().len(), 2);
    /// block.atomics()[1].fetch_add(7, Ordering::Relaxed);
    /// assert_eq!(block.to_vec()[8..16], 7_u64.to_ne_bytes());
    /// # Ok::<(), procession_shm::BlockError>(())
    /// ```
    pub fn atomics(&self) -> &[AtomicU64] {
        &self.words()[..self.len() / WORD]
    }

    /// Returns where the block is in this process, on a page, for as long as there is a handle.
    ///
    /// Whoever reads or writes through it says why nobody else does so at that moment; other
    /// processes have the block elsewhere.
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.block.memory.at()
    }

    /// All words that have a byte of the block.
    #[inline]
    pub(super) fn words(&self) -> &[AtomicU64] {
        words_of(&self.block.memory)
    }

    pub(super) fn check(&self, offset: usize, len: usize) -> Result<(), OutOfBlock> {
        let size = self.len();
        match offset.checked_add(len) {
            Some(end) if end <= size => Ok(()),
            _ => Err(OutOfBlock { offset, len, size }),
        }
    }
}

pub(super) fn words_of(memory: &Pages) -> &[AtomicU64] {
    let len = memory.len().div_ceil(WORD);
    // SAFETY: the mapping begins on a page, and is readable and writable to the end of its last
    // one; it lives as long as `memory`, and atomics may be written by anybody.
    unsafe { slice::from_raw_parts(memory.as_ptr().cast(), len) }
}
