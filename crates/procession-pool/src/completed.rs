//! Calls that are done, of several that one thread waits for.

use crate::crew::Crew;
use crate::sync::Mutex;
use crate::waiter::{Awaited, Waiter};
use procession_os::wait::Deadline;
use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};

/// Which of several calls are done and were not taken, in the order in which they became so. The calls
/// themselves add to it, so that a look costs the same for one and for a million.
#[derive(Debug, Default)]
pub(crate) struct Completed(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    done: VecDeque<usize>,
    waiter: Option<Arc<Waiter>>,
}

impl Completed {
    /// Adds a call; returns whoever is to be woken for it.
    pub(crate) fn add(&self, which: usize) -> Option<Arc<Waiter>> {
        self.change(|state| {
            state.done.push_back(which);
            state.waiter.take()
        })
    }

    /// Takes the call that has been done for longest.
    pub(crate) fn take(&self) -> Option<usize> {
        self.change(|state| state.done.pop_front())
    }

    /// Waits until there is one; false if the deadline passed first. If all calls are to one pool, this thread
    /// collects for it.
    pub(crate) fn wait(&self, crew: Option<&Crew>, deadline: Deadline) -> bool {
        if let Some(crew) = crew {
            return crew.wait_for(self, deadline);
        }
        let waiter = Waiter::here();
        if self.enlist(&waiter) {
            waiter.sleep(deadline);
            self.dismiss(&waiter);
        }
        self.is_ready()
    }

    /// Nothing that can panic runs under this lock, so it is never poisoned.
    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Awaited for Completed {
    fn is_ready(&self) -> bool {
        self.change(|state| !state.done.is_empty())
    }

    fn enlist(&self, waiter: &Arc<Waiter>) -> bool {
        self.change(|state| {
            if state.done.is_empty() {
                state.waiter = Some(Arc::clone(waiter));
            }
            state.done.is_empty()
        })
    }

    fn dismiss(&self, _: &Arc<Waiter>) {
        self.change(|state| state.waiter = None);
    }
}
