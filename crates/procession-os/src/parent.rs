//! What a child process does about its parent and the terminal.

use nix::sys::prctl;
use nix::sys::signal::{self, SigHandler, Signal};
use nix::unistd::getppid;
use std::io;

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
    getppid().as_raw().cast_unsigned() == pid
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
