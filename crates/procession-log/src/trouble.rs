//! What the log cannot do, told once.
//!
//! The log has no other place for it than standard error. A reader that does not read must not hold up
//! who logs; so what does not fit there is not told.

use crate::shared::Shared;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::write;
use procession_os::file_size::within_limit;
use std::io;
use std::os::fd::AsFd;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The file takes no records.
pub(crate) const FILE: u64 = 1;
/// The file cannot be changed for a new one.
pub(crate) const ROTATION: u64 = 2;
/// Standard error takes no records.
pub(crate) const STDERR: u64 = 4;
/// The logger of the process that installed the log takes no records.
pub(crate) const FORWARD: u64 = 8;

/// Says on standard error what the log cannot do, unless a process of this log has said so before.
pub(crate) fn tell(shared: &Shared, trouble: u64, what: &str, error: &io::Error) {
    if !shared.is_news(trouble) {
        return;
    }
    let stderr = io::stderr();
    let mut ready = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    if poll(&mut ready, PollTimeout::ZERO).is_ok_and(|ready| ready > 0) {
        let text = format!("procession: {what}: {error}\n");
        // Not through the stream's lock, which another thread may hold while it waits.
        let _ = within_limit(|| Ok(write(&stderr, text.as_bytes())?));
    }
}

/// A time in which something is not tried again.
#[derive(Debug, Default)]
pub(crate) struct Pause(AtomicU64);

/// Where the time of this process begins.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Pause {
    /// Begins a pause, which ends by itself.
    pub(crate) fn begin(&self, length: Duration) {
        let end = (START.elapsed() + length).as_micros() as u64;
        self.0.store(end.max(1), Ordering::Relaxed);
    }

    /// Returns whether it lasts.
    pub(crate) fn is_on(&self) -> bool {
        let end = self.0.load(Ordering::Relaxed);
        end != 0 && end > START.elapsed().as_micros() as u64
    }
}
