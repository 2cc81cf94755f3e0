//! What all guards of one [`RLock`](crate::RLock) in one thread have in common.
//!
//! The first guard takes the segment's mutex, and the last one releases it, which need not be the
//! same. So the mutex's guard is in a [`Hold`] that the guards share. The thread knows its holds,
//! weakly: a guard that is leaked leaks its hold, and with it the handle to the segment, which
//! therefore stays mapped, and locked until the thread ends.

use procession_os::identity::Identity;
use procession_shm::{Held, LockError, LockResult, Segment};
use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::rc::{Rc, Weak};

/// A segment's mutex, held by this thread, and a handle to the segment.
pub(crate) struct Hold {
    mutex: ManuallyDrop<Held<'static>>,
    /// From a box, and borrowed by `mutex` only.
    segment: NonNull<Segment>,
    who: Identity,
}

impl Hold {
    /// False in a process that was forked while the lock was held: the lock is the parent's.
    pub(crate) fn is_ours(&self) -> bool {
        self.who == Identity::of_this_process()
    }

    fn is_of(&self, segment: &Segment) -> bool {
        // SAFETY: the box is freed when this is dropped.
        let held = unsafe { self.segment.as_ref() };
        // A process maps a segment once, whatever the number of its handles.
        held.payload() == segment.payload() && self.is_ours()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // SAFETY: it is dropped once, here, and not used again.
        unsafe { ManuallyDrop::drop(&mut self.mutex) };
        // SAFETY: the pointer is a box's, and the borrow of it ended on the line before.
        drop(unsafe { Box::from_raw(self.segment.as_ptr()) });
    }
}

thread_local! {
    static HOLDS: RefCell<Vec<Weak<Hold>>> = const { RefCell::new(Vec::new()) };
}

/// Returns the hold that this thread has of the segment.
pub(crate) fn of_this_thread(segment: &Segment) -> Option<Rc<Hold>> {
    let find = |holds: &RefCell<Vec<Weak<Hold>>>| {
        let holds = holds.borrow();
        let mut living = holds.iter().filter_map(Weak::upgrade);
        living.find(|hold| hold.is_of(segment))
    };
    HOLDS.try_with(find).ok().flatten()
}

/// Takes the mutex with `lock`, and makes a guard of it with `wrap`.
pub(crate) fn take<G>(
    segment: &Segment,
    lock: impl FnOnce(&'static Segment) -> Result<Held<'static>, LockError>,
    wrap: impl FnOnce(Rc<Hold>) -> G,
) -> LockResult<G> {
    let boxed = NonNull::from(Box::leak(Box::new(segment.clone())));
    // SAFETY: the box lives until the hold is dropped, which drops what borrows it before; or
    // until the error path below, where nothing borrows it.
    let lasting: &'static Segment = unsafe { boxed.as_ref() };
    match lock(lasting) {
        Ok(held) => held.into_guard(|held| wrap(enter(held, boxed))),
        Err(error) => {
            // SAFETY: the pointer is a box's, and `lock` has kept no borrow of it.
            drop(unsafe { Box::from_raw(boxed.as_ptr()) });
            Err(error.into())
        }
    }
}

fn enter(mutex: Held<'static>, segment: NonNull<Segment>) -> Rc<Hold> {
    let hold = Rc::new(Hold {
        mutex: ManuallyDrop::new(mutex),
        segment,
        who: Identity::of_this_process(),
    });
    // A thread that is ending has no list any more, and cannot acquire again what it holds.
    let _ = HOLDS.try_with(|holds| {
        let mut holds = holds.borrow_mut();
        holds.retain(|hold| hold.strong_count() > 0);
        holds.push(Rc::downgrade(&hold));
    });
    hold
}
