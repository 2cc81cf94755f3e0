//! A pipe goes one way; two of them make a conversation.
//!
//! Each process has the reading end of one and the writing end of the other.

use examples::println;
use procession::{PipeReader, PipeWriter, Process, pipe};
use std::io::{BufRead, BufReader, Write};

fn answer(questions: PipeReader, mut answers: PipeWriter) -> anyhow::Result<()> {
    let mut question = String::new();
    BufReader::new(questions).read_line(&mut question)?;
    println!("child was asked: {}", question.trim_end());
    writeln!(answers, "{}", 6 * 7)?;
    Ok(())
}

#[procession::main]
fn main() -> anyhow::Result<()> {
    let (questions, mut ask) = pipe()?;
    let (listen, answers) = pipe()?;
    let child = Process::spawn(answer, (questions, answers))?;
    writeln!(ask, "what is 6 times 7?")?;
    let mut told = String::new();
    BufReader::new(listen).read_line(&mut told)?;
    child.join()?;
    println!("parent was told: {}", told.trim_end());
    Ok(())
}
