//! How what a pool costs grows: with its workers, with its items, and beside others.
//!
//! Each figure is taken in a process of its own, ours and Python's in turn: the nanoseconds of an item, the peak
//! memory of the process that asks, and the memory of a worker.

use crate::figures::Figures;
use crate::python::Python;
use crate::timed::timed;
use anyhow::{Context, Result, anyhow, bail};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use procession_pool::Pool;
use procession_process::{Builder, Process, Stdio};
use serde::Serialize;
use std::fs;
use std::hint::{black_box, spin_loop};
use std::path::Path;
use std::thread;
use std::time::Duration;

/// A point of a series.
#[derive(Debug, Clone, Serialize)]
struct Point {
    condition: &'static str,
    call: &'static str,
    workers: usize,
    items: u64,
}

/// What one point came to.
#[derive(Debug, Serialize)]
struct Measured {
    #[serde(flatten)]
    point: Point,
    ours: Option<Cost>,
    pool: Option<Cost>,
    executor: Option<Cost>,
}

/// Over all rounds.
#[derive(Debug, Clone, Copy, Serialize)]
struct Cost {
    nanoseconds: Figures,
    /// The medians.
    peak: f64,
    worker: f64,
}

/// Nanoseconds of an item, peak memory, and memory of a worker.
type Sample = (f64, f64, f64);

const QUIET: &str = "quiet";
const BUSY: &str = "two busy loops";
const ONE: &str = "one processor";

const MAP: &str = "map";
const SINGLY: &str = "map, chunks of one";
const IMAP: &str = "imap";
const APPLY: &str = "apply";
const FAILING: &str = "apply, failing";

/// Where Python is not asked for more items: it would take minutes.
const PATIENCE: u64 = 100_000;

/// Lists the points, of which none has more than `most` items.
fn points(most: u64) -> Vec<Point> {
    let point = |condition, call, workers, items| Point {
        condition,
        call,
        workers,
        items: most.min(items),
    };
    let mut points = Vec::new();
    for workers in [1, 2, 4, 16, 64] {
        points.push(point(QUIET, SINGLY, workers, 20_000));
        points.push(point(QUIET, APPLY, workers, 5_000));
    }
    for power in 3..=7 {
        let items = 10_u64.pow(power);
        if items <= most {
            points.push(point(QUIET, MAP, 2, items));
            points.push(point(QUIET, IMAP, 2, items));
        }
    }
    for condition in [QUIET, BUSY, ONE] {
        points.push(point(condition, MAP, 2, 1_000_000));
        points.push(point(condition, SINGLY, 2, 20_000));
        points.push(point(condition, APPLY, 2, 5_000));
        points.push(point(condition, FAILING, 2, 5_000));
    }
    points
}

/// Measures all points and prints a table.
pub(crate) fn run(rounds: usize, most: u64, python: Option<&Python>) -> Result<()> {
    println!(
        "{:<16} {:<20} {:>7} {:>9} {:>34} {:>34} {:>34}",
        "",
        "ns an item, MiB peak, MiB a worker",
        "workers",
        "items",
        "procession",
        "Pool",
        "Executor"
    );
    let mut all = Vec::new();
    for point in points(most) {
        let loops = match point.condition {
            BUSY => vec![Busy::start()?, Busy::start()?],
            _ => Vec::new(),
        };
        let measured = measure(point, rounds, python)?;
        drop(loops);
        let Point {
            condition,
            call,
            workers,
            items,
        } = measured.point;
        let [ours, pool, executor] = [measured.ours, measured.pool, measured.executor].map(show);
        println!(
            "{condition:<16} {call:<20} {workers:>7} {items:>9} {ours:>34} {pool:>34} {executor:>34}"
        );
        all.push(measured);
    }
    let folder = Path::new("target/bench");
    fs::create_dir_all(folder)?;
    Ok(fs::write(
        folder.join("series.json"),
        serde_json::to_vec_pretty(&all)?,
    )?)
}

fn measure(point: Point, rounds: usize, python: Option<&Python>) -> Result<Measured> {
    let mut samples: [Vec<Sample>; 3] = Default::default();
    for _ in 0..rounds {
        samples[0].push(ours(&point)?);
        let Some(python) = python else { continue };
        if point.call == MAP || point.items <= PATIENCE {
            samples[1].push(theirs(python, &point, "Pool")?);
            // It has no `imap`: its `map` gives results as they come.
            if point.call != IMAP {
                samples[2].push(theirs(python, &point, "Executor")?);
            }
        }
    }
    let [ours, pool, executor] = samples.map(Cost::of);
    Ok(Measured {
        point,
        ours,
        pool,
        executor,
    })
}

