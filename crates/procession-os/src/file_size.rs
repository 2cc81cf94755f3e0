//! Writing to files under a limit of their size (`ulimit -f`, `RLIMIT_FSIZE`).
//!
//! The kernel answers a write beyond the limit with an error, and first sends the thread SIGXFSZ,
//! which ends the process. The limit is for all files alike: on a disk, in `/dev/shm`, and those in
//! memory that have no name. It is not for sockets and pipes.

use nix::errno::Errno;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, pthread_sigmask};
use std::io;
use std::mem::MaybeUninit;
use std::ptr::null_mut;

/// Has `write`, which writes to a file or makes it longer, fail at the limit instead of ending the
/// process.
///
/// The signal is blocked in this thread meanwhile, and taken back if it was sent. What the program
/// does about the signal elsewhere stays as it is.
///
/// # Errors
///
/// What `write` returns; [`FileTooLarge`](io::ErrorKind::FileTooLarge) with words that name the limit
/// if that was in the way.
///
/// # Examples
///
/// ```
/// use procession_os::file_size::within_limit;
/// use std::fs::File;
/// use std::io::Write;
///
/// let mut file = File::create("/dev/null")?;
/// within_limit(|| file.write_all(b"as ever"))?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn within_limit<R>(write: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
    let blocked = Blocked::new()?;
    let written = write();
    match &written {
        Err(error) if error.raw_os_error() == Some(Errno::EFBIG as i32) => {
            blocked.take_back();
            if is_limited() {
                Err(too_large())
            } else {
                written
            }
        }
        _ => written,
    }
}

fn is_limited() -> bool {
    getrlimit(Resource::RLIMIT_FSIZE).is_ok_and(|(soft, _)| soft != RLIM_INFINITY)
}

fn too_large() -> io::Error {
    let words = "a file would be larger than the limit of this process (`ulimit -f`)";
    io::Error::new(io::ErrorKind::FileTooLarge, words)
}

/// The signal is blocked in this thread for as long as this exists.
struct Blocked {
    before: SigSet,
    /// Whether one had been sent already, which is the program's affair.
    pending: bool,
}

impl Blocked {
    fn new() -> io::Result<Self> {
        let mut before = SigSet::empty();
        pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&signal()), Some(&mut before))?;
        let pending = before.contains(Signal::SIGXFSZ) && is_pending();
        Ok(Self { before, pending })
    }

    /// Takes the signal that the kernel has sent to this thread, if it has.
    fn take_back(&self) {
        let now = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        if !self.pending {
            // SAFETY: both arguments outlive the call, which does not wait. Without a signal it
            // is an error, and nothing is to be done.
            let _ = unsafe { libc::sigtimedwait(signal().as_ref(), null_mut(), &raw const now) };
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // What was a mask before can be set again.
        let _ = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&self.before), None);
    }
}

fn signal() -> SigSet {
    let mut set = SigSet::empty();
    set.add(Signal::SIGXFSZ);
    set
}

fn is_pending() -> bool {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the call writes a whole set.
    if unsafe { libc::sigpending(set.as_mut_ptr()) } != 0 {
        return false;
    }
    // SAFETY: it was written, for the call has succeeded.
    let set = unsafe { set.assume_init() };
    // SAFETY: the set is initialised, and the signal's number is one.
    unsafe { libc::sigismember(&raw const set, libc::SIGXFSZ) == 1 }
}
