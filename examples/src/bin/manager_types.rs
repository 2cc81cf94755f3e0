//! Each of a manager's thirteen types, used by several processes at once.
//!
//! The first process of a group sometimes has another part than the rest; its number says so.

use anyhow::Result;
use procession::manager::{Array, Barrier, Dict, List, Lock, Namespace, Queue, RLock, Value};
use procession::manager::{BoundedSemaphore, Condition, Event, Manager, Semaphore};
use procession::{Process, Task};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeSet;
use std::thread::yield_now;

/// Runs `task` with `shared` and a number in so many processes at once; returns their results.
fn together<F, T, M>(processes: usize, shared: &T, task: F) -> Result<Vec<F::Output>>
where
    F: Task<(T, usize), M>,
    T: Clone + Serialize + DeserializeOwned,
{
    let started: Result<Vec<_>, _> = (0..processes)
        .map(|i| Process::spawn(task, (shared.clone(), i)))
        .collect();
    started?
        .into_iter()
        .map(|process| Ok(process.join()?))
        .collect()
}

#[procession::main]
fn main() -> Result<()> {
    let manager = Manager::start()?;
    let types = [
        list,
        dict,
        namespace,
        lock,
        rlock,
        semaphore,
        bounded_semaphore,
        condition,
        event,
        barrier,
        queue,
        value,
        array,
    ];
    types.iter().try_for_each(|show| show(&manager))
}

fn list(manager: &Manager) -> Result<()> {
    let list = manager.list()?;
    let append = |list: List<u32>, _: usize| (0..100).for_each(|n| list.append(n).unwrap());
    let n = together(2, &list, append)?.len();
    println!("list: {n} processes appended {} items", list.len()?);
    Ok(())
}

fn dict(manager: &Manager) -> Result<()> {
    let dict = manager.dict_from([('n', 0)])?;
    let count = |dict: Dict<char, u32>, _: usize| {
        (0..100).for_each(|_| dict.call(|dict, key| dict[&key] += 1, 'n').unwrap());
    };
    let n = together(2, &dict, count)?.len();
    println!(
        "dict: {n} processes counted to {}",
        dict.get('n')?.unwrap_or(0)
    );
    Ok(())
}

fn namespace(manager: &Manager) -> Result<()> {
    let names = manager.namespace()?;
    together(2, &names, |names: Namespace, i: usize| match i {
        0 => drop(names.set("x", 10).unwrap()),
        _ => drop(names.set("y", "hello").unwrap()),
    })?;
    let get = |name| Ok::<_, anyhow::Error>(names.get(name)?.unwrap_or_default());
    println!(
        "Namespace: x = {}, y = {}",
        get("x")?,
        String::try_from(get("y")?)?
    );
    Ok(())
}

fn lock(manager: &Manager) -> Result<()> {
    let (lock, total) = (manager.lock()?, manager.value(0)?);
    together(
        2,
        &(lock, total.clone()),
        |(lock, total): (Lock, Value<u32>), _: usize| {
            for _ in 0..100 {
                let _held = lock.acquire().unwrap();
                total.set(total.get().unwrap() + 1).unwrap();
            }
        },
    )?;
    println!("Lock: a counter under the lock is exactly {}", total.get()?);
    Ok(())
}

fn rlock(manager: &Manager) -> Result<()> {
    let n = together(2, &manager.rlock()?, |lock: RLock, _: usize| {
        let _once = lock.acquire().unwrap();
        let _twice = lock.acquire().unwrap();
    })?;
    println!("RLock: acquired twice by each of {} processes", n.len());
    Ok(())
}

fn semaphore(manager: &Manager) -> Result<()> {
    let (two, inside) = (manager.semaphore(2)?, manager.value(0)?);
    let enter = |(two, inside): (Semaphore, Value<u32>), _: usize| {
        let _permit = two.acquire().unwrap();
        let seen = inside
            .update(|n| {
                *n += 1;
                *n
            })
            .unwrap();
        yield_now();
        inside.update(|n| *n -= 1).unwrap();
        seen
    };
    let seen = together(4, &(two, inside), enter)?;
    let most = if seen.iter().all(|&n| n <= 2) {
        2
    } else {
        seen.len()
    };
    println!(
        "Semaphore: at most {most} of {} processes inside",
        seen.len()
    );
    Ok(())
}

fn bounded_semaphore(manager: &Manager) -> Result<()> {
    let bounded = manager.bounded_semaphore(1)?;
    together(2, &bounded, |one: BoundedSemaphore, _: usize| {
        drop(one.acquire().unwrap())
    })?;
    let verdict = if bounded.release().is_err() {
        "refused"
    } else {
        "accepted"
    };
    println!("BoundedSemaphore: releasing once too often is {verdict}");
    Ok(())
}

fn condition(manager: &Manager) -> Result<()> {
    let woken = together(
        3,
        &manager.condition()?,
        |condition: Condition, i: usize| {
            let mut guard = condition.acquire().unwrap();
            if i > 0 {
                guard.wait().unwrap();
                return 1;
            }
            drop(guard);
            while condition.waiting().unwrap() < 2 {
                yield_now();
            }
            condition.notify_all().unwrap();
            0
        },
    )?;
    println!("Condition: {} waiters woken", woken.iter().sum::<u32>());
    Ok(())
}

fn event(manager: &Manager) -> Result<()> {
    let event = manager.event()?;
    let saw = together(3, &event, |event: Event, i: usize| match i {
        0 => event.set().map(|()| 0).unwrap(),
        _ => event.wait().map(|()| 1).unwrap(),
    })?;
    println!("Event: {} waiters saw it set", saw.iter().sum::<u32>());
    Ok(())
}

fn barrier(manager: &Manager) -> Result<()> {
    let leads = together(3, &manager.barrier(3)?, |barrier: Barrier, _: usize| {
        barrier.wait().unwrap().is_leader()
    })?;
    let leaders = ["none", "one", "two", "three"][leads.iter().filter(|&&leads| leads).count()];
    println!(
        "Barrier: {} processes passed, {leaders} was the leader",
        leads.len()
    );
    Ok(())
}

fn queue(manager: &Manager) -> Result<()> {
    let items = together(4, &manager.queue()?, |queue: Queue<u32>, i: usize| {
        match i as u32 {
            i @ 0..2 => (i * 50..i * 50 + 50)
                .filter(|&n| queue.put(n).is_err())
                .collect(),
            _ => (0..50).map(|_| queue.get().unwrap()).collect::<Vec<_>>(),
        }
    })?;
    let distinct: BTreeSet<u32> = items.iter().flatten().copied().collect();
    anyhow::ensure!(
        items.iter().flatten().count() == distinct.len(),
        "an item came twice"
    );
    println!(
        "Queue: 2 producers, 2 consumers, {} items, each once",
        distinct.len()
    );
    Ok(())
}

fn value(manager: &Manager) -> Result<()> {
    let value = manager.value(0)?;
    together(2, &value, |value: Value<u32>, _: usize| {
        (0..100).for_each(|_| value.update(|n| *n += 1).unwrap());
    })?;
    println!("Value: exactly {}", value.get()?);
    Ok(())
}

fn array(manager: &Manager) -> Result<()> {
    let array = manager.array([0; 2])?;
    together(2, &array, |array: Array<u32>, i: usize| {
        (0..100).for_each(|_| array.call(|array, i| array[i] += 1, i).unwrap());
    })?;
    println!("Array: {:?}", array.to_vec()?);
    Ok(())
}
