//! One thread at a time, with a deadline.

use procession_os::wait::Deadline;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A value that threads use in turn.
///
/// A mutex cannot do this: a thread keeps its turn while it waits for the other side, and another
/// one must be able to give up before that.
pub(crate) struct Turn<T> {
    slot: Mutex<Slot<T>>,
    returned: Condvar,
}

struct Slot<T> {
    /// The value, unless a thread has it.
    value: Option<T>,
    /// How many threads wait for it: to notify nobody would be a system call all the same.
    waiting: usize,
}

impl<T> Turn<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            slot: Mutex::new(Slot {
                value: Some(value),
                waiting: 0,
            }),
            returned: Condvar::new(),
        }
    }

    /// Takes the value; `None` if the deadline passed while another thread had it.
    pub(crate) fn take(&self, deadline: Deadline) -> Option<Taken<'_, T>> {
        let mut slot = self.slot();
        loop {
            if let Some(value) = slot.value.take() {
                return Some(Taken {
                    turn: self,
                    value: Some(value),
                });
            }
            slot.waiting += 1;
            let (mut awake, in_time) = self.wait(slot, deadline);
            awake.waiting -= 1;
            if !in_time {
                return None;
            }
            slot = awake;
        }
    }

    /// Looks at the value; `None` if a thread has it.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&T) -> R) -> Option<R> {
        self.slot().value.as_ref().map(look)
    }

    /// Waits for a return; false if the deadline had passed already.
    fn wait<'a>(
        &self,
        slot: MutexGuard<'a, Slot<T>>,
        deadline: Deadline,
    ) -> (MutexGuard<'a, Slot<T>>, bool) {
        let Some(left) = deadline.left() else {
            let waited = self.returned.wait(slot);
            return (waited.unwrap_or_else(PoisonError::into_inner), true);
        };
        if left.is_zero() {
            return (slot, false);
        }
        let waited = self.returned.wait_timeout(slot, left);
        (waited.unwrap_or_else(PoisonError::into_inner).0, true)
    }

    /// Nothing that can panic runs under this lock, so it is never poisoned.
    fn slot(&self) -> MutexGuard<'_, Slot<T>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Default> Default for Turn<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> fmt::Debug for Turn<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn")
            .field("taken", &self.slot().value.is_none())
            .finish()
    }
}

/// The value of a [`Turn`], which goes back when this is dropped.
pub(crate) struct Taken<'a, T> {
    turn: &'a Turn<T>,
    /// Always there until the drop.
    value: Option<T>,
}

impl<T> Deref for Taken<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value
            .as_ref()
            .expect("the value goes back in drop only")
    }
}

impl<T> DerefMut for Taken<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value
            .as_mut()
            .expect("the value goes back in drop only")
    }
}

impl<T> Drop for Taken<'_, T> {
    fn drop(&mut self) {
        let mut slot = self.turn.slot();
        slot.value = self.value.take();
        if slot.waiting > 0 {
            self.turn.returned.notify_one();
        }
    }
}
