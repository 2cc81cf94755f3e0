//! Child processes by descriptor.
//!
//! A process number is reused as soon as its process was reaped; a pidfd is not. Everything that
//! is done to a child goes through one.

use crate::wait::{self, Deadline};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// A process, by a descriptor that becomes readable when the process ends.
#[derive(Debug)]
pub struct Pidfd {
    fd: OwnedFd,
    pid: u32,
}

impl Pidfd {
    /// Opens the process with the number `pid`.
    ///
    /// The number must be known to be still that process's: the caller is its parent and has not
    /// reaped it, or it is the caller itself.
    ///
    /// # Errors
    ///
    /// `ESRCH` if there is no such process, `EMFILE` if no descriptor is left.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_os::pidfd::Pidfd;
    ///
    /// let me = Pidfd::open(std::process::id())?;
    /// assert_eq!(me.pid(), std::process::id());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn open(pid: u32) -> io::Result<Self> {
        // SAFETY: pidfd_open takes two integers and touches no memory.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        let fd = Errno::result(fd)? as RawFd;
        // SAFETY: the kernel just returned this descriptor and nobody else knows it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { fd, pid })
    }

    /// Takes over the descriptor of the process with the number `pid`.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_os::pidfd::Pidfd;
    ///
    /// let me = Pidfd::open(std::process::id())?;
    /// let me = Pidfd::of_fd(me.into(), std::process::id());
    /// assert_eq!(me.pid(), std::process::id());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn of_fd(fd: OwnedFd, pid: u32) -> Self {
        Self { fd, pid }
    }

    /// Returns the process's number.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends a signal. To a process that ended but was not reaped it is sent without effect.
    ///
    /// # Errors
    ///
    /// `ESRCH` if the process ended and was reaped, `EPERM` if this process may not signal it.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let (fd, number) = (self.fd.as_raw_fd(), signal as i32);
        let no_info = std::ptr::null::<libc::siginfo_t>();
        // SAFETY: the kernel reads no memory through a null siginfo.
        let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, number, no_info, 0) };
        Errno::result(sent)?;
        Ok(())
    }

    /// Waits until the process has ended; returns false if the deadline passed first.
    ///
    /// # Errors
    ///
    /// What `poll` reports.
    pub fn wait(&self, deadline: Deadline) -> io::Result<bool> {
        wait::readable(self.fd.as_fd(), deadline)
    }

    /// Kills the process and waits for its end. One that cannot be signalled has not ended: it is
    /// waited for no longer than `grace`, in which it may end by itself.
    ///
    /// # Errors
    ///
    /// Why it could not be signalled, if it runs on; and what `poll` reports.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_os::pidfd::{ExitStatus, Pidfd};
    /// use std::process::Command;
    /// use std::time::Duration;
    ///
    /// let child = Pidfd::open(Command::new("sleep").arg("1000").spawn()?.id())?;
    /// child.end(Duration::from_secs(1))?;
    /// assert_eq!(child.reap()?, Some(ExitStatus::Signal(9)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn end(&self, grace: Duration) -> io::Result<()> {
        let error = match self.signal(Signal::SIGKILL) {
            Ok(()) => return self.wait(Deadline::NEVER).map(drop),
            Err(error) if error.raw_os_error() == Some(Errno::ESRCH as i32) => return Ok(()),
            Err(error) => error,
        };
        if self.wait(Deadline::after(grace))? {
            return Ok(());
        }
        Err(error)
    }

    /// Takes the exit status of a child that has ended; `None` if it has not.
    ///
    /// A status can be taken once. If somebody else took it, the status is
    /// [`ExitStatus::Unknown`].
    ///
    /// # Errors
    ///
    /// What `waitid` reports.
    pub fn reap(&self) -> io::Result<Option<ExitStatus>> {
        match waitid_now(self.fd.as_raw_fd()) {
            Ok(status) => Ok(status),
            Err(Errno::ECHILD) if self.wait(Deadline::PASSED)? => Ok(Some(ExitStatus::Unknown)),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Returns whether the process, a child of this one, is stopped by a signal such as SIGSTOP.
    ///
    /// One that a debugger has stopped is not, nor one whose stop somebody has waited for who does not
    /// leave such news to others (`WNOWAIT`).
    ///
    /// # Errors
    ///
    /// What `waitid` reports, of a process that is no child for example.
    ///
    /// # Examples
    ///
    /// ```
    /// use nix::sys::signal::Signal;
    /// use procession_os::pidfd::Pidfd;
    /// use std::process::Command;
    /// use std::time::Duration;
    ///
    /// let child = Pidfd::open(Command::new("sleep").arg("1000").spawn()?.id())?;
    /// assert!(!child.is_stopped()?);
    /// child.signal(Signal::SIGSTOP)?;
    /// while !child.is_stopped()? {}
    /// child.signal(Signal::SIGCONT)?;
    /// while child.is_stopped()? {}
    /// child.end(Duration::from_secs(1))?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn is_stopped(&self) -> io::Result<bool> {
        let options = libc::WSTOPPED | libc::WNOHANG | libc::WNOWAIT;
        let found = waitid(self.fd.as_raw_fd(), options)?;
        // A debugger in this process is told of its own stops in the same way.
        Ok(found.is_some_and(|(code, _)| code == libc::CLD_STOPPED))
    }
}

