//! Where a child's standard streams lead.

use crate::error::StartError;
use crate::method::StartMethod;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout};
use procession_pipe::{PipeReader, PipeWriter, pipe};
use procession_wire::Fd;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::Arc;

/// Where a standard stream of a child leads.
///
/// # Examples
///
/// ```
/// use procession_process::{Process, Stdio};
/// use std::io::Read;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// let mut process = Process::builder()
///     .stdout(Stdio::piped())
///     .spawn(|| println!("hello"), ())?;
/// let mut output = String::new();
/// process.take_stdout().ok_or("no pipe")?.read_to_string(&mut output)?;
/// assert_eq!(output, "hello\n");
/// process.join()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Stdio(To);

#[derive(Debug, Clone)]
enum To {
    Inherit,
    Null,
    Pipe,
    File(Arc<OwnedFd>),
}

impl Stdio {
    /// The stream of the process that starts the child.
    pub fn inherit() -> Self {
        Self(To::Inherit)
    }

    /// `/dev/null`.
    pub fn null() -> Self {
        Self(To::Null)
    }

    /// A pipe, whose other end the [`Process`](crate::Process) has.
    pub fn piped() -> Self {
        Self(To::Pipe)
    }
}

impl From<OwnedFd> for Stdio {
    fn from(fd: OwnedFd) -> Self {
        Self(To::File(Arc::new(fd)))
    }
}

impl From<File> for Stdio {
    fn from(file: File) -> Self {
        OwnedFd::from(file).into()
    }
}

impl From<PipeReader> for Stdio {
    fn from(end: PipeReader) -> Self {
        OwnedFd::from(end).into()
    }
}

impl From<PipeWriter> for Stdio {
    fn from(end: PipeWriter) -> Self {
        OwnedFd::from(end).into()
    }
}

/// The choices for the three streams.
#[derive(Debug, Clone)]
pub(crate) struct Streams {
    pub(crate) stdin: Stdio,
    pub(crate) stdout: Stdio,
    pub(crate) stderr: Stdio,
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            stdin: Stdio::null(),
            stdout: Stdio::inherit(),
            stderr: Stdio::inherit(),
        }
    }
}

/// The ends of the pipes that the parent keeps.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    pub(crate) stdin: Option<PipeWriter>,
    pub(crate) stdout: Option<PipeReader>,
    pub(crate) stderr: Option<PipeReader>,
}

/// What a child does about its three streams.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Plan([Stream; 3]);

#[derive(Debug, Serialize, Deserialize)]
enum Stream {
    /// It is the right one already.
    Keep,
    Null,
    Fd(Fd),
}

impl Streams {
    /// Makes the pipes, and says what a child that is started by `method` has to do.
    pub(crate) fn plan(&self, method: StartMethod) -> Result<(Plan, Ends), StartError> {
        self.open(method)
            .map_err(StartError::system("open the standard streams"))
    }

    fn open(&self, method: StartMethod) -> io::Result<(Plan, Ends)> {
        let (stdin, to_child) = match &self.stdin.0 {
            // That of the server leads nowhere.
            To::Null if method == StartMethod::ForkServer => (Stream::Keep, None),
            To::Pipe => pipe().map(|(reader, writer)| (fd(reader), Some(writer)))?,
            To::Inherit => (duplicate(io::stdin().as_fd())?, None),
            to => (to.stream()?, None),
        };
        let (stdout, from_stdout) = output(&self.stdout.0, io::stdout().as_fd(), method)?;
        let (stderr, from_stderr) = output(&self.stderr.0, io::stderr().as_fd(), method)?;
        let ends = Ends {
            stdin: to_child,
            stdout: from_stdout,
            stderr: from_stderr,
        };
        Ok((Plan([stdin, stdout, stderr]), ends))
    }
}

impl To {
    /// The stream of what needs neither a pipe nor this process's own stream.
    fn stream(&self) -> io::Result<Stream> {
        match self {
            Self::File(file) => duplicate(file.as_fd()),
            Self::Null | Self::Inherit | Self::Pipe => Ok(Stream::Null),
        }
    }
}

fn output(
    to: &To,
    own: BorrowedFd<'_>,
    method: StartMethod,
) -> io::Result<(Stream, Option<PipeReader>)> {
    match to {
        To::Pipe => pipe().map(|(reader, writer)| (fd(writer), Some(reader))),
        // The fork server has no streams of its own to pass on.
        To::Inherit if method == StartMethod::ForkServer => Ok((duplicate(own)?, None)),
        To::Inherit => Ok((Stream::Keep, None)),
        to => Ok((to.stream()?, None)),
    }
}

fn fd(end: impl Into<OwnedFd>) -> Stream {
    Stream::Fd(Fd(end.into()))
}

/// Duplicates a descriptor; one that was closed leads nowhere.
fn duplicate(own: BorrowedFd<'_>) -> io::Result<Stream> {
    match own.try_clone_to_owned() {
        Ok(copy) => Ok(fd(copy)),
        Err(error) if error.raw_os_error() == Some(Errno::EBADF as i32) => Ok(Stream::Null),
        Err(error) => Err(error),
    }
}

impl Plan {
    /// All three lead nowhere.
    pub(crate) const NOWHERE: Self = Self([Stream::Null, Stream::Null, Stream::Null]);

    /// Gives this process its streams.
    pub(crate) fn take_up(self) -> io::Result<()> {
        let [stdin, stdout, stderr] = self.0;
        stdin.put(dup2_stdin)?;
        stdout.put(dup2_stdout)?;
        stderr.put(dup2_stderr)
    }
}

impl Stream {
    fn put(self, place: impl FnOnce(OwnedFd) -> nix::Result<()>) -> io::Result<()> {
        match self {
            Self::Keep => Ok(()),
            Self::Null => Ok(place(null()?)?),
            Self::Fd(Fd(fd)) => Ok(place(fd)?),
        }
    }
}

fn null() -> io::Result<OwnedFd> {
    let file = OpenOptions::new().read(true).write(true).open("/dev/null");
    file.map(OwnedFd::from)
}

/// Opens `/dev/null` for each standard stream that is closed, so that no other file gets its
/// number.
pub(crate) fn fill_gaps() -> io::Result<()> {
    // Asking is much faster than opening.
    if (0..=2).all(is_open) {
        return Ok(());
    }
    loop {
        // A new descriptor gets the lowest number that is free.
        let fd = null()?;
        if fd.as_raw_fd() > 2 {
            return Ok(());
        }
        fcntl(&fd, FcntlArg::F_SETFD(FdFlag::empty()))?;
        let _ = fd.into_raw_fd();
    }
}

fn is_open(number: RawFd) -> bool {
    // SAFETY: it is only asked for its flags, which is an error if it is closed.
    let fd = unsafe { BorrowedFd::borrow_raw(number) };
    fcntl(fd, FcntlArg::F_GETFD).is_ok()
}
