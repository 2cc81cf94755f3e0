//! The handle to a piece of shared memory.

use crate::format::Format;
use crate::grant;
use crate::header::Header;
use crate::in_flight::InFlight;
use crate::machine::place::Recover;
use crate::mapping::Mapping;
use crate::name::Name;
use crate::reserve;
use crate::{Held, Kept, OpenError, ShmError};
use procession_os::robust::{Acquired, LockError};
use procession_os::wait::Deadline;
use procession_wire::handle;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A piece of memory that the processes of a [family](crate::family) share, with a lock in it.
///
/// It is what [`Value`](crate::Value) and [`Array`](crate::Array) are made of, and what other
/// shared types can be made of. It has a name in `/dev/shm`, a header, and a payload: elements of
/// one type, at a multiple of 64 bytes or of the type's alignment, zeroed at first.
///
/// A clone is another handle to the same memory. So is what is decoded from a message into which
/// a segment was encoded, in this or another process. When the last handle of all is dropped, the
/// name goes; the memory goes with the last mapping.
///
/// # Examples
///
/// ```
/// use procession_shm::{Format, Segment, SegmentKind};
///
/// const LETTERS: SegmentKind = SegmentKind::new(0x4000_0002, "alphabet");
///
/// let format = Format::of::<u8>(LETTERS);
/// let segment = Segment::create(format, 26, |bytes| bytes[0] = b'a')?;
/// assert_eq!(segment.elements(), 26);
///
/// let same = Segment::open(&segment.name(), format)?;
/// let held = same.lock()?;
/// // SAFETY: there are 26 bytes, and the lock is held.
/// let first = unsafe { same.payload().read() };
/// assert_eq!(first, b'a');
/// # drop(held);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Segment {
    pub(crate) mapping: Arc<Mapping>,
}

impl Segment {
    /// Makes a segment with room for so many elements, all of it reserved.
    ///
    /// `init` gets the zeroed payload before anybody else can reach it. If it panics, nothing is
    /// left.
    ///
    /// # Errors
    ///
    /// [`ShmError::OutOfMemory`] if there is no room for it, [`ShmError::Alignment`] if the type
    /// asks for more than a page, and [`ShmError::Family`] or [`ShmError::System`] if the system
    /// refuses.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::{Format, Segment, SegmentKind};
    ///
    /// let format = Format::of::<u64>(SegmentKind::new(0x4000_0003, "slots"));
    /// let segment = Segment::create(format, 3, |_| {})?;
    /// assert_eq!(segment.payload_len(), 24);
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    pub fn create(
        format: Format,
        elements: usize,
        init: impl FnOnce(&mut [u8]),
    ) -> Result<Self, ShmError> {
        let mapping = Mapping::create(&format, elements, init)?;
        Ok(Self { mapping })
    }

