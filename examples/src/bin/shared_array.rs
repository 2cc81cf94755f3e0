//! An `Array` lies in memory that all processes share.
//!
//! Both children negate the same four numbers, one after the other, so the second one undoes what
//! the first one did.

use examples::println;
use procession::{Array, Lock, Process};
use std::thread::sleep;
use std::time::Duration;

fn negate(numbers: Array<i32>, lock: Lock, who: String) -> anyhow::Result<()> {
    let _held = lock.acquire()?;
    for i in 0..numbers.len() {
        numbers.set(i, -numbers.get(i));
        println!("{who}: {}", numbers.get(i));
        sleep(Duration::from_millis(10));
    }
    Ok(())
}

#[procession::main]
fn main() -> anyhow::Result<()> {
    let numbers = Array::from_iter(1..5)?;
    let lock = Lock::new()?;
    let khanh = Process::spawn(
        negate,
        (numbers.clone(), lock.clone(), "khanh process".into()),
    )?;
    let ai = Process::spawn(negate, (numbers.clone(), lock, "ai process".into()))?;
    khanh.join()?;
    ai.join()?;
    println!("parent: {:?}", numbers.to_vec());
    Ok(())
}
