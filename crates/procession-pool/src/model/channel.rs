//! What stands in for a socket with a pair of rings.
//!
//! How a reader that falls asleep is not overlooked is proved beside the rings. Here the steps are the same, each
//! under a lock: a message is written, the mark is looked at, the bell is rung, and the mark is cleared if it is
//! the same.

use super::kernel;
use loom::sync::{Condvar, Mutex, MutexGuard};
use procession_os::wait::Deadline;
use procession_pipe::{RecvError, SendError};
use procession_wire::{Message, Packet};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

/// One end.
#[derive(Debug, Clone)]
pub(crate) struct Channel {
    link: Arc<Link>,
    side: Side,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Pool,
    Worker,
}

#[derive(Debug)]
struct Link {
    /// The worker whose link it is.
    number: usize,
    state: Mutex<State>,
    /// Something has come for the worker.
    sent: Condvar,
}

#[derive(Debug, Default)]
struct State {
    to_worker: VecDeque<Vec<u8>>,
    to_pool: VecDeque<Vec<u8>>,
    /// Odd while the pool may be asleep.
    mark: u32,
    is_shut: bool,
}

impl Channel {
    /// Makes both ends: the pool's, and its worker's.
    pub(crate) fn pair_with_rings(_: usize) -> io::Result<(Self, Self)> {
        let link = Arc::new(Link {
            number: kernel::open(),
            state: Mutex::default(),
            sent: Condvar::new(),
        });
        let end = |side| Self {
            link: Arc::clone(&link),
            side,
        };
        Ok((end(Side::Pool), end(Side::Worker)))
    }

    pub(crate) fn keep_rings(&self) {}

    pub(crate) fn unlink_rings(&self) {}

    /// Returns the number of the worker.
    pub(crate) fn number(&self) -> usize {
        self.link.number
    }

    pub(crate) fn send(&self, message: Message) -> Result<(), SendError> {
        self.send_bytes_by(message.bytes(), Deadline::NEVER)
    }

    pub(crate) fn send_by(&self, message: Message, deadline: Deadline) -> Result<(), SendError> {
        self.send_bytes_by(message.bytes(), deadline)
    }

    pub(crate) fn send_bytes_by(&self, message: &[u8], _: Deadline) -> Result<(), SendError> {
        let mut state = self.state();
        if state.is_shut {
            return Err(SendError::Closed);
        }
        if self.side == Side::Pool {
            state.to_worker.push_back(message.to_vec());
            self.link.sent.notify_all();
            return Ok(());
        }
        state.to_pool.push_back(message.to_vec());
        drop(state);
        let seen = self.state().mark;
        if seen & 1 == 1 {
            kernel::ring(self.link.number);
            let mut state = self.state();
            if state.mark == seen {
                state.mark += 1;
            }
        }
        Ok(())
    }

    pub(crate) fn flush_by(&self, _: Deadline) -> Result<(), SendError> {
        Ok(())
    }

    /// Receives the worker's next message.
    pub(crate) fn recv(&self) -> Result<Packet, RecvError> {
        let mut state = self.state();
        loop {
            if state.is_shut {
                return Err(RecvError::Closed);
            }
            if let Some(message) = state.to_worker.pop_front() {
                return Ok(Packet::parse(message, Vec::new())?);
            }
            let waited = self.link.sent.wait(state);
            state = waited.expect("loom's mutexes are not poisoned");
        }
    }

    /// Receives the pool's next message if it is there.
    pub(crate) fn recv_by(&self, _: Deadline) -> Result<Packet, RecvError> {
        let mut state = self.state();
        match state.to_pool.pop_front() {
            Some(message) => Ok(Packet::parse(message, Vec::new())?),
            None if state.is_shut => Err(RecvError::Closed),
            None => Err(RecvError::TimedOut),
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        !self.state().to_pool.is_empty()
    }

    /// Has the worker ring for the next message; returns whether there is one.
    pub(crate) fn arm(&self) -> io::Result<bool> {
        let mut state = self.state();
        state.mark |= 1;
        drop(state);
        Ok(self.is_ready())
    }

    pub(crate) fn disarm(&self) {
        let mut state = self.state();
        state.mark += state.mark & 1;
    }

    /// Takes a bell; returns whether there may be something to receive.
    pub(crate) fn take_bell(&self) -> io::Result<bool> {
        kernel::take_bell(self.link.number);
        let state = self.state();
        Ok(state.is_shut || !state.to_pool.is_empty())
    }

    /// Ends it for both sides.
    pub(crate) fn shutdown(&self) -> io::Result<()> {
        self.state().is_shut = true;
        self.link.sent.notify_all();
        kernel::hang_up(self.link.number);
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.link
            .state
            .lock()
            .expect("loom's mutexes are not poisoned")
    }
}
