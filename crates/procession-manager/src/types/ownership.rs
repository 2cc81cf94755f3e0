//! Who holds a lock, and how often.

use super::room::{Leave, Room};
use crate::protocol::SessionId;
use crate::server::caller::{self, Caller};
use procession_os::own_pid;
use procession_sync::{AcquireError, LockError, LockResult, Poisoned};
use serde::{Deserialize, Serialize};
use std::marker::PhantomData;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// What came of an attempt to take a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Taken {
    Held {
        poisoned: bool,
    },
    /// The thread would wait for itself.
    HeldByThisThread,
    /// Not before the timeout; without one, the client has ended.
    InVain,
}

impl Taken {
    /// Makes the guard, or says why there is none; `in_vain` if that is for want of time.
    pub(super) fn guard<G>(self, in_vain: LockError, guard: impl FnOnce() -> G) -> LockResult<G> {
        match self {
            Self::Held { poisoned } => guarded(poisoned, guard()),
            Self::HeldByThisThread => Err(LockError::HeldByThisThread.into()),
            Self::InVain => Err(in_vain.into()),
        }
    }
}

/// Gives the guard, inside of a [`Poisoned`] if the lock is.
pub(super) fn guarded<G>(poisoned: bool, guard: G) -> LockResult<G> {
    if poisoned {
        return Err(AcquireError::Poisoned(Poisoned::new(guard)));
    }
    Ok(guard)
}

/// A lock that one thread of one client holds.
pub(super) struct Ownership {
    room: Arc<Room<State>>,
    /// Whether the thread that holds it may take it again.
    reentrant: bool,
}

#[derive(Debug, Default)]
struct State {
    owner: Option<Owner>,
    /// Whether an owner has ended or panicked, and nobody has declared that repaired.
    poisoned: bool,
}

#[derive(Debug)]
struct Owner {
    session: SessionId,
    thread: u64,
    depth: u32,
}

impl Owner {
    fn new(caller: &Caller, depth: u32) -> Self {
        Self {
            session: caller.session.id(),
            thread: caller.thread,
            depth,
        }
    }

    fn is(&self, caller: &Caller) -> bool {
        (self.session, self.thread) == (caller.session.id(), caller.thread)
    }
}

impl Ownership {
    pub(super) fn new(reentrant: bool) -> Self {
        let room = Room::new(State::default());
        Self { room, reentrant }
    }

    /// Takes the lock for the caller.
    pub(super) fn take(&self, timeout: Option<Duration>) -> Taken {
        let taken = self.room.wait(timeout, |state, caller| {
            if let Some(owner) = state.owner.as_mut().filter(|owner| owner.is(caller)) {
                return Some(owner.again(self.reentrant));
            }
            let poisoned = state.take(caller, 1)?;
            Some(Taken::Held { poisoned })
        });
        taken.unwrap_or(Taken::InVain)
    }

    /// Ends one level of the caller's, and the last one with or without poison.
    pub(super) fn give_back(&self, poison: bool) {
        self.of_caller(|state| {
            let Some(owner) = &mut state.owner else {
                return;
            };
            owner.depth -= 1;
            if owner.depth == 0 {
                state.owner = None;
                state.poisoned |= poison;
            }
        });
    }

    /// Ends all levels of the caller's and returns how many there were; `None` if it has none.
    pub(super) fn suspend(&self) -> Option<u32> {
        self.of_caller(|state| state.owner.take().map(|owner| owner.depth))
            .flatten()
    }

    /// Takes the lock for the caller as often as it was suspended, and returns whether it is
    /// poisoned; `None` if the client has ended.
    pub(super) fn resume(&self, depth: u32) -> Option<bool> {
        let take = |state: &mut State, caller: &Caller| state.take(caller, depth);
        self.room.wait(None, take)
    }

    pub(super) fn depth(&self) -> usize {
        let depth = |state: &State| state.owner.as_ref().map_or(0, |owner| owner.depth);
        self.room.look(depth) as usize
    }

    pub(super) fn is_poisoned(&self) -> bool {
        self.room.look(|state| state.poisoned)
    }

    pub(super) fn clear_poison(&self) {
        self.room.change(|state| state.poisoned = false);
    }

    /// Changes the state if the caller is the owner.
    fn of_caller<R>(&self, change: impl FnOnce(&mut State) -> R) -> Option<R> {
        let caller = caller::current()?;
        self.room.change(|state| {
            let is_owner = state.owner.as_ref().is_some_and(|owner| owner.is(&caller));
            is_owner.then(|| change(state))
        })
    }
}

impl Owner {
    fn again(&mut self, reentrant: bool) -> Taken {
        if !reentrant {
            return Taken::HeldByThisThread;
        }
        self.depth += 1;
        Taken::Held { poisoned: false }
    }
}

impl State {
    /// Takes the lock if it is free, and returns whether it is poisoned.
    fn take(&mut self, caller: &Caller, depth: u32) -> Option<bool> {
        if self.owner.is_some() {
            return None;
        }
        self.owner = Some(Owner::new(caller, depth));
        Some(self.poisoned)
    }
}

impl Leave for State {
    fn leave(&mut self, session: SessionId) {
        let is_theirs = |owner: &Owner| owner.session == session;
        if self.owner.as_ref().is_some_and(is_theirs) {
            self.owner = None;
            self.poisoned = true;
        }
    }
}

/// What a guard knows of the moment at which it was made.
#[derive(Debug)]
pub(super) struct Since {
    process: u32,
    panicking: bool,
    /// The lock is the thread's.
    _not_send: PhantomData<*const ()>,
}

impl Since {
    pub(super) fn now() -> Self {
        Self {
            process: own_pid(),
            panicking: thread::panicking(),
            _not_send: PhantomData,
        }
    }

    /// Returns whether the guard is of this process, and not a copy that a fork made.
    pub(super) fn is_ours(&self) -> bool {
        self.process == own_pid()
    }

    /// Returns whether the thread began to panic meanwhile.
    pub(super) fn panicked(&self) -> bool {
        !self.panicking && thread::panicking()
    }
}
