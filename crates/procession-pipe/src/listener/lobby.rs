//! Those who have been let in and not been accepted yet.

use super::error::AcceptError;
use super::peer::Peer;
use crate::Deadline;
use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};
use procession_os::wait;
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Where the doorman leaves connections, and `accept` takes them.
#[derive(Debug)]
pub(super) struct Lobby {
    state: Mutex<State>,
    capacity: usize,
    /// Counts those who wait; far more after closing, so that it wakes everybody then.
    arrivals: EventFd,
    /// Wakes the doorman.
    bell: EventFd,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<(OwnedFd, Peer)>,
    last_accepted: Option<Peer>,
    /// Whether the doorman wants to be woken when a place is free.
    is_full: bool,
    is_closed: bool,
}

impl Lobby {
    pub(super) fn new(capacity: usize) -> io::Result<Self> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        Ok(Self {
            state: Mutex::default(),
            capacity,
            arrivals: EventFd::from_flags(flags | EfdFlags::EFD_SEMAPHORE)?,
            bell: EventFd::from_flags(flags)?,
        })
    }

    /// Returns what can be read when somebody waits, or when it is closed.
    pub(super) fn arrivals(&self) -> BorrowedFd<'_> {
        self.arrivals.as_fd()
    }

    /// Returns what can be read when the doorman is called.
    pub(super) fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// Hears the bell out.
    pub(super) fn hush(&self) {
        // It has not rung if this fails.
        let _ = self.bell.read();
    }

    /// Leaves a connection to be accepted.
    pub(super) fn enter(&self, socket: OwnedFd, peer: Peer) {
        self.state().waiting.push_back((socket, peer));
        ring(&self.arrivals, 1);
    }

    /// Takes the one that has waited longest.
    pub(super) fn take(&self, deadline: Deadline) -> Result<OwnedFd, AcceptError> {
        loop {
            match self.arrivals.read() {
                Ok(_) => return self.leave().ok_or(AcceptError::Closed),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) if wait::readable(self.arrivals(), deadline)? => {}
                Err(Errno::EAGAIN) => return Err(AcceptError::TimedOut),
                Err(errno) => return Err(AcceptError::Io(errno.into())),
            }
        }
    }

    /// Returns whether one more can be held beside so many who are not in yet; if not, the bell
    /// rings when one can.
    pub(super) fn has_room_beside(&self, others: usize) -> bool {
        let mut state = self.state();
        state.is_full = state.waiting.len() + others >= self.capacity;
        !state.is_full
    }

    pub(super) fn last_accepted(&self) -> Option<Peer> {
        self.state().last_accepted.clone()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().is_closed
    }

    /// Sends everybody away, for good.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        state.waiting.clear();
        ring(&self.arrivals, u64::from(u32::MAX));
        ring(&self.bell, 1);
    }

    fn leave(&self) -> Option<OwnedFd> {
        let mut state = self.state();
        if state.is_closed {
            return None;
        }
        let (socket, peer) = state.waiting.pop_front()?;
        state.last_accepted = Some(peer);
        if state.is_full {
            ring(&self.bell, 1);
        }
        Some(socket)
    }

    /// Nothing that can panic runs under this lock, so it is never poisoned.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds to a counter that is far from full.
fn ring(event: &EventFd, count: u64) {
    while event.write(count) == Err(Errno::EINTR) {}
}
