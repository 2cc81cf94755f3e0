//! Making and dropping what is shared.

use crate::timed::timed;
use anyhow::{Context, Result};
use nix::sys::statvfs::statvfs;
use procession_shm::{Array, ShmError, Value};
use procession_sync::{Event, Lock, Semaphore};
use std::fs;

const TIMES: u32 = 20_000;
const LARGE: u32 = 200;

fn made<T>(times: u32, make: impl Fn() -> Result<T, ShmError>) -> Result<f64> {
    // What all of them lie in is there.
    let _first = make()?;
    timed(times, || {
        (0..times).try_for_each(|_| {
            drop(make()?);
            Ok(())
        })
    })
}

pub(crate) fn made_lock() -> Result<f64> {
    made(TIMES, Lock::new)
}

pub(crate) fn made_event() -> Result<f64> {
    made(TIMES, Event::new)
}

pub(crate) fn made_value() -> Result<f64> {
    made(TIMES, || Value::new(7_u64))
}

pub(crate) fn made_array() -> Result<f64> {
    made(TIMES, || Array::<u8>::zeroed(1 << 10))
}

pub(crate) fn made_large_array() -> Result<f64> {
    made(LARGE, || Array::<u8>::zeroed(1 << 20))
}

/// The bytes of shared memory that are used, and those that this process has for itself.
fn used() -> Result<f64> {
    let shared = statvfs("/dev/shm")?;
    let shared = (shared.blocks() - shared.blocks_free()) * shared.fragment_size();
    let status = fs::read_to_string("/proc/self/status")?;
    let own = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let own = own.and_then(|own| own.trim().strip_suffix(" kB"));
    let own: u64 = own.context("the kernel does not say")?.parse()?;
    let kib = u32::try_from(shared / 1024 + own)?;
    Ok(f64::from(kib) * 1024.0)
}

/// Returns how many bytes one of many takes.
fn memory<T>(make: impl Fn() -> Result<T, ShmError>) -> Result<f64> {
    const MANY: u32 = 10_000;
    let _first = make()?;
    let before = used()?;
    let many = (0..MANY).map(|_| make()).collect::<Result<Vec<_>, _>>()?;
    let taken = (used()? - before) / f64::from(MANY);
    drop(many);
    Ok(taken)
}

pub(crate) fn lock_memory() -> Result<f64> {
    memory(Lock::new)
}

pub(crate) fn semaphore_memory() -> Result<f64> {
    memory(|| Semaphore::new(1))
}
