//! A pipe is a pair of descriptors; within one process it is a queue of bytes.

use procession::pipe;
use std::io::{Read, Write};

fn main() -> anyhow::Result<()> {
    let (mut reader, mut writer) = pipe()?;
    writer.write_all(b"hello")?;
    drop(writer);
    let mut text = String::new();
    reader.read_to_string(&mut text)?;
    println!("{text}");
    Ok(())
}
