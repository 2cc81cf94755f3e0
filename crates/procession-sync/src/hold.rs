//! What a thread knows of the [`RLock`](crate::RLock)s that it holds.
//!
//! The first guard of an rlock takes the segment's mutex, and the last one releases it, which need
//! not be the same. So the mutex is [kept](Held::keep) by a [`Hold`] that the guards share, and
//! the last one resumes it through its own handle: a process maps a segment once, whatever the
//! number of its handles.
//!
//! The thread has a list of its holds. One that has no guards any more is used again for the next
//! lock, so that acquiring allocates only when a thread holds more rlocks than ever before. A
//! guard that is leaked leaves its hold with a guard, and the segment mapped, until the thread
//! ends.

use procession_os::identity::Identity;
use procession_shm::{Held, Kept, Segment};
use std::cell::{Cell, RefCell};
use std::ptr::NonNull;
use std::rc::Rc;

/// A segment's mutex, held by this thread for some guards; or, without guards, nothing.
#[derive(Debug)]
pub(crate) struct Hold {
    what: Cell<What>,
    guards: Cell<u32>,
    /// The lock was released though there are guards: their thread waits for a condition.
    laid_down: Cell<bool>,
}

#[derive(Debug, Clone, Copy)]
struct What {
    /// Tells the segment from all others that are mapped at the same time.
    payload: NonNull<u8>,
    mutex: Kept,
    /// A process that was forked while the lock was held is another one.
    who: Identity,
}

impl What {
    #[inline]
    fn of(held: Held<'_>) -> Self {
        Self {
            payload: held.segment().payload(),
            mutex: held.keep(),
            who: Identity::of_this_process(),
        }
    }
}

impl Hold {
    /// Counts one more guard.
    #[inline]
    pub(crate) fn enter(&self) -> u32 {
        let guards = self.guards.get() + 1;
        self.guards.set(guards);
        guards
    }

    /// Counts one guard less; `None` if the lock is another process's, that this one was forked
    /// from.
    #[inline]
    pub(crate) fn leave(&self) -> Option<u32> {
        let guards = self.guards.get().saturating_sub(1);
        self.guards.set(guards);
        let ours = self.what.get().who == Identity::of_this_process();
        (ours && !self.laid_down.get()).then_some(guards)
    }

    /// Notes that the guards do not hold the lock any more; false if they do not anyway.
    pub(crate) fn lay_down(&self) -> bool {
        let ours = self.what.get().who == Identity::of_this_process();
        ours && !self.laid_down.replace(true)
    }

    /// Notes that the guards hold the lock again.
    pub(crate) fn take_up(&self, held: Held<'_>) {
        self.what.set(What::of(held));
        self.laid_down.set(false);
    }

    /// Makes the mutex's guard again, for the last guard.
    ///
    /// # Safety
    ///
    /// The hold must be this process's and of this segment, without guards or
    /// [laid down](Self::lay_down), and this must not have been called since.
    #[inline]
    pub(crate) unsafe fn resume<'a>(&self, segment: &'a Segment) -> Held<'a> {
        // SAFETY: the caller vouches for it.
        unsafe { segment.resume(self.what.get().mutex) }
    }

    fn is_of(&self, payload: NonNull<u8>) -> bool {
        let what = self.what.get();
        let holds = self.guards.get() != 0 && !self.laid_down.get();
        holds && what.payload == payload && what.who == Identity::of_this_process()
    }
}

thread_local! {
    static HOLDS: RefCell<Vec<Rc<Hold>>> = const { RefCell::new(Vec::new()) };
}

/// Returns the hold that this thread has of the segment.
#[inline]
pub(crate) fn of_this_thread(segment: &Segment) -> Option<Rc<Hold>> {
    let payload = segment.payload();
    find(|hold| hold.is_of(payload))
}

/// Keeps the mutex for guards that are yet to be counted.
#[inline]
pub(crate) fn keep(held: Held<'_>) -> Rc<Hold> {
    let Some(unused) = find(|hold| hold.guards.get() == 0) else {
        return another(What::of(held));
    };
    unused.take_up(held);
    unused
}

#[inline]
fn find(wanted: impl Fn(&Hold) -> bool) -> Option<Rc<Hold>> {
    let find = |holds: &RefCell<Vec<Rc<Hold>>>| {
        let holds = holds.borrow();
        holds.iter().find(|hold| wanted(hold)).cloned()
    };
    HOLDS.try_with(find).ok().flatten()
}

#[cold]
fn another(what: What) -> Rc<Hold> {
    let hold = Rc::new(Hold {
        what: Cell::new(what),
        guards: Cell::new(0),
        laid_down: Cell::new(false),
    });
    // A thread that is ending has no list any more, and cannot acquire again what it holds.
    let _ = HOLDS.try_with(|holds| holds.borrow_mut().push(Rc::clone(&hold)));
    hold
}
