//! Waiting for descriptors, with a deadline on the monotonic clock.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// The moment at which a call gives up; `None` waits for as long as it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// No deadline.
    pub const NEVER: Self = Self(None);

    /// The moment `timeout` from now. A timeout beyond what the clock can count means never.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_os::wait::Deadline;
    /// use std::time::Duration;
    ///
    /// assert_eq!(Deadline::after(Duration::MAX), Deadline::NEVER);
    /// assert!(Deadline::after(Duration::ZERO).passed());
    /// ```
    pub fn after(timeout: Duration) -> Self {
        Self(Instant::now().checked_add(timeout))
    }

    /// `Some` timeout from now, or never.
    pub fn after_opt(timeout: Option<Duration>) -> Self {
        timeout.map_or(Self::NEVER, Self::after)
    }

    /// Returns the earlier of the two.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_os::wait::Deadline;
    /// use std::time::Duration;
    ///
    /// let soon = Deadline::after(Duration::from_secs(1));
    /// assert_eq!(soon.min(Deadline::NEVER), soon);
    /// ```
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        match (self.0, other.0) {
            (Some(one), Some(other)) => Self(Some(one.min(other))),
            (one, other) => Self(one.or(other)),
        }
    }

    /// Returns what is left: `None` without a deadline, zero if it passed.
    pub fn left(self) -> Option<Duration> {
        self.0
            .map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// Returns whether the moment has come.
    pub fn passed(self) -> bool {
        self.left().is_some_and(|left| left.is_zero())
    }

    fn poll_timeout(self) -> PollTimeout {
        let Some(left) = self.left() else {
            return PollTimeout::NONE;
        };
        // Rounded up, so that a wait never ends before its deadline.
        let millis = left.as_nanos().div_ceil(1_000_000);
        let millis = i32::try_from(millis).unwrap_or(i32::MAX);
        PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)
    }
}

/// Waits until `fd` can be read, is at its end, or has failed; returns false if the deadline
/// passed first.
///
/// # Errors
///
/// What `poll` reports, other than an interruption by a signal.
pub fn readable(fd: BorrowedFd<'_>, deadline: Deadline) -> io::Result<bool> {
    poll_one(fd, PollFlags::POLLIN, deadline)
}

/// Waits until `fd` can be written, or its reader is gone; returns false if the deadline passed
/// first.
///
/// # Errors
///
/// What `poll` reports, other than an interruption by a signal.
pub fn writable(fd: BorrowedFd<'_>, deadline: Deadline) -> io::Result<bool> {
    poll_one(fd, PollFlags::POLLOUT, deadline)
}

fn poll_one(fd: BorrowedFd<'_>, events: PollFlags, deadline: Deadline) -> io::Result<bool> {
    let mut fds = [PollFd::new(fd, events)];
    Ok(poll(&mut fds, deadline)? != 0)
}

/// Waits until one of `fds` is ready; returns how many are, zero if the deadline passed first.
///
/// # Errors
///
/// What `poll` reports, other than an interruption by a signal.
pub fn poll(fds: &mut [PollFd<'_>], deadline: Deadline) -> io::Result<usize> {
    loop {
        match nix::poll::poll(fds, deadline.poll_timeout()) {
            // A wait longer than `poll` can count in one go is taken up again.
            Ok(0) if !deadline.passed() => {}
            Ok(ready) => return Ok(ready as usize),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}
