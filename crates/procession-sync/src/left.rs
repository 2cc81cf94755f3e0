//! What threads of this process are still counted for in conditions, because a process was stopped inside of one
//! when their time was over.
//!
//! It is made up for by whoever uses a condition next in this process. If nobody does, the end of the process does
//! it, as that of one that was killed while it waited.

use crate::machine::notice::{self, Left, NoticeState};
use crate::place::Placed;
use procession_os::identity::Identity;
use procession_os::wait::Deadline;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A condition, and what a thread is counted for there.
type Behind = (Placed<NoticeState>, Left);

static BEHIND: Mutex<Vec<Behind>> = Mutex::new(Vec::new());

/// Whether there may be something in the list.
static ANY: AtomicBool = AtomicBool::new(false);

/// Notes that a thread was not able to leave.
#[cold]
pub(crate) fn behind(place: &Placed<NoticeState>, left: Left) {
    lock().push((place.clone(), left));
    ANY.store(true, Ordering::Release);
}

/// Makes up for what was left behind, where nobody is inside.
#[inline]
pub(crate) fn make_up() {
    if ANY.load(Ordering::Acquire) {
        make_up_slowly();
    }
}

#[cold]
fn make_up_slowly() {
    ANY.store(false, Ordering::Release);
    let all = std::mem::take(&mut *lock());
    for (place, left) in all {
        // A fork copied the list of its parent.
        let is_ours = left.who() == Identity::of_this_process();
        let at_once = Deadline::after(Duration::ZERO);
        // Memory that was overwritten counts nobody.
        if is_ours && notice::leave(&place, left, at_once) == Ok(false) {
            behind(&place, left);
        }
    }
}

fn lock() -> MutexGuard<'static, Vec<Behind>> {
    BEHIND.lock().unwrap_or_else(PoisonError::into_inner)
}
