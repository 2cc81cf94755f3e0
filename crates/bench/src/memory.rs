//! Locks, values and arrays, alone and with another process that wants the same.

use crate::timed::timed;
use anyhow::Result;
use procession_process::Process;
use procession_shm::{Array, Value};
use procession_sync::Lock;
use std::thread::yield_now;

fn acquire(lock: &Lock) -> Result<()> {
    drop(
        lock.acquire()
            .or_else(procession_sync::AcquireError::repaired)?,
    );
    Ok(())
}

pub(crate) fn lock_pair() -> Result<f64> {
    const PAIRS: u32 = 2_000_000;
    let lock = Lock::new()?;
    timed(PAIRS, || (0..PAIRS).try_for_each(|_| acquire(&lock)))
}

const CONTENDED: u32 = 500_000;

/// Runs `work` here while `other` does the same, and returns the nanoseconds of one operation.
fn contended(
    ready: &Value<u32>,
    other: Process<()>,
    work: impl FnOnce() -> Result<()>,
) -> Result<f64> {
    while ready.get() == 0 {
        yield_now();
    }
    timed(CONTENDED * 2, || {
        ready.set(2);
        work()?;
        other.join()?;
        Ok(())
    })
}

/// Says that this process is ready, and waits for the start.
fn get_set(ready: &Value<u32>) {
    ready.set(1);
    while ready.get() != 2 {
        yield_now();
    }
}

pub(crate) fn lock_contended() -> Result<f64> {
    let there = |lock: Lock, ready: Value<u32>| {
        get_set(&ready);
        (0..CONTENDED).try_for_each(|_| acquire(&lock))
    };
    let (lock, ready) = (Lock::new()?, Value::new(0)?);
    let other = Process::spawn(there, (lock.clone(), ready.clone()))?;
    contended(&ready, other, || {
        (0..CONTENDED).try_for_each(|_| acquire(&lock))
    })
}

fn count(value: &Value<i64>) {
    for _ in 0..CONTENDED {
        value.update(|count| *count += 1);
    }
}

pub(crate) fn value_contended() -> Result<f64> {
    let there = |value: Value<i64>, ready: Value<u32>| {
        get_set(&ready);
        count(&value);
    };
    let (value, ready) = (Value::new(0)?, Value::new(0)?);
    let other = Process::spawn(there, (value.clone(), ready.clone()))?;
    let cost = contended(&ready, other, || {
        count(&value);
        Ok(())
    })?;
    anyhow::ensure!(
        value.get() == i64::from(CONTENDED) * 2,
        "an update was lost"
    );
    Ok(cost)
}

pub(crate) fn array_set() -> Result<f64> {
    const SETS: u32 = 2_000_000;
    let array = Array::<i32>::zeroed(16)?;
    timed(SETS, || {
        for i in 0..SETS {
            array.set(i as usize % 16, i.cast_signed());
        }
        Ok(())
    })
}
