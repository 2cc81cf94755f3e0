//! The maker of connected pairs.

use crate::{Channel, Connection, Receiver, Sender};
use std::io;

/// Makes pairs of connections; Python's `Pipe`.
#[derive(Debug)]
pub enum Pipe {}

impl Pipe {
    /// Makes two connections to each other: the first sends `S` and receives `R`, the second the
    /// other way round.
    ///
    /// Keep one, and give the other to a process.
    ///
    /// # Errors
    ///
    /// What `socketpair` reports, above all that too many files are open.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pipe::Pipe;
    ///
    /// let (one, other) = Pipe::duplex::<String, u32>()?;
    /// other.send(&42)?;
    /// assert_eq!(one.recv()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn duplex<S, R>() -> io::Result<(Connection<S, R>, Connection<R, S>)> {
        Self::builder().duplex()
    }

    /// Makes a pipe for one direction: what the second half sends, the first one receives. Python's
    /// `Pipe(duplex=False)`.
    ///
    /// # Errors
    ///
    /// What `socketpair` reports, above all that too many files are open.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pipe::Pipe;
    ///
    /// let (receiver, sender) = Pipe::simplex::<String>()?;
    /// sender.send(&"hello".into())?;
    /// assert_eq!(receiver.recv()?, "hello");
    /// # anyhow::Ok(())
    /// ```
    pub fn simplex<T>() -> io::Result<(Receiver<T>, Sender<T>)> {
        Self::builder().simplex()
    }

    /// Starts the making of a pipe of which more is to be said.
    pub fn builder() -> PipeBuilder {
        PipeBuilder { capacity: None }
    }
}

/// What a pipe travels over; made by [`Pipe::builder`].
#[derive(Debug, Clone)]
#[must_use = "nothing is made before `duplex` or `simplex` is called"]
pub struct PipeBuilder {
    capacity: Option<usize>,
}

impl PipeBuilder {
    /// Has messages go through shared memory, in a ring of at least `capacity` bytes for each
    /// direction.
    ///
    /// While the other side is awake a message costs no call of the kernel, and arrives in a
    /// fraction of the time. One that takes more than a quarter of a ring, and one with descriptors
    /// in it, goes over the socket, in its order. Making such a pipe takes some ten times longer
    /// than one without. Its memory, twice `capacity` rounded up to a power of two and one page, is
    /// reserved from the start, and given back with the last handle to either end. A process has
    /// three descriptors for an end, for the socket and for two bells, where it would have one; and so many
    /// go in a message that the end is a part of.
    ///
    /// Code that polls the descriptor of such a connection by itself has to
    /// [`arm`](Connection::arm) it first.
    ///
    /// It is for processes of one family. The descriptor of an end does not say when there is a
    /// message: see [`Connection::arm`].
    ///
    /// # When the other side is gone
    ///
    /// As without, with one exception: after the other process was killed, one message may still seem to be
    /// sent, or as many as it had left unread.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pipe::Pipe;
    ///
    /// let (one, other) = Pipe::builder().rings(64 << 10).duplex::<String, u32>()?;
    /// other.send(&42)?;
    /// assert_eq!(one.recv()?, 42);
    /// # anyhow::Ok(())
    /// ```
    pub fn rings(mut self, capacity: usize) -> Self {
        self.capacity = Some(capacity);
        self
    }

    /// Makes two connections to each other, as [`Pipe::duplex`].
    ///
    /// # Errors
    ///
    /// What `socketpair` reports; with [`rings`](Self::rings) also that `/dev/shm` is full or
    /// cannot be used.
    pub fn duplex<S, R>(&self) -> io::Result<(Connection<S, R>, Connection<R, S>)> {
        let (one, other) = self.channels()?;
        Ok((one.into(), other.into()))
    }

    /// Makes a pipe for one direction, as [`Pipe::simplex`].
    ///
    /// # Errors
    ///
    /// As [`duplex`](Self::duplex).
    pub fn simplex<T>(&self) -> io::Result<(Receiver<T>, Sender<T>)> {
        let (receiver, sender) = self.channels()?;
        Ok((receiver.into(), sender.into()))
    }

    fn channels(&self) -> io::Result<(Channel, Channel)> {
        match self.capacity {
            Some(capacity) => Channel::pair_with_rings(capacity),
            None => Channel::pair(),
        }
    }
}
