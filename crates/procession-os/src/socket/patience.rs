//! Calls that sleep until they succeed, some of them after trying for a moment.
//!
//! Who waits for a message first tries *keenly*, call after call, for as long as a process on another
//! processor takes to answer: a yield costs more than a call and comes back late. Then *gently*, in
//! the bursts of the policy, between which the processor is offered to others. Then it sleeps.
//!
//! Trying pays if the other process runs meanwhile. On a machine that has more to do than processors
//! it does not: each yield lets somebody else run for milliseconds, and who spins is no longer
//! preferred when it wakes. So a thread whose trying was in vain goes without for a while: for 3 waits,
//! then 15, 63 and so on up to 1023. Each time that it pays halves the number. With
//! [`WaitPolicy::Latency`] it always tries. Trying keenly does not pay if the other process is on the
//! same processor, and is counted by itself, whatever the policy.

use crate::policy::{WaitPolicy, wait_policy};
use crate::wait::Deadline;
use nix::errno::Errno;
use nix::sys::socket::MsgFlags;
use std::cell::Cell;
use std::io;
use std::iter::repeat_with;
use std::time::{Duration, Instant};

/// Why a call moved no byte.
pub(super) enum Stopped {
    Kernel(Errno),
    /// Waiting failed, or took too long.
    Waiting(io::Error),
}

impl From<Stopped> for io::Error {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Kernel(errno) => errno.into(),
            Stopped::Waiting(error) => error,
        }
    }
}

/// A call takes as long as so many looks at memory, for which the policy's bursts are made: with
/// more calls between two yields, who waits takes the processor from the one he waits for.
const LOOKS_PER_CALL: u32 = 16;

/// So many calls take several microseconds, in which a process that runs has answered.
const KEEN_CALLS: usize = 16;

/// Calls `call` with `MSG_DONTWAIT` for a moment, then sleeps until it succeeds.
#[inline]
pub(super) fn patiently<T>(
    deadline: Deadline,
    mut call: impl FnMut(MsgFlags) -> Result<T, Errno>,
    sleep: impl Fn(Deadline) -> io::Result<bool>,
) -> Result<T, Stopped> {
    let mut attempt = || match call(MsgFlags::MSG_DONTWAIT) {
        Err(Errno::EAGAIN | Errno::EINTR) => None,
        result => Some(result),
    };
    if let Some(result) = attempt() {
        return result.map_err(Stopped::Kernel);
    }
    if deadline.passed() {
        return Err(Stopped::Waiting(io::ErrorKind::TimedOut.into()));
    }
    match try_on(deadline, attempt) {
        Some(result) => result.map_err(Stopped::Kernel),
        None => sleep_until(deadline, call, sleep),
    }
}

/// Tries again for as long as the policy says, unless that was in vain lately.
fn try_on<T>(deadline: Deadline, mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let policy = wait_policy();
    if !policy.spins() {
        return None;
    }
    let mut both = || keenly(&mut attempt).or_else(|| gently(policy, deadline, &mut attempt));
    match policy {
        WaitPolicy::Balanced => TRIES.with(|tries| tries.attempt(both)),
        _ => both(),
    }
}

/// Tries a few times at once, unless that was in vain lately.
fn keenly<T>(attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let calls = || repeat_with(attempt).take(KEEN_CALLS).flatten().next();
    KEEN.with(|keen| keen.attempt(calls))
}

/// Tries in the bursts of the policy.
fn gently<T>(
    policy: WaitPolicy,
    deadline: Deadline,
    mut attempt: impl FnMut() -> Option<T>,
) -> Option<T> {
    let mut looks = 0_u32;
    policy.spin(deadline, || {
        looks += 1;
        looks.is_multiple_of(LOOKS_PER_CALL).then(&mut attempt)?
    })
}

/// Whether a thread's trying pays.
struct Tries {
    /// How many waits go without.
    left_out: Cell<u16>,
    /// How many went without after the last one in vain.
    penalty: Cell<u16>,
}

thread_local! {
    /// Before sleeping.
    static TRIES: Tries = const { Tries::new() };
    /// Before the processor is offered to others.
    static KEEN: Tries = const { Tries::new() };
}

/// When what was tried for comes later than this, somebody else had the processor.
const LATE: Duration = Duration::from_micros(100);

/// The most waits that go without in a row.
const LONGEST: u16 = 1023;

impl Tries {
    const fn new() -> Self {
        Self {
            left_out: Cell::new(0),
            penalty: Cell::new(0),
        }
    }

    /// Tries, unless that was in vain lately.
    fn attempt<T>(&self, attempt: impl FnOnce() -> Option<T>) -> Option<T> {
        if let Some(left) = self.left_out.get().checked_sub(1) {
            self.left_out.set(left);
            return None;
        }
        let start = Instant::now();
        let found = attempt();
        self.note(found.is_some() && start.elapsed() < LATE);
        found
    }

    fn note(&self, paid: bool) {
        let penalty = match self.penalty.get() {
            penalty if paid => penalty / 2,
            penalty => (penalty * 4 + 3).min(LONGEST),
        };
        self.penalty.set(penalty);
        self.left_out.set(penalty);
    }
}

/// Sleeps until `call` succeeds.
///
/// Without a deadline the kernel sleeps in the call itself, which saves a `poll`.
pub(super) fn sleep_until<T>(
    deadline: Deadline,
    mut call: impl FnMut(MsgFlags) -> Result<T, Errno>,
    sleep: impl Fn(Deadline) -> io::Result<bool>,
) -> Result<T, Stopped> {
    let flags = match deadline {
        Deadline::NEVER => MsgFlags::empty(),
        _ => MsgFlags::MSG_DONTWAIT,
    };
    loop {
        match call(flags) {
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => sleep(deadline)
                .and_then(in_time)
                .map_err(Stopped::Waiting)?,
            result => return result.map_err(Stopped::Kernel),
        }
    }
}

pub(super) fn in_time(ready: bool) -> io::Result<()> {
    if ready {
        Ok(())
    } else {
        Err(io::ErrorKind::TimedOut.into())
    }
}
