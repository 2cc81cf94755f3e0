//! An object in this process's memory, and what this process holds of it.
//!
//! It has a segment of its own, or lies in a [slab](crate::slab).
//!
//! The [header](crate::header) says who holds the segment. This process is a holder from the time at
//! which a mapping is entered into the [registry](crate::registry) until it is dropped, however many
//! handles there are. Whoever gives up the last hold unlinks the name; it cannot rise again.

use crate::claims::SideBySide;
use crate::family::holders::Holder;
use crate::family::{self, Lease, Stay, remains};
use crate::format::{Format, Found, HEADER_LEN, has_readers};
use crate::header::{CORE_LEN, Core, Header, LINKED, SENT};
use crate::kind::SegmentKind;
use crate::name::{CellName, Name};
use crate::pages::Pages;
use crate::slab::{self, Admitted, Cell, forked};
use crate::{OpenError, ShmError, registry, reserve};
use nix::unistd::geteuid;
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind::PermissionDenied;
use std::mem::ManuallyDrop;
use std::os::unix::fs::MetadataExt;
use std::panic::RefUnwindSafe;
use std::process;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) struct Mapping {
    pub(crate) name: Name,
    pub(crate) found: Found,
    /// Whether a thread of this process holds the lock; written by the holder only.
    pub(crate) held: AtomicBool,
    /// Which process writes; written by the holder only.
    pub(crate) writer: AtomicU64,
    lies: Lies,
    /// Where its mutex is.
    core: NonNull<Core>,
    /// Where the state of readers and of parts is, if there is one.
    side_by_side: Option<NonNull<SideBySide>>,
    /// Where the first element is.
    payload: NonNull<u8>,
    /// The process that holds the segment for this mapping. A forked child does not, unless it
    /// [adopts](Self::adopt) it.
    process: AtomicU32,
    /// As what it holds it: the slot, or [`COUNTED`].
    holder: AtomicU32,
    /// Whether it holds it no more, or not yet.
    released: AtomicBool,
    /// Whether this process has made it.
    is_made: bool,
    /// Whether it has to be held until this process ends.
    pinned: AtomicBool,
    /// How often this process had been forked when it mapped it.
    forks: u32,
}

/// Where an object lies.
enum Lies {
    /// In a segment of its own.
    Alone(ManuallyDrop<Pages>),
    InSlab(Cell),
}

/// Where in a segment the mutex is.
const HEADER_CORE_AT: usize = 64;

/// Stands for [`Holder::Counted`].
const COUNTED: u32 = u32::MAX;

// SAFETY: the mapping stays where it is until it is dropped; the header is accessed atomically,
// the payload as its users say.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

// As for `std::sync::Mutex`: what a panic leaves half done under the lock is poisoned. Without the
// lock there is nothing but loads and stores that no panic comes between.
impl RefUnwindSafe for Mapping {}

impl Mapping {
    pub(crate) fn create(
        format: &Format,
        elements: usize,
        init: impl FnOnce(&mut [u8]),
    ) -> Result<Arc<Self>, ShmError> {
        let measure = format.measure(elements)?;
        // First, so that a segment that is being made is known to be a living process's.
        let (process, holder) = family::stay()?.ours();
        let (name, memory) = reserve::make(measure.total)?;
        // SAFETY: the memory is new and zeroed, and begins on a page.
        unsafe { Header::init_at(memory.as_ptr().cast(), format, elements, holder) }
            .inspect_err(|_| reserve::unlink(name))
            .map_err(ShmError::System)?;
        let found = format.found(elements, measure);
        let mut mapping = Self::alone(name, memory, found, (process, holder));
        mapping.is_made = true;
        // From here on dropping it removes the name.
        let unlink = reserve::Unlink::of(name);
        init(mapping.payload_of_new());
        if let Some(header) = mapping.header() {
            header.set_ready();
        }
        let mapping = mapping.enter_made();
        unlink.keep();
        mapping
    }

