//! Waiting for descriptors, with a deadline on the monotonic clock.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// The moment at which a call gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(When);

/// In the order in which they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum When {
    Passed,
    At(Instant),
    Never,
}

impl Deadline {
    /// No deadline: a call waits for as long as it takes.
    pub const NEVER: Self = Self(When::Never);

    /// A deadline that has passed: a call does what it can at once. No clock is read for it.
    pub const PASSED: Self = Self(When::Passed);

    /// The moment `timeout` from now. A timeout beyond what the clock can count means never.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_os::wait::Deadline;
    /// use std::time::Duration;
    ///
    /// assert_eq!(Deadline::after(Duration::MAX), Deadline::NEVER);
    /// assert_eq!(Deadline::after(Duration::ZERO), Deadline::PASSED);
    /// ```
    pub fn after(timeout: Duration) -> Self {
        if timeout.is_zero() {
            return Self::PASSED;
        }
        let at = Instant::now().checked_add(timeout);
        Self(at.map_or(When::Never, When::At))
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
        Self(self.0.min(other.0))
    }

    /// Returns what is left: `None` without a deadline, zero if it passed.
    pub fn left(self) -> Option<Duration> {
        match self.0 {
            When::Passed => Some(Duration::ZERO),
            When::At(at) => Some(at.saturating_duration_since(Instant::now())),
            When::Never => None,
        }
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
