//! What stands in for the mutex and the futex.

use super::life;
use crate::atomic::{AtomicU32, Ordering};
use loom::sync::{Condvar, Mutex, MutexGuard};
use procession_os::robust::{Acquired, LockError};
use procession_os::wait::Deadline;
use std::io;
use std::sync::Arc;

loom::lazy_static! {
    static ref SLEEPERS: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("loom's mutexes are not poisoned")
}

pub(crate) fn wait(word: &AtomicU32, expected: u32, deadline: Deadline) -> io::Result<bool> {
    let sleepers = lock(&SLEEPERS.0);
    // The kernel compares under the lock of its queue, after a full barrier.
    if !life::is_alive() || word.load(Ordering::SeqCst) != expected {
        return Ok(true);
    }
    if deadline == Deadline::NEVER {
        drop(SLEEPERS.1.wait(sleepers));
        return Ok(true);
    }
    Ok(false)
}

pub(crate) fn wake(_: &AtomicU32, _: u32) {
    if life::step() {
        let _sleepers = lock(&SLEEPERS.0);
        SLEEPERS.1.notify_all();
    }
}

/// A mutex whose owner can die.
pub(crate) struct RobustMutex(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    freed: Condvar,
}

/// A mutex as its owner knows it.
pub(crate) struct Owned(Arc<Inner>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Free,
    Held,
    OwnerDied,
}

impl RobustMutex {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Inner {
            state: Mutex::new(State::Free),
            freed: Condvar::new(),
        }))
    }

    pub(crate) fn try_lock(&self) -> Result<Acquired, LockError> {
        self.may_lock()?;
        let taken = take(&mut lock(&self.0.state));
        taken.map_or(Err(LockError::WouldBlock), |taken| Ok(self.owned(taken)))
    }

    /// Whoever holds it goes on or dies, so no deadline ends this.
    pub(crate) fn lock_until(&self, _: Deadline) -> Result<Acquired, LockError> {
        self.may_lock()?;
        let mut state = lock(&self.0.state);
        loop {
            if let Some(taken) = take(&mut state) {
                return Ok(self.owned(taken));
            }
            let waited = self.0.freed.wait(state);
            state = waited.expect("loom's mutexes are not poisoned");
        }
    }

    /// # Safety
    ///
    /// None is needed; it is so declared because the mutex that it stands for is.
    pub(crate) unsafe fn unlock(&self) -> Result<(), LockError> {
        if life::step() {
            life::disown(&Owned(Arc::clone(&self.0)));
            self.0.free_as(State::Free);
        }
        Ok(())
    }

    pub(crate) fn holder(&self) -> Option<u32> {
        None
    }

    /// The dead do not get any further.
    fn may_lock(&self) -> Result<(), LockError> {
        life::step().then_some(()).ok_or(LockError::Damaged)
    }

    fn owned(&self, taken: Acquired) -> Acquired {
        life::own(Owned(Arc::clone(&self.0)));
        taken
    }
}

impl Owned {
    /// Does what the kernel does with the mutex of a dead thread.
    pub(crate) fn pass_on(&self) {
        self.0.free_as(State::OwnerDied);
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Inner {
    fn free_as(&self, free: State) {
        *lock(&self.state) = free;
        self.freed.notify_all();
    }
}

fn take(state: &mut State) -> Option<Acquired> {
    match std::mem::replace(state, State::Held) {
        State::Free => Some(Acquired::Clean),
        State::OwnerDied => Some(Acquired::OwnerDied),
        State::Held => None,
    }
}