    /// As [`create`](Self::create), in a slab if it is small enough and this process can have one.
    pub(crate) fn create_small(
        format: &Format,
        elements: usize,
        init: impl FnOnce(&mut [u8]),
    ) -> Result<Arc<Self>, ShmError> {
        let stay = family::stay()?;
        let Some((taken, measure)) = slab::take(&stay, format, elements) else {
            drop(stay);
            return Self::create(format, elements, init);
        };
        let at = taken.clear(&measure).map_err(ShmError::System)?;
        let (cell, found) = (taken.cell(), format.found(elements, measure));
        let mut mapping = Self::new(cell.name(), Lies::InSlab(cell), at, found, stay.ours());
        mapping.is_made = true;
        drop(stay);
        init(mapping.payload_of_new());
        HELD_CELLS.fetch_add(1, Ordering::Relaxed);
        taken.set_ready(format, elements);
        mapping.enter_made()
    }

    /// Enters what this process has made, and holds.
    fn enter_made(self) -> Result<Arc<Self>, ShmError> {
        let mapping = registry::enter(Arc::new(self), |mapping| {
            mapping.released.store(false, Ordering::Relaxed);
            true
        });
        mapping.ok_or_else(|| ShmError::System(std::io::ErrorKind::AlreadyExists.into()))
    }

    /// Returns this process's mapping of the segment, making it if there is none.
    pub(crate) fn find(name: Name) -> Result<Arc<Self>, OpenError> {
        let stay = stay_in_family_of(name)?;
        if let Some(mapping) = registry::find(name) {
            return Ok(mapping);
        }
        let mapping = match name.cell {
            Some(cell) => Self::open_in_slab(name, cell, &stay),
            None => Self::open(name, &stay),
        };
        let hold = |mapping: &Self| mapping.hold(stay.lease());
        registry::enter(Arc::new(mapping?), hold).ok_or(OpenError::Gone)
    }

    fn open_in_slab(name: Name, cell: CellName, stay: &Stay) -> Result<Self, OpenError> {
        let mut owner = geteuid().as_raw();
        let check = || {
            owner = check_owner(name, stay)?;
            Ok(())
        };
        let cell = slab::find(name, cell, check).map_err(|error| explained(error, owner))?;
        if let Holder::Slot(slot) = stay.holder() {
            cell.reserve_row(slot)?;
        }
        let (at, found) = cell.find()?;
        let lies = Lies::InSlab(cell);
        Ok(Self::new(name, lies, at, found, stay.ours()))
    }

    fn open(name: Name, stay: &Stay) -> Result<Self, OpenError> {
        let owner = check_owner(name, stay)?;
        let memory = reserve::find(&name.to_string())
            .map_err(|error| explained(OpenError::from(error), owner))?;
        if memory.len() < size_of::<Header>() {
            return Err(OpenError::Damaged("it is shorter than its header"));
        }
        // SAFETY: the mapping begins on a page and is long enough.
        let header: &Header = unsafe { &*memory.as_ptr().cast() };
        let found = header.verify(memory.len())?;
        if header.is_gone() {
            return Err(OpenError::Gone);
        }
        Ok(Self::alone(name, memory, found, stay.ours()))
    }

    /// Becomes a holder; false if the segment is gone.
    fn hold(&self, lease: Option<&Lease>) -> bool {
        let held = match &self.lies {
            Lies::Alone(_) => self.admit(self.holder()),
            Lies::InSlab(cell) => {
                let admitted = cell.admit(self.holder(), lease);
                match admitted {
                    Some(Admitted::Now) => drop(HELD_CELLS.fetch_add(1, Ordering::Relaxed)),
                    Some(Admitted::Before) if pinned().contains(&self.name) => {
                        self.pinned.store(true, Ordering::Relaxed);
                    }
                    _ => {}
                }
                admitted.is_some()
            }
        };
        self.released.store(!held, Ordering::Relaxed);
        held
    }

