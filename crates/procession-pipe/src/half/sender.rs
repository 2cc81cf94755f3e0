//! The half that sends.

use super::half;
use crate::{Channel, Deadline, SendError};
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// The half of a connection that sends values of type `S`; cannot receive.
///
/// Made by [`Pipe::simplex`](crate::Pipe::simplex) and [`Connection::split`]. It is a handle: it can
/// be the argument of a task or a part of a message, and keeps its direction.
///
/// ```compile_fail,E0599
/// # use procession_pipe::Pipe;
/// let (receiver, sender) = Pipe::simplex::<u8>().unwrap();
/// sender.recv();
/// ```
///
/// ```compile_fail,E0599
/// # use procession_pipe::Pipe;
/// let (receiver, sender) = Pipe::simplex::<u8>().unwrap();
/// sender.poll(None);
/// ```
///
/// # When the other side is gone
///
/// Each call is [`SendError::Closed`]. Over TCP that is known only after the other machine has
/// answered, so that one or more calls before can succeed.
///
/// [`Connection::split`]: crate::Connection::split
pub struct Sender<S> {
    pub(super) channel: Arc<Channel>,
    types: PhantomData<fn(S)>,
}

impl<S: Serialize + DeserializeOwned> Sender<S> {
    /// Sends a value; see [`Connection::send`](crate::Connection::send).
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

    /// Sends a value if the other side makes room in time; see
    /// [`Connection::send_timeout`](crate::Connection::send_timeout).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), [`SendError::TimedOut`] if nothing was sent in time, and
    /// [`SendError::Unfinished`] if only a part was.
    ///
    /// # When the other side is gone
    ///
    /// [`SendError::Closed`].
    pub fn send_timeout(&self, value: &S, timeout: Duration) -> Result<(), SendError> {
        self.channel.send_value(value, Deadline::after(timeout))
    }
}

impl<S> Sender<S> {
    /// Makes another handle to the same half, with a descriptor of its own.
    ///
    /// Each value is sent whole, by one of the clones of a process. Processes that hold the same half
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
    /// let same = sender.try_clone()?;
    /// drop(sender);
    /// same.send(&1)?;
    /// assert_eq!(receiver.recv()?, 1);
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

    /// Sends bytes as they are, as one message.
    ///
    /// # Errors
    ///
    /// [`SendError::Io`] if the kernel refuses.
    ///
    /// # When the other side is gone
    ///
    /// [`SendError::Closed`].
    pub fn send_bytes(&self, bytes: &[u8]) -> Result<(), SendError> {
        self.channel.send_bytes_by(bytes, Deadline::NEVER)
    }

    /// Sends bytes as they are if the other side makes room in time.
    ///
    /// # Errors
    ///
    /// As [`send_bytes`](Self::send_bytes), [`SendError::TimedOut`] and [`SendError::Unfinished`].
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

    /// Tells the other side that nothing more will be sent: it receives what was sent, then
    /// [`RecvError::Closed`](crate::RecvError::Closed).
    ///
    /// That holds for every process that has this half. The other direction goes on.
    ///
    /// # Errors
    ///
    /// What `shutdown` reports.
    ///
    /// # When the other side is gone
    ///
    /// An error, or nothing, as the kernel knows.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pipe::Pipe;
    ///
    /// let (here, there) = Pipe::duplex::<u32, u32>()?;
    /// let (sender, receiver) = here.split();
    /// for number in 1..=4 {
    ///     sender.send(&number)?;
    /// }
    /// sender.finish()?;
    /// there.send(&there.iter().sum::<Result<u32, _>>()?)?;
    /// assert_eq!(receiver.recv()?, 10);
    /// # anyhow::Ok(())
    /// ```
    pub fn finish(self) -> io::Result<()> {
        self.channel.finish()
    }
}

impl<S> Serialize for Sender<S> {
    fn serialize<T: Serializer>(&self, serializer: T) -> Result<T::Ok, T::Error> {
        self.channel.serialize_sending(serializer)
    }
}

half!(Sender);
