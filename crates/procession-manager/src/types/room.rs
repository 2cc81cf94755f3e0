//! Where callers wait for each other.

use crate::protocol::SessionId;
use crate::server::caller::{self, Caller};
use crate::server::session::Interest;
use procession_pipe::Deadline;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// What is kept in a room.
pub(super) trait Leave: Send + 'static {
    /// Gives back what a client had that has ended.
    fn leave(&mut self, session: SessionId);
}

/// A state that callers change and wait for.
///
/// Nobody waits for anybody but for the state: whoever changes it wakes all who wait, and each
/// looks for itself. So a waiter that is gone cannot keep the others.
pub(super) struct Room<S> {
    this: Weak<Self>,
    /// By which sessions know it.
    number: u64,
    state: Mutex<S>,
    changed: Condvar,
}

impl<S: Leave> Room<S> {
    pub(super) fn new(state: S) -> Arc<Self> {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Arc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            number: LAST.fetch_add(1, Ordering::Relaxed),
            state: Mutex::new(state),
            changed: Condvar::new(),
        })
    }

    /// Looks at the state.
    pub(super) fn look<R>(&self, look: impl FnOnce(&S) -> R) -> R {
        look(&self.state())
    }

    /// Changes the state and wakes all who wait.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut S) -> R) -> R {
        let result = change(&mut self.state());
        self.wake();
        result
    }

    /// Wakes all who wait.
    pub(super) fn wake(&self) {
        self.changed.notify_all();
    }

    /// Waits until `ready` returns something, and returns that. It is asked at least once.
    ///
    /// Returns `None` when the time has run out, and when the client has ended: then nobody takes
    /// the result, and `ready` is not asked any more, so that nothing is given to a dead client.
    pub(super) fn wait<R>(
        &self,
        timeout: Option<Duration>,
        mut ready: impl FnMut(&mut S, &Caller) -> Option<R>,
    ) -> Option<R> {
        let deadline = Deadline::after_opt(timeout);
        let caller = caller::current()?;
        let this: Weak<dyn Interest> = self.this.clone();
        caller.session.watch(self.number, &this);
        let mut state = self.state();
        loop {
            if !caller.session.is_present() {
                return None;
            }
            if let Some(result) = ready(&mut state, &caller) {
                return Some(result);
            }
            if deadline.passed() {
                return None;
            }
            state = self.sleep(state, deadline);
        }
    }

    fn sleep<'a>(&self, state: MutexGuard<'a, S>, deadline: Deadline) -> MutexGuard<'a, S> {
        match deadline.left() {
            None => self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner),
            Some(left) => {
                let woken = self.changed.wait_timeout(state, left);
                woken.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, S> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Leave> Interest for Room<S> {
    fn ended(&self, session: SessionId) {
        self.change(|state| state.leave(session));
    }
}
