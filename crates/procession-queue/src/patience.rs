//! How long a call waits.

use procession_os::wait::Deadline;
use std::time::Duration;

/// How long somebody who does not wait for items or room waits for a lock.
///
/// Locks are held for less than a microsecond, unless the holder is not running. This is long
/// enough for one that only waits for a processor, and ends the call if it is stopped.
const MOMENT: Duration = Duration::from_secs(1);

/// How long a call waits.
#[derive(Clone, Copy)]
pub(crate) enum Patience {
    /// Not at all.
    None,
    /// Until the deadline.
    Until(Deadline),
}

impl Patience {
    pub(crate) const FOREVER: Self = Self::Until(Deadline::NEVER);

    #[cfg(not(loom))]
    pub(crate) fn timeout(timeout: Duration) -> Self {
        Self::Until(Deadline::after(timeout))
    }

    /// Until when a lock is waited for that somebody holds now.
    pub(crate) fn for_lock(self) -> Deadline {
        match self {
            Self::None => Deadline::after(MOMENT),
            Self::Until(deadline) => deadline,
        }
    }
}
