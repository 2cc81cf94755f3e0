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
        let (one, other) = Channel::pair()?;
        Ok((one.into(), other.into()))
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
        let (receiver, sender) = Channel::pair()?;
        Ok((receiver.into(), sender.into()))
    }
}
