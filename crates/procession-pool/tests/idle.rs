//! A pool that has nothing to do costs no processor, nor do its workers.
//!
//! Alone in its program, whose processor time it measures. What is asserted is not how fast something was, but
//! that nothing was done.

#![expect(
    clippy::unwrap_used,
    reason = "what the tests share fails by panicking, like a test"
)]

use procession_pool::{Pool, PoolError};
use procession_testkit::{eventually, hush, watchdog};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

procession_process::enable_in_tests!();

fn next(n: u64) -> u64 {
    n + 1
}

fn exit_at(n: u64) -> u64 {
    assert!(n % 50 != 7, "an item panics");
    if n % 100 == 3 {
        procession_testkit::kill9(std::process::id());
    }
    n + 1
}

/// Returns how often the threads of a process have run, and for how many ticks.
fn ran(pid: u32) -> (u64, u64) {
    let mut sum = (0, 0);
    for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let task = task.unwrap().path();
        // A thread may end while it is looked at.
        let Ok(status) = fs::read_to_string(task.join("status")) else {
            continue;
        };
        let switches = status.lines().filter(|line| line.contains("ctxt_switches"));
        sum.0 += switches
            .map(|line| line.rsplit('\t').next().unwrap().parse::<u64>().unwrap())
            .sum::<u64>();
        let stat = fs::read_to_string(task.join("stat")).unwrap_or_default();
        let fields = stat.rsplit(") ").next().unwrap().split(' ');
        sum.1 += fields
            .skip(11)
            .take(2)
            .map(|it| it.parse::<u64>().unwrap())
            .sum::<u64>();
    }
    sum
}

/// Asserts that this process and the workers sleep.
fn all_sleep(pool: &Pool) {
    // What is looked at again before somebody sleeps is over soon.
    thread::sleep(Duration::from_millis(300));
    let mut pids = pool.worker_pids();
    pids.push(std::process::id());
    let before: Vec<_> = pids.iter().map(|&pid| ran(pid)).collect();
    thread::sleep(Duration::from_secs(2));
    for (pid, before) in pids.into_iter().zip(before) {
        let after = ran(pid);
        let (times, ticks) = (after.0 - before.0, after.1 - before.1);
        // This thread is one of them, which reads the numbers.
        let most = if pid == std::process::id() { 10 } else { 0 };
        assert!(
            times <= most && ticks <= 1,
            "{pid} ran {times} times, for {ticks} ticks"
        );
    }
}

// POL-188
#[test]
fn an_idle_pool_costs_no_processor() {
    let _watchdog = watchdog();
    let pool = Pool::builder()
        .workers(3)
        .task_timeout(Duration::from_mins(1))
        .initializer(hush, ())
        .start()
        .unwrap();
    all_sleep(&pool);

    let called = Arc::new(AtomicUsize::new(0));
    for n in 0..100 {
        let called = Arc::clone(&called);
        let result = pool.apply_async(next, (n,)).unwrap();
        let count = move |_| {
            called.fetch_add(1, Ordering::Relaxed);
        };
        result.then(count).unwrap();
    }
    eventually("all are called", || called.load(Ordering::Relaxed) == 100);
    all_sleep(&pool);

    let failed = |result: &Result<u64, PoolError>| result.is_err();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                assert!(
                    pool.map(next, 0..100_000)
                        .unwrap()
                        .into_iter()
                        .eq(1..100_001)
                );
                assert_eq!(
                    pool.imap(exit_at, 0..300).unwrap().filter(failed).count(),
                    9
                );
                // Left in the middle, and never taken.
                assert_eq!(pool.imap(next, 0..100_000).unwrap().take(7).count(), 7);
                drop(pool.apply_async(next, (1,)).unwrap());
            });
        }
    });
    eventually("the dead are replaced", || pool.worker_pids().len() == 3);
    all_sleep(&pool);
    // Workers that ended without work are replaced after a while, which is over now.
    assert_eq!(pool.apply(next, (1,)).unwrap(), 2);
}
