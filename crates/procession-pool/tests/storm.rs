//! A storm: calls of every kind, from several threads, of tasks that end in every way, while workers are
//! killed and stopped from outside. Each item has one outcome, runs at most once, and nothing is left.
//!
//! `PROCESSION_STORM_SEED` repeats one, as far as moments can be repeated; `PROCESSION_STORM_KILLS` says how
//! many signals are sent from outside. The only test of its program, so that all that is left is its own.

#![expect(
    clippy::exit,
    clippy::print_stdout,
    reason = "tasks may end their process; a storm tells its seed"
)]

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, kill, raise};
use nix::unistd::Pid;
use procession_call::Failure;
use procession_pipe::{PipeReader, pipe};
use procession_pool::{Pool, PoolError, as_completed};
use procession_process::active_children;
use procession_shm::Shared;
use procession_testkit::{children, eventually, hush, watchdog};
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{env, fs};

procession_process::enable_in_tests!();

/// How many signals are sent when nothing else is said.
const SIGNALS: u64 = 60;
/// How many signals are sent to one pool.
const ROUND: u64 = 60;
const WORKERS: usize = 3;
const CALLERS: usize = 3;
/// How many items the callers of one pool have.
const ITEMS: usize = PAGES << 14;
const PAGES: usize = 16;
/// How long a call may take.
const LIMIT: Duration = Duration::from_millis(300);

/// Marsaglia's xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn micros(&mut self, limit: u64) -> Duration {
        Duration::from_micros(self.below(limit))
    }
}

/// How often each item began to run.
#[derive(Clone, Serialize, Deserialize)]
struct Runs(Vec<Shared<[AtomicU8; 1 << 14]>>);

impl Runs {
    fn new() -> Self {
        let page = || Shared::new([const { AtomicU8::new(0) }; 1 << 14]);
        let pages = (0..PAGES).map(|_| page().expect("there is memory"));
        Self(pages.collect())
    }

    fn of(&self, number: usize) -> &AtomicU8 {
        &self.0[number >> 14][number % (1 << 14)]
    }
}

/// How a task ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum End {
    Return,
    Large,
    Handle,
    Panic,
    Fail,
    Exit,
    Abort,
    Fault,
    Sleep,
    /// Asks a pool of its own, then returns.
    Nested,
}

impl End {
    fn any(random: &mut Random) -> Self {
        match random.below(400) {
            0..8 => Self::Large,
            8..16 => Self::Handle,
            16..26 => Self::Panic,
            26..36 => Self::Fail,
            36..38 => Self::Exit,
            38..40 => Self::Abort,
            40..42 => Self::Fault,
            42 => Self::Sleep,
            43 => Self::Nested,
            _ => Self::Return,
        }
    }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Item {
    number: usize,
    end: End,
}

#[derive(Debug, Serialize, Deserialize)]
enum Value {
    Number(usize),
    Bytes(usize, Vec<u8>),
    Handle(PipeReader),
}

static RUNS: OnceLock<Runs> = OnceLock::new();

/// In each worker.
fn prepare(runs: Runs) {
    hush();
    setrlimit(Resource::RLIMIT_CORE, 0, 0).expect("less is allowed");
    RUNS.get_or_init(|| runs);
}

fn task(item: Item) -> anyhow::Result<Value> {
    let runs = RUNS.get().expect("the worker was prepared");
    runs.of(item.number).fetch_add(1, Ordering::Relaxed);
    match item.end {
        End::Return => {}
        End::Nested => {
            let sum: usize = Pool::new(1)?.map(|n: usize| n + 1, 0..4)?.into_iter().sum();
            return Ok(Value::Number(item.number - 10 + sum));
        }
        End::Large => {
            return Ok(Value::Bytes(
                item.number,
                vec![7; item.number * 977 % 300_000],
            ));
        }
        End::Handle => {
            let (reader, mut writer) = pipe()?;
            writer.write_all(&item.number.to_le_bytes())?;
            return Ok(Value::Handle(reader));
        }
        End::Panic => panic!("the item was to panic"),
        End::Fail => anyhow::bail!("the item was to fail"),
        End::Exit => std::process::exit(3),
        End::Abort => std::process::abort(),
        End::Fault => raise(Signal::SIGSEGV)?,
        End::Sleep => sleep(Duration::from_hours(1)),
    }
    Ok(Value::Number(item.number))
}

impl Item {
    /// Sees that an outcome is one that the item can have.
    fn check(self, outcome: Result<Value, PoolError>, runs: &Runs) {
        let ran = runs.of(self.number).load(Ordering::Relaxed);
        assert!(ran <= 1, "{self:?} ran {ran} times");
        let error = match outcome {
            Ok(value) => {
                assert_eq!(ran, 1, "{self:?}");
                return self.check_value(value);
            }
            Err(error) => error,
        };
        let is_possible = match &error {
            // Killed from outside, or stopped.
            PoolError::WorkerDied { .. }
            | PoolError::WorkerStopped { .. }
            | PoolError::TimedOut { .. }
            | PoolError::NotInTime { .. } => true,
            PoolError::Call {
                failure: Failure::Panicked(_),
                ..
            } => self.end == End::Panic && ran == 1,
            PoolError::Call {
                failure: Failure::Failed(_),
                ..
            } => self.end == End::Fail && ran == 1,
            PoolError::Cancelled => ran == 0,
            _ => false,
        };
        assert!(is_possible, "{self:?}: {error}");
    }

