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
pub(crate) fn manager_clients<const COUNT: u32>() -> Result<f64> {
    let manager = Manager::start()?;
    let (gate, ready) = (manager.event()?, manager.list::<u32>()?);
    let value = manager.value(7_u32)?;
    let calls = CALLS.div_ceil(COUNT);
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
    let processes = (0..COUNT).map(start).collect::<Result<Vec<_>>>()?;
    while ready.len()? < COUNT as usize {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    timed(calls * COUNT, || {
        gate.set().context("the gate")?;
        processes
            .into_iter()
            .try_for_each(|process| Ok(process.join()?))
    })
}

/// Prints by how much the server's memory grows with each client, and with each of so many objects.
pub(crate) fn memory(objects: u64) -> Result<()> {
    const CLIENTS: u64 = 64;
    let manager = Manager::start()?;
    let own = manager.host(|| (), ())?;
    let size = || own.with(|()| size_of_this()).map_err(anyhow::Error::from);
    let (gate, ready) = (manager.event()?, manager.list::<u32>()?);
    let call = |gate: Event, ready: List<u32>| -> Result<()> {
        // So many that the connection gets its rings.
        (0..100).try_for_each(|_| ready.len().map(drop))?;
        ready.append(1)?;
        gate.wait().context("the gate")
    };
    let before = size()?;
    let start = |_| Ok(Process::spawn(call, (gate.clone(), ready.clone()))?);
    let processes = (0..CLIENTS).map(start).collect::<Result<Vec<_>>>()?;
    while ready.len()? < CLIENTS as usize {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let with_clients = size()?;
    println!(
        "a client: {} bytes",
        with_clients.saturating_sub(before) / CLIENTS
    );
    gate.set().context("the gate")?;
    for process in processes {
        process.join()?;
    }
    let before = size()?;
    let values = (0..objects).map(|_| manager.value(7_u32));
    let values = values.collect::<Result<Vec<_>, _>>()?;
    println!(
        "a value: {} bytes",
        size()?.saturating_sub(before) / objects.max(1)
    );
    drop(values);
    Ok(())
}

/// How much memory this process uses, shared pages in parts.
fn size_of_this() -> Result<u64> {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup")?;
    let pss = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let number = pss.and_then(|text| text.split_whitespace().next());
    Ok(number.context("no Pss in smaps_rollup")?.parse::<u64>()? * 1024)
}
