//! The life of a manager: start it, share what it hosts, shut it down.
//!
//! Its proxies are arguments like any other. A call after the end is an error, not a wait.

use examples::println;
use procession::Process;
use procession::manager::{Dict, List, Manager, Object};

fn work(list: List<i64>, dict: Dict<Object, Object>) -> anyhow::Result<()> {
    list.append(4)?;
    dict.insert("b", 2)?;
    Ok(())
}

#[procession::main]
fn main() -> anyhow::Result<()> {
    let manager = Manager::start()?;
    let list = manager.list_from([1, 2, 3])?;
    let dict = manager.dict::<Object, Object>()?;
    dict.insert("a", 1)?;
    Process::spawn(work, (list.clone(), dict.clone()))?.join()?;
    println!("{:?}", list.to_vec()?);
    println!("{}", dict.repr()?);

    manager.shutdown()?;
    match list.to_vec() {
        Ok(numbers) => anyhow::bail!("the server still answers: {numbers:?}"),
        Err(error) => println!("after shutdown: {error}"),
    }
    Ok(())
}
