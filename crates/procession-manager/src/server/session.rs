//! One client process, as the server knows it.

use crate::protocol::SessionId;
use nix::poll::{PollFd, PollFlags};
use procession_os::wait::{self, Deadline};
use procession_pipe::Channel;
use std::collections::HashMap;
use std::os::fd::AsFd;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Something that a client may wait for or hold, and that must know when the client has ended.
pub(crate) trait Interest: Send + Sync {
    /// Gives back what the session had, and wakes those who may go on now.
    fn ended(&self, session: SessionId);
}

/// A client process, from its first connection to its end.
pub(crate) struct Session {
    id: SessionId,
    peer: Peer,
    /// How many calls the client has made.
    pub(super) calls: AtomicU64,
    /// How many of them have not ended.
    pub(super) running: AtomicU64,
    /// The connection whose end is the session's; the server itself has none.
    presence: Option<Arc<Channel>>,
    state: Mutex<State>,
}

/// What is known of a client.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Peer {
    /// Its process, if it is on this machine.
    pub(super) pid: Option<u32>,
    /// Whether it is a program with another executable.
    pub(super) is_visitor: bool,
}

#[derive(Default)]
struct State {
    has_ended: bool,
    /// By number, so that a session is told once of whatever it used often.
    interests: HashMap<u64, Weak<dyn Interest>>,
}

/// How many interests are kept before it is looked which of them are still there.
const MANY: usize = 64;

impl Session {
    pub(super) fn new(id: SessionId, peer: Peer, presence: Option<Arc<Channel>>) -> Self {
        Self {
            id,
            peer,
            calls: AtomicU64::new(0),
            running: AtomicU64::new(0),
            presence,
            state: Mutex::default(),
        }
    }

    pub(crate) fn id(&self) -> SessionId {
        self.id
    }

    pub(super) fn peer(&self) -> Peer {
        self.peer
    }

    /// Tells whether the client is a program with another executable.
    pub(crate) fn is_visitor(&self) -> bool {
        self.peer.is_visitor
    }

    /// Has `interest` told when the session ends; the number stands for it.
    pub(crate) fn watch(&self, number: u64, interest: &Weak<dyn Interest>) {
        let mut state = self.state();
        let interests = &mut state.interests;
        if interests.insert(number, interest.clone()).is_some() {
            return;
        }
        if interests.len() > MANY && interests.len().is_power_of_two() {
            interests.retain(|_, interest| interest.strong_count() > 0);
        }
    }

    /// Tells whether the client is there to take what it asked for.
    ///
    /// A process that was killed is noticed here even before its connections are found closed, so
    /// that nothing is handed to it.
    pub(crate) fn is_present(&self) -> bool {
        !self.has_ended()
            && self
                .presence
                .as_ref()
                .is_none_or(|channel| is_open(channel))
    }

    /// Tells whether the session is over.
    pub(super) fn has_ended(&self) -> bool {
        self.state().has_ended
    }

    /// Ends the session and tells all who have an interest.
    pub(super) fn end(&self) {
        let interests = {
            let mut state = self.state();
            state.has_ended = true;
            std::mem::take(&mut state.interests)
        };
        for interest in interests
            .into_values()
            .filter_map(|interest| interest.upgrade())
        {
            interest.ended(self.id);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks the kernel whether the other side has closed.
fn is_open(channel: &Channel) -> bool {
    // Errors and the end of both directions are reported unasked; a client on another machine ends one.
    let mut fds = [PollFd::new(
        channel.as_fd(),
        PollFlags::from_bits_retain(nix::libc::POLLRDHUP),
    )];
    matches!(wait::poll(&mut fds, Deadline::PASSED), Ok(0))
}
