//! Queues: items in a stream, and there and back.

use crate::timed::timed;
use anyhow::Result;
use procession_process::Process;
use procession_queue::Queue;
use std::hint::black_box;

type Item = [u64; 8];

const ITEM: Item = [7; 8];

pub(crate) fn queue_stream() -> Result<f64> {
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

pub(crate) fn queue_echo() -> Result<f64> {
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
