//! Workers that have pools, processes, queues and locks of their own, and are killed from outside.
//!
//! The only test of its program, so that all processes that are left are its own.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a task fails by panicking, like a test; a seed is told"
)]

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procession::{ExitStatus, Lock, Pool, PoolError, Process, Queue, Value};
use procession_testkit::{children, eventually, exists, watchdog};
use std::collections::BTreeSet;
use std::env;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

procession::enable_in_tests!();

const ITEMS: u64 = 60;

/// What all tasks share.
type Common = (Lock, Value<u64>, Queue<u32>);

fn next(n: u64) -> u64 {
    n + 1
}

/// Asks a pool and a process of its own, and shares with all other tasks: says which processes there are, and
/// counts under a lock.
fn task((lock, count, pids): Common, item: u64) -> u64 {
    let pool = Pool::new(2).unwrap();
    for pid in pool.worker_pids() {
        pids.put(&pid).unwrap();
    }
    let sum: u64 = pool.map(next, 0..item).unwrap().into_iter().sum();
    let child = Process::spawn(next, (sum,)).unwrap();
    pids.put(&child.pid()).unwrap();
    let own = Queue::new().unwrap();
    let producer = Process::spawn(
        |queue: Queue<u64>, n: u64| queue.put(&n).unwrap(),
        (own.clone(), item),
    );
    assert_eq!(own.get().unwrap(), item);
    producer.unwrap().join().unwrap();
    {
        // Whoever was killed with it has changed a number, or not.
        let _held = lock
            .acquire()
            .or_else(procession::AcquireError::into_inner)
            .unwrap();
        count.set(count.get() + 1);
    }
    child.join().unwrap()
}

// POL-189
#[test]
fn workers_with_all_of_it_inside_are_killed_and_harm_no_other() {
    let _watchdog = watchdog();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed =
        env::var("PROCESSION_STORM_SEED").map_or(now.subsec_nanos(), |it| it.parse().unwrap());
    println!("nested: seed {seed}");
    let mut random = u64::from(seed) | 1;
    let mut below = |limit: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % limit
    };
    // A process waits for its daemons' children with its own end, so workers are none.
    let pool = Pool::new(3).unwrap();
    let common: Common = (
        Lock::new().unwrap(),
        Value::new(0).unwrap(),
        Queue::new().unwrap(),
    );
    let done = AtomicBool::new(false);
    let returned = thread::scope(|scope| {
        let call = scope.spawn(|| {
            let items = (0..ITEMS).map(|item| (common.clone(), item));
            let results: Vec<_> = pool
                .imap_chunked(|(common, item)| task(common, item), items, 2)
                .unwrap()
                .collect();
            done.store(true, Ordering::Relaxed);
            results
        });
        while !done.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(below(120)));
            let pids = pool.worker_pids();
            if !pids.is_empty() {
                let victim = pids[below(pids.len() as u64) as usize];
                // It may have ended since.
                let _ = kill(Pid::from_raw(victim.cast_signed()), Signal::SIGKILL);
            }
        }
        let mut returned = 0;
        for (item, result) in (0..).zip(call.join().unwrap()) {
            match result {
                Ok(value) => {
                    assert_eq!(value, item * (item + 1) / 2 + 1);
                    returned += 1;
                }
                Err(PoolError::WorkerDied { status, .. }) => {
                    assert_eq!(status, ExitStatus::Signal(9));
                }
                // What died was of a task's own, with the worker that it belongs to.
                Err(error) => panic!("item {item}: {error}"),
            }
        }
        returned
    });
    let (_, count, pids) = common;
    assert!(count.get() >= returned);
    drop(pool);
    let mut all = BTreeSet::new();
    while let Ok(pid) = pids.try_get() {
        all.insert(pid);
    }
    assert!(!all.is_empty());
    // They die with the worker that made them.
    eventually("nobody is left", || {
        children(std::process::id()).is_empty() && all.iter().all(|&pid| !exists(pid))
    });
}
