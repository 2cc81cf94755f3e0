//! A segment in this process's memory, and what this process holds of it.
//!
//! The [header](crate::header) says who holds the segment. This process is a holder from the time at
//! which a mapping is entered into the [registry](crate::registry) until it is dropped, however many
//! handles there are. Whoever gives up the last hold unlinks the name; it cannot rise again.

use crate::claims::SideBySide;
use crate::family::holders::Holder;
use crate::family::{self, Lease, Stay, remains};
use crate::format::{Format, Found, HEADER_LEN, has_readers};
use crate::header::{Header, LINKED, SENT};
use crate::name::Name;
use crate::pages::Pages;
use crate::{OpenError, ShmError, registry, reserve};
use nix::unistd::geteuid;
use std::fs;
use std::io::ErrorKind::PermissionDenied;
use std::mem::ManuallyDrop;
use std::os::unix::fs::MetadataExt;
use std::panic::RefUnwindSafe;
use std::process;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

pub(crate) struct Mapping {
    pub(crate) name: Name,
    pub(crate) found: Found,
    /// Whether a thread of this process holds the lock; written by the holder only.
    pub(crate) held: AtomicBool,
    /// Which process writes; written by the holder only.
    pub(crate) writer: AtomicU64,
    memory: ManuallyDrop<Pages>,
    /// Where the memory begins.
    header: NonNull<Header>,
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
}

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
        let holder = family::stay()?.holder();
        let (name, memory) = reserve::make(measure.total)?;
        // SAFETY: the memory is new and zeroed, and begins on a page.
        unsafe { Header::init_at(memory.as_ptr().cast(), format, elements, holder) }
            .inspect_err(|_| reserve::unlink(name))
            .map_err(ShmError::System)?;
        let mut mapping = Self::new(name, memory, format.found(elements, measure), holder);
        // From here on dropping it removes the name.
        let unlink = reserve::Unlink::of(name);
        init(mapping.payload_of_new());
        mapping.header().set_ready();
        let mapping = registry::enter(Arc::new(mapping), |mapping| {
            mapping.released.store(false, Ordering::Relaxed);
            true
        });
        unlink.keep();
        mapping.ok_or_else(|| ShmError::System(std::io::ErrorKind::AlreadyExists.into()))
    }

    /// Returns this process's mapping of the segment, making it if there is none.
    pub(crate) fn find(name: Name) -> Result<Arc<Self>, OpenError> {
        let stay = stay_in_family_of(name)?;
        if let Some(mapping) = registry::find(name) {
            return Ok(mapping);
        }
        let mapping = Arc::new(Self::open(name, &stay)?);
        registry::enter(mapping, Self::hold).ok_or(OpenError::Gone)
    }

    fn open(name: Name, stay: &Stay) -> Result<Self, OpenError> {
        let owner = check_owner(name, stay)?;
        let memory = reserve::find(&name.to_string()).map_err(|error| {
            let error = OpenError::from(error);
            let this = geteuid().as_raw();
            match &error {
                OpenError::System(refused)
                    if refused.kind() == PermissionDenied && owner != this =>
                {
                    OpenError::OtherUser { owner, this }
                }
                _ => error,
            }
        })?;
        if memory.len() < size_of::<Header>() {
            return Err(OpenError::Damaged("it is shorter than its header"));
        }
        // SAFETY: the mapping begins on a page and is long enough.
        let header: &Header = unsafe { &*memory.as_ptr().cast() };
        let found = header.verify(memory.len())?;
        if header.is_gone() {
            return Err(OpenError::Gone);
        }
        Ok(Self::new(name, memory, found, stay.holder()))
    }

    /// Becomes a holder; false if the segment is gone.
    fn hold(&self) -> bool {
        let held = self.header().admit(self.holder());
        self.released.store(!held, Ordering::Relaxed);
        held
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

    /// A mapping for which nothing is held yet.
    fn new(name: Name, memory: Pages, found: Found, holder: Holder) -> Self {
        let start = memory.as_ptr();
        let payload = start.wrapping_add(found.measure.payload_at);
        let side_by_side = start.wrapping_add(HEADER_LEN).cast();
        let mapping = Self {
            name,
            found,
            held: AtomicBool::new(false),
            writer: AtomicU64::new(0),
            memory: ManuallyDrop::new(memory),
            // SAFETY: no mapping is at zero.
            header: unsafe { NonNull::new_unchecked(start.cast()) },
            side_by_side: NonNull::new(side_by_side).filter(|_| has_readers(found.kind)),
            // SAFETY: the payload lies behind the header, in a mapping that is not at zero.
            payload: unsafe { NonNull::new_unchecked(payload) },
            process: AtomicU32::new(process::id()),
            holder: AtomicU32::new(COUNTED),
            released: AtomicBool::new(true),
        };
        mapping.set_holder(holder);
        mapping
    }

    #[inline]
    pub(crate) fn header(&self) -> &Header {
        // SAFETY: the mapping begins on a page, is at least as long as a header, and lives as long
        // as `self`; all fields are atomic.
        unsafe { self.header.as_ref() }
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

    /// Gives up what this process holds, once. Whoever holds a [`Stay`] passes its lease.
    pub(crate) fn release(&self, lease: Option<&Lease>) {
        if self.is_ours() && !self.released.swap(true, Ordering::Relaxed) {
            self.header().dismiss(self.holder());
            self.close(lease);
        }
    }

    /// Returns how many hold the segment; all messages that are on their way are one.
    pub(crate) fn holders(&self) -> u64 {
        let header = self.header();
        let links = fs::symlink_metadata(self.name.path()).map_or(0, |found| found.nlink() - 1);
        let sent = header.is_marked(SENT)
            && family::with_lease(|lease| lease.is_on_its_way(self.name)).unwrap_or(false);
        let part = header.whole(self.name).is_some();
        let slots = header.slots().iter().count() as u64;
        slots + header.counted() + links + u64::from(sent) + u64::from(part)
    }

    /// Takes a count over that a [counted](procession_wire::handle::Parcel::Counted) handle has.
    pub(crate) fn take_over_count(&self) {
        self.header().dismiss(Holder::Counted);
        self.close(None);
    }

    /// Takes the name away if nobody holds the segment.
    fn close(&self, lease: Option<&Lease>) {
        let header = self.header();
        if !header.close(|| self.is_held_elsewhere(lease)) {
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
    fn is_held_elsewhere(&self, lease: Option<&Lease>) -> bool {
        let header = self.header();
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
        holds && self.header().admit(child)
    }

    /// In the parent: there is no child.
    pub(crate) fn give_up_for(&self, child: Holder) {
        // This process is a holder still.
        self.header().dismiss(child);
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
            was_last = self.is_ours() && !self.released.swap(true, Ordering::Relaxed);
            if was_last {
                self.header().dismiss(self.holder());
            }
        });
        if was_last {
            self.close(None);
        }
        if self.held.load(Ordering::Relaxed) {
            // A guard was leaked: the list of locks that its thread holds goes through this
            // memory, which therefore stays mapped.
            return;
        }
        // SAFETY: it is dropped once, here, and not used again.
        unsafe { ManuallyDrop::drop(&mut self.memory) };
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
    let metadata = fs::symlink_metadata(name.path())?;
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
