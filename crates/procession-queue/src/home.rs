//! What lies in a queue's own segment.
//!
//! | part | content |
//! |---|---|
//! | [`Control`] | the two sides, and what concerns both |
//! | table | who has taken what and not said that it is done; of a joinable queue only |
//! | home | the first chunk |

use crate::Fault;
use crate::atomic::Ordering;
use crate::control::Control;
use crate::memory::Memory;
use crate::patience::Patience;
use crate::record::{Area, FIRST};
use crate::sides::Sides;
use crate::undone::{ENTRIES, Entry, Table};
use procession_shm::{Format, Segment, SegmentKind, ShmError};
use std::marker::PhantomData;
use std::ptr::NonNull;

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
        Format::of::<Line<T>>(SegmentKind::QUEUE)
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
        Area::new(unsafe { Memory::new(at, HOME) })
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
    // SAFETY: the sides lie inside of what `at` points to.
    let sides = unsafe { &raw mut (*at).sides };
    // SAFETY: the caller vouches for the memory.
    unsafe { Sides::init_at(sides) }?;
    // SAFETY: they were made on the line before.
    let sides = unsafe { &*sides };
    for side in [&sides.put, &sides.get] {
        if let Ok(locked) = side.lock(Patience::None) {
            let first = &locked.place(0).offset;
            first.store(FIRST, Ordering::Relaxed);
        }
    }
    Ok(())
}
