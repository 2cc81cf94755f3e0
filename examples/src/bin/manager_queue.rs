//! A manager's queue hands each item to one process, and knows when all of them are done with.
//!
//! Three processes, one after the other, each take one; then `join` has nothing to wait for.

use examples::println;
use procession::Process;
use procession::manager::{JoinableQueue, Manager};

fn take_one(queue: JoinableQueue<u32>) -> anyhow::Result<()> {
    let item = queue.get()?;
    println!("Process {} popped {item}", std::process::id());
    queue.task_done()?;
    Ok(())
}

#[procession::main]
fn main() -> anyhow::Result<()> {
    let manager = Manager::start()?;
    let queue = manager.joinable_queue()?;
    for item in [2, 3, 4] {
        queue.put(&item)?;
    }
    for _ in 0..3 {
        Process::spawn(take_one, (queue.clone(),))?.join()?;
    }
    queue.join()?;
    println!("all tasks done");
    Ok(())
}
