//! Whole messages over a stream socket: the layer that protocols are built on.

mod watch;

use crate::inbox::{self, Inbox, Rights};
use crate::link::Link;
use crate::link_end::LinkEnd;
use crate::outbox::{Load, Outbox};
use crate::rings::{Beside, Rings};
use crate::turn::{Taken, Turn};
use crate::{RecvError, RecvIntoError, SendError};
use nix::sys::socket::Shutdown;
use procession_os::socket;
use procession_os::wait::Deadline;
use procession_os::waitable::Doorbell;
use procession_shm::ring::RingReader;
use procession_wire::{Kind, Message, Packet, buffer, handle};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cell::RefCell;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// The longest message that is received unless [`Channel::set_max_len`] says otherwise: 4 GiB.
pub const DEFAULT_MAX_LEN: u64 = 4 << 30;

/// One end of a stream socket that carries whole messages in both directions.
///
/// This is the layer for protocols: it moves a [`Message`] of any [`Kind`](procession_wire::Kind),
/// of several values, or bytes that are no message at all. For values of one type each way take a
/// [`Connection`](crate::Connection), which is a channel that knows its types.
///
/// Each message has its length before it, in the framing of Python's `multiprocessing.connection`
/// ([`procession_wire::frame`]). Length and message are handed to the kernel in one call, whatever
/// their size. The file descriptors of a message go beside its first byte.
///
/// Threads can send and receive at once through a shared reference or through clones
/// ([`try_clone`](Self::try_clone)): each message is sent whole and received whole, by one of them.
/// Several processes can hold the same end; then it is up to them that one message is not written,
/// or read, by two of them at the same time.
///
/// As an argument, a result or a part of a message the channel is handed on as a duplicate of its
/// descriptor (three of them, with rings), with the default limit. That is refused while a call that ended has sent or received
/// a message in part, because the receiver would start in the middle. A call that another thread is
/// in is not waited for, and counts as another process that holds the same end.
///
/// # Examples
///
/// ```
/// use procession_pipe::Channel;
/// use procession_wire::{Kind, Message};
///
/// let (here, there) = Channel::pair()?;
/// here.send(Message::encode(Kind::REQUEST, &7_u32)?)?;
///
/// let request = there.recv()?.expect(Kind::REQUEST)?;
/// assert_eq!(request.decode::<u32>()?, 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Channel {
    link: Link,
    turns: Arc<Turns>,
    max_len: AtomicU64,
    /// Behind the link, which is closed first.
    rings: OnceLock<Rings>,
}

/// What is on its way, shared by all clones: who has it has the turn.
#[derive(Default)]
struct Turns {
    inbox: Turn<Inbox>,
    outbox: Turn<Outbox>,
}

