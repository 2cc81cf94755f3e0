//! An object of your own type, hosted in a server process, is called through a typed proxy.
//!
//! `#[procession::shared]` makes `MathsProxy`, which has the same methods, each returning a
//! `Result`; any process that is given the proxy can call them.

use examples::println;
use procession::Process;
use procession::manager::Manager;

struct Maths;

#[procession::shared]
impl Maths {
    pub fn new() -> Self {
        Self
    }

    pub fn add(&self, x: i64, y: i64) -> i64 {
        x + y
    }

    pub fn mul(&self, x: i64, y: i64) -> i64 {
        x * y
    }
}

fn calculate(maths: MathsProxy) -> anyhow::Result<()> {
    println!("{}", maths.add(4, 3)?);
    println!("{}", maths.mul(7, 8)?);
    Ok(())
}

#[procession::main]
fn main() -> anyhow::Result<()> {
    let manager = Manager::start()?;
    let maths = manager.create(Maths::new, ())?;
    Process::spawn(calculate, (maths,))?.join()?;
    Ok(())
}