    /// Notes a new holder; false if the object is gone.
    pub(crate) fn admit(&self, holder: Holder) -> bool {
        match &self.lies {
            Lies::Alone(_) => self.header().is_some_and(|header| header.admit(holder)),
            Lies::InSlab(cell) => cell.admit(holder, None).is_some(),
        }
    }

    fn dismiss(&self, holder: Holder) {
        match (&self.lies, self.header()) {
            (Lies::InSlab(cell), _) => cell.dismiss(holder),
            (Lies::Alone(_), Some(header)) => header.dismiss(holder),
            (Lies::Alone(_), None) => {}
        }
    }

    /// Makes a mark that stays; false if the object is gone.
    pub(crate) fn mark(&self, mark: u32) -> bool {
        match (&self.lies, self.header()) {
            (Lies::InSlab(cell), _) => cell.mark(mark),
            (Lies::Alone(_), Some(header)) => {
                header.mark(mark);
                true
            }
            (Lies::Alone(_), None) => false,
        }
    }

    /// Returns whether nobody held it at some moment, so that it cannot be had any more.
    pub(crate) fn is_gone(&self) -> bool {
        match &self.lies {
            Lies::Alone(_) => self.header().is_none_or(Header::is_gone),
            Lies::InSlab(cell) => cell.is_gone(),
        }
    }

    fn holder(&self) -> Holder {
        match self.holder.load(Ordering::Relaxed) {
            COUNTED => Holder::Counted,
            slot => Holder::Slot(slot),
        }
    }

    fn set_holder(&self, holder: Holder) {
        let holder = match holder {
            Holder::Slot(slot) => slot,
            Holder::Counted => COUNTED,
        };
        self.holder.store(holder, Ordering::Relaxed);
    }

    /// The mapping of a segment for which nothing is held yet.
    fn alone(name: Name, memory: Pages, found: Found, ours: (u32, Holder)) -> Self {
        let start = memory.at();
        let lies = Lies::Alone(ManuallyDrop::new(memory));
        Self::new(name, lies, start, found, ours)
    }

    /// What lies at `start`, for which nothing is held yet.
    fn new(
        name: Name,
        lies: Lies,
        start: NonNull<u8>,
        found: Found,
        (process, holder): (u32, Holder),
    ) -> Self {
        let start = start.as_ptr();
        let (core, behind) = match lies {
            Lies::Alone(_) => (start.wrapping_add(HEADER_CORE_AT), HEADER_LEN),
            Lies::InSlab(_) => (start, CORE_LEN),
        };
        let payload = start.wrapping_add(found.measure.payload_at);
        let side_by_side = start.wrapping_add(behind).cast();
        let mapping = Self {
            name,
            found,
            held: AtomicBool::new(false),
            writer: AtomicU64::new(0),
            lies,
            // SAFETY: no mapping is at zero.
            core: unsafe { NonNull::new_unchecked(core.cast()) },
            side_by_side: NonNull::new(side_by_side).filter(|_| has_readers(found.kind)),
            // SAFETY: the payload lies behind the header, in a mapping that is not at zero.
            payload: unsafe { NonNull::new_unchecked(payload) },
            process: AtomicU32::new(process),
            holder: AtomicU32::new(COUNTED),
            released: AtomicBool::new(true),
            is_made: false,
            pinned: AtomicBool::new(false),
            forks: forked::forks(),
        };
        mapping.set_holder(holder);
        mapping
    }

    /// Whether guards of it lend what lies there.
    pub(crate) fn lends(&self) -> bool {
        let kinds = [SegmentKind::VALUE, SegmentKind::ARRAY];
        kinds.iter().any(|kind| kind.number == self.found.kind)
    }

    /// Returns the mutex, and what is beside it.
    #[inline]
    pub(crate) fn core(&self) -> &Core {
        // SAFETY: a segment and a cell have it in this place, aligned, and are mapped as long as
        // `self` lives; all fields are atomic.
        unsafe { self.core.as_ref() }
    }

