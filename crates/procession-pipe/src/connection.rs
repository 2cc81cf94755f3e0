//! A channel that knows which values go each way.

use crate::{Channel, Deadline, RecvError, RecvIntoError, SendError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// One end of a duplex pipe: sends values of type `S`, receives values of type `R`.
///
/// A value is anything serde can carry, handles and other connections included. It arrives whole
/// or not at all, in the order of sending. A connection is itself a handle: it can be the argument
/// of a task or a part of a message.
///
/// Threads can send and receive at once through a shared reference: each value is sent whole and
/// received whole, by one of them. Several processes can hold the same end; then it is up to them
/// that one value is not written, or read, by two of them at the same time.
///
/// # When the other side is gone
///
/// Sending is [`SendError::Closed`]. Receiving first gives all that had been sent; what follows
/// says how the other side went:
///
/// | error | the other side |
/// |---|---|
/// | [`RecvError::Closed`] | closed its end, or its process ended, between two messages |
/// | [`RecvError::Truncated`] | went in the middle of a message |
/// | [`RecvError::Reset`] | went without reading all that it was sent |
///
/// Over TCP the kernel knows that the other side is gone only once it has answered a message: the
/// first one sent after that can seem to succeed.
///
/// The other side is there as long as any process holds its end. A process that keeps a duplicate
/// of the other end itself waits for ever.
///
/// # Examples
///
/// ```
/// use procession_pipe::{Pipe, RecvError};
///
/// let (asker, answerer) = Pipe::duplex::<String, usize>()?;
/// asker.send(&"how long is this?".into())?;
/// let question = answerer.recv()?;
/// answerer.send(&question.len())?;
/// assert_eq!(asker.recv()?, 17);
///
/// answerer.close();
/// assert!(matches!(asker.recv(), Err(RecvError::Closed)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Connection<S, R> {
    pub(crate) channel: Channel,
    types: PhantomData<fn(S) -> R>,
}

impl<S: Serialize + DeserializeOwned, R> Connection<S, R> {
    /// Sends a value.
    ///
    /// Blocks while the other side has no room. Two sides that send to each other more than the
    /// socket holds (about 200 KiB), and only then receive, wait for ever.
    ///
    /// # Errors
    ///
    /// [`SendError::Encode`] if the value cannot be encoded, before anything is sent;
    /// [`SendError::Io`] if the kernel refuses.
    ///
    /// # When the other side is gone
    ///
    /// [`SendError::Closed`].
    pub fn send(&self, value: &S) -> Result<(), SendError> {
        self.channel.send_value(value, Deadline::NEVER)
    }

    /// Sends a value if the other side makes room in time.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), [`SendError::TimedOut`] if nothing was sent in time, and
    /// [`SendError::Unfinished`] if only a part was: the rest goes before the next message, or
    /// with [`flush`](Self::flush).
    ///
    /// # When the other side is gone
    ///
    /// [`SendError::Closed`].
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pipe::{Pipe, SendError};
    /// use std::time::Duration;
    ///
    /// let (sender, receiver) = Pipe::duplex::<Vec<u64>, ()>()?;
    /// let long = vec![1 << 60; 100_000];
    /// let sent = sender.send_timeout(&long, Duration::ZERO);
    /// assert!(matches!(sent, Err(SendError::Unfinished(_))));
    ///
    /// let received = std::thread::spawn(move || receiver.recv());
    /// sender.flush(Duration::MAX)?;
    /// assert_eq!(received.join().expect("no panic")?, long);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_timeout(&self, value: &S, timeout: Duration) -> Result<(), SendError> {
        self.channel.send_value(value, Deadline::after(timeout))
    }
}

