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
//! Nothing is read beyond the end of the frame: those bytes may be for another process, which shares
//! the socket or is handed it later, and whoever polls the descriptor must see them. So a message
//! takes two calls, one for the length and one for the rest.

use crate::link::Link;
use crate::{RecvError, RecvIntoError};
use procession_os::huge;
use procession_os::wait::Deadline;
use procession_wire::frame::{self, Announced, BadLength};
use std::io;
use std::os::fd::OwnedFd;

/// The most memory that is asked for before any of a message has arrived. The kernel gives its
/// pages as they are written.
const FIRST_ROOM: usize = 1 << 20;

/// The lengths of a head in its short and its long form.
const SHORT_HEAD: usize = 4;
const LONG_HEAD: usize = 12;

/// What has arrived of the next message.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    head: [u8; LONG_HEAD],
    head_len: usize,
    /// What has arrived; its room grows with that, up to the announced length.
    body: Vec<u8>,
    rights: Rights,
}

/// What says that there is a message elsewhere; no frame of less than 2 GiB begins so, and the head
/// of a longer one has all bits set.
pub(crate) const BELL: u8 = 0x80;

/// What a byte was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Byte {
    /// The other side has rung.
    Bell,
    /// A message has begun to arrive.
    OfMessage,
    /// None: the other side is gone.
    End,
}

/// What the head says as far as it has arrived.
enum Announcement {
    /// The message's length.
    Len(u64),
    /// The length of the head that says more.
    Needs(usize),
}

/// The descriptors that came beside the first byte of a message.
#[derive(Debug, Default)]
pub(crate) struct Rights {
    pub(crate) fds: Vec<OwnedFd>,
    /// Whether this process had no room for some.
    pub(crate) lost: bool,
}

impl Inbox {
    /// Receives the rest of the message, into memory that `take` has for its length.
    pub(crate) fn receive(
        &mut self,
        link: &Link,
        take: fn(usize) -> Vec<u8>,
        max: u64,
        deadline: Deadline,
    ) -> Result<(Vec<u8>, Rights), RecvError> {
        let len = self.receive_head(link, max, deadline)?;
        if self.body.capacity() == 0 {
            self.body = take(len);
        }
        self.receive_body(link, len, deadline)?;
        let Self { body, rights, .. } = std::mem::take(self);
        Ok((body, rights))
    }

    /// Receives the rest of the message, all of it into `buf` if it fits; returns its length.
    pub(crate) fn receive_into(
        &mut self,
        link: &Link,
        buf: &mut [u8],
        max: u64,
        deadline: Deadline,
    ) -> Result<usize, RecvIntoError> {
        let len = self.receive_head(link, max, deadline)?;
        let Some(buf) = buf.get_mut(..len) else {
            return Err(RecvIntoError::TooShort(
                self.receive(link, fresh, max, deadline)?.0,
            ));
        };
        self.fill(link, buf, deadline)?;
        *self = Self::default();
        Ok(len)
    }

    /// Sleeps until a byte comes, and takes it: the first of a message, or a bell.
    pub(crate) fn receive_byte(
        &mut self,
        link: &Link,
        deadline: Deadline,
    ) -> Result<Byte, RecvError> {
        let received = link
            .recv_first_asleep(&mut self.head[..1], deadline)
            .map_err(recv_error)?;
        if received.len == 0 {
            return Ok(Byte::End);
        }
        if self.head[0] == BELL {
            return Ok(Byte::Bell);
        }
        self.head_len = 1;
        self.rights = Rights {
            fds: received.fds,
            lost: received.truncated,
        };
        Ok(Byte::OfMessage)
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

    /// Receives the announced length, which is at most `max`.
    fn receive_head(
        &mut self,
        link: &Link,
        max: u64,
        deadline: Deadline,
    ) -> Result<usize, RecvError> {
        loop {
            let needed = match self.announced()? {
                Announcement::Len(len) if len > max => return Err(RecvError::TooLong { len, max }),
                Announcement::Len(len) => return Ok(len as usize),
                Announcement::Needs(needed) => needed,
            };
            match self.receive_head_part(link, needed, deadline)? {
                0 if self.head_len == 0 => return Err(RecvError::Closed),
                0 => return Err(RecvError::Truncated),
                len => self.head_len += len,
            }
            if link.has_bells() {
                self.leave_out_bells();
            }
        }
    }

    /// Leaves out the bells that came before the message.
    fn leave_out_bells(&mut self) {
        let arrived = &self.head[..self.head_len];
        let bells = arrived.iter().take_while(|&&byte| byte == BELL).count();
        self.head.copy_within(bells..self.head_len, 0);
        self.head_len -= bells;
    }

    fn receive_head_part(
        &mut self,
        link: &Link,
        needed: usize,
        deadline: Deadline,
    ) -> Result<usize, RecvError> {
        let room = &mut self.head[self.head_len..needed];
        if self.head_len > 0 {
            return link.recv(room, deadline).map_err(recv_error);
        }
        let received = link.recv_first(room, deadline).map_err(recv_error)?;
        self.rights.fds.extend(received.fds);
        self.rights.lost |= received.truncated;
        Ok(received.len)
    }

    fn receive_body(
        &mut self,
        link: &Link,
        len: usize,
        deadline: Deadline,
    ) -> Result<(), RecvError> {
        while self.body.len() < len {
            self.make_room(len).map_err(RecvError::Io)?;
            let most = len - self.body.len();
            match link.recv_behind(&mut self.body, most, deadline) {
                Ok(0) => return Err(RecvError::Truncated),
                result => result.map_err(recv_error)?,
            };
        }
        Ok(())
    }

    /// Makes room for more than has arrived, never for much more: the announced length may be a
    /// lie.
    fn make_room(&mut self, len: usize) -> io::Result<()> {
        let arrived = self.body.len();
        if arrived < self.body.capacity() {
            return Ok(());
        }
        let room = len.min(FIRST_ROOM.max(arrived.saturating_mul(4)));
        self.body.try_reserve_exact(room - arrived)?;
        huge::prefer(&self.body);
        Ok(())
    }

    /// Fills `buf` with the message; if that fails, what has arrived is kept in `body`.
    fn fill(&mut self, link: &Link, buf: &mut [u8], deadline: Deadline) -> Result<(), RecvError> {
        let mut at = self.body.len();
        buf[..at].copy_from_slice(&self.body);
        while at < buf.len() {
            match link.recv(&mut buf[at..], deadline) {
                Ok(0) => return Err(RecvError::Truncated),
                Ok(len) => at += len,
                Err(error) => {
                    self.body.extend_from_slice(&buf[self.body.len()..at]);
                    return Err(recv_error(error));
                }
            }
        }
        Ok(())
    }
}

/// Memory for a message that its receiver keeps.
pub(crate) fn fresh(_: usize) -> Vec<u8> {
    Vec::new()
}

fn recv_error(error: io::Error) -> RecvError {
    match error.kind() {
        io::ErrorKind::TimedOut => RecvError::TimedOut,
        io::ErrorKind::ConnectionReset => RecvError::Reset,
        _ => RecvError::Io(error),
    }
}
