//! The memory of a slab.

use super::chunk::Chunk;
use super::layout::{
    CHUNK, CHUNK_CELLS, Layout, MOST_CHUNKS, PAGE, PAGE_METAS, QUARTER, chunks_of,
};
use super::meta::Meta;
use crate::header::{MAGIC, SLOTS, SlotSet, VERSION};
use crate::name::Name;
use crate::pages::Pages;
use crate::reserve;
use crate::{OpenError, ShmError};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use nix::sys::mman::{MmapAdvise, madvise};
use nix::time::{ClockId, clock_gettime};
use std::fs;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::ptr::NonNull;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64};

/// A slab that this process has mapped. It is never unmapped.
pub(crate) struct Slab {
    pub(super) family: u64,
    /// Which one of the family's it is, counted from zero.
    pub(super) number: u64,
    /// Tells it from one that had its name before.
    pub(super) nonce: u32,
    pub(super) layout: Layout,
    /// Whether its name stands for something else by now, so that nothing new may lie in it.
    retired: AtomicBool,
    looked: AtomicI64,
    file: FileId,
    pages: Pages,
}

/// Which file it is, and whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId {
    inode: u64,
    owner: u32,
}

/// The first page.
#[repr(C)]
struct SlabHeader {
    magic: AtomicU64,
    version: AtomicU32,
    /// Zero, as in the header of a segment that is being made.
    state: AtomicU32,
    number: AtomicU64,
    nonce: AtomicU32,
    _unused: AtomicU32,
    /// Which rows are reserved.
    rows: [AtomicU64; SLOTS / 64],
    chunks: [AtomicU32; MOST_CHUNKS],
}

const _: () = assert!(size_of::<SlabHeader>() <= PAGE && SLOTS.is_multiple_of(64));

impl Slab {
    /// Makes a slab and gives it its name; `None` if another process has just done that.
    pub(super) fn make(family: u64, number: u64) -> Result<Option<Self>, ShmError> {
        let layout = Layout {
            chunks: chunks_of(number),
        };
        let (own, pages) = reserve::make_unreserved(family, layout.total())?;
        let unfinished = reserve::Unlink::of(own);
        let nonce = getrandom::u32().map_err(|_| ShmError::System(Errno::EIO.into()))?;
        let file = file_of(&own.path()).map_err(ShmError::System)?;
        let slab = Self::of(family, number, nonce, file, pages);
        slab.populate_as(own, 0..PAGE)?;
        let header = slab.header();
        header.version.store(VERSION, Relaxed);
        header.number.store(number, Relaxed);
        header.nonce.store(nonce, Relaxed);
        header.magic.store(MAGIC, SeqCst);
        // Only now others find it. Whoever is killed before leaves an unfinished segment.
        let (from, to) = (own.path(), slab.name().path());
        let flags = RenameFlags::RENAME_NOREPLACE;
        match renameat2(AT_FDCWD, from.as_str(), AT_FDCWD, to.as_str(), flags) {
            Ok(()) => {
                unfinished.keep();
                Ok(Some(slab))
            }
            Err(Errno::EEXIST) => Ok(None),
            Err(errno) => Err(ShmError::from_errno(errno, layout.total())),
        }
    }

    /// Maps the slab that has this number now.
    pub(super) fn open(family: u64, number: u64) -> Result<Self, OpenError> {
        let name = Name::of_slab(family, number);
        let file = file_of(&name.path())?;
        let pages = reserve::find(&name.to_string())?;
        let layout = Layout {
            chunks: chunks_of(number),
        };
        if pages.len() != layout.total() {
            return Err(OpenError::Damaged("it is not as large as a slab"));
        }
        let mut slab = Self::of(family, number, 0, file, pages);
        let header = slab.header();
        let as_made = header.magic.load(SeqCst) == MAGIC
            && header.version.load(Relaxed) == VERSION
            && header.number.load(Relaxed) == number;
        if !as_made {
            return Err(OpenError::Damaged("it does not begin like a slab"));
        }
        slab.nonce = header.nonce.load(Relaxed);
        if file_of(&name.path())? != file {
            return Err(OpenError::Gone);
        }
        Ok(slab)
    }

