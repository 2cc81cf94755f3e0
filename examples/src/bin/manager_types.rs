//! Each of a manager's thirteen types, used by several processes at once.
//!
//! What the processes do stands in `examples/src/lib.rs`; here is what comes of it.

use examples::println;
use examples::*;
use procession::Manager;
use std::collections::BTreeSet;

#[procession::main]
fn main() -> anyhow::Result<()> {
    let manager = Manager::start()?;
    let list = manager.list()?;
    let n = together(2, &list, append)?.len();
    println!("list: {n} processes appended {} items", list.len()?);
    let dict = manager.dict_from([('n', 0)])?;
    let n = together(2, &dict, count_entry)?.len();
    let counted = dict.get('n')?.unwrap_or(0);
    println!("dict: {n} processes counted to {counted}");
    let names = manager.namespace()?;
    together(2, &names, set_attribute)?;
    let [x, y] = [names.get("x")?, names.get("y")?].map(Option::unwrap_or_default);
    println!("Namespace: x = {x}, y = {}", String::try_from(y)?);
    let total = manager.value(0)?;
    together(2, &(manager.lock()?, total.clone()), count_under_lock)?;
    println!("Lock: a counter under the lock is exactly {}", total.get()?);
    let depths = together(2, &manager.rlock()?, acquire_twice)?;
    assert_eq!(depths, [2, 2]);
    let n = depths.len();
    println!("RLock: acquired twice by each of {n} processes");
    let seen = together(4, &(manager.semaphore(2)?, manager.value(0)?), enter)?;
    assert!(seen.iter().all(|&inside| inside <= 2), "{seen:?}");
    println!("Semaphore: at most 2 of {} processes inside", seen.len());
    let permits = manager.bounded_semaphore(1)?;
    together(2, &permits, borrow)?;
    assert!(permits.release(1).is_err());
    println!("BoundedSemaphore: releasing once too often is refused");
    let woken = together(3, &manager.condition(&manager.lock()?)?, wait_for_notice)?;
    println!("Condition: {} waiters woken", woken.iter().sum::<u32>());
    let saw = together(3, &manager.event()?, see)?;
    println!("Event: {} waiters saw it set", saw.iter().sum::<u32>());
    let leads = together(3, &manager.barrier(3)?, meet)?;
    assert_eq!(leads.iter().filter(|&&leads| leads).count(), 1);
    let n = leads.len();
    println!("Barrier: {n} processes passed, one was the leader");
    let items = together(4, &manager.queue()?, pass)?.concat();
    assert_eq!(items.len(), BTreeSet::from_iter(&items).len());
    let n = items.len();
    println!("Queue: 2 producers, 2 consumers, {n} items, each once");
    let value = manager.value(0)?;
    together(2, &value, count)?;
    println!("Value: exactly {}", value.get()?);
    let array = manager.array([0; 2])?;
    together(2, &array, count_element)?;
    println!("Array: {:?}", array.to_vec()?);
    Ok(())
}
