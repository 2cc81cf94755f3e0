//! What a child process does about its parent and the terminal.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{self, SigHandler, Signal};
use nix::unistd::{getpid, getppid};
use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Asks the kernel to kill this process when the thread that started it ends, and reports whether
/// the parent, which was process `pid`, is still there.
///
/// The parent starts children from a thread that lasts as long as itself. A parent that died
/// before this call left the process to another one, which is how that is noticed.
///
/// # Errors
///
/// What `prctl` reports.
pub fn die_with(pid: u32) -> io::Result<bool> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    Ok(is(pid))
}

/// Asks the kernel to have this process go on, if it was stopped, when the thread that started it ends,
/// instead of what [`die_with`] asked for; reports whether the parent, which was process `pid`, is still
/// there. It is for a process that watches its parent itself, and has something to do afterwards.
///
/// # Errors
///
/// What `prctl` reports.
pub fn go_on_without(pid: u32) -> io::Result<bool> {
    prctl::set_pdeathsig(Signal::SIGCONT)?;
    Ok(is(pid))
}

/// The signal for which [`die_with_socket`] asks is chosen by this call of `fcntl`.
const F_SETSIG: c_int = 10;

/// Asks the kernel to kill this process when the other end of `socket` is closed, or hung up; reports
/// whether it still is open. What arrives through the socket kills as well, and so may what has been
/// received already: the sender's part of the kernel gives the signal last. Who calls this has to know
/// that the sender has come back from its last call.
///
/// The kernel forgets what [`die_with`] asked for when the process changes its user, its group or its
/// capabilities, and does not send that signal if the parent may not: it has become another user, or
/// its child has. This signal is sent in the name of the process as it is at this call. It does not
/// last longer than the socket, so not beyond an exec that closes it; and it comes when the last
/// process has closed the other end, a copy of the parent included.
///
/// # Errors
///
/// What `fcntl` reports.
///
/// # Examples
///
/// ```
/// use procession_os::parent::die_with_socket;
/// use std::os::fd::AsFd;
/// use std::os::unix::net::UnixStream;
///
/// let (socket, parent) = UnixStream::pair()?;
/// assert!(die_with_socket(socket.as_fd())?);
/// drop(socket); // before the parent's end, which would kill this process
/// drop(parent);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn die_with_socket(socket: BorrowedFd<'_>) -> io::Result<bool> {
    let fd = socket.as_raw_fd();
    // SAFETY: this call takes numbers only.
    let done = unsafe { libc::fcntl(fd, F_SETSIG, libc::SIGKILL) };
    Errno::result(done)?;
    let me = getpid().as_raw();
    // SAFETY: as above.
    let done = unsafe { libc::fcntl(fd, libc::F_SETOWN, me) };
    Errno::result(done)?;
    let on: c_int = 1;
    // SAFETY: the kernel reads one number, which outlives the call.
    let done = unsafe { libc::ioctl(fd, libc::FIOASYNC, &raw const on) };
    Errno::result(done)?;
    // What happened before that call is looked for here; what happens after it is a signal.
    let mut fds = [PollFd::new(socket, PollFlags::empty())];
    Ok(poll(&mut fds, PollTimeout::ZERO)? == 0)
}

/// Takes back what [`die_with`] asked for, and reports whether the parent, which was process `pid`,
/// is still there.
///
/// # Errors
///
/// What `prctl` reports.
pub fn outlive(pid: u32) -> io::Result<bool> {
    prctl::set_pdeathsig(None)?;
    Ok(is(pid))
}

/// Returns whether process `pid` is this process's parent, which therefore is still there.
pub fn is(pid: u32) -> bool {
    self::pid() == pid
}

/// Returns the number of this process's parent.
pub fn pid() -> u32 {
    getppid().as_raw().cast_unsigned()
}

/// Makes this process ignore SIGINT, so that Ctrl-C in a terminal reaches only the one who
/// decides.
///
/// # Errors
///
/// What `sigaction` reports.
pub fn ignore_interrupts() -> io::Result<()> {
    // SAFETY: ignoring installs no handler whose code could be unsound.
    unsafe { signal::signal(Signal::SIGINT, SigHandler::SigIgn) }?;
    Ok(())
}

/// Makes a write to a closed pipe an error instead of a signal, as Rust's runtime does before
/// `main`; a process that is taken over before `main` has to do it itself.
///
/// # Errors
///
/// What `sigaction` reports.
pub fn ignore_broken_pipes() -> io::Result<()> {
    // SAFETY: as above.
    unsafe { signal::signal(Signal::SIGPIPE, SigHandler::SigIgn) }?;
    Ok(())
}

/// Returns whether the calling thread is the process's first, which ends with the process.
pub fn on_main_thread() -> bool {
    nix::unistd::gettid() == nix::unistd::getpid()
}
