//! Messages through rings in shared memory, with the socket for what rings cannot do.
//!
//! A message that fits goes through the ring. One with descriptors, one that is long, and one for which the
//! reader makes no room goes over the socket, *beside* the ring, and so do those behind it until the reader
//! has it: so their order is kept without a number on any of them.
//!
//! A reader that finds nothing marks itself as asleep (`procession_shm::ring`) and sleeps in a `poll` of its bell, an
//! eventfd, and of the socket, which tells of what comes beside the ring, and of the other side's end: what is in
//! the ring is read first. Whoever writes to the ring rings the bell if it finds the mark.
//!
//! Others can only watch the socket: an event loop, a `wait`. For them there is another mark, and the bell is one byte
//! in the socket, [`BELL`](crate::inbox::BELL). Where anybody has ever watched, receivers sleep in this way too:
//! a writer has one bell to ring then, and no byte is left for a receiver that need not look at the socket.

use crate::inbox::{Byte, Inbox};
use crate::link::Link;
use crate::link_end::{Bell, LinkEnd};
use crate::outbox::{Load, Outbox};
use crate::turn::Turn;
use crate::{RecvError, SendError};
use nix::poll::{PollFd, PollFlags};
use procession_os::policy::wait_policy;
use procession_os::wait::{self, Deadline};
use procession_shm::ring::{Next, RingEnd, RingError, RingReader, RingWriter, Sleeper};
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// This side of a pair of rings.
pub(crate) struct Rings {
    end: LinkEnd,
    /// How far the other side had read when this process last sent.
    progress: AtomicU64,
    /// How often this process has sent since the other side has read anything.
    unread: AtomicU32,
}

/// A share of a ring that one message may take; a longer one streams faster over the socket.
const LARGEST_SHARE: usize = 4;

/// How long another thread is given that receives when this one only wants to know whether it could.
const NAP: Duration = Duration::from_millis(1);

impl Rings {
    pub(crate) fn new(end: LinkEnd) -> Self {
        Self {
            end,
            progress: AtomicU64::new(u64::MAX),
            unread: AtomicU32::new(0),
        }
    }

    pub(crate) fn end(&self) -> &LinkEnd {
        &self.end
    }

    fn ring(&self) -> &RingEnd {
        self.end.ring()
    }

    /// Sends a message, or gives up at the deadline.
    pub(crate) fn send(
        &self,
        link: &Link,
        outbox: &mut Outbox,
        load: Load<'_>,
        deadline: Deadline,
    ) -> Result<(), SendError> {
        self.ring().write(deadline, |writer| {
            go_on(writer, link, outbox, deadline)?;
            self.check_there(writer, link)?;
            if !load.has_fds() && self.push(writer, link, load.bytes(), deadline)? {
                load.passed_on();
                return Ok(());
            }
            writer.begin_beside()?;
            let sent = outbox.send(link, load, deadline, || writer.announce_beside());
            if !outbox.is_partial() {
                writer.end_beside();
            }
            sent
        })?
    }

    /// Sends what is left of a message.
    pub(crate) fn flush(
        &self,
        link: &Link,
        outbox: &mut Outbox,
        deadline: Deadline,
    ) -> Result<(), SendError> {
        self.ring()
            .write(deadline, |writer| go_on(writer, link, outbox, deadline))?
    }

    /// Writes a message to the ring; false if it does not fit, and the reader makes no room soon.
    fn push(
        &self,
        writer: &mut RingWriter<'_>,
        link: &Link,
        bytes: &[u8],
        deadline: Deadline,
    ) -> Result<bool, SendError> {
        if bytes.len() > self.ring().capacity() / LARGEST_SHARE {
            return Ok(false);
        }
        let push = || {
            writer
                .push(bytes)
                .map(|pushed| pushed.then_some(()))
                .transpose()
        };
        if wait_policy().spin(deadline, push).transpose()?.is_none() {
            return Ok(false);
        }
        let mut rung = Ok(());
        writer.wake(|sleeper| {
            let ringing = match sleeper {
                Sleeper::Receiver => self.end.theirs().ring(),
                Sleeper::Watchers => link.ring(),
            };
            if ringing.is_err() {
                rung = ringing;
            }
        });
        rung.map_err(crate::outbox::unsent)?;
        Ok(true)
    }

