//! What fails in a child can be handled in its parent.
//!
//! By hand, the child writes the error's type and message into a pipe. But an error is a value
//! that a task returns, so simply joining brings back the error itself.

use examples::println;
use procession::{PipeWriter, Process, pipe};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::{Read, Write};

#[derive(Debug, Serialize, Deserialize)]
struct InsufficientFunds {
    balance: u32,
    wanted: u32,
}

impl fmt::Display for InsufficientFunds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "balance {} is below {}", self.balance, self.wanted)
    }
}

fn withdraw(balance: u32, wanted: u32) -> Result<u32, InsufficientFunds> {
    balance
        .checked_sub(wanted)
        .ok_or(InsufficientFunds { balance, wanted })
}

fn withdraw_and_tell(mut errors: PipeWriter) -> anyhow::Result<()> {
    if let Err(error) = withdraw(10, 25) {
        write!(errors, "{}: {error}", short_name(&error))?;
    }
    Ok(())
}

fn short_name<T>(_: &T) -> &'static str {
    let name = std::any::type_name::<T>();
    name.rsplit("::").next().unwrap_or(name)
}

#[procession::main]
fn main() -> anyhow::Result<()> {
    let (mut reader, writer) = pipe()?;
    let child = Process::spawn(withdraw_and_tell, (writer,))?;
    let mut told = String::new();
    reader.read_to_string(&mut told)?;
    child.join()?;
    println!("through the pipe: {told}");

    if let Err(error) = Process::spawn(withdraw, (10, 25))?.join()? {
        println!("through join: {}: {error}", short_name(&error));
    }
    Ok(())
}