fn theirs(python: &Python, point: &Point, library: &str) -> Result<Sample> {
    let numbers = [point.workers as u64, point.items].map(|it| it.to_string());
    let args = [
        point.condition,
        library,
        point.call,
        &numbers[0],
        &numbers[1],
    ];
    let printed = python.run(include_str!("../python/series.py"), &args)?;
    match printed[..] {
        [cost, peak, worker] => Ok((cost, peak, worker)),
        _ => bail!("Python printed {printed:?}"),
    }
}

fn ours(point: &Point) -> Result<Sample> {
    let args = (
        point.condition == ONE,
        point.call.to_owned(),
        point.workers,
        point.items,
    );
    let process = Process::builder().spawn(sample, args);
    Ok(process?.join()?)
}

/// In a process of its own.
fn sample(is_on_one: bool, call: String, workers: usize, items: u64) -> Result<Sample> {
    if is_on_one {
        stay_on_one()?;
    }
    // Panics are printed, and a backtrace is looked for if the environment asks for it.
    let silent = |process: Builder| process.stderr(Stdio::null()).env("RUST_BACKTRACE", "0");
    let pool = Pool::builder().workers(workers).process(silent).start()?;
    // Each has begun to work then.
    let pause = |_: usize| thread::sleep(Duration::from_millis(10));
    pool.map_chunked(pause, 0..workers, 1)?;
    let cost = timed(items.try_into()?, || ask(&pool, &call, items))?;
    let pids = pool.worker_pids();
    let (mut memory, mut count) = (0.0, 0.0);
    for pid in pids {
        memory += kilobytes(&format!("/proc/{pid}/smaps_rollup"), "Pss:")?;
        count += 1.0;
    }
    let peak = kilobytes("/proc/self/status", "VmHWM:")?;
    Ok((cost, peak * 1024.0, memory * 1024.0 / count))
}

fn ask(pool: &Pool, call: &str, items: u64) -> Result<()> {
    let next = |n: u64| n + 1;
    match call {
        MAP => drop(black_box(pool.map(next, 0..items)?)),
        SINGLY => drop(black_box(pool.map_chunked(next, 0..items, 1)?)),
        IMAP => {
            for result in pool.imap(next, 0..items)? {
                black_box(result?);
            }
        }
        APPLY => {
            for n in 0..items {
                black_box(pool.apply(next, (n,))?);
            }
        }
        FAILING => {
            let fail = |_: u64| -> () { panic!("as asked") };
            for n in 0..items {
                black_box(pool.apply(fail, (n,)).is_err());
            }
        }
        other => bail!("there is no call `{other}`"),
    }
    Ok(())
}

fn stay_on_one() -> Result<()> {
    let own = Pid::from_raw(0);
    let may = sched_getaffinity(own)?;
    let first = (0..CpuSet::count()).find(|&at| may.is_set(at) == Ok(true));
    let mut one = CpuSet::new();
    one.set(first.context("a process may run somewhere")?)?;
    Ok(sched_setaffinity(own, &one)?)
}

/// Reads a line of a file that counts in kilobytes.
fn kilobytes(path: &str, name: &str) -> Result<f64> {
    let text = fs::read_to_string(path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .ok_or_else(|| anyhow!("{path} says nothing of {name}"))?
        .parse()
        .with_context(|| format!("{name} in {path}"))
}

/// A process that keeps a processor busy.
struct Busy(Process<()>);

impl Busy {
    fn start() -> Result<Self> {
        let spin = || -> () {
            loop {
                spin_loop();
            }
        };
        Ok(Self(Process::builder().daemon(true).spawn(spin, ())?))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        // It ends with this process at the latest.
        let _ = self.0.kill();
        let _ = self.0.wait_timeout(Duration::from_secs(1));
    }
}

impl Cost {
    fn of(samples: Vec<Sample>) -> Option<Self> {
        let column = |pick: fn(&Sample) -> f64| Figures::some(samples.iter().map(pick).collect());
        Some(Self {
            nanoseconds: column(|it| it.0)?,
            peak: column(|it| it.1)?.median,
            worker: column(|it| it.2)?.median,
        })
    }
}

fn show(cost: Option<Cost>) -> String {
    let mebibytes = |bytes: f64| bytes / f64::from(1 << 20);
    cost.map_or(String::new(), |cost| {
        format!(
            "{:.1}, {:.1}, {:.1}",
            cost.nanoseconds.median,
            mebibytes(cost.peak),
            mebibytes(cost.worker)
        )
    })
}
