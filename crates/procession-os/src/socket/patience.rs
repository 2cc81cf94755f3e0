//! Calls that sleep until they succeed, some of them after trying for a moment.
//!
//! Who waits for a message tries for as long as a process on another processor takes to answer, then in
//! the bursts of the policy, between which the processor is offered to others, for as long as trying
//! pays in this thread. Then it sleeps, in the first call if it can.

use crate::policy::{Looks, wait_policy};
use crate::wait::Deadline;
use nix::errno::Errno;
use nix::sys::socket::MsgFlags;
use std::io;

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

/// So many calls take several microseconds, in which a process that runs has answered: to offer the
/// processor to others costs more than a call, and comes back late.
const KEEN_CALLS: u32 = 16;

/// A call takes as long as so many looks at memory.
const LOOKS_PER_CALL: u32 = 16;

/// Calls `call` with `MSG_DONTWAIT` for as long as that pays, then sleeps until it succeeds.
#[inline]
pub(super) fn patiently<T>(
    deadline: Deadline,
    mut call: impl FnMut(MsgFlags) -> Result<T, Errno>,
    sleep: impl Fn(Deadline) -> io::Result<bool>,
) -> Result<T, Stopped> {
    let policy = wait_policy();
    let looks = |checks: u32| Looks {
        first: KEEN_CALLS,
        next: checks / LOOKS_PER_CALL,
    };
    let attempt = || match call(MsgFlags::MSG_DONTWAIT) {
        Err(Errno::EAGAIN | Errno::EINTR) => None,
        result => Some(result),
    };
    match policy.look_while_it_pays(deadline, looks, attempt) {
        Some(result) => result.map_err(Stopped::Kernel),
        None => policy.sleep(|| sleep_until(deadline, call, sleep)),
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
            Err(Errno::EAGAIN) if deadline.passed() => {
                return Err(Stopped::Waiting(io::ErrorKind::TimedOut.into()));
            }
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
