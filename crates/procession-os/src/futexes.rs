//! Sleeping until one of several words in shared memory changes.
//!
//! This is [`futex`] for many words at once. The kernel reads them one after the other while it
//! puts the caller into each word's queue, and does not let it sleep if one of them is not what was
//! expected; who changes a word and then wakes is seen whatever the order, as with one word.

use crate::futex;
use crate::wait::Deadline;
use libc::timespec;
use nix::errno::Errno;
use std::io;
use std::ptr;
use std::sync::atomic::AtomicU32;

/// The most words that one thread can sleep on, the kernel's limit.
pub const MAX_WATCHES: usize = libc::FUTEX_WAITV_MAX as usize;

/// A word, and what was in it when there was nothing to do.
#[derive(Debug, Clone, Copy)]
pub struct Watch<'a> {
    /// The word to sleep on.
    pub word: &'a AtomicU32,
    /// What it must still be.
    pub expected: u32,
}

/// Sleeps for as long as each of the words is what is expected of it and nobody
/// [wakes](futex::wake) one of them; returns false if the deadline passed first.
///
/// True does not mean that a word has changed: look at them again.
///
/// # Errors
///
/// - [`Unsupported`](io::ErrorKind::Unsupported) for more than one word before Linux 5.16, or in a
///   sandbox that forbids `futex_waitv`;
/// - `EINVAL` for no words or more than [`MAX_WATCHES`];
/// - otherwise what the kernel reports, as [`futex::wait`]. A signal is no error.
///
/// # When the other side is gone
///
/// Nothing wakes it but its deadline.
///
/// # Examples
///
/// ```
/// use procession_os::futex;
/// use procession_os::futexes::{self, Watch};
/// use procession_os::wait::Deadline;
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// let words = [AtomicU32::new(0), AtomicU32::new(0)];
/// std::thread::scope(|scope| {
///     scope.spawn(|| {
///         words[1].store(1, Ordering::Release);
///         futex::wake(&words[1], 1);
///     });
///     while words[1].load(Ordering::Acquire) == 0 {
///         let watches = [0, 1].map(|i| Watch { word: &words[i], expected: 0 });
///         futexes::wait(&watches, Deadline::NEVER)?;
///     }
///     Ok::<(), std::io::Error>(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn wait(watches: &[Watch<'_>], deadline: Deadline) -> io::Result<bool> {
    if let [one] = watches {
        return futex::wait(one.word, one.expected, deadline);
    }
    let waiters: Vec<Waiter> = watches.iter().map(Waiter::of).collect();
    let until = futex::absolute(deadline)?;
    loop {
        match sleep(&waiters, until.as_ref()) {
            Ok(()) | Err(Errno::EAGAIN) => return Ok(true),
            Err(Errno::ETIMEDOUT) => return Ok(false),
            Err(Errno::EINTR) => {}
            // EPERM is what a sandbox says to a call that it does not know.
            Err(Errno::ENOSYS | Errno::EPERM) => return Err(unsupported()),
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// The kernel's `struct futex_waitv`.
#[repr(C)]
struct Waiter {
    expected: u64,
    address: u64,
    flags: u32,
    reserved: u32,
}

const _: () = assert!(size_of::<Waiter>() == size_of::<libc::futex_waitv>());

impl Waiter {
    fn of(watch: &Watch<'_>) -> Self {
        Self {
            expected: watch.expected.into(),
            address: watch.word.as_ptr().expose_provenance() as u64,
            // Not private: the words may lie in memory that several processes map.
            flags: libc::FUTEX2_SIZE_U32.cast_unsigned(),
            reserved: 0,
        }
    }
}

fn sleep(waiters: &[Waiter], until: Option<&timespec>) -> Result<(), Errno> {
    let (at, len) = (waiters.as_ptr(), waiters.len() as libc::c_uint);
    let until = until.map_or(ptr::null(), ptr::from_ref);
    let no_flags: libc::c_uint = 0;
    let clock = libc::CLOCK_MONOTONIC;
    // SAFETY: the list, the words whose addresses are in it and the moment outlive the call, and
    // the kernel writes to none of them.
    let result = unsafe { libc::syscall(libc::SYS_futex_waitv, at, len, no_flags, until, clock) };
    Errno::result(result).map(drop)
}

fn unsupported() -> io::Error {
    let what = "several words in shared memory cannot be waited for at once here: \
        it takes Linux 5.16, and a sandbox that allows futex_waitv";
    io::Error::new(io::ErrorKind::Unsupported, what)
}
