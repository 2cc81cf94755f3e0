//! The transport between a pool and one worker: a stream socket.
//!
//! Nothing else in the crate knows what messages travel over. Each wait here is for two things,
//! the socket and the worker's end. The socket alone would not do: a process that a task forked
//! holds the worker's end of it, and keeps it open when the worker is dead. So does, for a moment,
//! any program that this process starts, between its fork and its exec.
//!
//! The kernel tells a worker that went without having read all it was sent from one that had, but
//! not before the last holder of its end has gone. So there is a [`GRACE`] for it; what is known of
//! the request when it is over is that the worker *may* have read it.

use nix::poll::{PollFd, PollFlags};
use procession_os::wait::{self, Deadline};
use procession_pipe::{Channel, RecvError, SendError};
use procession_wire::{Message, Packet};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// How long the socket of a worker that has ended may stay open.
const GRACE: Duration = Duration::from_secs(1);

/// The pool's end.
#[derive(Debug)]
pub(crate) struct Link {
    /// Never waited for: each call to it takes what is there.
    channel: Channel,
}

/// A request did not go.
#[derive(Debug)]
pub(crate) enum NotSent {
    /// The worker is gone or cannot be reached, and has not read the whole request.
    Gone,
    /// The system refused it; the worker has seen nothing of it.
    Refused(String),
}

/// What came from a worker.
#[derive(Debug)]
pub(crate) enum Received {
    /// A message.
    Packet(Packet),
    /// A message with descriptors for which this process had no room; the next one is not
    /// affected.
    Lost(String),
    /// The worker is gone. It has, or may have, read all that it was sent.
    Closed,
    /// The worker is gone. It has not read all that it was sent.
    Unread,
    /// What a worker does not send: something else has written to its socket.
    Garbage(String),
}

/// What a wait ended with.
struct Woken {
    /// The worker has ended; what it had sent can be received still.
    ended: bool,
}

impl Link {
    pub(crate) fn new(channel: Channel) -> Self {
        Self { channel }
    }

    /// Sends a request to the worker whose end `sentinel` shows.
    ///
    /// The worker reads a request whole before it answers, so that the two never wait for each
    /// other to read.
    pub(crate) fn send(&self, message: Message, sentinel: BorrowedFd<'_>) -> Result<(), NotSent> {
        match self.channel.send_by(message, now()) {
            Ok(()) => Ok(()),
            Err(SendError::Unfinished(_)) => self
                .send_rest(sentinel)
                // Otherwise a worker that lives would wait for the rest, and be waited for.
                .inspect_err(|_| self.hang_up()),
            Err(SendError::Closed) => Err(NotSent::Gone),
            Err(error) => Err(NotSent::Refused(error.to_string())),
        }
    }

    /// Sends the rest as the worker makes room. One that cannot be sent the rest is of no use.
    fn send_rest(&self, sentinel: BorrowedFd<'_>) -> Result<(), NotSent> {
        loop {
            match self.wait(PollFlags::POLLOUT, sentinel) {
                Ok(woken) if !woken.ended => {}
                _ => return Err(NotSent::Gone),
            }
            match self.channel.flush_by(now()) {
                Err(SendError::TimedOut) => {}
                flushed => return flushed.map_err(|_| NotSent::Gone),
            }
        }
    }

    /// Receives the next message of the worker whose end `sentinel` shows.
    pub(crate) fn receive(&self, sentinel: BorrowedFd<'_>) -> Received {
        let mut ended = false;
        loop {
            // What the worker sent before its end is there when the end is seen.
            let patience = if ended { GRACE } else { Duration::ZERO };
            match self.channel.recv_by(Deadline::after(patience)) {
                Err(RecvError::TimedOut) if !ended => {}
                Err(RecvError::TimedOut) => return Received::Closed,
                received => return Received::from(received),
            }
            match self.wait(PollFlags::POLLIN, sentinel) {
                Ok(woken) => ended = woken.ended,
                Err(error) => return Received::Garbage(error.to_string()),
            }
        }
    }

    /// Tells the worker that nothing will be sent any more, whoever else holds the socket.
    pub(crate) fn hang_up(&self) {
        // A worker that is gone need not be told.
        let _ = self.channel.shutdown();
    }

    /// Waits for the socket, or the worker's end.
    fn wait(&self, events: PollFlags, sentinel: BorrowedFd<'_>) -> io::Result<Woken> {
        let mut fds = [
            PollFd::new(self.channel.as_fd(), events),
            PollFd::new(sentinel, PollFlags::POLLIN),
        ];
        wait::poll(&mut fds, Deadline::NEVER)?;
        Ok(Woken {
            ended: fds[1].any().unwrap_or(true),
        })
    }
}

impl From<Result<Packet, RecvError>> for Received {
    fn from(received: Result<Packet, RecvError>) -> Self {
        match received {
            Ok(packet) => Self::Packet(packet),
            Err(RecvError::Closed | RecvError::Truncated) => Self::Closed,
            Err(RecvError::Reset) => Self::Unread,
            Err(error @ RecvError::DescriptorsLost) => Self::Lost(error.to_string()),
            Err(error) => Self::Garbage(error.to_string()),
        }
    }
}

fn now() -> Deadline {
    Deadline::after(Duration::ZERO)
}