impl Channel {
    /// Makes two channels that are connected to each other.
    ///
    /// # Errors
    ///
    /// What `socketpair` reports, above all that too many files are open.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = socket::pair()?;
        Ok((one.into(), other.into()))
    }

    /// Makes another handle to the same end, with a descriptor of its own.
    ///
    /// The clones of one process take turns: each message is sent whole and received whole, by one
    /// of them, and what a timed call left of a message is taken up by the next call, on whichever
    /// clone. Each has a limit of its own ([`set_max_len`](Self::set_max_len)). The other side sees the
    /// end when all of them are closed.
    ///
    /// A clone that is handed to another process takes no turns with those left behind. Of two
    /// processes that receive from one end, each can get parts of a message; of two that send, the
    /// other side can, if the socket does not take a message at once. A lock around each call keeps
    /// them apart; a queue in shared memory has several consumers without one, and so has a channel
    /// with rings, where processes take turns too.
    ///
    /// # Errors
    ///
    /// If the descriptor cannot be duplicated, above all because too many files are open.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pipe::Channel;
    /// use procession_wire::{Kind, Message};
    ///
    /// let (here, there) = Channel::pair()?;
    /// let same = here.try_clone()?;
    /// drop(here);
    /// same.send(Message::encode(Kind::VALUE, &7_u32)?)?;
    /// assert_eq!(there.recv()?.decode::<u32>()?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            link: self.link.try_clone()?,
            turns: self.turns.clone(),
            max_len: AtomicU64::new(self.max_len()),
            rings: self.rings.clone(),
        })
    }

    /// Makes two channels that are connected to each other by a socket and by two rings of at least
    /// `capacity` bytes in shared memory, for processes of one family.
    ///
    /// A message that takes up to a quarter of a ring goes through it, without a call of the kernel
    /// while the other side is awake; any other over the socket. A process has three descriptors for an end.
    ///
    /// # Errors
    ///
    /// What `socketpair` and `eventfd` report, and what [`ShmError`](procession_shm::ShmError) tells.
    pub fn pair_with_rings(capacity: usize) -> io::Result<(Self, Self)> {
        let (one, other) = socket::pair()?;
        let (near, far) = LinkEnd::pair(capacity)?;
        Ok((Self::new(one, Some(near)), Self::new(other, Some(far))))
    }

    fn new(fd: OwnedFd, end: Option<LinkEnd>) -> Self {
        let channel = Self {
            link: Link::new(fd),
            turns: Arc::default(),
            max_len: AtomicU64::new(DEFAULT_MAX_LEN),
            rings: OnceLock::new(),
        };
        if let Some(end) = end {
            channel.add_rings(end);
        }
        channel
    }

    /// Has messages go through rings from now on, if they do not yet.
    ///
    /// Both sides must do so with the ends of one pair at the same place of their conversation,
    /// while no message is on its way between them: for example where one asks for it, and the other answers with an
    /// end and sends nothing before the next request. Clones and copies of the channel that are
    /// there already do not know of the rings, and must not be used any more.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pipe::{Channel, LinkEnd};
    /// use procession_wire::{Kind, Message};
    ///
    /// let (here, there) = Channel::pair()?;
    /// let (near, far) = LinkEnd::pair(16 << 10)?;
    /// there.send(Message::encode(Kind::REPLY, &far)?)?;
    /// there.add_rings(near);
    ///
    /// here.add_rings(here.recv()?.decode()?);
    /// here.send(Message::encode(Kind::REQUEST, &7_u32)?)?;
    /// assert_eq!(there.recv()?.decode::<u32>()?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_rings(&self, end: LinkEnd) {
        self.link.expect_bells();
        // Rings that are there already stay: the other side has their other end.
        let _ = self.rings.set(Rings::new(end));
    }

    /// Takes the names of the rings away, once both sides have them: their memory then goes with the two, even
    /// if they are killed, and the channel cannot be handed on any more. This side
    /// [keeps](Self::keep_rings) it from then on.
    pub fn unlink_rings(&self) {
        self.keep_rings();
        if let Some(rings) = self.rings.get() {
            rings.end().ring().segment().unlink();
        }
    }

    /// Has this process keep this end of the rings to itself: the locks of the end lie in memory of its own from
    /// now on, out of reach of the other side, and cost less.
    ///
    /// No other process may have the end, nor may this one have received it twice. The channel is not handed on any
    /// more, and a copy of this process cannot use it. If a thread sends or receives at this moment, all stays as it is.
    pub fn keep_rings(&self) {
        if let Some(rings) = self.rings.get() {
            // Whatever is wrong there, the next call says.
            let _ = rings.end().ring().keep_here();
        }
    }

    /// Sends a message.
    ///
    /// Blocks while the other side has no room. Two sides that send to each other more than the
    /// socket holds, and only then receive, wait for ever.
    ///
    /// # Errors
    ///
    /// As [`send_by`](Self::send_by), except that no time runs out.
    ///
    /// # When the other side is gone
    ///
    /// [`SendError::Closed`]. The claims of the handles in the message are taken back.
    pub fn send(&self, message: Message) -> Result<(), SendError> {
        self.send_by(message, Deadline::NEVER)
    }

    /// Sends a message, or gives up at the deadline.
    ///
    /// # Errors
    ///
    /// - [`SendError::TimedOut`] if nothing of the message was sent in time;
    /// - [`SendError::Unfinished`] if only a part was sent: the rest goes before the next message;
    /// - [`SendError::Io`] if the kernel refused it, for example because too many descriptors are
    ///   on their way.
    ///
    /// # When the other side is gone
    ///
    /// [`SendError::Closed`]. The claims of the handles in the message are taken back.
    pub fn send_by(&self, message: Message, deadline: Deadline) -> Result<(), SendError> {
        self.send_load(Load::Message(message), deadline)
    }

    /// Sends bytes that need not be a message, or gives up at the deadline.
    ///
    /// # Errors
    ///
    /// As [`send_by`](Self::send_by).
    ///
    /// # When the other side is gone
    ///
    /// [`SendError::Closed`].
    pub fn send_bytes_by(&self, bytes: &[u8], deadline: Deadline) -> Result<(), SendError> {
        self.send_load(Load::Bytes(bytes), deadline)
    }

    /// Sends what is left of a message that a timed call could only send in part.
    ///
    /// # Errors
    ///
    /// [`SendError::TimedOut`] if something is left even then.
    ///
    /// # When the other side is gone
    ///
    /// [`SendError::Closed`] if something was left.
    pub fn flush_by(&self, deadline: Deadline) -> Result<(), SendError> {
        let mut outbox = self.outbox(deadline)?;
        match self.rings.get() {
            Some(rings) => rings.flush(&self.link, &mut outbox, deadline),
            None => outbox.flush(&self.link, deadline),
        }
    }

    /// Receives the next message.
    ///
    /// # Errors
    ///
    /// As [`recv_by`](Self::recv_by), except that no time runs out.
    ///
    /// # When the other side is gone
    ///
    /// What it had sent is received first; then see [`recv_by`](Self::recv_by).
    pub fn recv(&self) -> Result<Packet, RecvError> {
        self.recv_by(Deadline::NEVER)
    }

    /// Receives the next message, or gives up at the deadline.
    ///
    /// A message that has come in part is kept for the next call.
    ///
    /// # Errors
    ///
    /// - [`RecvError::TimedOut`] if no whole message came in time;
    /// - [`RecvError::Decode`] if what came is no message, and [`RecvError::DescriptorsLost`] if
    ///   this process had no room for its descriptors; the next message is not affected;
    /// - [`RecvError::TooLong`] if it is longer than the limit; it stays where it is;
    /// - [`RecvError::BadLength`] if the other side does not speak this protocol;
    /// - [`RecvError::Io`] for what the kernel reports, and if memory runs out.
    ///
    /// # When the other side is gone
    ///
    /// What it had sent is received first. Then [`RecvError::Closed`], or [`RecvError::Truncated`]
    /// if it went in the middle of a message, or [`RecvError::Reset`] if it had not read all that
    /// it was sent, now and at each later call.
    pub fn recv_by(&self, deadline: Deadline) -> Result<Packet, RecvError> {
        let (bytes, rights) = self.recv_frame(buffer::take, deadline)?;
        match Packet::parse(bytes, rights.fds) {
            // What is lost may be the parcel only, which comes last. Then it is decoding that tells whether
            // the things are there all the same, and can be opened.
            Err(_) if rights.lost => Err(RecvError::DescriptorsLost),
            packet => Ok(packet?),
        }
    }

    /// Receives the next message as bytes, whatever they are, or gives up at the deadline.
    ///
    /// Descriptors that came beside them are closed.
    ///
    /// # Errors
    ///
    /// As [`recv_by`](Self::recv_by), without those that concern the content.
    ///
    /// # When the other side is gone
    ///
    /// As [`recv_by`](Self::recv_by).
    pub fn recv_bytes_by(&self, deadline: Deadline) -> Result<Vec<u8>, RecvError> {
        Ok(self.recv_frame(inbox::fresh, deadline)?.0)
    }

    /// Receives the next message as bytes into a buffer, or gives up at the deadline; returns its
    /// length.
    ///
    /// The message goes from the kernel into the buffer, without memory of its own. Descriptors that
    /// came beside it are closed.
    ///
    /// # Errors
    ///
    /// [`RecvIntoError::TooShort`] with the message if it is longer than the buffer; otherwise as
    /// [`recv_bytes_by`](Self::recv_bytes_by), with some of the buffer overwritten.
    ///
    /// # When the other side is gone
    ///
    /// As [`recv_by`](Self::recv_by).
    pub fn recv_into_by(&self, buf: &mut [u8], deadline: Deadline) -> Result<usize, RecvIntoError> {
        let mut inbox = self.turns.inbox.take(deadline).ok_or(RecvError::TimedOut)?;
        let (link, max) = (&self.link, self.max_len());
        let Some(rings) = self.rings.get() else {
            return inbox.receive_into(link, buf, max, deadline);
        };
        // One of the two is called.
        let buf = RefCell::new(buf);
        let pop = |reader: &mut RingReader<'_>, len| {
            if let Some(buf) = buf.borrow_mut().get_mut(..len) {
                reader.pop_into(buf);
                return Ok(len);
            }
            let mut message = Vec::new();
            reader.pop(len, &mut message);
            Err(RecvIntoError::TooShort(message))
        };
        rings.receive(link, &mut inbox, max, deadline, pop, |inbox| {
            let received = inbox.receive_into(link, &mut buf.borrow_mut(), max, deadline);
            let whole = matches!(received, Ok(_) | Err(RecvIntoError::TooShort(_)));
            (received, whole)
        })
    }

    /// Sets the length above which a message is refused with [`RecvError::TooLong`].
    ///
    /// Memory is taken as bytes arrive, not as they are announced, whatever the limit.
    pub fn set_max_len(&self, max_len: u64) {
        self.max_len.store(max_len, Ordering::Relaxed);
    }

    /// Ends the connection in both directions without closing the descriptor.
    ///
    /// It ends for every process that holds this end, and wakes threads that are blocked on it.
    /// What had arrived can still be received.
    ///
    /// # Errors
    ///
    /// What `shutdown` reports.
    ///
    /// # When the other side is gone
    ///
    /// Nothing happens.
    pub fn shutdown(&self) -> io::Result<()> {
        Ok(nix::sys::socket::shutdown(
            self.as_fd().as_raw_fd(),
            Shutdown::Both,
        )?)
    }

    pub(crate) fn send_value<T: Serialize + DeserializeOwned>(
        &self,
        value: &T,
        deadline: Deadline,
    ) -> Result<(), SendError> {
        self.send_by(Message::encode(Kind::VALUE, value)?, deadline)
    }

    pub(crate) fn recv_value<T: DeserializeOwned>(
        &self,
        deadline: Deadline,
    ) -> Result<T, RecvError> {
        let packet = self.recv_by(deadline)?;
        Ok(packet.expect(Kind::VALUE).and_then(Packet::decode)?)
    }

    pub(crate) fn try_recv_value<T: DeserializeOwned>(&self) -> Result<Option<T>, RecvError> {
        match self.recv_value(Deadline::PASSED) {
            Err(RecvError::TimedOut) => Ok(None),
            result => result.map(Some),
        }
    }

    /// Ends the sending direction.
    pub(crate) fn finish(&self) -> io::Result<()> {
        Ok(nix::sys::socket::shutdown(
            self.as_fd().as_raw_fd(),
            Shutdown::Write,
        )?)
    }

    fn send_load(&self, load: Load<'_>, deadline: Deadline) -> Result<(), SendError> {
        let mut outbox = self.outbox(deadline)?;
        match self.rings.get() {
            Some(rings) => rings.send(&self.link, &mut outbox, load, deadline),
            None => outbox.send(&self.link, load, deadline, || ()),
        }
    }

    fn outbox(&self, deadline: Deadline) -> Result<Taken<'_, Outbox>, SendError> {
        self.turns.outbox.take(deadline).ok_or(SendError::TimedOut)
    }

    fn recv_frame(
        &self,
        take: fn(usize) -> Vec<u8>,
        deadline: Deadline,
    ) -> Result<(Vec<u8>, Rights), RecvError> {
        let mut inbox = self.turns.inbox.take(deadline).ok_or(RecvError::TimedOut)?;
        let (link, max) = (&self.link, self.max_len());
        let Some(rings) = self.rings.get() else {
            return inbox.receive(link, take, max, deadline);
        };
        let pop = |reader: &mut RingReader<'_>, len| {
            let mut bytes = take(len);
            reader.pop(len, &mut bytes);
            Ok((bytes, Rights::default()))
        };
        rings.receive(link, &mut inbox, max, deadline, pop, |inbox| {
            let received = inbox.receive(link, take, max, deadline);
            let whole = received.is_ok();
            (received, whole)
        })
    }

    fn max_len(&self) -> u64 {
        self.max_len.load(Ordering::Relaxed)
    }

    fn beside(&self) -> Beside<'_> {
        Beside {
            link: &self.link,
            inbox: &self.turns.inbox,
            max: self.max_len(),
        }
    }

    /// Returns whether a message waits that is refused for the length it announced.
    fn is_refusing(&self) -> bool {
        self.turns
            .inbox
            .look(|inbox| inbox.is_refused(self.max_len()))
            .unwrap_or(false)
    }

    /// Returns whether messages come through rings too.
    pub(crate) fn has_rings(&self) -> bool {
        self.rings.get().is_some()
    }

    /// Returns whether a receive would not wait, as far as can be told without the kernel.
    pub fn is_ready(&self) -> bool {
        match self.rings.get() {
            // A message that is refused lies in the ring, or is announced there.
            Some(rings) => rings.is_readable(),
            None => self.is_refusing(),
        }
    }

    /// Serialises the channel for a process that sends only.
    pub(crate) fn serialize_sending<S: Serializer>(
        &self,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        self.serialize_unless(self.is_partly_sent(), serializer)
    }

    /// Serialises the channel for a process that receives only.
    pub(crate) fn serialize_receiving<S: Serializer>(
        &self,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        self.serialize_unless(self.is_partly_received(), serializer)
    }

    fn serialize_unless<S: Serializer>(
        &self,
        partial: bool,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        if partial {
            return Err(serde::ser::Error::custom(PARTIAL));
        }
        let fd = Descriptor(self.as_fd());
        (fd, self.rings.get().map(Rings::end)).serialize(serializer)
    }

    /// Returns whether another process would go on sending in the middle of a message.
    fn is_partly_sent(&self) -> bool {
        self.turns.outbox.look(Outbox::is_partial).unwrap_or(false)
    }

    /// Returns whether another process would go on receiving in the middle of a message.
    fn is_partly_received(&self) -> bool {
        self.turns.inbox.look(Inbox::is_partial).unwrap_or(false)
    }
}

