//! An ordinary list is copied into each process that gets it.
//!
//! Each child negates its own copy, under one lock, so that their lines do not mix; the parent's
//! list stays as it was.

use examples::println;
use procession::{Lock, Process, current_process};
use std::thread::sleep;
use std::time::Duration;

fn negate(mut numbers: Vec<i32>, lock: Lock) -> anyhow::Result<()> {
    let _held = lock.acquire()?;
    for number in &mut numbers {
        *number = -*number;
        println!("{}: {number}", current_process().name());
        sleep(Duration::from_millis(10));
    }
    Ok(())
}

#[procession::main]
fn main() -> anyhow::Result<()> {
    let numbers = vec![1, 2, 3, 4];
    let lock = Lock::new()?;
    let khanh = Process::builder()
        .name("khanh process")
        .spawn(negate, (numbers.clone(), lock.clone()))?;
    let ai = Process::builder()
        .name("ai process")
        .spawn(negate, (numbers.clone(), lock))?;
    khanh.join()?;
    ai.join()?;
    println!("parent: {numbers:?}");
    Ok(())
}
