//! Making and dropping what is shared.

use crate::timed::timed;
use anyhow::Result;
use procession_shm::{Array, ShmError, Value};
use procession_sync::{Event, Lock};

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
