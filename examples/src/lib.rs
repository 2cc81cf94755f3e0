//! What the demos share: how they print, and what the processes of `manager_types` do.
//!
//! Each task there gets what the processes of its group share, and its number in the group: sometimes
//! the first process has another part than the rest.

pub mod remote;

use anyhow::Result;
use procession::manager::{Array, Barrier, Dict, List, Lock, Namespace, Queue, RLock, Value};
use procession::manager::{BoundedSemaphore, Condition, Event, Semaphore};
use procession::{Process, Task};
use serde::{Serialize, de::DeserializeOwned};
use std::thread::yield_now;

/// Prints a line as the standard library's macro does, but without a panic when nobody reads any more,
/// as `head` does not after its last line.
#[macro_export]
macro_rules! println {
    ($($part:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stdout(), $($part)*);
    }};
}

/// Runs `task` with `shared` and a number in so many processes at once; returns their results.
pub fn together<F, T, M>(processes: usize, shared: &T, task: F) -> Result<Vec<F::Output>>
where
    F: Task<(T, usize), M>,
    T: Clone + Serialize + DeserializeOwned,
{
    let start = |number| Process::spawn(task, (shared.clone(), number));
    let started = (0..processes).map(start).collect::<Result<Vec<_>, _>>()?;
    let results = started.into_iter().map(Process::join);
    Ok(results.collect::<Result<_, _>>()?)
}

/// Appends 100 items.
pub fn append(list: List<u32>, _: usize) -> Result<()> {
    (0..100).try_for_each(|n| Ok(list.append(n)?))
}

/// Adds to one entry 100 times, each time in one atomic step.
pub fn count_entry(dict: Dict<char, u32>, _: usize) -> Result<()> {
    (0..100).try_for_each(|_| Ok(dict.call(|dict, key| dict[&key] += 1, 'n')?))
}

/// Sets the attribute that is this process's.
pub fn set_attribute(names: Namespace, number: usize) -> Result<()> {
    match number {
        0 => names.set("x", 10)?,
        _ => names.set("y", "hello")?,
    };
    Ok(())
}

/// Adds to a value 100 times, in two steps that only the lock keeps together.
pub fn count_under_lock((lock, total): (Lock, Value<u32>), _: usize) -> Result<()> {
    for _ in 0..100 {
        let _held = lock.acquire()?;
        total.set(total.get()? + 1)?;
    }
    Ok(())
}

/// Acquires a lock that it has already; returns how often it has it.
pub fn acquire_twice(lock: RLock, _: usize) -> Result<u32> {
    let _once = lock.acquire()?;
    let _twice = lock.acquire()?;
    Ok(2)
}

/// Enters, looks how many are inside, and leaves.
pub fn enter((permits, inside): (Semaphore, Value<usize>), _: usize) -> Result<usize> {
    let _permit = permits.acquire()?;
    let seen = inside.update(|inside| {
        *inside += 1;
        *inside
    })?;
    yield_now();
    inside.update(|inside| *inside -= 1)?;
    Ok(seen)
}

/// Takes the permit and gives it back.
pub fn borrow(permits: BoundedSemaphore, _: usize) -> Result<()> {
    drop(permits.acquire()?);
    Ok(())
}

/// Waits for a notice, or, as the first, gives one when two wait; returns how often it was woken.
pub fn wait_for_notice(condition: Condition, number: usize) -> Result<u32> {
    if number > 0 {
        drop(condition.wait(condition.acquire()?)?);
        return Ok(1);
    }
    while condition.waiters()? < 2 {
        yield_now();
    }
    condition.notify_all()?;
    Ok(0)
}

/// Waits until the first process has set the event; returns how often it saw that.
pub fn see(event: Event, number: usize) -> Result<u32> {
    match number {
        0 => event.set().map(|()| 0),
        _ => event.wait().map(|()| 1),
    }
    .map_err(anyhow::Error::from)
}

/// Waits for the others; returns whether it is their leader.
pub fn meet(barrier: Barrier, _: usize) -> Result<bool> {
    Ok(barrier.wait()? == 0)
}

/// Puts 50 items, if it is one of the first two, or else gets and returns 50.
pub fn pass(queue: Queue<usize>, number: usize) -> Result<Vec<usize>> {
    if number < 2 {
        (0..50).try_for_each(|n| queue.put(&(number * 50 + n)))?;
        return Ok(Vec::new());
    }
    (0..50).map(|_| Ok(queue.get()?)).collect()
}

/// Adds to a value 100 times.
pub fn count(value: Value<u32>, _: usize) -> Result<()> {
    (0..100).try_for_each(|_| Ok(value.update(|count| *count += 1)?))
}

/// Adds to its own element 100 times.
pub fn count_element(array: Array<u32>, number: usize) -> Result<()> {
    (0..100).try_for_each(|_| Ok(array.call(|array, i| array[i] += 1, number)?))
}
