//! The memory of a chunk: words and bytes, each access inside of it or refused.

use crate::atomic::AtomicU64;
use crate::record::Link;
use procession_os::huge;
pub(crate) use procession_shm::Segment;
/// What a queue's own segment is, of which the others are parts.
pub(crate) use procession_shm::Segment as HomeSegment;
use procession_wire::buffer;
use std::ptr::NonNull;

/// Where the memory is, and how long.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    at: NonNull<u8>,
    len: usize,
}

// SAFETY: it is an address; whoever uses it keeps to the rules wherever it runs.
unsafe impl Send for Memory {}

impl Memory {
    /// # Safety
    ///
    /// `len` bytes must be mapped at `at`, which is a multiple of 8, for as long as the memory is
    /// used, and no reference to them may exist.
    pub(crate) unsafe fn new(at: NonNull<u8>, len: usize) -> Self {
        Self { at, len }
    }

    /// Returns the memory of a segment that belongs to a queue.
    ///
    /// # Safety
    ///
    /// A handle to the segment must exist for as long as the memory is used, and no reference to
    /// what is in it.
    pub(crate) unsafe fn of(segment: &Segment) -> Self {
        // SAFETY: so many bytes are mapped, at a multiple of 64; the caller vouches for the rest.
        unsafe { Self::new(segment.payload(), segment.payload_len()) }
    }

    /// Returns how many bytes there are.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Returns what a chunk begins with.
    pub(crate) fn link(&self) -> Option<&Link> {
        let at = self.at(0, size_of::<Link>())?;
        // SAFETY: the link lies inside of the memory, aligned, and is made of atomics.
        Some(unsafe { at.cast().as_ref() })
    }

    /// Returns the word at an offset.
    #[inline]
    pub(crate) fn word(&self, offset: usize) -> Option<&AtomicU64> {
        let at = self.at(offset, size_of::<AtomicU64>())?;
        if !offset.is_multiple_of(8) {
            return None;
        }
        // SAFETY: eight aligned bytes are there, which are only ever used as this atomic.
        Some(unsafe { at.cast().as_ref() })
    }

    /// Copies bytes into the memory; nobody may read or write there meanwhile.
    #[inline]
    pub(crate) fn write(&self, offset: usize, from: &[u8]) -> Option<()> {
        let to = self.at(offset, from.len())?;
        // SAFETY: so many bytes lie at `to`, in memory that no slice is in.
        unsafe { to.copy_from_nonoverlapping(NonNull::from(from).cast(), from.len()) };
        Some(())
    }

    /// Copies bytes out of the memory, behind what is in a buffer; nobody may write there meanwhile.
    #[inline]
    pub(crate) fn read(&self, offset: usize, len: usize, to: &mut Vec<u8>) -> Option<()> {
        let from = self.at(offset, len)?.as_ptr();
        huge::populate_to_read(from, len);
        buffer::make_room(to, len);
        let end = to.len();
        let room = to.spare_capacity_mut().as_mut_ptr().cast();
        // SAFETY: so many bytes lie at `from`, and there is room for them in the buffer.
        unsafe { from.copy_to_nonoverlapping(room, len) };
        // SAFETY: they were written on the line before.
        unsafe { to.set_len(end + len) };
        Some(())
    }

    /// Copies bytes out of the memory; nobody may write there meanwhile.
    pub(crate) fn copy(&self, offset: usize, len: usize) -> Option<Vec<u8>> {
        let mut copy = Vec::new();
        self.read(offset, len, &mut copy)?;
        Some(copy)
    }

    #[inline]
    fn at(&self, offset: usize, len: usize) -> Option<NonNull<u8>> {
        if offset.checked_add(len)? > self.len {
            return None;
        }
        // SAFETY: the offset lies inside of the memory, or right behind it if there is nothing.
        Some(unsafe { self.at.add(offset) })
    }
}
