//! The structs and variants that a thread has found to be written as they are read.
//!
//! A struct whose `Serialize` writes other fields than its `Deserialize` reads, as one with
//! `skip_serializing`, must not go as postcard's bytes, which have no names. So a writer recognises
//! what was compared before, by a mark, and stops at what was not.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

/// What a container is recognised by: where the literal with its name lies, and how it is written.
/// The linker may have merged names that are equal, so that the numbers are needed too.
pub(crate) mod mark {
    /// A struct, or a tuple with a name, of `len` fields.
    #[inline]
    pub(crate) fn of(name: &'static str, len: usize) -> u64 {
        name.as_ptr().addr() as u64 ^ (len as u64 + 1) << 48
    }

    /// A variant with `len` fields.
    #[inline]
    pub(crate) fn variant(name: &'static str, index: u32, len: usize) -> u64 {
        name.as_ptr().addr() as u64 ^ u64::from(index) << 46 ^ (len as u64 + 1) << 56
    }
}

/// How many marks are found at once.
const SLOTS: usize = 128;

thread_local! {
    /// The one that was looked up last, which is often the next one too.
    static LAST: Cell<u64> = const { Cell::new(0) };
    static RECENT: [Cell<u64>; SLOTS] = const { [const { Cell::new(0) }; SLOTS] };
    static ALL: RefCell<BTreeSet<u64>> = RefCell::default();
}

/// Returns whether what has this mark was compared before.
#[inline]
pub(crate) fn is_familiar(mark: u64) -> bool {
    LAST.get() == mark || is_recent(mark)
}

// Out of line, so that a value's `serialize` remains small enough to be put in line itself.
#[inline(never)]
fn is_recent(mark: u64) -> bool {
    RECENT.with(|recent| {
        let slot = &recent[mark as usize % SLOTS];
        let is_familiar = slot.get() == mark || look_up(mark, slot);
        if is_familiar {
            LAST.set(mark);
        }
        is_familiar
    })
}

#[cold]
fn look_up(mark: u64, slot: &Cell<u64>) -> bool {
    // Where the thread is ending, nothing is familiar any more.
    let is_known = ALL.try_with(|all| all.borrow().contains(&mark)) == Ok(true);
    if is_known {
        slot.set(mark);
    }
    is_known
}

/// Has these recognised from now on; returns whether any of them is new.
pub(crate) fn add(marks: BTreeSet<u64>) -> bool {
    let added = ALL.try_with(|all| {
        let mut all = all.borrow_mut();
        let before = all.len();
        all.extend(marks);
        all.len() > before
    });
    added == Ok(true)
}
