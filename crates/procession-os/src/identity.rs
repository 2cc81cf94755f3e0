//! Which process it is: a number that no other process of this boot ever has.
//!
//! The kernel reuses process numbers. What is written into shared memory about a process, to be
//! read when it may be long dead, therefore needs more: the number and the moment at which the
//! process started.

use crate::pidfd::Pidfd;
use crate::wait::Deadline;
use nix::errno::Errno;
use std::fmt;
use std::fs;
use std::num::NonZeroU64;
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// A process, living or dead, in 64 bits.
///
/// Its lower 22 bits are the process number, which Linux keeps below 2²². The others are the clock
/// ticks from the boot of the system to the start of the process, which last for a thousand years;
/// zero where `/proc` does not say.
///
/// # Examples
///
/// ```
/// use procession_os::identity::Identity;
///
/// let me = Identity::of_this_process();
/// assert_eq!(me.pid(), std::process::id());
/// assert_eq!(Identity::from_word(me.to_word()), Some(me));
/// assert!(me.is_alive());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity(NonZeroU64);

const PID_BITS: u32 = 22;
const PID_MASK: u64 = (1 << PID_BITS) - 1;

impl Identity {
    /// Returns the calling process's. It is looked up once in a process, forked ones included.
    #[inline]
    pub fn of_this_process() -> Self {
        Self::from_word(KNOWN.load(Ordering::Relaxed)).unwrap_or_else(look_up)
    }

    /// Returns that of the process which has the number `pid` now, also if it has ended and nobody has
    /// reaped it; `None` if there is none, or `/proc` does not say.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_os::identity::Identity;
    ///
    /// let me = Identity::of_this_process();
    /// assert_eq!(Identity::of(me.pid()), Some(me));
    /// ```
    pub fn of(pid: u32) -> Option<Self> {
        start_of(pid).map(|start| Self::new(pid, start))
    }

    /// Makes one of what [`to_word`](Self::to_word) gave; `None` of a word that is nobody's.
    #[inline]
    pub fn from_word(word: u64) -> Option<Self> {
        NonZeroU64::new(word).map(Self)
    }

    /// Returns it as a word that is not zero, for shared memory.
    #[inline]
    pub fn to_word(self) -> u64 {
        self.0.get()
    }

    /// Returns the process number.
    pub fn pid(self) -> u32 {
        (self.to_word() & PID_MASK) as u32
    }

    /// Returns whether the process runs at this moment. A zombie does not.
    ///
    /// What cannot be found out, for want of descriptors or of `/proc`, counts as running.
    pub fn is_alive(self) -> bool {
        match Pidfd::open(self.pid()) {
            // The order matters: the start is that of the process behind the descriptor, if that
            // process has not ended when its start has been read.
            Ok(process) => self.started_like(self.pid()) && !ended(&process),
            Err(error) if error.raw_os_error() == Some(Errno::ESRCH as i32) => false,
            Err(_) => self.started_like(self.pid()),
        }
    }

    /// Returns whether the process runs, or has ended and was not reaped yet.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_os::identity::Identity;
    ///
    /// assert!(Identity::of_this_process().exists());
    /// ```
    pub fn exists(self) -> bool {
        Self::of(self.pid()) == Some(self)
    }

    fn new(pid: u32, start: u64) -> Self {
        let word = start << PID_BITS | u64::from(pid);
        Self(NonZeroU64::new(word).unwrap_or(NonZeroU64::MIN))
    }

    fn started_like(self, pid: u32) -> bool {
        let start = self.to_word() >> PID_BITS;
        start == 0 || start_of(pid).is_none_or(|found| found == start)
    }
}

/// Shows the process number.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.pid())
    }
}

/// This process's, or zero if it was not looked up since the last fork.
static KNOWN: AtomicU64 = AtomicU64::new(0);

#[cold]
fn look_up() -> Identity {
    let pid = process::id();
    let identity = Identity::new(pid, start_of(pid).unwrap_or(0));
    if forgotten_by_children() {
        KNOWN.store(identity.to_word(), Ordering::Relaxed);
    }
    identity
}

/// Has this process look itself up again: it is a copy that the C library does not know of.
pub(crate) fn forget() {
    KNOWN.store(0, Ordering::Relaxed);
}

/// Sees to it that a forked child looks itself up; false if that cannot be had.
fn forgotten_by_children() -> bool {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    extern "C" fn forget() {
        KNOWN.store(0, Ordering::Relaxed);
    }
    // SAFETY: what runs in the child stores to an atomic, which is allowed between fork and exec.
    *REGISTERED.get_or_init(|| unsafe { libc::pthread_atfork(None, None, Some(forget)) } == 0)
}

/// Returns the 22nd field of the process's status line, as proc(5) has it.
fn start_of(pid: u32) -> Option<u64> {
    let line = fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The second field, the name in parentheses, may contain anything.
    let behind_name = line.iter().rposition(|&byte| byte == b')')? + 2;
    let rest = str::from_utf8(line.get(behind_name..)?).ok()?;
    rest.split(' ').nth(22 - 3)?.parse().ok()
}

fn ended(process: &Pidfd) -> bool {
    process.wait(Deadline::PASSED).unwrap_or(false)
}
