//! What the dead of a family that lives have left behind.
//!
//! | left | given back |
//! |---|---|
//! | the bits of a dead process | they are cleared in every segment, then its slot is free |
//! | a segment that nobody holds any more | its name goes: the holder may have been a message that was lost |
//! | a segment that its maker has not finished | its name goes when the maker is dead |
//! | the bits of a dead process in slabs, objects in slabs that nobody holds | the same |
//! | what lies in a place, or is a part of a segment, that is gone | it is given up, which may leave more that nobody holds |
//!
//! Everything here can be done by several processes at once, and again if one of them was killed
//! on the way.

use super::holders::{pid_of, taking};
use super::lease::Lease;
use super::sweep::names_of;
use super::{MEMBER, with_lease};
use crate::header::{Header, LINKED, SlotSet};
use crate::name::{CellName, Link, Name};
use crate::{OpenError, reserve, slab};
use procession_os::identity::Identity;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process;
use std::sync::atomic::Ordering;

/// Gives back what dead processes of this process's family held; returns how many names, and objects in slabs, are
/// gone.
///
/// It happens by itself when a process of the family is reaped by its parent, when
/// memory is short, and in [`sweep`](super::sweep()).
///
/// # Examples
///
/// ```
/// use procession_shm::{Value, family};
///
/// let value = Value::new(7_u32)?;
/// family::give_back();
/// assert_eq!(value.get(), 7);
/// # Ok::<(), procession_shm::ShmError>(())
/// ```
pub fn give_back() -> usize {
    let given = with_lease(|lease| {
        let _taking = taking();
        let dead = lock_dead(lease);
        let walk = Walk::of(lease, dead);
        for slot in dead.iter() {
            if walk.is_complete {
                lease.note_slot(slot, 0);
            }
            lease.unlock_slot(slot);
        }
        walk.removed
    });
    given.unwrap_or(0)
}

/// Gives back what a child held that this process has just reaped. One that has ended `well` has
/// given everything back itself, as a rule, and nobody looks further than at its slot.
///
/// # Examples
///
/// ```
/// use procession_shm::family;
/// use std::process::Command;
///
/// let mut child = Command::new("true").spawn()?;
/// let status = child.wait()?;
/// family::reaped(child.id(), status.success());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn reaped(pid: u32, well: bool) {
    if MEMBER.load(Ordering::Relaxed) == process::id() && (!well || has_slot(pid)) {
        give_back();
    }
}

fn has_slot(pid: u32) -> bool {
    let words = with_lease(Lease::slot_words);
    words.is_ok_and(|words| words.is_ok_and(|words| words.iter().any(|&word| pid_of(word) == pid)))
}

/// Clears the bits of slots that the caller has locked; false if it cannot be done now.
pub(super) fn clear(lease: &Lease, slots: SlotSet) -> bool {
    Walk::of(lease, slots).is_complete
}

/// Gives up what has lain in a segment that is gone.
pub(crate) fn collect(lease: Option<&Lease>) {
    let collect = |lease: &Lease| Walk::of(lease, SlotSet::default()).removed;
    // Without a lease this process has left, and what it leaves is given back by another.
    let _removed = match lease {
        Some(lease) => Ok(collect(lease)),
        None => with_lease(collect),
    };
}

/// Returns whether a segment has a name beside its own.
pub(crate) fn is_linked(name: Name) -> bool {
    fs::symlink_metadata(name.path()).is_ok_and(|found| found.nlink() > 1)
}

/// Locks the slots of dead processes.
fn lock_dead(lease: &Lease) -> SlotSet {
    let own = Identity::of_this_process().to_word();
    let mut dead = SlotSet::default();
    let Ok(words) = lease.slot_words() else {
        return dead;
    };
    for (slot, &word) in (0..).zip(words.iter()) {
        // Its own locks would not keep this process from locking.
        if word != 0 && word != own && lease.lock_slot(slot) {
            dead.insert(slot);
        }
    }
    dead
}