    fn of(family: u64, number: u64, nonce: u32, file: FileId, pages: Pages) -> Self {
        Self {
            family,
            number,
            nonce,
            layout: Layout {
                chunks: chunks_of(number),
            },
            retired: AtomicBool::new(false),
            looked: AtomicI64::new(now()),
            file,
            pages,
        }
    }

    /// Returns the name of its file.
    pub(crate) fn name(&self) -> Name {
        Name::of_slab(self.family, self.number)
    }

    /// Returns whether its name was taken away, or is another's. It is looked up now and then, not each time:
    /// what was made a moment after its slab lost the name is as lost to others as what was made a
    /// moment before.
    pub(super) fn is_retired(&self) -> bool {
        const PAUSE_MS: i64 = 10;
        let now = now();
        if now - self.looked.load(Relaxed) >= PAUSE_MS {
            self.looked.store(now, Relaxed);
            if file_of(&self.name().path()).ok() != Some(self.file) {
                self.retired.store(true, Relaxed);
            }
        }
        self.retired.load(Relaxed)
    }

    /// Returns whether its name leads to it at this moment.
    pub(crate) fn is_listed(&self) -> bool {
        file_of(&self.name().path()).is_ok_and(|found| found == self.file)
    }

    /// Returns whether it belongs to this user, so that all processes of that user can open it.
    pub(super) fn is_of(&self, user: u32) -> bool {
        self.file.owner == user
    }

    fn at(&self, offset: usize) -> NonNull<u8> {
        debug_assert!(offset < self.pages.len());
        // SAFETY: all offsets come from the layout, whose total is as long as the mapping.
        unsafe { self.pages.at().add(offset) }
    }

    fn header(&self) -> &SlabHeader {
        // SAFETY: the first page is the header, is reserved, and is atomic throughout.
        unsafe { self.at(0).cast().as_ref() }
    }

    pub(super) fn chunk(&self, chunk: usize) -> Chunk {
        Chunk(self.header().chunks[chunk].load(SeqCst))
    }

    /// Has a chunk that is not used yet be for cells of this class; false if another process was first.
    pub(super) fn take_chunk(&self, chunk: usize, class: usize) -> bool {
        let (from, to) = (Chunk::UNUSED.0, Chunk::with_class(class).0);
        let word = &self.header().chunks[chunk];
        word.compare_exchange(from, to, SeqCst, SeqCst).is_ok()
    }

    /// Returns the meta of a cell, which must be [reserved](Chunk::has_meta).
    #[inline]
    pub(super) fn meta(&self, index: usize) -> &Meta {
        // SAFETY: the layout has a meta for each cell, which is atomic throughout.
        unsafe { self.at(Layout::meta_at(index)).cast().as_ref() }
    }

    /// Returns where a cell of this size begins.
    #[inline]
    pub(super) fn cell(&self, index: usize, size: usize) -> NonNull<u8> {
        self.at(self.layout.cell_at(index, size))
    }

    /// Returns a word of a slot's row, which must be reserved.
    #[inline]
    pub(super) fn row_word(&self, slot: u32, word: usize) -> &AtomicU64 {
        let at = self.layout.row(slot).start + word * 8;
        // SAFETY: the layout has so many words in each row, and they are atomic.
        unsafe { self.at(at).cast().as_ref() }
    }

    /// Returns the slots whose rows are reserved.
    pub(super) fn rows(&self) -> SlotSet {
        SlotSet::from_words(|at| self.header().rows[at].load(SeqCst))
    }