impl From<Pidfd> for OwnedFd {
    fn from(pidfd: Pidfd) -> Self {
        pidfd.fd
    }
}

impl AsFd for Pidfd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn waitid_now(fd: RawFd) -> Result<Option<ExitStatus>, Errno> {
    let ended = waitid(fd, libc::WEXITED | libc::WNOHANG)?;
    Ok(ended.map(|(code, value)| match code {
        libc::CLD_EXITED => ExitStatus::Code(value as u8),
        _ => ExitStatus::Signal(value),
    }))
}

/// Returns what has become of a child, if anything has that is asked for: the code and its value.
fn waitid(fd: RawFd, options: i32) -> Result<Option<(i32, i32)>, Errno> {
    // SAFETY: siginfo_t is plain data for which zeroes are valid.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: `info` outlives the call, which writes nothing else.
    let result = unsafe { libc::waitid(libc::P_PIDFD, fd as libc::id_t, &raw mut info, options) };
    Errno::result(result)?;
    // SAFETY: waitid fills these fields, or leaves the zeroes that mean "nothing has".
    let pid = unsafe { info.si_pid() };
    // SAFETY: as above.
    let value = unsafe { info.si_status() };
    Ok((pid != 0).then_some((info.si_code, value)))
}

/// How a process ended.
///
/// # Examples
///
/// ```
/// use procession_os::pidfd::ExitStatus;
///
/// assert_eq!(ExitStatus::Code(3).to_string(), "exited with code 3");
/// assert_eq!(ExitStatus::Signal(9).to_string(), "was killed by SIGKILL (signal 9)");
/// assert!(ExitStatus::Code(0).success());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExitStatus {
    /// It exited with this code.
    Code(u8),
    /// A signal with this number ended it.
    Signal(i32),
    /// It has ended, and somebody else took its status.
    Unknown,
}

impl ExitStatus {
    /// Returns whether the process exited with code 0.
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }

    /// Returns the exit code, if there is one.
    pub fn code(self) -> Option<u8> {
        match self {
            Self::Code(code) => Some(code),
            Self::Signal(_) | Self::Unknown => None,
        }
    }

    /// Returns the number of the signal that ended the process, if one did.
    pub fn signal(self) -> Option<i32> {
        match self {
            Self::Signal(number) => Some(number),
            Self::Code(_) | Self::Unknown => None,
        }
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Code(code) => write!(f, "exited with code {code}"),
            Self::Signal(number) => match Signal::try_from(number) {
                Ok(signal) => write!(f, "was killed by {signal} (signal {number})"),
                Err(_) => write!(f, "was killed by signal {number}"),
            },
            Self::Unknown => write!(f, "ended with an unknown status"),
        }
    }
}
