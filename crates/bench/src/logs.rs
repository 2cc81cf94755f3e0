//! Log records of a worker: what the call that logs costs there.

use crate::timed::timed;
use anyhow::Result;
use log::{LevelFilter, Log, Metadata, Record};
use procession_process::Process;
use std::time::Duration;

/// Fewer than the queue to a logger has room for.
const RECORDS: u32 = 8000;

const FORMAT: &str = "%(asctime)s %(levelname)s %(processName)s %(message)s";

/// A logger that takes everything and does nothing.
struct Nowhere;

impl Log for Nowhere {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, _: &Record<'_>) {}

    fn flush(&self) {}
}

fn log_many() -> Result<f64> {
    timed(RECORDS, || {
        (0..RECORDS).for_each(|number| log::info!("record number {number}"));
        Ok(())
    })
}

fn log_unwanted_many() -> Result<f64> {
    timed(RECORDS, || {
        (0..RECORDS).for_each(|number| log::debug!("record number {number}"));
        Ok(())
    })
}

fn file_of_worker(worker: fn() -> Result<f64>) -> Result<f64> {
    let folder = tempfile::tempdir()?;
    let builder = procession_log::builder().file(folder.path().join("bench.log"));
    let builder = builder.format(FORMAT).level(LevelFilter::Info);
    builder.rotate_at(1 << 30).install()?;
    worker()
}

pub(crate) fn log_file() -> Result<f64> {
    // A process has one log.
    let root = || file_of_worker(|| Ok(Process::spawn(log_many, ())?.join()?));
    Ok(Process::spawn(root, ())?.join()?)
}

pub(crate) fn log_unwanted() -> Result<f64> {
    let root = || file_of_worker(|| Ok(Process::spawn(log_unwanted_many, ())?.join()?));
    Ok(Process::spawn(root, ())?.join()?)
}

pub(crate) fn log_forwarded() -> Result<f64> {
    let root = || -> Result<f64> {
        log::set_logger(&Nowhere)?;
        log::set_max_level(LevelFilter::Info);
        procession_log::builder()
            .forward()
            .level(LevelFilter::Info)
            .install()?;
        let cost = Process::spawn(log_many, ())?.join()?;
        procession_log::flush(Duration::from_secs(10));
        Ok(cost)
    };
    Ok(Process::spawn(root, ())?.join()?)
}
