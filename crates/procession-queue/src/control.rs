//! What lies in a queue's own segment.
//!
//! | part | content |
//! |---|---|
//! | [`Control`] | the two sides, and what concerns both |
//! | table | who has taken what and not said that it is done; of a joinable queue only |
//! | home | the first chunk |

use crate::event::Event;
use crate::record::{Area, FIRST};
use crate::side::{Locked, Side};
use crate::stored::NameCell;
use crate::undone::{ENTRIES, Entry, Table};
use crate::{Closed, Fault, StateError};
use procession_os::wait::Deadline;
use procession_shm::{Format, Segment, SegmentKind, ShmError};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The first bytes of the segment. Zeros are a valid value for all of it but the locks.
#[repr(C, align(128))]
pub(crate) struct Control {
    /// The most items that the queue holds at a time; zero for no limit. Written once.
    capacity: AtomicU64,
    /// Not zero if there is a table. Written once.
    joinable: AtomicU32,
    /// Not zero for ever after the queue was closed.
    closed: AtomicU32,
    /// The handles of all processes, and those on their way. Zero is final.
    handles: AtomicU64,
    /// Not zero if the home chunk may be used again.
    pub(crate) home_free: AtomicU32,
    /// Not zero if [`spare`](Self::spare) names a chunk that may be used again.
    pub(crate) spare_full: AtomicU32,
    /// Written by consumers while `spare_full` is zero, read by producers while it is not.
    pub(crate) spare: NameCell,
    /// How many items of a joinable queue are done. Written under the consumers' lock.
    pub(crate) done: AtomicU64,
    /// Where those sleep who wait until all is done. Used under the consumers' lock.
    pub(crate) finished: Event,
    put: Side,
    get: Side,
}

/// The bytes of the home chunk.
const HOME: usize = 64 << 10;
const LINE: usize = 64;
const TABLE: usize = size_of::<Entry>() * ENTRIES;
const _: () = assert!(size_of::<Control>().is_multiple_of(LINE) && TABLE.is_multiple_of(LINE));

/// The element of a queue's segment, so that its header tells the type of the items.
#[repr(C, align(64))]
struct Line<T>([u8; LINE], PhantomData<fn() -> T>);

/// How a queue begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) capacity: u64,
    pub(crate) joinable: bool,
}

/// A queue's own segment in this process.
pub(crate) struct Home {
    segment: Segment,
    joinable: bool,
}

impl Home {
    pub(crate) fn format<T>() -> Format {
        Format::of::<Line<T>>(SegmentKind::new(32, "queue of such items"))
    }

    pub(crate) fn create<T>(plan: Plan) -> Result<Self, ShmError> {
        let joinable = plan.joinable;
        let lines = total(joinable) / LINE;
        let mut made = Ok(());
        let segment = Segment::create(Self::format::<T>(), lines, |bytes| {
            // SAFETY: the bytes are zeroed, nobody else's, and begin at a multiple of 128.
            made = unsafe { init_at(bytes.as_mut_ptr().cast()) };
        })?;
        made.map_err(ShmError::System)?;
        let home = Self { segment, joinable };
        home.control().handles.store(1, Ordering::Relaxed);
        let capacity = &home.control().capacity;
        capacity.store(plan.capacity, Ordering::Relaxed);
        home.control()
            .joinable
            .store(joinable.into(), Ordering::Relaxed);
        Ok(home)
    }

    /// Checks that the segment is as large as what it says is in it.
    pub(crate) fn found(segment: Segment) -> Result<Self, Fault> {
        let len = segment.payload_len();
        if len < size_of::<Control>() {
            return Err(Fault::Damaged("the segment is too small"));
        }
        let mut home = Self {
            segment,
            joinable: false,
        };
        home.joinable = home.control().joinable.load(Ordering::Relaxed) != 0;
        if len != total(home.joinable) {
            return Err(Fault::Damaged("the segment has the wrong size"));
        }
        Ok(home)
    }

    pub(crate) fn segment(&self) -> &Segment {
        &self.segment
    }

    #[inline]
    pub(crate) fn control(&self) -> &Control {
        // SAFETY: the segment is large enough and begins at a multiple of its header's 128 bytes;
        // all fields are atomics or use them.
        unsafe { self.segment.payload().cast().as_ref() }
    }

