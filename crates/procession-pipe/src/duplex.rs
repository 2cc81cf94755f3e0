//! The maker of connected pairs.

use crate::{Channel, Connection};
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
}
