//! Moments that several processes can compare.

use nix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Returns the time on the monotonic clock, in nanoseconds; never zero.
pub(crate) fn now() -> u64 {
    // The clock is there on every Linux.
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from);
    now.map_or(1, |now| now.as_nanos() as u64).max(1)
}
