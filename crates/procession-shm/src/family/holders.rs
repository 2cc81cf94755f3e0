//! Who holds a segment: slots for processes, and parcels for messages.
//!
//! Both are told to be alive by the kernel, with locks of the open file (`F_OFD_SETLK`) on bytes of
//! the family's lease, which end with their process, and with a message that is lost:
//!
//! | bytes | lock | of |
//! |---|---|---|
//! | a [slot](SLOTS)'s | exclusive | the process that has the slot, through its own lease |
//! | a [segment's](Name::place_in_lease) | shared | each message on its way with a handle to the segment, through a parcel: the lease, opened anew |
//!
//! A segment's header has a bit for each slot. A process takes a slot when it first holds a segment.
//! The lease's file has a word for each slot: the [`Identity`] of who has it. It is written when the
//! slot is taken and becomes zero when its process has given up all it held. So a slot whose word is
//! not zero and whose byte can be locked is a dead process's; whoever locks it clears its bit
//! in all headers before anything else is done with the slot. Killed on the way, the next one does
//! all of it again.
//!
//! A process is [counted](Holder::Counted) instead if it has no lease of its own, if the words cannot
//! be written or if all slots are taken. What it holds when it is killed goes with the family.

use super::lease::Lease;
use super::remains;
use crate::header::{SLOTS, SlotSet};
use crate::name::Name;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl, posix_fallocate};
use nix::libc;
use procession_os::file_size::within_limit;
use procession_os::identity::Identity;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// As what a process, or a message, is known in the headers of what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    /// By the slot of this number.
    Slot(u32),
    /// It is one of those that are counted.
    Counted,
}

/// In a slot's word: it is that of a child whose parent the rest of the word names. The identity
/// needs this bit in a thousand years.
const OF_CHILD: u64 = 1 << 63;
const WORD: usize = size_of::<u64>();
/// The bytes at the beginning of the lease's file that belong to the slots.
pub(super) const TABLE_LEN: u64 = (SLOTS * WORD) as u64;

/// Returns the number of the process that a slot's word names.
pub(super) fn pid_of(word: u64) -> u32 {
    Identity::from_word(word & !OF_CHILD).map_or(0, Identity::pid)
}

