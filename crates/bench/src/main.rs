//! What each operation costs, beside CPython's `multiprocessing` in the same run.
//!
//! `cargo run --release -p bench` measures each row several times, ours and Python's in turn, and
//! prints a table with the median, the spread and the ratio. Beside the table it writes
//! `target/bench/bench.json` and a chart, `target/bench/bench.svg`. It asserts
//! nothing: figures of a shared machine drift, and only what was measured side by side compares.
//!
//! `--series ITEMS` measures how pools grow instead, with their workers and with up to so many items, and beside
//! busy loops: time, and memory. It writes `target/bench/series.json`.
//!
//! `--memory OBJECTS` measures instead what a manager's server grows by with each client, and with each of so many
//! objects.
//!
//! `--rounds N` sets how often each row is measured (5), `--only WORD` picks rows by a part of
//! their name, and the environment's `PYTHON` says which Python (`python3`); without one, ours are
//! measured alone.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "a table is what it is for")]

mod chart;
mod dicts;
mod figures;
mod large;
mod logs;
mod made;
mod managers;
mod memory;
mod pipes;
mod pools;
mod python;
mod queues;
mod report;
mod rows;
mod series;
mod starts;
mod timed;

use anyhow::{Context, Result, bail};
use figures::{Figures, Measured};
use rows::Row;

struct Options {
    rounds: usize,
    only: String,
    /// How many items the longest of the series has, if these are to be measured instead.
    series: Option<u64>,
    /// How many objects a manager is to have, if its memory is to be measured instead.
    memory: Option<u64>,
}

fn main() -> Result<()> {
    procession_process::init();
    let options = options()?;
    let python = python::find();
    if let Some(objects) = options.memory {
        return managers::memory(objects);
    }
    if let Some(most) = options.series {
        return series::run(options.rounds, most, python.as_ref());
    }
    let chosen = rows::ROWS
        .iter()
        .filter(|row| row.name.contains(&options.only));
    let mut measured = Vec::new();
    println!("{}", report::heading(python.as_ref()));
    for row in chosen {
        let result = measure(row, options.rounds, python.as_ref())
            .with_context(|| format!("cannot measure `{}`", row.name))?;
        println!("{}", report::line(&result));
        measured.push(result);
    }
    report::write(&measured)
}

/// Measures a row in rounds, ours and Python's in turn.
fn measure(row: &Row, rounds: usize, python: Option<&python::Python>) -> Result<Measured> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push((row.ours)()?);
        if let Some(python) = python {
            theirs.push(python.nanoseconds(row.python, row.args)?);
        }
    }
    Ok(Measured {
        name: row.name,
        ours: Figures::of(ours),
        python: Figures::some(theirs),
    })
}

fn options() -> Result<Options> {
    let mut options = Options {
        rounds: 5,
        only: String::new(),
        series: None,
        memory: None,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let value = args
            .next()
            .with_context(|| format!("{arg} wants a value"))?;
        match arg.as_str() {
            "--rounds" => options.rounds = value.parse::<usize>()?.max(1),
            "--only" => options.only = value,
            "--series" => options.series = Some(value.parse()?),
            "--memory" => options.memory = Some(value.parse()?),
            _ => bail!(
                "unknown argument {arg}: there are --rounds N, --only WORD, --series ITEMS and --memory OBJECTS"
            ),
        }
    }
    Ok(options)
}