impl<S, R: DeserializeOwned> Connection<S, R> {
    /// Receives the next value.
    ///
    /// # Errors
    ///
    /// - [`RecvError::Decode`] if what came is no value of type `R`: it is lost, the next one is
    ///   not affected;
    /// - [`RecvError::DescriptorsLost`] if this process had no room for its descriptors, likewise;
    /// - [`RecvError::TooLong`] if it is longer than the limit;
    /// - [`RecvError::BadLength`] if the other side does not speak this protocol;
    /// - [`RecvError::Io`] for what the kernel reports, and if memory runs out.
    ///
    /// # When the other side is gone
    ///
    /// What it had sent; then [`RecvError::Closed`], [`RecvError::Truncated`] or
    /// [`RecvError::Reset`].
    pub fn recv(&self) -> Result<R, RecvError> {
        self.channel.recv_value(Deadline::NEVER)
    }

    /// Receives the next value if it comes in time.
    ///
    /// What has come of a value when the time runs out is kept for the next call.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv), and [`RecvError::TimedOut`].
    ///
    /// # When the other side is gone
    ///
    /// As [`recv`](Self::recv).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pipe::{Pipe, RecvError};
    /// use std::time::Duration;
    ///
    /// let (here, _there) = Pipe::duplex::<u8, u8>()?;
    /// let nothing = here.recv_timeout(Duration::from_millis(1));
    /// assert!(matches!(nothing, Err(RecvError::TimedOut)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn recv_timeout(&self, timeout: Duration) -> Result<R, RecvError> {
        self.channel.recv_value(Deadline::after(timeout))
    }

    /// Receives the next value if it has come; returns `None` if it has not.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    ///
    /// # When the other side is gone
    ///
    /// As [`recv`](Self::recv).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pipe::Pipe;
    ///
    /// let (here, there) = Pipe::duplex::<u8, u8>()?;
    /// assert_eq!(here.try_recv()?, None);
    /// there.send(&7)?;
    /// assert_eq!(here.try_recv()?, Some(7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_recv(&self) -> Result<Option<R>, RecvError> {
        self.channel.try_recv_value()
    }
}

