//! The first bytes of every segment.
//!
//! | line | field | written |
//! |---|---|---|
//! | 1 | magic, version, kind, type hash, element size and alignment, elements | once, before the state |
//! | 1 | state | see below |
//! | 1 | counted, whole | by every process that gains or drops the segment |
//! | 2 | mutex, poison | by whoever holds the mutex (poison is also cleared without it), and what the mutex has of its waiters by them |
//! | 3, 4 | marks, slots | by every process that gains or drops the segment, and for the dead by whoever cleans up |
//!
//! All of it is atomic, for another process may write into it whatever it likes at any time.
//!
//! # Who holds the segment
//!
//! | holder | where it is noted | how it is given up for the dead |
//! |---|---|---|
//! | a process | the bit of its slot | see [`holders`](crate::family::holders) |
//! | a process without a slot | `counted` | it stays until the family ends |
//! | a message on its way | a lock of the lease's file | by the kernel |
//! | a message in shared memory | a [`Link`](crate::name::Link) | when its place is gone |
//! | another segment that it is a part of | [`PART`] and whose it is | when that is gone |
//!
//! Setting and clearing is idempotent but for `counted`. Nobody becomes a holder without having been
//! given the segment by one, who is a holder until then.
//!
//! # The state
//!
//! | from | to | by whom |
//! |---|---|---|
//! | `BEING_MADE` | `READY` | the maker |
//! | `READY` | `CLOSING` | whoever gave up a hold and saw no other |
//! | `CLOSING` | `CLOSING` | the next one to do so, for the other may be dead |
//! | `CLOSING` | `READY` | who closes, and sees a holder after all; a new holder, after it has noted itself |
//! | `CLOSING` | `GONE` | who closes, and has seen no holder since the state is `CLOSING`; then the name goes |
//!
//! Each transition from or to `CLOSING` changes the state's upper bits too, so that who closes goes on
//! only if nobody has come between. A holder that hands the segment on does so in the order in which
//! who closes looks: the bits, then what is on its way and what lies in places. A new holder first sets
//! its bit, then looks at the state. So either the one that closes sees it, or it sees `CLOSING`.

use crate::OpenError;
use crate::family::holders::Holder;
use crate::format::{Format, Found, HEADER_LEN, Measure};
use crate::name::Name;
use procession_os::robust::RobustMutex;
use std::io;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

#[repr(C, align(64))]
pub(crate) struct Header {
    magic: AtomicU64,
    version: AtomicU32,
    state: AtomicU32,
    kind: AtomicU32,
    align: AtomicU32,
    type_hash: AtomicU64,
    size: AtomicU64,
    elements: AtomicU64,
    counted: AtomicU64,
    whole_counter: AtomicU64,
    core: Core,
    holders: Holders,
}

/// What an object has of its own wherever it lies: a mutex, and whether a holder of it died.
#[repr(C, align(64))]
pub(crate) struct Core {
    pub(crate) mutex: RobustMutex,
    pub(crate) poison: AtomicU32,
}

pub(crate) const CORE_LEN: usize = 64;
const _: () = assert!(size_of::<Core>() == CORE_LEN);

/// Who holds the segment, in cache lines that only those write that gain or drop it.
#[repr(C, align(64))]
struct Holders {
    marks: AtomicU32,
    whole_pid: AtomicU32,
    slots: [AtomicU64; SLOT_WORDS],
}

const SLOT_WORDS: usize = 15;
/// How many processes can have a slot at one time.
pub(crate) const SLOTS: usize = SLOT_WORDS * 64;

/// What every file of a family begins with that others map.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"processn");
/// The version of what lies behind it.
pub(crate) const VERSION: u32 = 3;

/// The part of `state` that the constants are of; the rest counts the transitions.
const STATE: u32 = 3;
/// What `state` holds from the file's creation on.
const BEING_MADE: u32 = 0;
/// What `state` holds once everything else is written.
const READY: u32 = 1;
/// Somebody looks whether anybody is left who holds it.
const CLOSING: u32 = 2;
/// Nobody was left.
const GONE: u32 = 3;

/// The segment is a part of another one, and held by that.
const PART: u32 = 1;
/// A message with a handle to the segment has been sent.
pub(crate) const SENT: u32 = 2;
/// A message with a handle to the segment has been left in shared memory.
pub(crate) const LINKED: u32 = 4;
/// The segment is a place of messages, or has parts.
const IS_PLACE: u32 = 8;

