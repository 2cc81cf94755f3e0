//! The workers of a pool log to one file, whole lines, each with its process's name.
//!
//! Logging is set up once, in the parent; every process that it starts inherits it.

use examples::println;
use procession::Pool;
use std::thread::sleep;
use std::time::Duration;

fn double(n: u32) -> u32 {
    log::info!("doubling {n}");
    sleep(Duration::from_millis(20));
    log::info!("doubled {n}");
    n * 2
}

#[procession::main]
fn main() -> anyhow::Result<()> {
    procession::logging()
        .file("myapp.log")
        .format("%(processName)-10s %(asctime)s:%(levelname)s:%(message)s")
        .level(log::LevelFilter::Info)
        .install()?;
    let pool = Pool::new(4)?;
    println!("{:?}", pool.map(double, 2..=6)?);
    Ok(())
}