impl<S, R> Connection<S, R> {
    /// Sends bytes as they are, as one message.
    ///
    /// The other side takes them with [`recv_bytes`](Self::recv_bytes). A Python program does so
    /// with the method of the same name.
    ///
    /// # Errors
    ///
    /// [`SendError::Io`] if the kernel refuses.
    ///
    /// # When the other side is gone
    ///
    /// [`SendError::Closed`].
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pipe::Pipe;
    ///
    /// let (here, there) = Pipe::duplex::<(), ()>()?;
    /// here.send_bytes(b"hello")?;
    /// here.send_bytes(b"")?;
    /// assert_eq!(there.recv_bytes()?, b"hello");
    /// assert_eq!(there.recv_bytes()?, b"");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_bytes(&self, bytes: &[u8]) -> Result<(), SendError> {
        self.channel.send_bytes_by(bytes, Deadline::NEVER)
    }

    /// Sends bytes as they are if the other side makes room in time.
    ///
    /// # Errors
    ///
    /// As [`send_bytes`](Self::send_bytes), [`SendError::TimedOut`] and
    /// [`SendError::Unfinished`].
    ///
    /// # When the other side is gone
    ///
    /// [`SendError::Closed`].
    pub fn send_bytes_timeout(&self, bytes: &[u8], timeout: Duration) -> Result<(), SendError> {
        self.channel.send_bytes_by(bytes, Deadline::after(timeout))
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
    pub fn flush(&self, timeout: Duration) -> Result<(), SendError> {
        self.channel.flush_by(Deadline::after(timeout))
    }

    /// Receives the next message as bytes.
    ///
    /// Of a typed message these are its encoding; descriptors beside it are closed.
    ///
    /// # Errors
    ///
    /// [`RecvError::TooLong`], [`RecvError::BadLength`] and [`RecvError::Io`], as
    /// [`recv`](Self::recv).
    ///
    /// # When the other side is gone
    ///
    /// As [`recv`](Self::recv).
    pub fn recv_bytes(&self) -> Result<Vec<u8>, RecvError> {
        self.channel.recv_bytes_by(Deadline::NEVER)
    }

    /// Receives the next message as bytes if it comes in time.
    ///
    /// # Errors
    ///
    /// As [`recv_bytes`](Self::recv_bytes), and [`RecvError::TimedOut`].
    ///
    /// # When the other side is gone
    ///
    /// As [`recv`](Self::recv).
    pub fn recv_bytes_timeout(&self, timeout: Duration) -> Result<Vec<u8>, RecvError> {
        self.channel.recv_bytes_by(Deadline::after(timeout))
    }

    /// Receives the next message as bytes into a buffer, and returns its length; Python's
    /// `recv_bytes_into`.
    ///
    /// # Errors
    ///
    /// [`RecvIntoError::TooShort`], which holds the message, if it is longer than the buffer;
    /// otherwise as [`recv_bytes`](Self::recv_bytes).
    ///
    /// # When the other side is gone
    ///
    /// As [`recv`](Self::recv).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pipe::{Pipe, RecvIntoError};
    ///
    /// let (here, there) = Pipe::duplex::<(), ()>()?;
    /// here.send_bytes(b"short")?;
    /// here.send_bytes(b"much longer")?;
    ///
    /// let mut buf = *b"..........";
    /// assert_eq!(there.recv_into(&mut buf[2..])?, 5);
    /// assert_eq!(&buf, b"..short...");
    /// match there.recv_into(&mut buf) {
    ///     Err(RecvIntoError::TooShort(message)) => assert_eq!(message, b"much longer"),
    ///     other => panic!("{other:?}"),
    /// }
    /// # anyhow::Ok(())
    /// ```
    pub fn recv_into(&self, buf: &mut [u8]) -> Result<usize, RecvIntoError> {
        self.channel.recv_into_by(buf, Deadline::NEVER)
    }

    /// Receives the next message as bytes into a buffer if it comes in time.
    ///
    /// # Errors
    ///
    /// As [`recv_into`](Self::recv_into), and [`RecvError::TimedOut`].
    ///
    /// # When the other side is gone
    ///
    /// As [`recv`](Self::recv).
    pub fn recv_into_timeout(
        &self,
        buf: &mut [u8],
        timeout: Duration,
    ) -> Result<usize, RecvIntoError> {
        self.channel.recv_into_by(buf, Deadline::after(timeout))
    }

    /// Waits until there is something to receive, for ever if `timeout` is `None`; returns false
    /// if the time ran out first.
    ///
    /// Nothing is read. True says that something has come, which may be the beginning of a message
    /// or the end of the connection.
    ///
    /// # Errors
    ///
    /// What `poll` reports, other than an interruption by a signal.
    ///
    /// # When the other side is gone
    ///
    /// True.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pipe::Pipe;
    /// use std::time::Duration;
    ///
    /// let (here, there) = Pipe::duplex::<(), ()>()?;
    /// assert!(!here.poll(Duration::ZERO)?);
    /// there.send(&())?;
    /// assert!(here.poll(None)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn poll(&self, timeout: impl Into<Option<Duration>>) -> io::Result<bool> {
        self.channel.poll(Deadline::after_opt(timeout.into()))
    }

    /// Says that its descriptor is going to be watched, by an event loop or a `poll` of the
    /// caller's own; returns whether there is something to receive already.
    ///
    /// Only a connection with [rings](crate::PipeBuilder::rings) needs it: see [`Channel::arm`]. If it returns false, the
    /// descriptor becomes readable when something comes, so an event loop may be told of changes only, as
    /// tokio's is. Of a message of which a part was received, the rest counts.
    ///
    /// # Errors
    ///
    /// What `poll` reports.
    ///
    /// # Examples
    ///
    /// ```
    /// use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    /// use procession_pipe::Pipe;
    /// use std::os::fd::AsFd;
    ///
    /// let (here, there) = Pipe::builder().rings(4096).duplex::<u8, u8>()?;
    /// let other = std::thread::spawn(move || there.send(&7));
    /// let received = loop {
    ///     // First arm, then look: a message that comes in between is not overlooked.
    ///     if !here.arm()? {
    ///         let mut watched = [PollFd::new(here.as_fd(), PollFlags::POLLIN)];
    ///         poll(&mut watched, PollTimeout::NONE)?;
    ///     }
    ///     if let Some(value) = here.try_recv()? {
    ///         break value;
    ///     }
    /// };
    /// assert_eq!(received, 7);
    /// other.join().unwrap()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Under tokio the loop is the same, with `fd.readable().await?.clear_ready()` for the `poll`, where `fd` is an
    /// `AsyncFd` of the descriptor.
    pub fn arm(&self) -> io::Result<bool> {
        self.channel.arm_for_change()
    }

    /// Sets the length in bytes above which a message is refused with [`RecvError::TooLong`];
    /// [`DEFAULT_MAX_LEN`](crate::DEFAULT_MAX_LEN) if it is never called.
    pub fn set_max_len(&self, max_len: u64) {
        self.channel.set_max_len(max_len);
    }

    /// Makes another handle to the same end, with a descriptor of its own.
    ///
    /// The clones of one process take turns, as its threads do through a reference: each value is
    /// sent whole and received whole, by one of them. The other side sees the end when all of them
    /// are closed. Processes that hold the same end take no turns: see [`Channel::try_clone`].
    ///
    /// # Errors
    ///
    /// If the descriptor cannot be duplicated, above all because too many files are open.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pipe::{Pipe, RecvError};
    ///
    /// let (here, there) = Pipe::duplex::<u32, ()>()?;
    /// let same = here.try_clone()?;
    /// let other = std::thread::spawn(move || same.send(&1));
    /// here.send(&1)?;
    /// assert_eq!(there.recv()? + there.recv()?, 2);
    ///
    /// other.join().expect("no panic")?;
    /// here.close();
    /// assert!(matches!(there.recv(), Err(RecvError::Closed)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_clone(&self) -> io::Result<Self> {
        self.channel.try_clone().map(Self::from)
    }

    /// Closes this end, as dropping it does.
    ///
    /// The other side receives what was sent, then [`RecvError::Closed`], if no other process
    /// holds this end too.
    pub fn close(self) {}

    /// Goes on with other types, in a protocol whose steps differ.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pipe::Pipe;
    ///
    /// let (client, server) = Pipe::duplex::<String, bool>()?;
    /// client.send(&"version 1?".into())?;
    /// server.send(&(server.recv()? == "version 1?"))?;
    /// assert!(client.recv()?);
    ///
    /// let (client, server) = (client.cast::<u64, u64>(), server.cast::<u64, u64>());
    /// client.send(&21)?;
    /// assert_eq!(server.recv()?, 21);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cast<S2, R2>(self) -> Connection<S2, R2> {
        self.channel.into()
    }
}