    /// Returns the memory of the first chunk.
    pub(crate) fn area(&self) -> Area {
        let at = self.behind_control(if self.joinable { TABLE } else { 0 });
        // SAFETY: the segment has so many bytes there, and lives as long as its handle.
        unsafe { Area::new(at, HOME) }
    }

    /// Returns the table of a joinable queue.
    pub(crate) fn table(&self) -> Option<Table<'_>> {
        if !self.joinable {
            return None;
        }
        let entries = self.behind_control(0).cast::<[Entry; ENTRIES]>();
        // SAFETY: a joinable queue has so many entries there, which are made of atomics.
        Some(Table::new(unsafe { entries.as_ref() }))
    }

    fn behind_control(&self, more: usize) -> NonNull<u8> {
        // SAFETY: a queue's segment is at least so large.
        unsafe { self.segment.payload().add(size_of::<Control>() + more) }
    }
}

fn total(joinable: bool) -> usize {
    size_of::<Control>() + if joinable { TABLE } else { 0 } + HOME
}

/// # Safety
///
/// `at` must point to zeroed memory of this size and alignment that nobody else uses yet.
unsafe fn init_at(at: *mut Control) -> std::io::Result<()> {
    // SAFETY: the side lies inside of what `at` points to.
    let put = unsafe { &raw mut (*at).put };
    // SAFETY: as above.
    let get = unsafe { &raw mut (*at).get };
    for side in [put, get] {
        // SAFETY: the caller vouches for the memory.
        unsafe { Side::init_at(side) }?;
        // SAFETY: the side was made on the line before.
        let locked = unsafe { &*side }.lock(Deadline::NEVER);
        if let Ok(locked) = locked {
            let first = &locked.place(0).offset;
            first.store(FIRST, Ordering::Relaxed);
        }
    }
    Ok(())
}

impl Control {
    /// Returns the most items that the queue holds at a time.
    pub(crate) fn capacity(&self) -> Option<u64> {
        Some(self.capacity.load(Ordering::Relaxed)).filter(|&capacity| capacity != 0)
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire) != 0
    }

    #[inline]
    pub(crate) fn check_open(&self) -> Result<(), Closed> {
        if self.is_closed() {
            return Err(Closed);
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn put(&self) -> &Side {
        &self.put
    }

    #[inline]
    pub(crate) fn get(&self) -> &Side {
        &self.get
    }

    /// Returns the number of items at one instant, of a queue that is open.
    pub(crate) fn len(&self) -> Result<u64, StateError> {
        self.check_open()?;
        for _ in 0..64 {
            let before = self.put.cursor.load();
            let len = before.ahead_of(self.get.cursor.load());
            // If nothing was put meanwhile, that was the number when the other word was read.
            if self.put.cursor.load() == before {
                return Ok(len);
            }
        }
        // Under the lock nothing is put.
        let locked = self.put.lock(Deadline::NEVER)?;
        Ok(locked.cursor().load().ahead_of(self.get.cursor.load()))
    }

    /// Closes the queue for ever and wakes all.
    ///
    /// All are woken first, and need a lock to sleep again: whatever instruction this is killed
    /// at, either the queue is not closed, or all see that it is.
    pub(crate) fn close(&self, deadline: Deadline) -> Result<(), Fault> {
        let put = self.put.lock(deadline)?;
        let get = self.get.lock(deadline)?;
        put.announce();
        get.announce();
        self.finished.announce();
        self.closed.store(1, Ordering::Release);
        Ok(())
    }

    /// Counts another handle; false if there was none left.
    pub(crate) fn add_handle(&self) -> bool {
        let more = |count: u64| count.checked_add(1).filter(|_| count != 0);
        let relaxed = Ordering::Relaxed;
        self.handles.fetch_update(relaxed, relaxed, more).is_ok()
    }

    /// Takes a handle away; true if it was the last.
    pub(crate) fn remove_handle(&self) -> bool {
        let fewer = |count: u64| count.checked_sub(1);
        // Whoever takes the last one away sees what the others did before they went.
        let updated = self
            .handles
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, fewer);
        updated == Ok(1)
    }

    /// Takes the lock of the consumers, if the queue is open.
    pub(crate) fn lock_get(&self, deadline: Deadline) -> Result<Locked<'_>, StateError> {
        let locked = self.get.lock(deadline)?;
        self.check_open()?;
        Ok(locked)
    }
}
