//! A segment in this process's memory, and the count of its holders.
//!
//! The header counts *holders*: one for each process that maps the segment, however many handles
//! it has, and one for each handle that was encoded and not yet decoded. Whoever takes the count
//! to zero unlinks the name; it cannot rise again. What a killed process or a lost message left
//! in the count is removed with the family.

use crate::claims::SideBySide;
use crate::family::{self, DIRECTORY, Stay};
use crate::fork::Counted;
use crate::format::{Format, Found, HEADER_LEN, has_readers};
use crate::header::Header;
use crate::name::Name;
use crate::{OpenError, ShmError, registry, reserve};
use nix::unistd::geteuid;
use shared_memory::Shmem;
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
    memory: ManuallyDrop<Shmem>,
    /// Where the memory begins.
    header: NonNull<Header>,
    /// Where the state of readers and of parts is, if there is one.
    side_by_side: Option<NonNull<SideBySide>>,
    /// Where the first element is.
    payload: NonNull<u8>,
    /// The process that the header counts for this mapping. A forked child is not, unless it
    /// [adopts](Counted::adopt) it.
    process: AtomicU32,
    released: AtomicBool,
}

// SAFETY: the mapping stays where it is until it is dropped; the header is accessed atomically,
// the payload as its users say.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

// As for `std::sync::Mutex`: what a panic leaves half done under the lock is poisoned. Without the
// lock there is nothing but loads and stores that no panic comes between.
impl RefUnwindSafe for Mapping {}

/// How somebody who opens a segment becomes one of its holders.
#[derive(Clone, Copy)]
pub(crate) enum Entry {
    /// It takes over what an encoded handle counted.
    TakeClaim,
    /// It is counted anew.
    Count,
}

impl Mapping {
    pub(crate) fn create(
        format: &Format,
        elements: usize,
        init: impl FnOnce(&mut [u8]),
    ) -> Result<Arc<Self>, ShmError> {
        let measure = format.measure(elements)?;
        let (name, memory) = {
            let stay = family::stay()?;
            reserve::make(stay.family.number(), measure.total)?
        };
        // SAFETY: the memory is new and zeroed, and begins on a page.
        unsafe { Header::init_at(memory.as_ptr().cast(), format, elements) }
            .inspect_err(|_| reserve::unlink(name))
            .map_err(ShmError::System)?;
        let mut mapping = Self::new(name, memory, format.found(elements, measure));
        init(mapping.payload_of_new());
        mapping.header().set_ready();
        Ok(registry::enter(Arc::new(mapping)))
    }

    /// Returns this process's mapping of the segment, making it if there is none.
    pub(crate) fn find(name: Name, entry: Entry) -> Result<Arc<Self>, OpenError> {
        let stay = stay_in_family_of(name)?;
        if let Some(mapping) = registry::find(name) {
            if let Entry::TakeClaim = entry {
                // This process is counted already.
                mapping.give_up();
            }
            return Ok(mapping);
        }
        Ok(registry::enter(Arc::new(Self::open(name, entry, &stay)?)))
    }

    fn open(name: Name, entry: Entry, stay: &Stay) -> Result<Self, OpenError> {
        let owner = check_owner(name, stay)?;
        let memory = reserve::find(&name.to_string()).map_err(|error| {
            let error = OpenError::from(&error);
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
        let counted = match entry {
            Entry::TakeClaim => header.holders() != 0,
            Entry::Count => header.add_holder(),
        };
        if !counted {
            return Err(OpenError::Gone);
        }
        Ok(Self::new(name, memory, found))
    }

    fn new(name: Name, memory: Shmem, found: Found) -> Self {
        let start = memory.as_ptr();
        let payload = start.wrapping_add(found.measure.payload_at);
        let side_by_side = start.wrapping_add(HEADER_LEN).cast();
        Self {
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
            released: AtomicBool::new(false),
        }
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

    /// Whether this process, and not only one that it was forked from, is counted for the mapping.
    pub(crate) fn is_ours(&self) -> bool {
        self.process.load(Ordering::Relaxed) == process::id()
    }

    /// Takes one holder away, and the name if it was the last.
    pub(crate) fn give_up(&self) {
        if self.header().remove_holder() {
            reserve::unlink(self.name);
        }
    }

    /// Takes away what the header counts for this process, once.
    pub(crate) fn release(&self) {
        if self.is_ours() && !self.released.swap(true, Ordering::Relaxed) {
            self.give_up();
        }
    }
}

impl Counted for Mapping {
    fn count(&self) -> bool {
        let counted = self.is_ours() && !self.released.load(Ordering::Relaxed);
        counted && self.header().add_holder()
    }

    fn uncount(&self) {
        self.give_up();
    }

    fn adopt(&self) {
        self.process.store(process::id(), Ordering::Relaxed);
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        registry::leave(self.name);
        self.release();
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
    let metadata = fs::symlink_metadata(format!("{DIRECTORY}{name}"))?;
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