impl<S, R> From<Channel> for Connection<S, R> {
    fn from(channel: Channel) -> Self {
        Self {
            channel,
            types: PhantomData,
        }
    }
}

impl<S, R> From<Connection<S, R>> for Channel {
    fn from(connection: Connection<S, R>) -> Self {
        connection.channel
    }
}

impl<S, R> From<OwnedFd> for Connection<S, R> {
    /// Makes a connection of a connected stream socket.
    fn from(fd: OwnedFd) -> Self {
        Channel::from(fd).into()
    }
}

impl<S, R> From<Connection<S, R>> for OwnedFd {
    /// Gives the descriptor; what had come of a message is lost.
    fn from(connection: Connection<S, R>) -> Self {
        connection.channel.into()
    }
}

impl<S, R> AsFd for Connection<S, R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }
}

impl<S, R> Serialize for Connection<S, R> {
    fn serialize<T: Serializer>(&self, serializer: T) -> Result<T::Ok, T::Error> {
        self.channel.serialize(serializer)
    }
}

impl<'de, S, R> Deserialize<'de> for Connection<S, R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Channel::deserialize(deserializer).map(Self::from)
    }
}

impl<S, R> fmt::Debug for Connection<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("fd", &self.as_fd().as_raw_fd())
            .finish_non_exhaustive()
    }
}