    /// Reserves the row of a slot.
    pub(crate) fn reserve_row(&self, slot: u32) -> Result<(), ShmError> {
        let (word, bit) = (slot as usize / 64, 1 << (slot % 64));
        let rows = &self.header().rows[word];
        if rows.load(SeqCst) & bit == 0 {
            self.populate(self.layout.row(slot))?;
            rows.fetch_or(bit, SeqCst);
        }
        Ok(())
    }

    /// Reserves a cell of this size and its meta.
    #[inline]
    pub(super) fn reserve_cell(&self, index: usize, size: usize) -> Result<(), ShmError> {
        let (chunk, cell) = (index / CHUNK_CELLS, index % CHUNK_CELLS);
        let bits = Chunk::bits(cell, size);
        let word = &self.header().chunks[chunk];
        loop {
            let known = word.load(SeqCst);
            if known & bits == bits {
                return Ok(());
            }
            self.reserve_parts(chunk, cell, size)?;
            // Last: who is killed before has it reserved again. If the word has changed, the memory may have been
            // given back meanwhile.
            let _ = word.compare_exchange(known, known | bits, SeqCst, SeqCst);
        }
    }

    /// Gives the memory of a chunk's cells back to the system. The caller has taken all of its cells. What is known of
    /// them stays, above all their generations.
    pub(super) fn give_back_chunk(&self, chunk: usize) {
        let word = &self.header().chunks[chunk];
        let forget = || {
            let _ = word.fetch_update(SeqCst, SeqCst, |known| {
                Some(Chunk(known).without_memory().0)
            });
        };
        // First: from here on whoever takes a cell reserves it anew, also if this process is killed now.
        forget();
        let at = self.at(self.layout.chunk_at(chunk)).cast();
        // SAFETY: the range lies in the mapping, and nobody uses any of its cells. What is not removed is used
        // again as it is.
        let _ = unsafe { madvise(at, CHUNK, MmapAdvise::MADV_REMOVE) };
        // Again: what was reserved since then may have been removed.
        forget();
    }

    #[cold]
    fn reserve_parts(&self, chunk: usize, cell: usize, size: usize) -> Result<(), ShmError> {
        let first = chunk * CHUNK_CELLS + cell / PAGE_METAS * PAGE_METAS;
        let metas = Layout::meta_at(first);
        self.populate(metas..metas + PAGE)?;
        let quarters = Chunk::quarters(cell, size);
        let at = self.layout.chunk_at(chunk);
        let end = at + (quarters.end() + 1) * QUARTER;
        debug_assert!(end <= at + CHUNK);
        self.populate(at + quarters.start() * QUARTER..end)
    }

    fn populate(&self, range: Range<usize>) -> Result<(), ShmError> {
        self.populate_as(self.name(), range)
    }

    /// Sees to it that memory is there, so that writing to it never is a signal.
    fn populate_as(&self, name: Name, range: Range<usize>) -> Result<(), ShmError> {
        let start = range.start / PAGE * PAGE;
        let end = range.end.next_multiple_of(PAGE);
        let at = self.at(start).cast();
        loop {
            // SAFETY: the range lies in the mapping, and what it contains stays as it is.
            let done = unsafe { madvise(at, end - start, MmapAdvise::MADV_POPULATE_WRITE) };
            return match done {
                Ok(()) => Ok(()),
                Err(Errno::EINTR | Errno::EAGAIN) => continue,
                // A kernel before 5.14.
                Err(Errno::EINVAL) => reserve::reserve_range(name, start..end),
                // Writing would be a signal: the file system is full.
                Err(Errno::EFAULT) => Err(ShmError::out_of_memory(end - start)),
                Err(errno) => Err(ShmError::from_errno(errno, end - start)),
            };
        }
    }
}

/// Milliseconds of a clock that costs little.
fn now() -> i64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE)
        .map_or(0, |now| now.tv_sec() * 1000 + now.tv_nsec() / 1_000_000)
}

fn file_of(path: &str) -> std::io::Result<FileId> {
    let found = fs::symlink_metadata(path)?;
    Ok(FileId {
        inode: found.ino(),
        owner: found.uid(),
    })
}
