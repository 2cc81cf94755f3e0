//! What is measured. Each row does the same work as the Python program of its name.

use crate::pipes::{pipe_echo, pipe_stream};
use crate::starts::{start_fork, start_fork_server, start_spawn};
use anyhow::Result;
use procession_process::Process;
use procession_queue::Queue;
use procession_shm::{Array, Value};
use procession_sync::Lock;
use std::hint::black_box;
use std::thread::yield_now;
use std::time::Instant;

/// A row of the table.
pub(crate) struct Row {
    /// What is done.
    pub(crate) name: &'static str,
    /// Does it and returns the nanoseconds of one operation.
    pub(crate) ours: fn() -> Result<f64>,
    /// The Python program that does it and prints the same.
    pub(crate) python: &'static str,
}

macro_rules! row {
    ($name:literal, $ours:ident) => {
        Row {
            name: $name,
            ours: $ours,
            python: include_str!(concat!("../python/", stringify!($ours), ".py")),
        }
    };
}

/// All rows.
pub(crate) const ROWS: &[Row] = &[
    row!("Queue, one producer, one consumer, 64 B", queue_stream),
    row!("Queue, 64 B there and back", queue_echo),
    row!("Lock, uncontended pair", lock_pair),
    row!("Lock, 2 processes contending", lock_contended),
    row!("Value += 1 under its lock, 2 processes", value_contended),
    row!("Array, set an element", array_set),
    row!("Pipe, 64 B there and back", pipe_echo),
    row!("Pipe, 1 MiB message of a stream", pipe_stream),
    row!("Start + join, fork server", start_fork_server),
    row!("Start + join, spawn", start_spawn),
    row!("Start + join, fork", start_fork),
];

type Item = [u64; 8];

const ITEM: Item = [7; 8];

/// Times `operations` and returns the nanoseconds of one.
pub(crate) fn timed(operations: u32, work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_secs_f64() * 1e9 / f64::from(operations))
}

fn queue_stream() -> Result<f64> {
    const ITEMS: u32 = 300_000;
    let produce =
        |queue: Queue<Item>| -> Result<()> { (0..ITEMS).try_for_each(|_| Ok(queue.put(&ITEM)?)) };
    let queue = Queue::<Item>::bounded(10_000)?;
    // The first item comes when the producer has started.
    let producer = Process::spawn(produce, (queue.clone(),))?;
    black_box(queue.get()?);
    let cost = timed(ITEMS - 1, || {
        for _ in 1..ITEMS {
            black_box(queue.get()?);
        }
        Ok(())
    });
    producer.join()?;
    cost
}

fn queue_echo() -> Result<f64> {
    const TRIPS: u32 = 20_000;
    let echo = |there: Queue<Item>, back: Queue<Item>| -> Result<()> {
        (0..=TRIPS).try_for_each(|_| Ok(back.put(&there.get()?)?))
    };
    let (there, back) = (Queue::new()?, Queue::new()?);
    let process = Process::spawn(echo, (there.clone(), back.clone()))?;
    let trip = || -> Result<()> {
        there.put(&ITEM)?;
        black_box(back.get()?);
        Ok(())
    };
    trip()?;
    let cost = timed(TRIPS, || (0..TRIPS).try_for_each(|_| trip()));
    process.join()?;
    cost
}

fn acquire(lock: &Lock) -> Result<()> {
    drop(
        lock.acquire()
            .or_else(procession_sync::AcquireError::repaired)?,
    );
    Ok(())
}

fn lock_pair() -> Result<f64> {
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

fn lock_contended() -> Result<f64> {
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

fn value_contended() -> Result<f64> {
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

fn array_set() -> Result<f64> {
    const SETS: u32 = 2_000_000;
    let array = Array::<i32>::zeroed(16)?;
    timed(SETS, || {
        for i in 0..SETS {
            array.set(i as usize % 16, i.cast_signed());
        }
        Ok(())
    })
}
