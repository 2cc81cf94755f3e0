//! Anonymous pipes: bytes one way, without boundaries.

use procession_os::socket;
use procession_os::wait::{self, Deadline};
use procession_wire::handle;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// Makes an anonymous pipe.
///
/// What is written to the writer can be read from the reader. Either end can be handed to another
/// process; a program that is merely started does not inherit them.
///
/// # Errors
///
/// What `pipe2` reports, above all that too many files are open.
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
///
/// let (mut reader, mut writer) = procession_pipe::pipe()?;
/// writer.write_all(b"hello")?;
/// drop(writer);
///
/// let mut text = String::new();
/// reader.read_to_string(&mut text)?;
/// assert_eq!(text, "hello");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    Ok((PipeReader(reader), PipeWriter(writer)))
}

/// The end of a pipe that is read.
///
/// It is a handle: as an argument, a result or a part of a message it is handed on as a duplicate.
///
/// # When the other side is gone
///
/// Reading gives what was written, then the end of file: as soon as no process holds a writer any
/// more, this one included. Drop the writer that was handed to a child.
#[derive(Debug)]
pub struct PipeReader(io::PipeReader);

/// The end of a pipe that is written.
///
/// It is a handle: as an argument, a result or a part of a message it is handed on as a duplicate.
/// A write of up to 4096 bytes is not mixed with those of other writers. The pipe holds 64 KiB;
/// a write blocks while it is full.
///
/// # When the other side is gone
///
/// Writing is a [`BrokenPipe`](io::ErrorKind::BrokenPipe) error. That is so in Rust programs,
/// which ignore `SIGPIPE` from their start; where it has its default action again, as in a library
/// inside a C program, the kernel ends the process instead.
#[derive(Debug)]
pub struct PipeWriter(io::PipeWriter);

impl PipeReader {
    /// Waits until there is something to read, for ever if `timeout` is `None`; returns false if
    /// the time ran out first.
    ///
    /// A read that follows does not block, unless somebody else reads the same pipe.
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
    /// use std::time::Duration;
    ///
    /// let (reader, writer) = procession_pipe::pipe()?;
    /// assert!(!reader.poll(Duration::ZERO)?);
    /// drop(writer);
    /// assert!(reader.poll(None)?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn poll(&self, timeout: impl Into<Option<Duration>>) -> io::Result<bool> {
        wait::readable(self.as_fd(), Deadline::after_opt(timeout.into()))
    }

    /// Reads what there is, up to the length of `buf`, if something comes in time.
    ///
    /// The time holds unless somebody else reads the same pipe at the same moment.
    ///
    /// # Errors
    ///
    /// [`TimedOut`](io::ErrorKind::TimedOut), and what `read` reports.
    ///
    /// # When the other side is gone
    ///
    /// What was written, then zero.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{ErrorKind, Write};
    /// use std::time::Duration;
    ///
    /// let (reader, mut writer) = procession_pipe::pipe()?;
    /// let mut buf = [0; 8];
    /// let early = reader.read_timeout(&mut buf, Duration::from_millis(1));
    /// assert_eq!(early.unwrap_err().kind(), ErrorKind::TimedOut);
    ///
    /// writer.write_all(b"hello")?;
    /// assert_eq!(reader.read_timeout(&mut buf, Duration::MAX)?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn read_timeout(&self, buf: &mut [u8], timeout: Duration) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        socket::recv(self.as_fd(), buf, Deadline::after(timeout))
    }
}

impl PipeWriter {
    /// Waits until there is room, for ever if `timeout` is `None`; returns false if the time ran
    /// out first.
    ///
    /// A write of up to 4096 bytes that follows does not block, unless somebody else writes to
    /// the same pipe.
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
    /// use std::time::Duration;
    ///
    /// let (_reader, writer) = procession_pipe::pipe()?;
    /// assert!(writer.poll(Duration::ZERO)?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn poll(&self, timeout: impl Into<Option<Duration>>) -> io::Result<bool> {
        wait::writable(self.as_fd(), Deadline::after_opt(timeout.into()))
    }

    /// Writes the beginning of `buf`, up to 4096 bytes of it, if there is room in time; returns how
    /// many went.
    ///
    /// The time holds unless somebody else writes to the same pipe at the same moment.
    ///
    /// # Errors
    ///
    /// [`TimedOut`](io::ErrorKind::TimedOut), and what `write` reports.
    ///
    /// # When the other side is gone
    ///
    /// [`BrokenPipe`](io::ErrorKind::BrokenPipe).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::ErrorKind;
    /// use std::time::Duration;
    ///
    /// let (_reader, writer) = procession_pipe::pipe()?;
    /// let full = loop {
    ///     if let Err(error) = writer.write_timeout(&[0; 4096], Duration::ZERO) {
    ///         break error;
    ///     }
    /// };
    /// assert_eq!(full.kind(), ErrorKind::TimedOut);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn write_timeout(&self, buf: &[u8], timeout: Duration) -> io::Result<usize> {
        let bufs = [IoSlice::new(buf)];
        socket::send_with_fds(self.as_fd(), &bufs, &[], Deadline::after(timeout))
    }
}

impl Read for &PipeReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&self.0).read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&self.0).read_vectored(bufs)
    }

    fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        (&self.0).read_to_end(buf)
    }
}

impl Read for PipeReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(bufs)
    }

    fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        (&*self).read_to_end(buf)
    }
}

impl Write for &PipeWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&self.0).write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        (&self.0).write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for PipeWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&*self).write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What both ends have in common.
macro_rules! end {
    ($end:ident) => {
        impl $end {
            /// Makes another handle to the same end.
            ///
            /// # Errors
            ///
            /// If too many files are open.
            pub fn try_clone(&self) -> io::Result<Self> {
                self.0.try_clone().map(Self)
            }
        }

        impl AsFd for $end {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.0.as_fd()
            }
        }

        impl From<OwnedFd> for $end {
            fn from(fd: OwnedFd) -> Self {
                Self(fd.into())
            }
        }

        impl From<$end> for OwnedFd {
            fn from(end: $end) -> Self {
                end.0.into()
            }
        }

        impl From<$end> for std::process::Stdio {
            /// Gives the end to a program that is started, as one of its standard streams.
            fn from(end: $end) -> Self {
                end.0.into()
            }
        }

        impl Serialize for $end {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                handle::serialize_fd(self.as_fd(), serializer)
            }
        }

        impl<'de> Deserialize<'de> for $end {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                handle::deserialize_fd(deserializer).map(Self::from)
            }
        }
    };
}

end!(PipeReader);
end!(PipeWriter);