/// Keeps the threads of this process from taking each other's locks, which are the open file's.
pub(super) fn taking() -> MutexGuard<'static, ()> {
    static TAKING: Mutex<()> = Mutex::new(());
    TAKING.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lease {
    /// Takes a slot for this process.
    pub(super) fn take_holder(&self) -> Holder {
        self.take_slot(Identity::of_this_process().to_word())
    }

    /// Takes a slot for a child that may come to be, which [notes](Self::note_holder) itself.
    pub(crate) fn take_holder_of_child(&self) -> Holder {
        self.take_slot(Identity::of_this_process().to_word() | OF_CHILD)
    }

    /// In the child: writes down that this process has what its parent has taken for it.
    pub(crate) fn note_holder(&self, holder: Holder) {
        if let Holder::Slot(slot) = holder {
            self.note_slot(slot, Identity::of_this_process().to_word());
        }
    }

    fn take_slot(&self, word: u64) -> Holder {
        let _taking = taking();
        self.find_slot(word).map_or(Holder::Counted, Holder::Slot)
    }

    fn find_slot(&self, word: u64) -> Option<u32> {
        if self.is_shared() {
            return None;
        }
        if self.file().metadata().ok()?.len() < TABLE_LEN {
            // So that a process gets its slot also when the memory is full.
            let _ = within_limit(|| Ok(posix_fallocate(self.file(), 0, TABLE_LEN as i64)?));
        }
        let words = self.slot_words().ok()?;
        // First those that seem to be free: there is less to do.
        let free = (0..SLOTS).filter(|&slot| words[slot] == 0);
        let others = (0..SLOTS).filter(|&slot| words[slot] != 0);
        let mut slots = free.chain(others).map(|slot| slot as u32);
        slots.find(|&slot| {
            self.lock_slot(slot) && (self.settle_in(slot, word) || self.leave_slot(slot))
        })
    }

    /// Makes a slot that is locked this process's.
    fn settle_in(&self, slot: u32, word: u64) -> bool {
        let is_clean = match self.slot_word(slot) {
            Ok(0) => true,
            Ok(_) => remains::clear(self, SlotSet::of(slot)),
            Err(_) => false,
        };
        is_clean && self.note_slot(slot, word)
    }

    /// Unlocks a slot; false, for it is not to be had.
    fn leave_slot(&self, slot: u32) -> bool {
        self.unlock_slot(slot);
        false
    }

    /// Writes down who has the slot; zero if it is free.
    pub(super) fn note_slot(&self, slot: u32, word: u64) -> bool {
        let at = u64::from(slot) * WORD as u64;
        // Who closed every descriptor may have opened another file under this number.
        self.is_itself()
            && within_limit(|| self.file().write_all_at(&word.to_ne_bytes(), at)).is_ok()
    }

    fn slot_word(&self, slot: u32) -> io::Result<u64> {
        let mut bytes = [0; WORD];
        let read = (self.file()).read_at(&mut bytes, u64::from(slot) * WORD as u64)?;
        // Behind the end of the file nobody has written yet.
        Ok(if read == WORD {
            u64::from_ne_bytes(bytes)
        } else {
            0
        })
    }

    /// Returns the words of all slots.
    pub(super) fn slot_words(&self) -> io::Result<Box<[u64; SLOTS]>> {
        let mut bytes = [0; SLOTS * WORD];
        let read = self.file().read_at(&mut bytes, 0)?;
        let mut words = Box::new([0; SLOTS]);
        for (word, bytes) in words.iter_mut().zip(bytes[..read].as_chunks::<WORD>().0) {
            *word = u64::from_ne_bytes(*bytes);
        }
        Ok(words)
    }

    /// Locks a slot, if nobody has it.
    pub(super) fn lock_slot(&self, slot: u32) -> bool {
        self.lock_bytes(libc::F_WRLCK, slot.into()).is_ok()
    }

    pub(super) fn unlock_slot(&self, slot: u32) {
        let _ = self.lock_bytes(libc::F_UNLCK, slot.into());
    }

    fn lock_bytes(&self, kind: i32, at: i64) -> nix::Result<()> {
        fcntl(self.file(), FcntlArg::F_OFD_SETLK(&byte(kind, at))).map(drop)
    }

    /// Returns whether a message is on its way with a handle to the segment. What cannot be found out
    /// counts as one.
    pub(crate) fn is_on_its_way(&self, name: Name) -> bool {
        let mut found = byte(libc::F_WRLCK, name.place_in_lease());
        let asked = fcntl(self.file(), FcntlArg::F_OFD_GETLK(&mut found));
        asked.is_err() || i32::from(found.l_type) != libc::F_UNLCK
    }

    /// Makes a parcel; `None` if this process may not open the lease.
    pub(crate) fn parcel(&self) -> io::Result<Option<OwnedFd>> {
        if self.is_shared() {
            return Ok(None);
        }
        match OpenOptions::new().read(true).open(self.link()) {
            Ok(file) => Ok(Some(file.into())),
            Err(error) => match error.raw_os_error().map(Errno::from_raw) {
                Some(Errno::EACCES | Errno::ENOENT | Errno::EPERM) => Ok(None),
                _ => Err(error),
            },
        }
    }
}

/// Has a parcel hold a segment.
pub(crate) fn enclose(parcel: &OwnedFd, name: Name) -> io::Result<()> {
    let lock = byte(libc::F_RDLCK, name.place_in_lease());
    fcntl(parcel, FcntlArg::F_OFD_SETLK(&lock))?;
    Ok(())
}

fn byte(kind: i32, at: i64) -> libc::flock {
    libc::flock {
        l_type: kind as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: at,
        l_len: 1,
        l_pid: 0,
    }
}
