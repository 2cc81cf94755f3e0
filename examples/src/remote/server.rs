//! A program that is a server and nothing else: `remote_server ADDRESS KEY`.
//!
//! The address is a path, `@name` or `127.0.0.1:6000`. Whoever has the key gets the objects by their names;
//! the program ends with its standard input.

use anyhow::{Context, Result};
use examples::println;
use examples::remote::{Article, Stock};
use procession::manager::{List, Manager, ManagerHandle, Object};
use procession::{Address, Fd};
use std::io::Read;

struct Counter(u64);

#[procession::shared]
impl Counter {
    pub fn new(from: u64) -> Self {
        Self(from)
    }

    pub fn next(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }

    pub fn reset(&mut self, to: u64) {
        self.0 = to;
    }
}

/// Makes what others get by name.
fn set_up(manager: &ManagerHandle, (): ()) -> Result<()> {
    let stock = manager.create(Stock::new, (manager.list()?,))?;
    let pear = Article {
        count: 12,
        price: 0.5,
    };
    stock.add("pear", pear)?;
    manager.register("stock", &stock)?;
    manager.export::<List<String>>()?;
    manager.register("counter", &manager.create(Counter::new, (0,))?)?;
    manager.register_constructor("counting from", Counter::new)?;

    manager.register("list", &manager.list_from([3_i64, 1, 2])?)?;
    manager.register("mixed", &manager.list::<Object>()?)?;
    manager.register("dict", &manager.dict::<String, f64>()?)?;
    manager.register("namespace", &manager.namespace()?)?;
    manager.register("value", &manager.value(7_i64)?)?;
    manager.register("array", &manager.array([1.0_f64, 2.0])?)?;
    manager.register("queue", &manager.queue::<String>()?)?;
    manager.register("files", &manager.queue::<Fd>()?)?;
    manager.register("lock", &manager.lock()?)?;
    manager.register("rlock", &manager.rlock()?)?;
    manager.register("semaphore", &manager.semaphore(2)?)?;
    manager.register("bounded", &manager.bounded_semaphore(1)?)?;
    manager.register("condition", &manager.condition(&manager.lock()?)?)?;
    manager.register("event", &manager.event()?)?;
    manager.register("barrier", &manager.barrier(2)?)?;

    let address = manager.public_address()?.context("it listens")?;
    println!("{address}");
    let manager = manager.clone();
    std::thread::spawn(move || {
        // Whatever it reads: it waits for the end.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        manager.stop()
    });
    Ok(())
}

#[procession::main]
fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(address), Some(key)) = (args.next(), args.next()) else {
        anyhow::bail!("remote_server ADDRESS KEY");
    };
    let builder = Manager::builder().address(address.parse::<Address>()?);
    builder.key(key).initializer(set_up, ()).serve_forever()?;
    Ok(())
}
