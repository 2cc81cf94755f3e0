//! Programs that only know a path can talk through a named pipe.
//!
//! This program starts itself again as `reader` and as `writer`, two programs that are no family of
//! processes; the pipe outlives the first conversation and carries a second one.

use examples::println;
use procession::NamedPipe;
use std::io::{Read, Write};
use std::process::Command;
use std::time::Duration;

const PATH: &str = "conversation.fifo";
const PATIENCE: Option<Duration> = Some(Duration::from_secs(10));

fn read() -> anyhow::Result<()> {
    let mut text = String::new();
    NamedPipe::at(PATH)?
        .open_reader(PATIENCE)?
        .read_to_string(&mut text)?;
    println!("reader: {text}");
    Ok(())
}

fn write(text: &str) -> anyhow::Result<()> {
    NamedPipe::at(PATH)?
        .open_writer(PATIENCE)?
        .write_all(text.as_bytes())?;
    println!("writer: done");
    Ok(())
}

fn conversation(text: &str) -> anyhow::Result<()> {
    let this_program = std::env::current_exe()?;
    let mut reader = Command::new(&this_program).arg("reader").spawn()?;
    let mut writer = Command::new(&this_program).args(["writer", text]).spawn()?;
    anyhow::ensure!(
        reader.wait()?.success() & writer.wait()?.success(),
        "no conversation"
    );
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    match (args.next().as_deref(), args.next()) {
        (Some("reader"), None) => return read(),
        (Some("writer"), Some(text)) => return write(&text),
        _ => {}
    }
    let pipe = NamedPipe::create(PATH)?;
    conversation("first conversation")?;
    println!("still there: {}", NamedPipe::exists(PATH));
    conversation("second conversation")?;
    pipe.remove()?;
    println!("removed: {}", !NamedPipe::exists(PATH));
    Ok(())
}
