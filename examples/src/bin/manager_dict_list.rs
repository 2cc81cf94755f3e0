//! A manager keeps collections in a server process; every process changes the same ones.
//!
//! `Object` is the value of any kind, for collections that are as mixed as Python's.

use examples::println;
use procession::Process;
use procession::manager::{Dict, List, Manager, Object};

fn fill(dict: Dict<Object, Object>, list: List<i64>) -> anyhow::Result<()> {
    dict.insert(1, "1")?;
    dict.insert("2", 2)?;
    dict.insert(0.25, Object::None)?;
    list.reverse()?;
    Ok(())
}

#[procession::main]
fn main() -> anyhow::Result<()> {
    let manager = Manager::start()?;
    let dict = manager.dict::<Object, Object>()?;
    let list = manager.list_from(0..10)?;
    Process::spawn(fill, (dict.clone(), list.clone()))?.join()?;
    println!("{}", dict.repr()?);
    println!("{:?}", list.to_vec()?);
    Ok(())
}