    /// Returns the header; `None` if the object lies in a slab.
    pub(crate) fn header(&self) -> Option<&Header> {
        match &self.lies {
            // SAFETY: the mapping begins on a page, is at least as long as a header, and lives as
            // long as `self`; all fields are atomic.
            Lies::Alone(memory) => Some(unsafe { memory.at().cast().as_ref() }),
            Lies::InSlab(_) => None,
        }
    }

    #[inline]
    pub(crate) fn side_by_side(&self) -> Option<&SideBySide> {
        // SAFETY: a segment of such a kind has the state behind its header, any bytes are a valid
        // one, and all of it is atomic; the mapping lives as long as `self`.
        self.side_by_side.map(|state| unsafe { state.as_ref() })
    }

    #[inline]
    pub(crate) fn payload(&self) -> NonNull<u8> {
        self.payload
    }

    fn payload_of_new(&mut self) -> &mut [u8] {
        let len = self.found.measure.payload_len;
        // SAFETY: so many bytes are mapped and zeroed, and no other process uses them before the
        // header says that they are ready.
        unsafe { std::slice::from_raw_parts_mut(self.payload().as_ptr(), len) }
    }

    /// Whether this process, and not only one that it was forked from, has the mapping.
    pub(crate) fn is_ours(&self) -> bool {
        self.process.load(Ordering::Relaxed) == process::id()
    }

    /// Gives up what this process holds, once. What lies in a slab stays its own unless the process `ends`:
    /// it may be used still. Whoever holds a [`Stay`] passes its lease.
    pub(crate) fn release(&self, ends: bool, lease: Option<&Lease>) {
        let stays = matches!(self.lies, Lies::InSlab(_)) && (!ends || self.is_pinned());
        if !self.is_ours() || stays {
            return;
        }
        if !self.released.swap(true, Ordering::Relaxed) {
            self.give_up();
            self.close(lease);
        }
    }