const _: () = assert!(size_of::<Header>() == HEADER_LEN);

/// Some of the slots.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SlotSet([u64; SLOT_WORDS]);

impl SlotSet {
    pub(crate) fn of(slot: u32) -> Self {
        let mut set = Self::default();
        set.insert(slot);
        set
    }

    pub(crate) fn insert(&mut self, slot: u32) {
        let (word, bit) = bit_of(slot);
        self.0[word] |= bit;
    }

    pub(crate) fn contains(&self, slot: u32) -> bool {
        let (word, bit) = bit_of(slot);
        self.0[word] & bit != 0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    /// Makes one of its words.
    pub(crate) fn from_words(word: impl FnMut(usize) -> u64) -> Self {
        Self(std::array::from_fn(word))
    }

    #[inline]
    pub(crate) fn iter(self) -> impl Iterator<Item = u32> {
        (0..).zip(self.0).flat_map(|(at, mut word)| {
            std::iter::from_fn(move || {
                let bit = (word != 0).then(|| word.trailing_zeros())?;
                word &= word - 1;
                Some(at * 64 + bit)
            })
        })
    }
}

fn bit_of(slot: u32) -> (usize, u64) {
    let slot = slot as usize % SLOTS;
    (slot / 64, 1 << (slot % 64))
}

impl Header {
    /// Writes everything but the state; the one who holds it is the caller.
    ///
    /// # Safety
    ///
    /// `at` must be the start of a mapping of a new, zeroed segment of at least [`HEADER_LEN`]
    /// bytes that nobody else uses.
    pub(crate) unsafe fn init_at(
        at: *mut Self,
        format: &Format,
        elements: usize,
        maker: Holder,
    ) -> io::Result<()> {
        // SAFETY: the mutex lies inside of what `at` points to.
        let mutex = unsafe { &raw mut (*at).core.mutex };
        // SAFETY: the caller vouches for the memory, and that nobody else uses it.
        unsafe { RobustMutex::init_at(mutex) }?;
        // SAFETY: zeros are valid for every other field.
        let header = unsafe { &*at };
        header.version.store(VERSION, Relaxed);
        header.kind.store(format.kind_number(), Relaxed);
        header.align.store(format.align as u32, Relaxed);
        header.type_hash.store(format.type_hash, Relaxed);
        header.size.store(format.size as u64, Relaxed);
        header.elements.store(elements as u64, Relaxed);
        header.note(maker);
        header.magic.store(MAGIC, Relaxed);
        Ok(())
    }

    /// Lets others in: all that was written before is seen by whoever sees the new state.
    pub(crate) fn set_ready(&self) {
        self.state.store(READY, Ordering::Release);
    }

    /// Returns whether it is that of a segment that its maker has not finished, or has not begun.
    pub(crate) fn is_being_made(&self) -> bool {
        let magic = self.magic.load(Relaxed);
        self.state.load(SeqCst) == BEING_MADE && (magic == 0 || magic == MAGIC)
    }

    /// Returns whether the name was to go.
    pub(crate) fn is_gone(&self) -> bool {
        self.state.load(SeqCst) & STATE == GONE
    }

    /// Checks the header of a file of `mapped` bytes, trusting nothing.
    pub(crate) fn verify(&self, mapped: usize) -> Result<Found, OpenError> {
        match self.state.load(Ordering::Acquire) & STATE {
            BEING_MADE => Err(OpenError::NotReady),
            _ => self.verify_rest(mapped),
        }
    }

    fn verify_rest(&self, mapped: usize) -> Result<Found, OpenError> {
        if self.magic.load(Relaxed) != MAGIC {
            return Err(OpenError::Damaged("it does not begin like a segment"));
        }
        if self.version.load(Relaxed) != VERSION {
            return Err(OpenError::Damaged("it has the layout of another version"));
        }
        let found = self
            .found()
            .ok_or(OpenError::Damaged("its size makes no sense"))?;
        if found.measure.total != mapped {
            return Err(OpenError::Damaged("it is not as large as it says"));
        }
        Ok(found)
    }

    fn found(&self) -> Option<Found> {
        let kind = self.kind.load(Relaxed);
        let size = usize::try_from(self.size.load(Relaxed)).ok()?;
        let align = usize::try_from(self.align.load(Relaxed)).ok()?;
        let elements = usize::try_from(self.elements.load(Relaxed)).ok()?;
        Some(Found {
            kind,
            type_hash: self.type_hash.load(Relaxed),
            size,
            align,
            elements,
            measure: Measure::new(kind, size, align, elements)?,
        })
    }