    fn check_value(self, value: Value) {
        match (self.end, value) {
            (End::Return | End::Nested, Value::Number(number)) => assert_eq!(number, self.number),
            (End::Large, Value::Bytes(number, bytes)) => {
                assert_eq!(number, self.number);
                assert!(bytes.len() == number * 977 % 300_000 && bytes.iter().all(|&it| it == 7));
            }
            (End::Handle, Value::Handle(mut reader)) => {
                let mut number = [0; 8];
                reader.read_exact(&mut number).expect("it was written");
                assert_eq!(usize::from_le_bytes(number), self.number);
            }
            (_, value) => panic!("{self:?} returned {value:?}"),
        }
    }
}

/// What the callers of a pool share.
struct Storm<'a> {
    pool: &'a Pool,
    runs: &'a Runs,
    next: AtomicUsize,
    is_over: AtomicBool,
}

impl Storm<'_> {
    fn items(&self, random: &mut Random, most: u64) -> Vec<Item> {
        let count = 1 + random.below(most) as usize;
        let first = self.next.fetch_add(count, Ordering::Relaxed);
        let numbers = (first..first + count).filter(|&number| number < ITEMS);
        let item = |number| Item {
            number,
            end: End::any(random),
        };
        numbers.map(item).collect()
    }

    /// Calls in every way until the storm is over; returns how many outcomes there were.
    fn call(&self, mut random: Random) -> usize {
        let mut outcomes = 0;
        while !self.is_over.load(Ordering::Relaxed) {
            let items = self.items(&mut random, 400);
            if items.is_empty() {
                break;
            }
            let chunk = 1 + random.below(60) as usize;
            outcomes += items.len();
            match random.below(10) {
                0 => self.check_all(&items, self.pool.map_chunked(task, items.clone(), chunk)),
                1 => {
                    let result = self
                        .pool
                        .map_async(task, items.clone())
                        .expect("it is open");
                    self.check_all(&items, result.get());
                }
                2 => self.in_order(&items, chunk),
                3 => self.in_any_order(&items),
                4 => {
                    let results = self.pool.imap_chunked(task, items.clone(), chunk);
                    let results = results.expect("it is open");
                    let taken = items.iter().zip(results).take(items.len() / 2);
                    taken.for_each(|(item, result)| item.check(result, self.runs));
                }
                5 => self.one_by_one(&mut random, &items),
                6 => {
                    let task = self.pool.task(task).chunk(chunk);
                    self.each(&items, task.try_map(items.clone()));
                }
                7 => {
                    let limit = random.micros(50_000);
                    let task = self.pool.task(task).chunk(chunk).timeout(limit);
                    self.each(&items, task.try_map(items.clone()));
                }
                8 => self.as_they_come(&items[..items.len().min(40)]),
                _ => {
                    for item in &items[..items.len().min(20)] {
                        item.check(self.pool.apply(task, (*item,)), self.runs);
                    }
                }
            }
        }
        outcomes
    }

    fn check_all(&self, items: &[Item], outcome: Result<Vec<Value>, PoolError>) {
        match outcome {
            Ok(values) => {
                assert_eq!(values.len(), items.len());
                for (item, value) in items.iter().zip(values) {
                    item.check(Ok(value), self.runs);
                }
            }
            Err(error) => {
                let item = error.item().expect("an item failed");
                items[item].check(Err(error), self.runs);
            }
        }
    }

    /// Has a result for each item.
    fn each(&self, items: &[Item], results: Result<Vec<Result<Value, PoolError>>, PoolError>) {
        let results = results.expect("it is open");
        assert_eq!(results.len(), items.len());
        for (item, result) in items.iter().zip(results) {
            item.check(result, self.runs);
        }
    }

    /// Single calls, each of which is there once.
    fn as_they_come(&self, items: &[Item]) {
        let call = |item: &Item| self.pool.apply_async(task, (*item,)).expect("it is open");
        let mut seen = vec![0; items.len()];
        for (place, result) in as_completed(items.iter().map(call)) {
            seen[place] += 1;
            items[place].check(result, self.runs);
        }
        assert!(seen.iter().all(|&seen| seen == 1), "{seen:?}");
    }

    fn in_order(&self, items: &[Item], chunk: usize) {
        let results = self.pool.imap_chunked(task, items.to_vec(), chunk);
        let mut results = results.expect("it is open");
        for item in items {
            item.check(results.next().expect("there is one for each"), self.runs);
        }
        assert!(results.next().is_none() && results.is_done());
    }

    fn in_any_order(&self, items: &[Item]) {
        let results = self.pool.imap_unordered(task, items.to_vec());
        let (mut seen, mut handles) = (vec![0; items.len()], 0);
        for result in results.expect("it is open") {
            let place = match &result {
                Ok(Value::Number(number) | Value::Bytes(number, _)) => number - items[0].number,
                Ok(Value::Handle(_)) => {
                    handles += 1;
                    continue;
                }
                Err(error) => error.item().expect("it is of an item"),
            };
            seen[place] += 1;
            items[place].check(result, self.runs);
        }
        assert!(seen.iter().all(|&seen| seen <= 1), "{seen:?}");
        assert_eq!(seen.iter().sum::<usize>() + handles, items.len());
    }

    /// Single calls, some of which are cancelled, polled, or forgotten.
    fn one_by_one(&self, random: &mut Random, items: &[Item]) {
        let results: Vec<_> = items
            .iter()
            .map(|item| self.pool.apply_async(task, (*item,)).expect("it is open"))
            .collect();
        for (item, mut result) in items.iter().zip(results) {
            match random.below(4) {
                0 => {
                    let in_time = result.cancel();
                    let outcome = result.get();
                    assert!(!in_time || matches!(outcome, Err(PoolError::Cancelled)));
                    item.check(outcome, self.runs);
                }
                1 => drop(result),
                2 => {
                    let outcome = loop {
                        let outcome = result.get_timeout(random.micros(2000)).transpose();
                        if let Some(outcome) = outcome {
                            break outcome;
                        }
                    };
                    item.check(outcome, self.runs);
                }
                _ => item.check(result.get(), self.runs),
            }
        }
    }

    /// Kills and stops workers.
    fn rage(&self, random: &mut Random, signals: u64) {
        for _ in 0..signals {
            sleep(random.micros(12_000));
            let pids = self.pool.worker_pids();
            if pids.is_empty() {
                continue;
            }
            let pid = pids[random.below(pids.len() as u64) as usize];
            // It may have ended by itself.
            let send = |signal| {
                let _ = kill(Pid::from_raw(pid.cast_signed()), signal);
            };
            if random.below(3) > 0 {
                send(Signal::SIGKILL);
                continue;
            }
            send(Signal::SIGSTOP);
            sleep(random.micros(10_000));
            // It goes on, is killed, or stays until its call has taken too long or the pool ends.
            match random.below(3) {
                0 => send(Signal::SIGCONT),
                1 => send(Signal::SIGKILL),
                _ => {}
            }
        }
    }
}