    fn give_up(&self) {
        self.dismiss(self.holder());
        if let Lies::InSlab(_) = self.lies {
            HELD_CELLS.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Whether its memory must not be another object's before this process has ended: the kernel
    /// follows the list of a thread's locks through it, or a child has it of which nobody knows.
    fn is_pinned(&self) -> bool {
        if let Lies::Alone(_) = self.lies {
            return false;
        }
        let is_pinned = self.held.load(Ordering::Relaxed)
            || self.pinned.load(Ordering::Relaxed)
            || self.forks != forked::forks() && forked::is_shared();
        if is_pinned {
            pinned().insert(self.name);
        }
        is_pinned
    }

    /// Returns how many hold the segment; all messages that are on their way are one.
    pub(crate) fn holders(&self) -> u64 {
        let links = fs::symlink_metadata(self.name.path())
            .map_or(0, |found| found.nlink().saturating_sub(1));
        let (slots, counted, was_sent, part) = match (&self.lies, self.header()) {
            (Lies::InSlab(cell), _) => (cell.slots(), cell.counted(), cell.was_sent(), false),
            (Lies::Alone(_), Some(header)) => {
                let part = header.whole(self.name).is_some();
                (
                    header.slots(),
                    header.counted(),
                    header.is_marked(SENT),
                    part,
                )
            }
            (Lies::Alone(_), None) => return 0,
        };
        let is_on_its_way = |lease: &Lease| lease.is_on_its_way(self.name);
        let sent = was_sent && family::with_lease(is_on_its_way).unwrap_or(false);
        slots.iter().count() as u64 + counted + links + u64::from(sent) + u64::from(part)
    }

    /// Takes a count over that a [counted](procession_wire::handle::Parcel::Counted) handle has.
    pub(crate) fn take_over_count(&self) {
        self.dismiss(Holder::Counted);
        self.close(None);
    }

    /// Takes the name away if nobody holds the segment.
    fn close(&self, lease: Option<&Lease>) {
        if let Lies::InSlab(cell) = &self.lies {
            cell.close(self.is_made, lease);
        }
        let Some(header) = self.header() else { return };
        if !header.close(|| self.is_held_elsewhere(header, lease)) {
            return;
        }
        reserve::unlink(self.name);
        if header.is_place() {
            // What is left in it was given up with it.
            remains::collect(lease);
        }
    }

    /// Returns whether somebody holds it of whom the header does not know. It is as good as never asked of a
    /// segment that only this process has ever had.
    fn is_held_elsewhere(&self, header: &Header, lease: Option<&Lease>) -> bool {
        let sent = || match lease {
            Some(lease) => lease.is_on_its_way(self.name),
            None => family::with_lease(|lease| lease.is_on_its_way(self.name)).unwrap_or(true),
        };
        header.whole(self.name).is_some()
            || header.is_marked(SENT) && sent()
            || header.is_marked(LINKED) && remains::is_linked(self.name)
    }

    /// In the parent of a child that may come to be: has the child be a holder; false if this process is
    /// none.
    pub(crate) fn hold_for(&self, child: Holder) -> bool {
        let holds = self.is_ours() && !self.released.load(Ordering::Relaxed);
        holds && self.admit(child)
    }

    /// In the parent: there is no child.
    pub(crate) fn give_up_for(&self, child: Holder) {
        // This process is a holder still.
        self.dismiss(child);
    }

    /// In the child: it is the holder that its parent has made of it.
    pub(crate) fn adopt(&self, child: Holder) {
        self.set_holder(child);
        self.process.store(process::id(), Ordering::Relaxed);
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let mut was_last = false;
        registry::leave(self, || {
            let stays = !self.is_ours() || self.is_pinned();
            was_last = !stays && !self.released.swap(true, Ordering::Relaxed);
            if was_last {
                self.give_up();
            }
        });
        if was_last {
            self.close(None);
            slab::tidy_up(self.holder());
        }
        let Lies::Alone(memory) = &mut self.lies else {
            return;
        };
        if self.held.load(Ordering::Relaxed) {
            // A guard was leaked: the list of locks that its thread holds goes through this
            // memory, which therefore stays mapped.
            return;
        }
        // SAFETY: it is dropped once, here, and not used again.
        unsafe { ManuallyDrop::drop(memory) };
    }
}

/// The objects in slabs that this process holds until it ends, though it has dropped them.
fn pinned() -> MutexGuard<'static, BTreeSet<Name>> {
    static PINNED: Mutex<BTreeSet<Name>> = Mutex::new(BTreeSet::new());
    PINNED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many objects in slabs this process holds; in a forked child, perhaps fewer.
static HELD_CELLS: AtomicUsize = AtomicUsize::new(0);

/// Returns whether this process holds something in a slab.
pub(crate) fn holds_cells() -> bool {
    HELD_CELLS.load(Ordering::Relaxed) != 0
}

/// Says whose it is, if that is why it cannot be opened.
fn explained(error: OpenError, owner: u32) -> OpenError {
    let this = geteuid().as_raw();
    match &error {
        OpenError::System(refused) if refused.kind() == PermissionDenied && owner != this => {
            OpenError::OtherUser { owner, this }
        }
        _ => error,
    }
}

fn stay_in_family_of(name: Name) -> Result<Stay, OpenError> {
    match family::known() {
        Some(family) if family.number() == name.family => Ok(family::stay()?),
        _ => Err(OpenError::OtherFamily),
    }
}

/// Refuses what another user put in the place of a segment; returns the user whose it is.
fn check_owner(name: Name, stay: &Stay) -> Result<u32, OpenError> {
    let metadata = fs::symlink_metadata(name.file_path())?;
    if !metadata.is_file() {
        return Err(OpenError::Damaged("it is not a file"));
    }
    let (owner, this) = (metadata.uid(), geteuid().as_raw());
    // The founder's files are what a child of another user is handed.
    if owner == this || Some(owner) == stay.founder() {
        return Ok(owner);
    }
    Err(OpenError::OtherUser { owner, this })
}
