//! Calls that sleep until they succeed, some of them after trying for a moment.

use crate::policy::wait_policy;
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

/// A call takes as long as so many looks at memory, for which the policy's bursts are made: with
/// more calls between two yields, who waits takes the processor from the one he waits for.
const LOOKS_PER_CALL: u32 = 16;

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
    let mut looks = 0_u32;
    let look = || {
        looks += 1;
        looks.is_multiple_of(LOOKS_PER_CALL).then(&mut attempt)?
    };
    match wait_policy().spin(deadline, look) {
        Some(result) => result.map_err(Stopped::Kernel),
        None => sleep_until(deadline, call, sleep),
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