    /// Notes a new holder; false if the segment is gone.
    pub(crate) fn admit(&self, holder: Holder) -> bool {
        // First: whoever closes from here on sees it, and who has begun before is seen below.
        self.note(holder);
        loop {
            let state = self.state.load(SeqCst);
            match state & STATE {
                READY => return true,
                CLOSING => drop(self.go(state, READY)),
                _ => {
                    self.dismiss(holder);
                    return false;
                }
            }
        }
    }

    fn note(&self, holder: Holder) {
        match holder {
            Holder::Slot(slot) => {
                let (word, bit) = bit_of(slot);
                self.holders.slots[word].fetch_or(bit, SeqCst);
            }
            Holder::Counted => drop(self.counted.fetch_add(1, SeqCst)),
        }
    }

    /// Takes a holder away.
    pub(crate) fn dismiss(&self, holder: Holder) {
        match holder {
            Holder::Slot(slot) => self.dismiss_all(&SlotSet::of(slot)),
            Holder::Counted => {
                let fewer = |count: u64| count.checked_sub(1);
                let _ = self.counted.fetch_update(SeqCst, SeqCst, fewer);
            }
        }
    }

    /// Takes away all processes that have these slots.
    pub(crate) fn dismiss_all(&self, slots: &SlotSet) {
        for (word, bits) in self.holders.slots.iter().zip(slots.0) {
            if bits != 0 {
                word.fetch_and(!bits, SeqCst);
            }
        }
    }

    /// Returns the slots of those who hold it.
    pub(crate) fn slots(&self) -> SlotSet {
        SlotSet::from_words(|at| self.holders.slots[at].load(SeqCst))
    }

    /// Returns how many processes hold it without a slot, and messages that are counted.
    pub(crate) fn counted(&self) -> u64 {
        self.counted.load(SeqCst)
    }

    /// Returns whether anybody holds it of whom the header itself knows.
    fn is_held(&self) -> bool {
        !self.slots().is_empty() || self.counted() != 0
    }

    /// Closes the segment if nobody holds it; `is_elsewhere` says whether anybody does of whom the header
    /// does not know. Returns whether the name is to go.
    pub(crate) fn close(&self, is_elsewhere: impl FnOnce() -> bool) -> bool {
        let state = self.state.load(SeqCst);
        if self.is_held() || !matches!(state & STATE, READY | CLOSING) {
            return false;
        }
        let Some(closing) = self.go(state, CLOSING) else {
            return false;
        };
        // In this order, which is that in which a handle travels.
        if self.is_held() || is_elsewhere() {
            self.go(closing, READY);
            return false;
        }
        self.go(closing, GONE).is_some()
    }

    /// Changes the state if it is still this one; returns the new one.
    fn go(&self, from: u32, to: u32) -> Option<u32> {
        let next = (from | STATE).wrapping_add(1) | to;
        let changed = self.state.compare_exchange(from, next, SeqCst, SeqCst);
        changed.is_ok().then_some(next)
    }

    /// Makes a mark, which stays.
    pub(crate) fn mark(&self, mark: u32) {
        self.holders.marks.fetch_or(mark, SeqCst);
    }

    /// Returns whether the mark was ever made.
    pub(crate) fn is_marked(&self, mark: u32) -> bool {
        self.holders.marks.load(SeqCst) & mark != 0
    }

    pub(crate) fn mark_as_place(&self) {
        self.mark(IS_PLACE);
    }

    pub(crate) fn is_place(&self) -> bool {
        self.is_marked(IS_PLACE)
    }

    /// Has another segment hold this one until it is [let go](Self::detach).
    pub(crate) fn attach_to(&self, whole: Name) {
        self.holders.whole_pid.store(whole.pid(), SeqCst);
        self.whole_counter.store(whole.counter(), SeqCst);
        self.mark(PART);
    }

    pub(crate) fn detach(&self) {
        self.holders.marks.fetch_and(!PART, SeqCst);
    }

    /// Returns the segment that holds this one, which has the given name.
    pub(crate) fn whole(&self, own: Name) -> Option<Name> {
        self.is_marked(PART).then(|| {
            let counter = self.whole_counter.load(SeqCst);
            own.sibling(self.holders.whole_pid.load(SeqCst), counter)
        })
    }
}
