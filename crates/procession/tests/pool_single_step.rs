//! A pool's worker, killed at any instruction of its work.
//!
//! The worker has a task, a chunk of several others, and one more. It is traced from the end of one of them to the
//! beginning of the next: it puts and sends outcomes, receives a request, takes it, and begins. It executes a number
//! of single instructions there and is killed. The suite spreads some kills over each of these ways; with
//! `PROCESSION_TEST_EVERY_STEP=1` there is one at each instruction, for which a release build is advisable.
//!
//! The only test of its program, so that the shared memory that is left is its own.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a task fails by panicking, like a test, and it is told how many instructions there are"
)]

use procession::{AsyncResult, Event, ExitStatus, Pool, PoolError, Shared, pipe};
use procession_shm::family;
use procession_testkit::steps::{self, Reached, Traced};
use procession_testkit::{eventually, shared_memory, watchdog};
use serde::{Deserialize, Serialize};
use std::env;
use std::io::{Read, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

procession::enable_in_tests!();

/// The items of the chunk. The task before them has the number 0, the one behind them the last.
const ITEMS: usize = 4;
const LAST: usize = ITEMS + 1;
const NO_ITEM: usize = usize::MAX;

/// How often each task began to run, and how often it came to its end.
#[derive(Clone, Serialize, Deserialize)]
struct Marks {
    begun: Shared<[AtomicU32; ITEMS + 2]>,
    ended: Shared<[AtomicU32; ITEMS + 2]>,
    /// What the first task waits for, so that all is queued and the worker traced.
    go: Event,
}

static MARKS: OnceLock<Marks> = OnceLock::new();

fn prepare(marks: Marks) {
    MARKS.get_or_init(|| marks);
}

/// What the items of a chunk return.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    /// A few bytes, so that all outcomes go as one message.
    Small,
    /// So much that the page of the worker holds two.
    Large,
    /// A handle, so that each goes in a message of its own.
    Handle,
}

#[derive(Debug, Serialize, Deserialize)]
enum Value {
    Small(usize, u32),
    Large(usize, u32, Vec<u8>),
    Handle(usize, u32, procession::PipeReader),
}

impl Value {
    /// Returns the item and the worker, having looked at the rest.
    fn checked(self) -> (usize, u32) {
        match self {
            Self::Small(item, pid) => (item, pid),
            Self::Large(item, pid, bytes) => {
                assert_eq!(bytes, vec![item as u8; 3000]);
                (item, pid)
            }
            Self::Handle(item, pid, mut reader) => {
                let mut text = String::new();
                reader.read_to_string(&mut text).unwrap();
                assert_eq!(text, item.to_string());
                (item, pid)
            }
        }
    }
}

/// Does the work of a task. The steps go from the end of the task `from` to the beginning of the one behind it.
fn marked<R>(task: usize, from: usize, work: impl FnOnce(&Marks) -> R) -> R {
    if task == from + 1 {
        steps::end();
    }
    let marks = MARKS.get().unwrap();
    marks.begun[task].fetch_add(1, Ordering::Relaxed);
    let done = work(marks);
    marks.ended[task].fetch_add(1, Ordering::Relaxed);
    if task == from {
        steps::begin();
    }
    done
}

/// The task before the chunk.
fn first(from: usize) -> u32 {
    marked(0, from, |marks| marks.go.wait());
    std::process::id()
}

fn item((item, from, kind): (usize, usize, Kind)) -> Value {
    let pid = std::process::id();
    marked(item, from, |_| match kind {
        Kind::Small => Value::Small(item, pid),
        Kind::Large => Value::Large(item, pid, vec![item as u8; 3000]),
        Kind::Handle => {
            let (reader, mut writer) = pipe().unwrap();
            writer.write_all(item.to_string().as_bytes()).unwrap();
            Value::Handle(item, pid, reader)
        }
    })
}

/// The task behind the chunk.
fn last(from: usize) -> u32 {
    marked(LAST, from, |_| ());
    std::process::id()
}

/// A pool with one worker.
struct Run {
    marks: Marks,
    pool: Pool,
}

impl Marks {
    fn new() -> Self {
        let zero = || Shared::new([const { AtomicU32::new(0) }; ITEMS + 2]).unwrap();
        Self {
            begun: zero(),
            ended: zero(),
            go: Event::new().unwrap(),
        }
    }
}

