//! The raw end of a pipe is an argument like any other.
//!
//! The child writes bytes into the end that it was given; the parent reads until every writer is
//! gone, its own included.

use examples::println;
use procession::{PipeWriter, Process, pipe};
use std::io::{Read, Write};

fn introduce(mut writer: PipeWriter) -> anyhow::Result<()> {
    println!("child: writing");
    writer.write_all(b"My name is Elliot")?;
    Ok(())
}

#[procession::main]
fn main() -> anyhow::Result<()> {
    let (mut reader, writer) = pipe()?;
    let child = Process::spawn(introduce, (writer,))?;
    let mut text = String::new();
    reader.read_to_string(&mut text)?;
    child.join()?;
    println!("parent: {text}");
    Ok(())
}
