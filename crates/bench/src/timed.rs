//! The time of an operation.

use anyhow::Result;
use std::time::Instant;

/// Times `operations` and returns the nanoseconds of one.
pub(crate) fn timed(operations: u32, work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_secs_f64() * 1e9 / f64::from(operations))
}