/// A look at all that the family has.
struct Walk<'a> {
    lease: &'a Lease,
    dead: SlotSet,
    removed: usize,
    is_complete: bool,
}

impl<'a> Walk<'a> {
    /// Looks until nothing changes any more.
    fn of(lease: &'a Lease, dead: SlotSet) -> Self {
        let mut walk = Self {
            lease,
            dead,
            removed: 0,
            is_complete: true,
        };
        loop {
            let before = walk.removed;
            for name in names_of(lease.family()) {
                walk.look_at(&format!("/{name}"));
            }
            // Some may have lost their names.
            for slab in slab::mapped(lease.family()) {
                walk.removed += slab::look_at(slab, &walk.dead, lease);
            }
            if walk.removed == before {
                return walk;
            }
        }
    }

    fn look_at(&mut self, text: &str) {
        if let Some(link) = Link::parse(text) {
            if !exists(link.place) {
                self.remove(&link.path());
            }
        } else if let Some(name) = Name::parse(text) {
            match (name.cell, name.is_slab(), fs::symlink_metadata(name.path())) {
                (Some(cell), ..) => self.look_at_anchor(name, cell),
                (None, true, _) => self.find_slab(name),
                (None, false, Ok(found)) => self.look_at_segment(name, &found),
                (None, false, Err(_)) => {}
            }
        }
    }

    /// Sees to it that the slab is among those that are looked at.
    fn find_slab(&mut self, name: Name) {
        if slab::slab_of(name).is_err() {
            self.is_complete &= !exists(name);
        }
    }

    /// Removes what names were links of, if its object is gone.
    fn look_at_anchor(&mut self, name: Name, cell: CellName) {
        let found = slab::find(name, cell, || Ok(()));
        if matches!(found, Err(OpenError::Gone)) {
            self.remove(&name.path());
        }
    }

    fn look_at_segment(&mut self, name: Name, found: &Metadata) {
        if found.len() < size_of::<Header>() as u64 {
            return self.look_at_unfinished(name, found);
        }
        let memory = match reserve::find(&name.to_string()) {
            Ok(memory) if memory.len() >= size_of::<Header>() => memory,
            _ => {
                // Either somebody has removed it meanwhile, or this process cannot open it.
                self.is_complete &= !exists(name);
                return;
            }
        };
        // SAFETY: the mapping begins on a page, is long enough, and lives as long as it is used; all
        // of a header is atomic.
        let header: &Header = unsafe { &*memory.as_ptr().cast() };
        if header.is_being_made() {
            return self.look_at_unfinished(name, found);
        }
        // A named block has two names, and whatever its users write into it.
        let is_block = found.nlink() > 1 && !header.is_marked(LINKED);
        if is_block || header.verify(memory.len()).is_err() {
            return;
        }
        header.dismiss_all(&self.dead);
        let lease = self.lease;
        let is_elsewhere = || {
            header.whole(name).is_some_and(exists) || lease.is_on_its_way(name) || is_linked(name)
        };
        if header.close(is_elsewhere) || header.is_gone() {
            self.remove(&name.path());
        }
    }

    fn look_at_unfinished(&mut self, name: Name, found: &Metadata) {
        let pid = name.pid();
        // Whoever makes a segment has a slot, unless it is counted.
        let lives = Path::new(&format!("/proc/{pid}")).exists() || self.has_slot(pid);
        if !lives && found.nlink() == 1 {
            self.remove(&name.path());
        }
    }

    /// Whether a process with this number has a slot and is not dead.
    fn has_slot(&self, pid: u32) -> bool {
        let words = self.lease.slot_words();
        words.is_ok_and(|words| {
            let mut slots = (0..).zip(words.iter());
            slots.any(|(slot, &word)| pid_of(word) == pid && !self.dead.contains(slot))
        })
    }

    fn remove(&mut self, path: &str) {
        self.removed += usize::from(fs::remove_file(path).is_ok());
    }
}

fn exists(name: Name) -> bool {
    Path::new(&name.path()).exists()
}
