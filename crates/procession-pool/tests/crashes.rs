//! Tasks that end their worker, again and again.

#![expect(clippy::exit, reason = "it is one of the ways in which a worker dies")]

use procession_pool::{Pool, PoolError};
use procession_process::{ExitStatus, Process, current_process};
use procession_testkit::{kill9, watchdog};

procession_process::enable_in_tests!();

const CRASHES: u32 = 1000;

/// Every second call ends its worker.
fn crash_or_answer(n: u32) -> u32 {
    match n % 4 {
        1 => std::process::exit(3),
        3 => kill9(std::process::id()),
        _ => {}
    }
    n
}

/// The number of the last worker that this process started.
fn last_worker(pool: &Pool) -> u32 {
    let names =
        (0..pool.size()).map(|_| pool.apply_async(|| current_process().name().to_owned(), ()));
    let names: Vec<_> = names.collect();
    let names = names.into_iter().map(|name| name?.get());
    let number = |name: String| name.strip_prefix("PoolWorker-")?.parse::<u32>().ok();
    let numbers = names.map(|name| number(name.expect("the pool works")));
    numbers.flatten().max().expect("workers are numbered")
}

/// Returns how many calls ended their worker, and how many workers were started.
fn crash() -> (u32, u32) {
    let pool = Pool::new(2).expect("a pool starts");
    let call = |n| pool.apply_async(crash_or_answer, (n,));
    let calls: Result<Vec<_>, PoolError> = (0..2 * CRASHES).map(call).collect();
    let mut crashes = 0;
    for (n, call) in (0..).zip(calls.expect("the pool is open")) {
        match call.get() {
            Ok(answer) => assert_eq!((answer, n % 2), (n, 0)),
            Err(PoolError::WorkerDied { status, .. }) => {
                let expected = [ExitStatus::Code(3), ExitStatus::Signal(9)];
                assert_eq!(Some(&status), expected.get(n as usize % 4 / 2));
                crashes += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    (crashes, last_worker(&pool))
}

// POL-094
#[test]
fn a_thousand_crashes_cost_a_thousand_starts() {
    let _watchdog = watchdog();
    // A pause for each, as after failures to start, is beyond the watchdog.
    let (crashes, workers) = Process::spawn(crash, ()).unwrap().join().unwrap();
    assert_eq!(crashes, CRASHES);
    assert!(workers <= CRASHES + 2, "{workers} workers");
}

// POL-095
#[test]
fn a_worker_is_listed_only_while_it_lives() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    for _ in 0..50 {
        let error = pool.apply(crash_or_answer, (3,)).unwrap_err();
        let PoolError::WorkerDied { pid, .. } = error else {
            panic!("{error}");
        };
        assert!(!pool.worker_pids().contains(&pid));
    }
}
