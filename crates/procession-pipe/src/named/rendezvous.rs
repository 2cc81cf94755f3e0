//! Opening one end of a named pipe and meeting whoever opens the other.
//!
//! Without a deadline a plain `open` does it all: the kernel lets both sides go on when both are
//! there, and a side that came and went in between is not missed.
//!
//! With a deadline nobody may wait inside `open`, because nothing but a signal would end that. So
//! both sides open with `O_NONBLOCK`, and look whether somebody is there.
//!
//! **The writer** cannot open before there is a reader (`ENXIO`), and tries again.
//!
//! **The reader** opens at once. Three answers together miss no writer:
//!
//! | the writer | seen by |
//! |---|---|
//! | has written | `poll`: readable |
//! | has gone, with or without having written | `poll`: hung up, which the kernel reports only if a writer came after the reader opened |
//! | is there, silent | `tee`, which takes no data: `EAGAIN` with a writer, 0 without |
//!
//! `poll` wakes the reader. A reader that waits inside `open`, and a silent writer, wake nobody:
//! inotify reports an `open` when it is complete, which that of a waiting reader is not. Therefore
//! both sides look again after a [`Pauses`]. Opening for reading and writing would meet every
//! reader at once, but it would also pass for a reader before other waiting writers, and lose what
//! they write.

use super::NamedPipeError;
use crate::{Deadline, PipeReader, PipeWriter};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, open, tee};
use nix::sys::stat::Mode;
use procession_os::wait;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// Opens the reading end and waits for a writer.
pub(super) fn reader(path: &Path, deadline: Deadline) -> Result<PipeReader, NamedPipeError> {
    let fd = if deadline == Deadline::NEVER {
        open_pipe(path, OFlag::O_RDONLY)
    } else {
        let opened = open_pipe(path, OFlag::O_RDONLY | OFlag::O_NONBLOCK);
        opened
            .and_then(|fd| await_writer(fd, deadline))
            .and_then(blocking)
    };
    named(path, fd.map(PipeReader::from))
}

/// Opens the writing end once there is a reader.
pub(super) fn writer(path: &Path, deadline: Deadline) -> Result<PipeWriter, NamedPipeError> {
    let fd = if deadline == Deadline::NEVER {
        open_pipe(path, OFlag::O_WRONLY)
    } else {
        await_reader(path, deadline).and_then(blocking)
    };
    named(path, fd.map(PipeWriter::from))
}

fn await_writer(fd: OwnedFd, deadline: Deadline) -> Result<OwnedFd, Problem> {
    let (_empty, scratch) = io::pipe()?;
    let mut pauses = Pauses::default();
    loop {
        let last = deadline.passed();
        let pause = pauses.next(deadline);
        if has_writer(&fd, scratch.as_fd())? || wait::readable(fd.as_fd(), Deadline::after(pause))?
        {
            return Ok(fd);
        }
        if last {
            return Err(timed_out());
        }
    }
}

/// Asks whether a writer is there, or has left something.
fn has_writer(fd: &OwnedFd, scratch: BorrowedFd<'_>) -> io::Result<bool> {
    loop {
        match tee(fd, scratch, 1, SpliceFFlags::SPLICE_F_NONBLOCK) {
            Ok(0) => return Ok(false),
            Ok(_) | Err(Errno::EAGAIN) => return Ok(true),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn await_reader(path: &Path, deadline: Deadline) -> Result<OwnedFd, Problem> {
    let mut pauses = Pauses::default();
    loop {
        let last = deadline.passed();
        match open_pipe(path, OFlag::O_WRONLY | OFlag::O_NONBLOCK) {
            Err(Problem::Kernel(error)) if no_reader(&error) => {}
            result => return result,
        }
        if last {
            return Err(timed_out());
        }
        thread::sleep(pauses.next(deadline));
    }
}

fn no_reader(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::ENXIO as i32)
}

/// Opens the file and makes sure that it still is a pipe.
fn open_pipe(path: &Path, flags: OFlag) -> Result<OwnedFd, Problem> {
    let flags = flags | OFlag::O_CLOEXEC | OFlag::O_NOCTTY;
    let file = loop {
        match open(path, flags, Mode::empty()) {
            Err(Errno::EINTR) => {}
            result => break File::from(result.map_err(io::Error::from)?),
        }
    };
    if file.metadata()?.file_type().is_fifo() {
        Ok(file.into())
    } else {
        Err(Problem::NotAPipe)
    }
}

/// Makes reads and writes wait. Nobody shares the open file description yet.
fn blocking(fd: OwnedFd) -> Result<OwnedFd, Problem> {
    fcntl(&fd, FcntlArg::F_SETFL(OFlag::empty())).map_err(io::Error::from)?;
    Ok(fd)
}

/// How long to wait before looking again: little at first, for a side that is about to come.
struct Pauses(Duration);

const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(16);

impl Default for Pauses {
    fn default() -> Self {
        Self(SHORTEST)
    }
}

impl Pauses {
    fn next(&mut self, deadline: Deadline) -> Duration {
        let pause = self.0;
        self.0 = LONGEST.min(pause * 2);
        deadline.left().map_or(pause, |left| left.min(pause))
    }
}

/// What is wrong, before it is known with which path.
enum Problem {
    NotAPipe,
    Kernel(io::Error),
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Kernel(error)
    }
}

fn timed_out() -> Problem {
    Problem::Kernel(io::ErrorKind::TimedOut.into())
}

fn named<T>(path: &Path, result: Result<T, Problem>) -> Result<T, NamedPipeError> {
    result.map_err(|problem| match problem {
        Problem::NotAPipe => NamedPipeError::NotAPipe(path.to_owned()),
        Problem::Kernel(error) => NamedPipeError::on_use(path, error),
    })
}