    /// As [`create`](Self::create); what is small enough, 16 KiB with the lock and all, lies in a slab that it shares with
    /// others, if this process can have one.
    ///
    /// Such an object has no name in `/dev/shm`, so there is nothing to [unlink](Self::unlink), no file for a
    /// [`Presence`](crate::Presence), and no message can lie in it. Its payload is aligned to 64 bytes.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::{Format, Segment, SegmentKind, family};
    ///
    /// let format = Format::of::<u64>(SegmentKind::new(0x4000_0004, "triple"));
    /// let small: Vec<_> = (0..1000)
    ///     .map(|_| Segment::create_small(format, 3, |_| {}))
    ///     .collect::<Result<_, _>>()?;
    /// assert!(family::usage()?.segments() < 3);
    /// # drop(small);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create_small(
        format: Format,
        elements: usize,
        init: impl FnOnce(&mut [u8]),
    ) -> Result<Self, ShmError> {
        let mapping = Mapping::create_small(&format, elements, init)?;
        Ok(Self { mapping })
    }

    /// Opens a segment of this process's family by its name.
    ///
    /// Everything that the header says is checked; nothing in it is trusted afterwards.
    ///
    /// # Errors
    ///
    /// An [`OpenError`] that says what is wrong with the name or with the segment.
    ///
    /// # When the other side is gone
    ///
    /// [`OpenError::Gone`] if all its holders have dropped it.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::{Format, OpenError, Segment, SegmentKind};
    ///
    /// let format = Format::of::<u64>(SegmentKind::VALUE);
    /// let refused = Segment::open("/etc/passwd", format).unwrap_err();
    /// assert!(matches!(refused, OpenError::BadName(_)));
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    pub fn open(name: &str, format: Format) -> Result<Self, OpenError> {
        let name = Name::parse(name).ok_or_else(|| OpenError::BadName(name.to_owned()))?;
        Self::find(name)?.checked(&format)
    }

    /// Decodes a handle that [`Serialize`] encoded, if its segment has the given format.
    ///
    /// # Errors
    ///
    /// If no message is being decoded, and for what [`open`](Self::open) reports.
    ///
    /// # When the other side is gone
    ///
    /// A handle in a message keeps its segment. It is decoded though its sender has ended, unless
    /// the whole family has.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
        format: Format,
    ) -> Result<Self, D::Error> {
        handle::check_arriving::<D::Error>()?;
        let name = Name::deserialize(deserializer)?;
        // What fails the check is dropped, and with it what this process holds.
        let found = Self::find(name).and_then(|found| {
            if handle::is_counted() {
                found.mapping.take_over_count();
            }
            found.checked(&format)
        });
        found.map_err(|error| {
            let problem = error.to_string();
            if error.is_shortage() {
                handle::decode_shortage(&problem)
            } else {
                serde::de::Error::custom(&problem)
            }
        })
    }

    /// Returns the name, beginning with a slash as for `shm_open`: that of a file in `/dev/shm`, or of a slab with the
    /// place in it behind.
    ///
    /// # Examples
    ///
    /// ```
    /// let value = procession_shm::Value::new(5)?;
    /// assert!(value.segment().name().starts_with("/procession-"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn name(&self) -> String {
        self.mapping.name.to_string()
    }

    /// Takes the name away, so that nobody can open the segment any more. Whoever has it keeps the memory, which
    /// goes with the last of them, even one that is killed.
    ///
    /// Without this, what a killed process held keeps its name until that process is reaped.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::Shared;
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// let word = Shared::new(AtomicU32::new(7))?;
    /// word.segment().unlink();
    /// assert!(!std::path::Path::new("/dev/shm").join(word.segment().name()).exists());
    /// assert_eq!(word.load(Ordering::Relaxed), 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unlink(&self) {
        if self.mapping.name.cell.is_none() {
            reserve::unlink(self.mapping.name);
        }
    }

    /// Returns the number of elements.
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::Array::<u64>::zeroed(9)?;
    /// assert_eq!(array.segment().elements(), 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn elements(&self) -> usize {
        self.mapping.found.elements
    }

    /// Returns where the first element is in this process, aligned for it.
    ///
    /// Other processes have it elsewhere, and may write to it at any time unless they keep to the
    /// lock. It stays valid for as long as a handle to the segment exists.
    #[inline]
    pub fn payload(&self) -> NonNull<u8> {
        self.mapping.payload()
    }

    /// Returns the size of all elements in bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::Array::<u64>::zeroed(9)?;
    /// assert_eq!(array.segment().payload_len(), 72);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn payload_len(&self) -> usize {
        self.mapping.found.measure.payload_len
    }

    /// Returns how many hold the segment: the processes that map it, each message with a handle to it that
    /// lies in a queue, and as one more all messages that are on their way.
    ///
    /// # Examples
    ///
    /// ```
    /// let value = procession_shm::Value::new(5)?;
    /// let same = value.clone();
    /// assert_eq!(value.segment().holders(), 1);
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    pub fn holders(&self) -> u64 {
        self.mapping.holders()
    }

    /// Takes the segment's lock, waiting for as long as a living thread holds it.
    ///
    /// Where several [read side by side](crate::SegmentKind::read_side_by_side), it keeps them from
    /// beginning and ending; to keep them out is to [write](Self::write).
    ///
    /// # Errors
    ///
    /// [`LockError::HeldByThisThread`], or [`LockError::Damaged`] and its like if the memory was
    /// overwritten.
    ///
    /// # When the other side is gone
    ///
    /// If the holder died, the lock is obtained and [`Held::poisoned`] is true.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::{LockError, Value};
    ///
    /// let value = Value::new(5)?;
    /// let held = value.segment().lock()?;
    /// assert_eq!(value.segment().lock().unwrap_err(), LockError::HeldByThisThread);
    /// # drop(held);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn lock(&self) -> Result<Held<'_>, LockError> {
        Ok(self.hold(self.mapping.core().mutex.lock()?))
    }

    /// Takes the segment's lock if nobody else holds it at this moment.
    ///
    /// # Errors
    ///
    /// [`LockError::WouldBlock`], and those of [`lock`](Self::lock).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::{LockError, Value};
    ///
    /// let value = Value::new(5)?;
    /// let held = value.segment().try_lock()?;
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| {
    ///         let refused = value.segment().try_lock().unwrap_err();
    ///         assert_eq!(refused, LockError::WouldBlock);
    ///     });
    /// });
    /// # drop(held);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_lock(&self) -> Result<Held<'_>, LockError> {
        Ok(self.hold(self.mapping.core().mutex.try_lock()?))
    }

    /// Takes the segment's lock, waiting until `deadline` at the longest.
    ///
    /// # Errors
    ///
    /// [`LockError::TimedOut`], and those of [`lock`](Self::lock).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_os::wait::Deadline;
    /// use procession_shm::{LockError, Value};
    /// use std::time::Duration;
    ///
    /// let value = Value::new(5)?;
    /// let held = value.segment().lock()?;
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| {
    ///         let deadline = Deadline::after(Duration::from_millis(1));
    ///         let refused = value.segment().lock_until(deadline).unwrap_err();
    ///         assert_eq!(refused, LockError::TimedOut);
    ///     });
    /// });
    /// # drop(held);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lock_until(&self, deadline: Deadline) -> Result<Held<'_>, LockError> {
        Ok(self.hold(self.mapping.core().mutex.lock_until(deadline)?))
    }

    /// Makes the guard of the lock that [`Held::keep`] left held.
    ///
    /// # Safety
    ///
    /// It must be this segment, through whichever handle, that `kept` is of; and `kept`, of which
    /// there may be copies, must not have been resumed before.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::{LockError, Value};
    ///
    /// let value = Value::new(5)?;
    /// let segment = value.segment();
    /// let kept = segment.lock()?.keep();
    /// assert_eq!(segment.try_lock().unwrap_err(), LockError::HeldByThisThread);
    /// // SAFETY: it is of this segment, and was not resumed yet.
    /// drop(unsafe { segment.resume(kept) });
    /// assert!(segment.try_lock().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub unsafe fn resume(&self, kept: Kept) -> Held<'_> {
        Held::of_kept(self, kept)
    }

    /// Returns the number of the thread that holds the lock at this moment, without waiting.
    ///
    /// # Examples
    ///
    /// ```
    /// let value = procession_shm::Value::new(5)?;
    /// assert_eq!(value.segment().holder(), None);
    /// let guard = value.lock()?;
    /// assert!(value.segment().holder().is_some());
    /// # drop(guard);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn holder(&self) -> Option<u32> {
        self.mapping.core().mutex.holder()
    }

    /// Returns how many wait for the lock that have slept for a millisecond, and so must not be
    /// overtaken any more. One that died is counted until that was noticed.
    ///
    /// # Examples
    ///
    /// ```
    /// let value = procession_shm::Value::new(5)?;
    /// assert_eq!(value.segment().overdue(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn overdue(&self) -> u32 {
        self.mapping.core().mutex.overdue()
    }

    /// Returns whether a holder of the lock died or panicked since the poison was last cleared.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::Value;
    ///
    /// let value = Value::new(5)?;
    /// let same = value.clone();
    /// // A guard that is leaked is held until its thread ends.
    /// std::thread::spawn(move || std::mem::forget(same.lock().unwrap())).join().unwrap();
    /// assert!(value.segment().lock()?.poisoned());
    /// assert!(value.segment().is_poisoned());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn is_poisoned(&self) -> bool {
        self.mapping.core().poison.load(Ordering::Relaxed) != 0
    }

    /// Declares the elements sound again.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::Value;
    ///
    /// let value = Value::new(5)?;
    /// let same = value.clone();
    /// std::thread::spawn(move || std::mem::forget(same.lock().unwrap())).join().unwrap();
    /// assert!(value.segment().lock()?.poisoned());
    /// value.segment().clear_poison();
    /// assert!(!value.segment().is_poisoned());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clear_poison(&self) {
        self.mapping.core().poison.store(0, Ordering::Relaxed);
    }

    /// Makes this segment a part of another one, which holds it from here on: until it is
    /// [taken off](Self::detach), or the other is gone.
    ///
    /// # Panics
    ///
    /// If one of the two is a [small](Self::create_small) one.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::{Format, Segment, SegmentKind};
    ///
    /// let format = Format::of::<u8>(SegmentKind::QUEUE_PART);
    /// let whole = Segment::create(format, 100, |_| {})?;
    /// let part = Segment::create(format, 100, |_| {})?;
    /// part.attach_to(&whole);
    /// let name = part.name();
    /// drop(part);
    ///
    /// assert!(Segment::open(&name, format).is_ok());
    /// drop(whole);
    /// assert!(Segment::open(&name, format).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn attach_to(&self, whole: &Self) {
        // In this order, lest the whole goes without looking for its parts.
        header_of(whole).mark_as_place();
        header_of(self).attach_to(whole.mapping.name);
    }

    /// Has the segment be a part of another one no more. This process, which has it, goes on holding it.
    ///
    /// # Panics
    ///
    /// If it is a [small](Self::create_small) one.
    pub fn detach(&self) {
        header_of(self).detach();
    }

    /// Takes the lock for a call that has no way to say that it cannot.
    #[inline]
    #[track_caller]
    pub(crate) fn lock_or_panic(&self) -> Held<'_> {
        match self.lock() {
            Ok(held) => held,
            Err(error) => unreachable_memory(error),
        }
    }

    /// Returns what tells it from all other segments that there ever are.
    pub(crate) fn key(&self) -> Name {
        self.mapping.name
    }

    #[cold]
    pub(crate) fn poison(&self) {
        self.mapping.core().poison.store(1, Ordering::Relaxed);
    }

    /// Unlocks what [`hold`](Self::hold) noted as held.
    ///
    /// # Safety
    ///
    /// The calling thread must hold the lock.
    #[inline]
    pub(crate) unsafe fn unlock(&self) {
        // Noted first: as soon as it is unlocked, somebody else writes this.
        self.mapping.held.store(false, Ordering::Relaxed);
        // SAFETY: the caller vouches that this thread holds it.
        if unsafe { self.mapping.core().mutex.unlock() }.is_err() {
            self.mapping.held.store(true, Ordering::Relaxed);
        }
    }

    #[inline]
    fn hold(&self, acquired: Acquired) -> Held<'_> {
        self.mapping.held.store(true, Ordering::Relaxed);
        if acquired == Acquired::OwnerDied {
            self.recover();
        }
        Held::new(self)
    }

    #[cold]
    fn recover(&self) {
        let Some(readers) = self.readers_state() else {
            return self.poison();
        };
        if readers.is_writing() {
            // In this order: whoever dies here is recovered from again.
            self.poison();
            readers.end_writing();
        }
        readers.recover();
        if let Some(claims) = self.claims() {
            claims.wake();
        }
    }

    fn find(name: Name) -> Result<Self, OpenError> {
        let mapping = Mapping::find(name)?;
        Ok(Self { mapping })
    }

    fn checked(self, format: &Format) -> Result<Self, OpenError> {
        format.check(&self.mapping.found)?;
        Ok(self)
    }
}

/// Returns the header of what has one.
#[track_caller]
fn header_of(segment: &Segment) -> &Header {
    match segment.mapping.header() {
        Some(header) => header,
        None => panic!("a small object in a slab is no part of another, and has none"),
    }
}

#[cold]
#[track_caller]
pub(crate) fn unreachable_memory(error: LockError) -> ! {
    panic!("cannot use the shared memory: {error}")
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment")
            .field("name", &self.name())
            .field("elements", &self.elements())
            .field("held_by", &self.holder())
            .field("poisoned", &self.is_poisoned())
            .finish_non_exhaustive()
    }
}

/// Encodes a handle; only into a message to another process.
impl Serialize for Segment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        handle::check_departing::<S::Error>()?;
        grant::to_recipient(self.mapping.name).map_err(|error| {
            serde::ser::Error::custom(format!("its user cannot be let into a segment: {error}"))
        })?;
        handle::departing::<S::Error>(InFlight::new(&self.mapping))?;
        self.mapping.name.serialize(serializer)
    }
}