    /// Looks whether the other side is there, if there is a reason to doubt it.
    fn check_there(&self, writer: &RingWriter<'_>, link: &Link) -> Result<(), SendError> {
        let (read, all) = writer.progress();
        // The ring's lock is held, so nothing is lost between load and store.
        let stands = !all && self.progress.load(Ordering::Relaxed) == read;
        let unread = if stands {
            self.unread.load(Ordering::Relaxed).wrapping_add(1)
        } else {
            0
        };
        self.progress.store(read, Ordering::Relaxed);
        self.unread.store(unread, Ordering::Relaxed);
        // One that is only slow is not asked after for each message.
        let doubtful = unread.is_power_of_two() || self.ring().other_may_have_left();
        if doubtful && link.is_hung_up() {
            return Err(SendError::Closed);
        }
        Ok(())
    }

    /// Receives a message, or gives up at the deadline: from the ring with `pop`, or from the socket
    /// with `receive`, which returns beside the result whether the whole message has been taken.
    pub(crate) fn receive<T, E: From<RecvError>>(
        &self,
        link: &Link,
        inbox: &mut Inbox,
        max: u64,
        deadline: Deadline,
        pop: impl FnOnce(&mut RingReader<'_>, usize) -> Result<T, E>,
        receive: impl FnOnce(&mut Inbox) -> (Result<T, E>, bool),
    ) -> Result<T, E> {
        let received = self.ring().read(deadline, |reader| {
            match self.find(reader, link, inbox, max, deadline)? {
                Next::InRing(len) => pop(reader, len),
                Next::Beside => {
                    reader.begin_beside();
                    let (received, whole) = receive(inbox);
                    if whole {
                        reader.end_beside();
                    } else if !inbox.is_partial() {
                        reader.nothing_beside();
                    }
                    received
                }
            }
        });
        received.map_err(RecvError::from)?
    }

    /// Waits for the next message.
    fn find(
        &self,
        reader: &RingReader<'_>,
        link: &Link,
        inbox: &mut Inbox,
        max: u64,
        deadline: Deadline,
    ) -> Result<Next, RecvError> {
        if reader.is_partial() && !inbox.is_partial() {
            return Err(RingError::CutShort.into());
        }
        loop {
            let mut next = reader.next()?;
            // What has begun to arrive comes behind all that is in the ring.
            if next.is_none() && inbox.is_partial() {
                return Ok(Next::Beside);
            }
            if next.is_none() {
                let look = || reader.next().transpose();
                next = wait_policy()
                    .spin_while_it_pays(deadline, look)
                    .transpose()?;
            }
            if let Some(next) = next {
                return within(next, max);
            }
            match self.sleep(reader, link, inbox, deadline)? {
                None | Some(Ok(Byte::Bell | Byte::OfMessage)) => {}
                Some(Ok(Byte::End) | Err(RecvError::Reset)) => return self.at_the_end(reader, max),
                Some(Err(error)) => return Err(error),
            }
        }
    }

    /// Sleeps if there is no message, until a bell or a byte comes, and takes it.
    fn sleep(
        &self,
        reader: &RingReader<'_>,
        link: &Link,
        inbox: &mut Inbox,
        deadline: Deadline,
    ) -> Result<Option<Result<Byte, RecvError>>, RingError> {
        if reader.is_watched() {
            return reader.sleep_watching(|| {
                wait_policy().sleep(|| sleep_on_socket(reader, link, inbox, deadline))
            });
        }
        let bell = self.end.ours();
        reader.sleep(|| wait_policy().sleep(|| sleep_on_bell(reader, bell, link, inbox, deadline)))
    }

    /// The other side is gone; what it wrote before is there.
    fn at_the_end(&self, reader: &RingReader<'_>, max: u64) -> Result<Next, RecvError> {
        match reader.next()? {
            Some(Next::InRing(len)) => within(Next::InRing(len), max),
            Some(Next::Beside) => Err(RecvError::Truncated),
            None if self.ring().was_all_read() => Err(RecvError::Closed),
            None => Err(RecvError::Reset),
        }
    }

    /// Returns whether a receive would not wait, as far as can be told without the kernel: it may for the rest of
    /// a message of which a part has come.
    pub(crate) fn is_readable(&self) -> bool {
        !matches!(self.ring().next(), Ok(None))
    }

    /// Has the other side ring for the next message; returns whether there is one, or a part of one.
    pub(crate) fn arm(&self) -> bool {
        !matches!(self.ring().arm(), Ok(None))
    }

    /// As [`arm`](Self::arm), for one that is told of changes only: takes the bells that were left, and asks the
    /// kernel for the rest of a message that has begun to arrive.
    pub(crate) fn arm_for_change(&self, beside: Beside<'_>) -> bool {
        // With a bell that stays, the descriptor does not become readable, for it is.
        beside.is_due(self.ring().arm(), || beside.has_come())
            || self.take_bells(beside)
            || beside.is_due(self.ring().next(), || false)
    }

    /// Takes all bells; returns whether something else has come over the socket.
    fn take_bells(&self, beside: Beside<'_>) -> bool {
        if beside.waits_for_rest() {
            return false;
        }
        loop {
            // Each time the mark is set anew, so that a writer which has yet to clear the old one does not
            // clear this.
            match self.take_byte(beside, begin_taking) {
                Some(Taken::Bell) => {}
                Some(Taken::Nothing) | None => return false,
                Some(Taken::Other) => return true,
            }
        }
    }

    /// As [`arm`](Self::arm), for one that polls many descriptors next: takes the bell that was rung for it the last
    /// time, which would end the poll at once.
    pub(crate) fn arm_to_poll(&self, beside: Beside<'_>) -> bool {
        let was_rung_for = !self.ring().is_armed();
        if self.arm() {
            return true;
        }
        was_rung_for
            && (self.take_byte(beside, begin_taking) == Some(Taken::Other) || self.is_readable())
    }

    /// Waits until a receive would not wait.
    pub(crate) fn poll(&self, beside: Beside<'_>, deadline: Deadline) -> io::Result<bool> {
        let look = || self.is_readable().then_some(());
        if wait_policy().spin_while_it_pays(deadline, look).is_some() {
            return Ok(true);
        }
        if self.arm() {
            return Ok(true);
        }
        loop {
            if !wait::readable(beside.link.as_fd(), deadline)? {
                return Ok(self.is_readable());
            }
            if self.answer(beside) {
                return Ok(true);
            }
        }
    }

    /// What came over the socket: takes a bell that rang for nothing, and returns whether a receive
    /// would not wait.
    pub(crate) fn answer(&self, beside: Beside<'_>) -> bool {
        if self.is_readable() {
            // The bell stays, for others who wait for the same message.
            return true;
        }
        // Whoever receives at this moment takes the bell.
        let taken = self.take_byte(beside, begin_taking);
        if taken.is_none() {
            thread::sleep(NAP);
        }
        taken == Some(Taken::Other) || self.is_readable()
    }

    /// Has the other side ring no more.
    pub(crate) fn disarm(&self) {
        self.ring().disarm();
    }

    /// Takes a bell, whether it rang for nothing or not; returns whether a receive would not wait.
    pub(crate) fn take_bell(&self, beside: Beside<'_>) -> bool {
        self.take_byte(beside, |_| ()) == Some(Taken::Other) || self.is_readable()
    }

    /// Takes a byte that has come over the socket, unless it is a message's; `None` if somebody receives at this
    /// moment.
    fn take_byte(&self, beside: Beside<'_>, before: impl FnOnce(&RingReader<'_>)) -> Option<Taken> {
        let now = Deadline::PASSED;
        let mut inbox = beside.inbox.take(now)?;
        let take = |reader: &mut RingReader<'_>| {
            // Then what has come are the bytes of a message.
            if inbox.is_partial() || !matches!(reader.next(), Ok(None | Some(Next::InRing(_)))) {
                return Taken::Other;
            }
            before(reader);
            match inbox.receive_byte(beside.link, now) {
                Ok(Byte::Bell) => Taken::Bell,
                Err(RecvError::TimedOut) => Taken::Nothing,
                _ => Taken::Other,
            }
        };
        self.ring().read(now, take).ok()
    }
}

