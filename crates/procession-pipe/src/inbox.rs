//! Receiving a frame, in as many steps as it arrives in.
//!
//! The state outlives a call that ran out of time, so that the next one goes on where it stopped:
//!
//! | head | body | state |
//! |---|---|---|
//! | empty | empty | between two messages |
//! | begun | empty | the length is arriving |
//! | whole | partial | the message is arriving |
//!
//! Nothing is read beyond the end of the frame: those bytes may be for another process that
//! shares the socket.

use crate::RecvError;
use crate::link::Link;
use procession_os::wait::Deadline;
use procession_wire::frame::{self, Announced, BadLength};
use procession_wire::handle::MAX_FDS;
use std::io;
use std::os::fd::OwnedFd;

/// The most memory that is taken before any of a message has arrived.
const FIRST_ROOM: usize = 64 * 1024;

/// The lengths of a head in its short and its long form.
const SHORT_HEAD: usize = 4;
const LONG_HEAD: usize = 12;

/// What has arrived of the next message.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    head: [u8; LONG_HEAD],
    head_len: usize,
    /// Grows with what arrives, up to the announced length.
    body: Vec<u8>,
    /// How much of `body` has arrived.
    body_len: usize,
    rights: Rights,
}

/// What the head says as far as it has arrived.
enum Announcement {
    /// The message's length.
    Len(u64),
    /// The length of the head that says more.
    Needs(usize),
}

/// The descriptors that came with a message.
#[derive(Debug, Default)]
pub(crate) struct Rights {
    pub(crate) fds: Vec<OwnedFd>,
    /// Whether this process had no room for some.
    pub(crate) lost: bool,
}

impl Inbox {
    /// Receives the rest of the message.
    pub(crate) fn receive(
        &mut self,
        link: &Link,
        max: u64,
        deadline: Deadline,
    ) -> Result<(Vec<u8>, Rights), RecvError> {
        let len = self.receive_head(link, deadline)?;
        if len > max {
            return Err(RecvError::TooLong { len, max });
        }
        self.receive_body(link, len as usize, deadline)?;
        let Self { body, rights, .. } = std::mem::take(self);
        Ok((body, rights))
    }

    /// Returns whether a part of a message has arrived.
    pub(crate) fn is_partial(&self) -> bool {
        self.head_len > 0
    }

    /// Returns whether the next call refuses the message without reading any more of it.
    pub(crate) fn is_refused(&self, max: u64) -> bool {
        match self.announced() {
            Ok(Announcement::Len(len)) => len > max,
            Ok(Announcement::Needs(_)) => false,
            Err(_) => true,
        }
    }

    fn announced(&self) -> Result<Announcement, BadLength> {
        let [a, b, c, d, long @ ..] = self.head;
        if self.head_len < SHORT_HEAD {
            return Ok(Announcement::Needs(SHORT_HEAD));
        }
        Ok(match frame::announced([a, b, c, d])? {
            Announced::Len(len) => Announcement::Len(len),
            Announced::Long if self.head_len < LONG_HEAD => Announcement::Needs(LONG_HEAD),
            Announced::Long => Announcement::Len(u64::from_be_bytes(long)),
        })
    }

    fn receive_head(&mut self, link: &Link, deadline: Deadline) -> Result<u64, RecvError> {
        loop {
            let needed = match self.announced()? {
                Announcement::Len(len) => return Ok(len),
                Announcement::Needs(needed) => needed,
            };
            let room = &mut self.head[self.head_len..needed];
            match self.rights.receive(link, room, deadline)? {
                0 if self.head_len == 0 => return Err(RecvError::Closed),
                0 => return Err(RecvError::Truncated),
                len => self.head_len += len,
            }
        }
    }

    fn receive_body(
        &mut self,
        link: &Link,
        len: usize,
        deadline: Deadline,
    ) -> Result<(), RecvError> {
        while self.body_len < len {
            self.make_room(len).map_err(RecvError::Io)?;
            let room = &mut self.body[self.body_len..];
            match self.rights.receive(link, room, deadline)? {
                0 => return Err(RecvError::Truncated),
                len => self.body_len += len,
            }
        }
        Ok(())
    }

    /// Makes room for more than has arrived, never for much more: the announced length may be a
    /// lie.
    fn make_room(&mut self, len: usize) -> io::Result<()> {
        if self.body_len < self.body.len() {
            return Ok(());
        }
        let room = len.min(FIRST_ROOM.max(self.body_len.saturating_mul(2)));
        self.body.try_reserve_exact(room - self.body.len())?;
        self.body.resize(room, 0);
        Ok(())
    }
}

impl Rights {
    /// Receives some bytes, and keeps the descriptors that come beside them.
    fn receive(
        &mut self,
        link: &Link,
        buf: &mut [u8],
        deadline: Deadline,
    ) -> Result<usize, RecvError> {
        let received = link.recv(buf, deadline).map_err(recv_error)?;
        // One more than a sender can announce is enough to see that the message is wrong; the
        // others are closed here, so that a sender cannot fill this process's table.
        let room = MAX_FDS + 1 - self.fds.len();
        self.fds.extend(received.fds.into_iter().take(room));
        self.lost |= received.truncated;
        Ok(received.len)
    }
}

fn recv_error(error: io::Error) -> RecvError {
    match error.kind() {
        io::ErrorKind::TimedOut => RecvError::TimedOut,
        io::ErrorKind::ConnectionReset => RecvError::Reset,
        _ => RecvError::Io(error),
    }
}