impl Doorbell for Channel {
    fn arm(&self) -> bool {
        // Without rings nothing is known here but to the kernel, which `poll` asks then.
        let arm = |rings: &Rings| rings.arm_to_poll(self.beside());
        self.rings.get().is_some_and(arm)
    }

    fn answer(&self) -> bool {
        let answer = |rings: &Rings| rings.answer(self.beside());
        self.rings.get().is_none_or(answer)
    }
}

impl From<OwnedFd> for Channel {
    /// Makes a channel of a connected stream socket.
    ///
    /// The end of a pipe will do for one direction; no descriptors can go beside the bytes there.
    fn from(fd: OwnedFd) -> Self {
        Self::new(fd, None)
    }
}

impl From<Channel> for OwnedFd {
    /// Gives the descriptor; what had come of a message is lost.
    fn from(channel: Channel) -> Self {
        channel.link.into_fd()
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link.as_fd()
    }
}

impl Serialize for Channel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize_unless(
            self.is_partly_sent() || self.is_partly_received(),
            serializer,
        )
    }
}

impl<'de> Deserialize<'de> for Channel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (Received(fd), end) = Deserialize::deserialize(deserializer)?;
        Ok(Self::new(fd, end))
    }
}

struct Descriptor<'a>(BorrowedFd<'a>);

impl Serialize for Descriptor<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        handle::serialize_fd(self.0, serializer)
    }
}

struct Received(OwnedFd);

impl<'de> Deserialize<'de> for Received {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        handle::deserialize_fd(deserializer).map(Self)
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("fd", &self.as_fd().as_raw_fd())
            .finish_non_exhaustive()
    }
}

const PARTIAL: &str = "a connection cannot be handed on in the middle of a message: \
    receive the rest, or flush it, first";
