//! How long a call waits for a lock that another thread holds.

use procession_os::wait::Deadline;
use std::time::Duration;

/// How long a call waits.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Patience {
    /// For as long as a living thread holds it.
    Forever,
    /// For so long each time.
    For(Duration),
    /// Until then.
    Until(Deadline),
}

impl Patience {
    pub(crate) fn deadline(self) -> Deadline {
        match self {
            Self::Forever => Deadline::NEVER,
            Self::For(timeout) => Deadline::after(timeout),
            Self::Until(deadline) => deadline,
        }
    }
}
