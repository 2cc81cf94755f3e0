//! A duplex `Pipe` carries typed values both ways.
//!
//! Each end says what it sends and what it receives; any serde type will do, the user's own too.

use examples::println;
use procession::{Connection, Pipe, Process};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
enum Message {
    Text(String),
    Place(Point),
}

#[derive(Debug, Serialize, Deserialize)]
struct Point {
    x: i32,
    y: i32,
}

fn converse(parent: Connection<Message, String>) -> anyhow::Result<()> {
    println!("child received: {}", parent.recv()?);
    parent.send(&Message::Text("hi".into()))?;
    parent.send(&Message::Place(Point { x: 3, y: 4 }))?;
    Ok(())
}

#[procession::main]
fn main() -> anyhow::Result<()> {
    let (child_end, parent_end) = Pipe::duplex::<Message, String>()?;
    let child = Process::spawn(converse, (child_end,))?;
    parent_end.send(&"hello".into())?;
    for _ in 0..2 {
        match parent_end.recv()? {
            Message::Text(text) => println!("parent received: {text}"),
            Message::Place(point) => println!("parent received: {point:?}"),
        }
    }
    child.join()?;
    Ok(())
}
