//! Managers: starting one, calls one by one, in one trip, and of many clients.

use crate::timed::timed;
use anyhow::{Context, Result};
use procession_manager::{Batch, Event, List, Manager, Value};
use procession_process::Process;
use std::hint::black_box;

const STARTS: u32 = 20;
const CALLS: u32 = 20_000;
/// In one trip.
const COLLECTED: u32 = 1000;

pub(crate) fn manager_start() -> Result<f64> {
    drop(Manager::start()?);
    timed(STARTS, || {
        (0..STARTS).try_for_each(|_| Ok(Manager::start()?.shutdown()?))
    })
}

pub(crate) fn manager_append() -> Result<f64> {
    let manager = Manager::start()?;
    let list = manager.list::<u32>()?;
    timed(CALLS, || {
        (0..CALLS).try_for_each(|number| Ok(list.append(number)?))
    })
}

pub(crate) fn manager_batch() -> Result<f64> {
    let manager = Manager::start()?;
    let list = manager.list::<u32>()?;
    let trips = 100;
    timed(trips * COLLECTED, || {
        for _ in 0..trips {
            let mut batch = Batch::new();
            let mut results = Vec::with_capacity(COLLECTED as usize);
            for number in 0..COLLECTED {
                results.push(batch.add(&list, move |list| list.append(number))?);
            }
            batch.send()?;
            for result in results {
                black_box(result.get()?);
            }
        }
        Ok(())
    })
}

/// Has so many processes make calls at once; returns the time of all by the number of calls.
fn clients(count: u32) -> Result<f64> {
    let manager = Manager::start()?;
    let (gate, ready) = (manager.event()?, manager.list::<u32>()?);
    let value = manager.value(7_u32)?;
    let calls = CALLS.div_ceil(count);
    let work = |gate: Event, ready: List<u32>, value: Value<u32>, calls: u32| -> Result<()> {
        ready.append(1)?;
        gate.wait().context("the gate")?;
        for _ in 0..calls {
            black_box(value.get()?);
        }
        Ok(())
    };
    let start = |_| {
        let args = (gate.clone(), ready.clone(), value.clone(), calls);
        Ok(Process::spawn(work, args)?)
    };
    let processes = (0..count).map(start).collect::<Result<Vec<_>>>()?;
    while ready.len()? < count as usize {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    timed(calls * count, || {
        gate.set().context("the gate")?;
        processes
            .into_iter()
            .try_for_each(|process| Ok(process.join()?))
    })
}

pub(crate) fn manager_1() -> Result<f64> {
    clients(1)
}

pub(crate) fn manager_4() -> Result<f64> {
    clients(4)
}

pub(crate) fn manager_16() -> Result<f64> {
    clients(16)
}

pub(crate) fn manager_64() -> Result<f64> {
    clients(64)
}

pub(crate) fn manager_256() -> Result<f64> {
    clients(256)
}