/// What was found in the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    Nothing,
    /// A bell, which was taken.
    Bell,
    /// Bytes of a message, or the end.
    Other,
}

/// What goes beside the rings: the socket, and what of a message has arrived there.
#[derive(Clone, Copy)]
pub(crate) struct Beside<'a> {
    pub(crate) link: &'a Link,
    pub(crate) inbox: &'a Turn<Inbox>,
    /// The longest message that is received.
    pub(crate) max: u64,
}

impl Beside<'_> {
    /// Returns whether a receive that finds this in the ring would not wait; `has_come` is asked for the rest of a
    /// message whose beginning was received.
    fn is_due(
        &self,
        next: Result<Option<Next>, RingError>,
        has_come: impl FnOnce() -> bool,
    ) -> bool {
        match next {
            Ok(Some(Next::InRing(_))) | Err(_) => true,
            Ok(_) if self.waits_for_rest() => has_come(),
            Ok(next) => next.is_some(),
        }
    }

    /// Returns whether a part of a message was received, and more of it is wanted.
    fn waits_for_rest(&self) -> bool {
        let waits = |inbox: &Inbox| inbox.is_partial() && !inbox.is_refused(self.max);
        self.inbox.look(waits).unwrap_or(false)
    }

    /// Returns whether there is something in the socket.
    fn has_come(&self) -> bool {
        // A call that receives tells what is wrong.
        wait::readable(self.link.as_fd(), Deadline::PASSED).unwrap_or(true)
    }
}

