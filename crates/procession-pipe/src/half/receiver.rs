//! The half that receives.

use super::{IntoMessages, Messages, half};
use crate::{Channel, Deadline, RecvError, RecvIntoError};
use procession_os::waitable::{Source, Waitable};
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// The half of a connection that receives values of type `R`; cannot send.
///
/// Made by [`Pipe::simplex`](crate::Pipe::simplex) and [`Connection::split`]. It is a handle: it can
/// be the argument of a task or a part of a message, and keeps its direction.
///
/// ```compile_fail,E0599
/// # use procession_pipe::Pipe;
/// let (receiver, sender) = Pipe::simplex::<u8>().unwrap();
/// receiver.send(&1);
/// ```
///
/// It is no sender by another name either:
///
/// ```compile_fail,E0308
/// # use procession_pipe::{Pipe, Sender};
/// let (receiver, sender) = Pipe::simplex::<u8>().unwrap();
/// let sender: Sender<u8> = receiver;
/// ```
///
/// # When the other side is gone
///
/// What it had sent, then [`RecvError::Closed`], [`RecvError::Truncated`] or [`RecvError::Reset`], as
/// a [`Connection`] says.
///
/// [`Connection`]: crate::Connection
/// [`Connection::split`]: crate::Connection::split
pub struct Receiver<R> {
    pub(super) channel: Arc<Channel>,
    types: PhantomData<fn() -> R>,
}

impl<R: DeserializeOwned> Receiver<R> {
    /// Receives the next value.
    ///
    /// # Errors
    ///
    /// As [`Connection::recv`](crate::Connection::recv).
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
    /// # Errors
    ///
    /// As [`recv`](Self::recv), and [`RecvError::TimedOut`].
    ///
    /// # When the other side is gone
    ///
    /// As [`recv`](Self::recv).
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
    pub fn try_recv(&self) -> Result<Option<R>, RecvError> {
        self.channel.try_recv_value()
    }

    /// Returns an iterator over the values that come, until the other side closes.
    ///
    /// # When the other side is gone
    ///
    /// The iterator ends after what it had sent; see [`Messages`].
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pipe::Pipe;
    ///
    /// let (receiver, sender) = Pipe::simplex::<u8>()?;
    /// for number in 1..=3 {
    ///     sender.send(&number)?;
    /// }
    /// drop(sender);
    /// assert_eq!(receiver.iter().collect::<Result<Vec<_>, _>>()?, [1, 2, 3]);
    /// # anyhow::Ok(())
    /// ```
    pub fn iter(&self) -> Messages<'_, R> {
        Messages::of(&self.channel)
    }
}

impl<R> Receiver<R> {
    /// Makes another handle to the same half, with a descriptor of its own.
    ///
    /// Each value is received whole, by one of the clones of a process. Processes that hold the same half
    /// take no turns: see [`Channel::try_clone`]. A clone is not what
    /// [`unsplit`](crate::Connection::unsplit) puts together.
    ///
    /// # Errors
    ///
    /// If the descriptor cannot be duplicated, above all because too many files are open.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pipe::Pipe;
    ///
    /// let (receiver, sender) = Pipe::simplex::<u32>()?;
    /// let same = receiver.try_clone()?;
    /// sender.send(&1)?;
    /// sender.send(&2)?;
    /// assert_eq!((receiver.recv()?, same.recv()?), (1, 2));
    /// # anyhow::Ok(())
    /// ```
    pub fn try_clone(&self) -> io::Result<Self> {
        self.channel.try_clone().map(Self::from)
    }

    pub(super) fn of(channel: Arc<Channel>) -> Self {
        Self {
            channel,
            types: PhantomData,
        }
    }

    /// Receives the next message as bytes.
    ///
    /// # Errors
    ///
    /// As [`Connection::recv_bytes`](crate::Connection::recv_bytes).
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

    /// Receives the next message as bytes into a buffer, and returns its length.
    ///
    /// # Errors
    ///
    /// As [`Connection::recv_into`](crate::Connection::recv_into).
    ///
    /// # When the other side is gone
    ///
    /// As [`recv`](Self::recv).
    pub fn recv_into(&self, buf: &mut [u8]) -> Result<usize, RecvIntoError> {
        self.channel.recv_into_by(buf, Deadline::NEVER)
    }

    /// Receives the next message as bytes into a buffer if it comes in time.
    ///
    /// # Errors
    ///
    /// As [`Connection::recv_into`](crate::Connection::recv_into), and [`RecvError::TimedOut`].
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
    /// if the time ran out first. See [`Connection::poll`](crate::Connection::poll).
    ///
    /// # Errors
    ///
    /// What `poll` reports, other than an interruption by a signal.
    ///
    /// # When the other side is gone
    ///
    /// True.
    pub fn poll(&self, timeout: impl Into<Option<Duration>>) -> io::Result<bool> {
        self.channel.poll(Deadline::after_opt(timeout.into()))
    }

    /// As [`Connection::arm`](crate::Connection::arm).
    ///
    /// # Errors
    ///
    /// What `poll` reports.
    pub fn arm(&self) -> io::Result<bool> {
        self.channel.arm_for_change()
    }

    /// Sets the length in bytes above which a message is refused with [`RecvError::TooLong`].
    pub fn set_max_len(&self, max_len: u64) {
        self.channel.set_max_len(max_len);
    }
}

impl<'a, R: DeserializeOwned> IntoIterator for &'a Receiver<R> {
    type Item = Result<R, RecvError>;
    type IntoIter = Messages<'a, R>;

    fn into_iter(self) -> Messages<'a, R> {
        self.iter()
    }
}

impl<R: DeserializeOwned> IntoIterator for Receiver<R> {
    type Item = Result<R, RecvError>;
    type IntoIter = IntoMessages<R>;

    fn into_iter(self) -> IntoMessages<R> {
        IntoMessages::of(self)
    }
}

/// Ready when something has come, which may be the beginning of a message or the end of the
/// connection, and when a message is refused for its length.
impl<R> Waitable for Receiver<R> {
    fn source(&self) -> Source<'_> {
        self.channel.source()
    }

    fn is_ready(&self) -> bool {
        self.channel.is_ready()
    }
}

impl<R> Serialize for Receiver<R> {
    fn serialize<T: Serializer>(&self, serializer: T) -> Result<T::Ok, T::Error> {
        self.channel.serialize_receiving(serializer)
    }
}

half!(Receiver);