impl Run {
    fn new(marks: &Marks) -> Self {
        let pool = Pool::builder()
            .workers(1)
            .initializer(prepare, (marks.clone(),));
        Self {
            marks: marks.clone(),
            pool: pool.start().unwrap(),
        }
    }

    /// Kills the worker so many instructions behind a task, and looks at what became of each.
    fn kill_after(&self, kind: Kind, from: usize, steps: usize) -> Reached {
        let Self { marks, pool } = self;
        let chunk = |from| {
            let items = (1..=ITEMS).map(move |item| (item, from, kind));
            pool.imap_chunked(item, items, ITEMS).unwrap()
        };
        // What is made or loaded on the way of the first is there then.
        let warm = chunk(usize::MAX - 1).map(|value| value.unwrap().checked());
        let [.., victim] = warm.map(|(_, pid)| pid).collect::<Vec<_>>()[..] else {
            panic!("there are items");
        };
        for mark in marks.begun.iter().chain(marks.ended.iter()) {
            mark.store(0, Ordering::Relaxed);
        }
        marks.go.clear();
        let before = pool.apply_async(first, (from,)).unwrap();
        let chunk = chunk(from);
        let behind = pool.apply_async(last, (from,)).unwrap();
        let traced = Traced::new(victim);
        marks.go.set();
        let reached = traced.kill_after(steps);

        let mut outcomes = vec![outcome(before)];
        outcomes.extend(chunk.map(|value| Ok(value?.checked())));
        outcomes.push(outcome(behind));
        self.check(victim, outcomes);
        reached
    }

    fn check(&self, victim: u32, outcomes: Vec<Result<(usize, u32), PoolError>>) {
        assert_eq!(outcomes.len(), ITEMS + 2);
        let mut failed = None;
        for (task, outcome) in outcomes.into_iter().enumerate() {
            let begun = self.marks.begun[task].load(Ordering::Relaxed);
            let ended = self.marks.ended[task].load(Ordering::Relaxed);
            match outcome {
                Ok((of, pid)) => {
                    assert!(of == task || of == NO_ITEM);
                    assert_eq!((begun, ended), (1, 1), "task {task}");
                    // Those before the one that failed are the dead worker's, those behind it another's.
                    assert!(failed.is_none() || pid != victim, "task {task}");
                }
                Err(PoolError::WorkerDied { item, pid, status }) => {
                    assert_eq!(failed.replace(task), None, "two have failed");
                    assert_eq!((pid, status), (victim, ExitStatus::Signal(9)));
                    assert_eq!(item, (1..=ITEMS).contains(&task).then(|| task - 1));
                    assert!(begun <= 1 && ended <= begun, "task {task}");
                }
                Err(error) => panic!("task {task}: {error}"),
            }
        }
        // What was in the middle of its work has failed.
        assert!((0..=LAST).all(|task| {
            let [begun, ended] = [&self.marks.begun, &self.marks.ended];
            begun[task].load(Ordering::Relaxed) == ended[task].load(Ordering::Relaxed)
                || failed == Some(task)
        }));
    }
}

fn outcome(result: AsyncResult<u32>) -> Result<(usize, u32), PoolError> {
    Ok((NO_ITEM, result.get()?))
}

/// Returns the names of this family's segments.
fn segments() -> usize {
    let family = family::current().unwrap();
    shared_memory(family.id()).len()
}

/// How many kills are spread over the way from one task to the next.
fn kills(instructions: usize) -> usize {
    match env::var_os("PROCESSION_TEST_EVERY_STEP") {
        Some(_) => instructions,
        None => 4,
    }
}

// POL-180
#[test]
fn a_worker_killed_at_any_instruction_costs_what_it_was_running() {
    drop(Pool::new(1).unwrap());
    // What a process held that was killed is the family's, so there is only one of these.
    let marks = Marks::new();
    let before = segments();
    for kind in [Kind::Small, Kind::Large, Kind::Handle] {
        for from in 0..LAST {
            let run = Run::new(&marks);
            let Reached::End(instructions) = run.kill_after(kind, from, usize::MAX) else {
                panic!("the way to the next task has no end");
            };
            let kills = kills(instructions);
            println!("{kind:?} behind task {from}: {instructions} instructions, {kills} kills");
            for kill in 0..kills {
                let _watchdog = watchdog();
                run.kill_after(kind, from, kill * instructions / kills);
            }
            drop(run);
            eventually("the shared memory is gone", || segments() == before);
        }
    }
}