impl Clone for Rings {
    fn clone(&self) -> Self {
        Self::new(self.end.clone())
    }
}

impl Drop for Rings {
    fn drop(&mut self) {
        self.ring().note_leaving();
    }
}

fn begin_taking(reader: &RingReader<'_>) {
    reader.begin_taking();
}

/// Sleeps until the bell rings, which it takes, or a byte comes over the socket, which it takes if the bell
/// has not rung.
fn sleep_on_bell(
    reader: &RingReader<'_>,
    bell: &Bell,
    link: &Link,
    inbox: &mut Inbox,
    deadline: Deadline,
) -> Result<Byte, RecvError> {
    let on = |fd| PollFd::new(fd, PollFlags::POLLIN);
    let mut polled = [on(bell.as_fd()), on(link.as_fd())];
    if wait::poll(&mut polled, deadline).map_err(RecvError::Io)? == 0 {
        return Err(RecvError::TimedOut);
    }
    if polled[0].any() != Some(false) {
        bell.take();
        return Ok(Byte::Bell);
    }
    // Somebody has begun to watch since this fell asleep: the byte may be for it.
    if reader.is_watched() {
        reader.begin_taking();
    }
    match inbox.receive_byte(link, Deadline::PASSED) {
        Err(RecvError::TimedOut) => Ok(Byte::Bell),
        byte => byte,
    }
}

/// Sleeps, as one of those that watch, until a byte comes over the socket, and takes it.
fn sleep_on_socket(
    reader: &RingReader<'_>,
    link: &Link,
    inbox: &mut Inbox,
    deadline: Deadline,
) -> Result<Byte, RecvError> {
    if !wait::readable(link.as_fd(), deadline).map_err(RecvError::Io)? {
        return Err(RecvError::TimedOut);
    }
    reader.begin_taking();
    inbox.receive_byte(link, deadline)
}

/// Sends what is left of an earlier message of this process.
fn go_on(
    writer: &mut RingWriter<'_>,
    link: &Link,
    outbox: &mut Outbox,
    deadline: Deadline,
) -> Result<(), SendError> {
    if outbox.is_partial() {
        let sent = outbox.flush(link, deadline);
        if !outbox.is_partial() {
            writer.end_beside();
        }
        return sent;
    }
    Ok(())
}

/// Refuses a message that is too long.
fn within(next: Next, max: u64) -> Result<Next, RecvError> {
    match next {
        Next::InRing(len) if len as u64 > max => {
            let len = len as u64;
            Err(RecvError::TooLong { len, max })
        }
        next => Ok(next),
    }
}

impl From<RingError> for SendError {
    fn from(error: RingError) -> Self {
        match error {
            RingError::TimedOut => Self::TimedOut,
            error => Self::Io(io::Error::other(error)),
        }
    }
}

impl From<RingError> for RecvError {
    fn from(error: RingError) -> Self {
        match error {
            RingError::TimedOut => Self::TimedOut,
            error => Self::Io(io::Error::other(error)),
        }
    }
}
