//! A pipe is a pair of descriptors; within one process it is a queue of bytes.
//!
//! What is written waits in the kernel until it is read. When the last writer is dropped, the
//! reader finds the end.

use examples::println;
use procession::pipe;
use std::io::{Read, Write};

fn main() -> anyhow::Result<()> {
    let (mut reader, mut writer) = pipe()?;

    writer.write_all(b"hel")?;
    writer.write_all(b"lo")?;
    drop(writer); // without this, the read below would wait for more

    let mut text = String::new();
    reader.read_to_string(&mut text)?;
    println!("{text}");
    Ok(())
}
