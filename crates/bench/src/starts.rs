//! Processes that are started, return something, and are joined.

use crate::timed::timed;
use anyhow::Result;
use procession_process::{Process, StartMethod};
use std::hint::black_box;

const STARTS: u32 = 100;

pub(crate) fn start_fork_server() -> Result<f64> {
    starts(StartMethod::ForkServer)
}

pub(crate) fn start_spawn() -> Result<f64> {
    starts(StartMethod::Spawn)
}

/// In a process of its own, since only one with a single thread can be copied.
pub(crate) fn start_fork() -> Result<f64> {
    Process::builder()
        .start_method(StartMethod::Spawn)
        .spawn(|| starts(StartMethod::Fork), ())?
        .join()
        .map_err(Into::into)
}

fn starts(method: StartMethod) -> Result<f64> {
    let start = || -> Result<()> {
        let builder = Process::builder().start_method(method);
        black_box(builder.spawn(std::process::id, ())?.join()?);
        Ok(())
    };
    // The first one starts the fork server.
    start()?;
    timed(STARTS, || (0..STARTS).try_for_each(|_| start()))
}
