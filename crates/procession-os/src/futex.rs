//! Sleeping until a word in shared memory changes.
//!
//! A futex is a 32-bit word and a queue that the kernel keeps for whoever sleeps on it. The words
//! here may lie in memory that several processes map. The kernel forgets a sleeper that dies, so
//! waking never waits for anybody.
//!
//! Who waits reads the word, decides that there is nothing to do, and sleeps *if the word is still
//! what it read*. Who changes something changes the word, then wakes. Whatever the order of these
//! four steps, the sleeper wakes or does not fall asleep.
//!
//! One thing is not covered: a process that is killed after it changed the word and before it woke
//! the sleepers. Who must not depend on that looks again after a while.

use crate::wait::Deadline;
use libc::timespec;
use nix::errno::Errno;
use nix::time::{ClockId, clock_gettime};
use std::io;
use std::ptr;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// Sleeps for as long as `word` is `expected` and nobody [wakes](wake) it; returns false if the
/// deadline passed first.
///
/// True does not mean that the word has changed: look at it again.
///
/// # Errors
///
/// What the kernel reports: `EFAULT` if the memory behind the word was taken away. A signal is no
/// error; the sleep goes on.
///
/// # When the other side is gone
///
/// Nothing wakes it but its deadline.
///
/// # Examples
///
/// ```
/// use procession_os::{futex, wait::Deadline};
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use std::time::Duration;
///
/// let word = AtomicU32::new(0);
/// assert!(futex::wait(&word, 1, Deadline::NEVER)?, "it is not 1, so there is no sleep");
/// assert!(!futex::wait(&word, 0, Deadline::after(Duration::from_millis(1)))?);
///
/// std::thread::scope(|scope| {
///     scope.spawn(|| {
///         word.store(1, Ordering::Release);
///         futex::wake(&word, 1);
///     });
///     while word.load(Ordering::Acquire) == 0 {
///         futex::wait(&word, 0, Deadline::NEVER)?;
///     }
///     Ok::<(), std::io::Error>(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn wait(word: &AtomicU32, expected: u32, deadline: Deadline) -> io::Result<bool> {
    let until = absolute(deadline)?;
    loop {
        match sleep(word, expected, until.as_ref()) {
            Ok(()) | Err(Errno::EAGAIN) => return Ok(true),
            Err(Errno::ETIMEDOUT) => return Ok(false),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Wakes up to `count` of those who sleep on `word`, the longest sleepers first; returns how many
/// it woke.
///
/// # When the other side is gone
///
/// A dead sleeper is none: it is not woken and not counted.
///
/// # Examples
///
/// ```
/// use procession_os::futex;
/// use std::sync::atomic::AtomicU32;
///
/// assert_eq!(futex::wake(&AtomicU32::new(0), u32::MAX), 0);
/// ```
pub fn wake(word: &AtomicU32, count: u32) -> usize {
    let count = count.min(i32::MAX.cast_unsigned());
    // SAFETY: FUTEX_WAKE uses the address as a name only and touches no memory.
    let woken = unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, count) };
    // The one error there is, of an address that nobody can sleep on, wakes nobody.
    usize::try_from(woken).unwrap_or(0)
}

fn sleep(word: &AtomicU32, expected: u32, until: Option<&timespec>) -> Result<(), Errno> {
    let until = until.map_or(ptr::null(), ptr::from_ref);
    // Unlike FUTEX_WAIT, this takes a moment on the monotonic clock, not a duration, so that a
    // sleep that a signal ends can be taken up again as it was.
    let operation = libc::FUTEX_WAIT_BITSET;
    let none = ptr::null::<u32>();
    // SAFETY: the word and the moment outlive the call, and the kernel writes to neither.
    let result = unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            operation,
            expected,
            until,
            none,
            libc::FUTEX_BITSET_MATCH_ANY,
        )
    };
    Errno::result(result).map(drop)
}

/// Returns what the monotonic clock shows, which is the same in all processes.
///
/// # Errors
///
/// None is known.
///
/// # Examples
///
/// ```
/// let before = procession_os::futex::now()?;
/// assert!(procession_os::futex::now()? >= before);
/// # Ok::<(), nix::errno::Errno>(())
/// ```
pub fn now() -> Result<Duration, Errno> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    Ok(Duration::new(
        now.tv_sec().cast_unsigned(),
        now.tv_nsec() as u32,
    ))
}

/// Returns the deadline as the kernel counts moments; `None` for never.
pub(crate) fn absolute(deadline: Deadline) -> Result<Option<timespec>, Errno> {
    let Some(left) = deadline.left() else {
        return Ok(None);
    };
    let until = now()?.saturating_add(left);
    Ok(Some(timespec {
        tv_sec: i64::try_from(until.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: until.subsec_nanos().into(),
    }))
}