/// One pool in a storm; returns how many outcomes there were.
fn round(random: &mut Random, signals: u64) -> usize {
    let runs = Runs::new();
    let pool = Pool::builder()
        .workers(WORKERS)
        .task_timeout(LIMIT)
        .initializer(prepare, (runs.clone(),));
    let pool = pool.start().expect("the pool starts");
    let storm = Storm {
        pool: &pool,
        runs: &runs,
        next: AtomicUsize::new(0),
        is_over: AtomicBool::new(false),
    };
    let outcomes = thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS)
            .map(|_| Random(random.below(1 << 40) | 1))
            .map(|random| scope.spawn(|| storm.call(random)))
            .collect();
        storm.rage(random, signals);
        storm.is_over.store(true, Ordering::Relaxed);
        let joined = callers.into_iter().map(thread::ScopedJoinHandle::join);
        joined
            .map(|outcomes| outcomes.expect("the caller's checks hold"))
            .sum()
    });
    match random.below(3) {
        0 => pool.join(),
        1 => pool.terminate(),
        _ => {}
    }
    drop(pool);
    let ran = |number| runs.of(number).load(Ordering::Relaxed);
    assert!((0..ITEMS).all(|number| ran(number) <= 1));
    outcomes
}

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().expect("it is a number"))
}

// POL-108
#[test]
fn each_item_has_one_outcome_and_nothing_is_left() {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("it is later");
    let seed = number("PROCESSION_STORM_SEED").unwrap_or_else(|| now.subsec_nanos().into());
    let signals = number("PROCESSION_STORM_KILLS").unwrap_or(SIGNALS);
    println!("pool storm: seed {seed}, {signals} signals");
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let me = std::process::id();
    let count = |path| fs::read_dir(path).expect("it is there").count();
    let open = || [count("/proc/self/fd"), count("/proc/self/task")];
    // Two rounds, so that what starts of processes keep is there.
    let mut outcomes = round(&mut random, 1) + round(&mut random, 1);
    let before = open();
    for part in 0..signals.div_ceil(ROUND) {
        let _watchdog = watchdog();
        outcomes += round(&mut random, ROUND.min(signals - part * ROUND));
        assert_eq!(children(me), []);
        assert!(active_children().is_empty());
    }
    // A process that sees children end may have been started meanwhile. The segments that the killed tasks held
    // are the family's until it ends.
    eventually("descriptors and threads are as before", || {
        let [descriptors, threads] = open();
        descriptors <= before[0] && threads <= before[1] + 1
    });
    println!("{outcomes} outcomes");
}
