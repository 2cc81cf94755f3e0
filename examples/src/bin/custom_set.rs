//! Any type can be hosted: here fifty processes add to one set.
//!
//! The closure runs in the server, under the object's lock, so it is one atomic step.

use anyhow::Result;
use examples::println;
use procession::Process;
use procession::manager::{Manager, Proxy};
use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::thread::sleep;
use std::time::Duration;

type Pairs = BTreeSet<(u32, u32)>;

/// A random number below 1000: the standard library seeds each hasher anew.
fn random() -> u32 {
    (RandomState::new().build_hasher().finish() % 1000) as u32
}

fn add(set: Proxy<Pairs>, number: u32) -> Result<()> {
    let value = random();
    sleep(Duration::from_millis(value.into()));
    set.call(|set, pair| set.insert(pair), (number, value))?;
    Ok(())
}

#[procession::main]
fn main() -> Result<()> {
    let manager = Manager::start()?;
    let set = manager.create(Pairs::new, ())?;
    let processes: Vec<_> = (0..50)
        .map(|number| Process::spawn(add, (set.clone(), number)))
        .collect::<Result<_, _>>()?;
    for process in processes {
        process.join()?;
    }
    println!("Done");
    println!("{}", set.with(|set| set.len())?);
    println!("{:?}", set.with(|set| set.clone())?);
    Ok(())
}
