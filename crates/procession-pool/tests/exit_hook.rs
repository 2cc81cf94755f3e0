//! What workers run when they end.

#![expect(clippy::exit, reason = "a hook may end its process")]

use anyhow::bail;
use procession_call::Failure;
use procession_pipe::{PipeReader, pipe};
use procession_pool::{Pool, PoolBuilder, PoolError};
use procession_process::StartMethod;
use procession_shm::{Array, Value};
use procession_testkit::{eventually, exists, hush, kill9, watchdog};
use std::cell::Cell;
use std::io::{Read, Write};
use std::thread;
use std::time::Duration;

procession_process::enable_in_tests!();

fn pid() -> u32 {
    std::process::id()
}

fn builder(workers: usize) -> PoolBuilder {
    Pool::builder().workers(workers)
}

/// Returns the results, sorted.
fn results(pool: &Pool) -> Vec<u32> {
    let results = pool.exit_results::<u32>().into_iter();
    let mut results: Vec<u32> = results.map(|it| it.expect("nothing failed")).collect();
    results.sort_unstable();
    results
}

// POL-138
#[test]
fn a_hook_runs_once_in_each_worker_that_ends_normally() {
    let _watchdog = watchdog();
    for method in [StartMethod::ForkServer, StartMethod::Spawn] {
        let pool = builder(3)
            .process(move |process| process.start_method(method))
            .exit_hook(pid)
            .start()
            .unwrap();
        eventually("all have begun", || {
            assert_eq!(pool.map_chunked(|n: u32| n, 0..9, 1).unwrap().len(), 9);
            pool.worker_pids().len() == 3
        });
        let mut pids = pool.worker_pids();
        pids.sort_unstable();
        assert!(pool.exit_results::<u32>().is_empty());
        pool.join();
        assert_eq!(results(&pool), pids);
        assert!(pool.exit_results::<u32>().is_empty(), "they were taken");
    }
}

#[test]
fn a_hook_runs_in_workers_that_have_run_their_tasks_or_were_idle() {
    let _watchdog = watchdog();
    let pool = builder(2)
        .max_tasks_per_worker(1)
        .exit_hook(pid)
        .start()
        .unwrap();
    let mut pids = pool.map_chunked(|_: u8| pid(), 0..6, 1).unwrap();
    pool.join();
    pids.sort_unstable();
    let ended = results(&pool);
    assert!(pids.iter().all(|pid| ended.contains(pid)), "{ended:?}");

    let pool = builder(2)
        .idle_timeout(Duration::from_millis(10))
        .exit_hook(pid)
        .start()
        .unwrap();
    let mut ended = Vec::new();
    eventually("both have ended", || {
        ended.extend(results(&pool));
        ended.len() == 2
    });
}

#[test]
fn a_hook_does_not_run_in_workers_that_are_killed() {
    let _watchdog = watchdog();
    let ran = Value::new(0_u32).unwrap();
    let note = |ran: Value<u32>| ran;
    let count = |ran: &Value<u32>| ran.update(|ran| *ran += 1);
    let start = || {
        builder(1)
            .state(note, ran.clone())
            .exit_hook_with_state(count)
            .start()
            .unwrap()
    };
    let pool = start();
    let first = pool.apply(pid, ()).unwrap();
    kill9(first);
    eventually("it is replaced", || pool.apply(pid, ()).unwrap() != first);
    pool.terminate();
    pool.join();
    assert!(pool.exit_results::<()>().is_empty());
    drop(start());
    assert_eq!(ran.get(), 0);
    let pool = start();
    assert!(pool.apply(pid, ()).is_ok());
    pool.join();
    assert_eq!((pool.exit_results::<()>().len(), ran.get()), (1, 1));
}

// POL-139
#[test]
fn what_goes_wrong_in_a_hook_is_its_result() {
    let _watchdog = watchdog();
    let end = |pool: PoolBuilder| {
        let pool = pool.start().unwrap();
        assert!(pool.apply(pid, ()).is_ok());
        pool.join();
        let mut results = pool.exit_results::<u32>();
        (results.pop(), results.len())
    };
    let panics = || -> u32 {
        hush();
        panic!("no more")
    };
    match end(builder(1).exit_hook(panics)) {
        (
            Some(Err(PoolError::Call {
                item: None,
                failure: Failure::Panicked(panic),
            })),
            0,
        ) => {
            assert_eq!(panic.message(), "no more");
        }
        other => panic!("{other:?}"),
    }
    let fails = || -> anyhow::Result<u32> { bail!("not saved") };
    match end(builder(1).exit_hook(fails)) {
        (
            Some(Err(PoolError::Call {
                failure: Failure::Failed(error),
                ..
            })),
            0,
        ) => {
            assert_eq!(error.to_string(), "not saved");
        }
        other => panic!("{other:?}"),
    }
    let of_another_type = end(builder(1).exit_hook(|| "text".to_owned()));
    assert!(
        matches!(
            of_another_type,
            (Some(Err(PoolError::ResultNotDecoded { .. })), 0)
        ),
        "{of_another_type:?}"
    );
    let without_state = end(builder(1).exit_hook_with_state(|n: &u32| *n));
    assert!(
        matches!(&without_state, (Some(Err(PoolError::Call { failure: Failure::Arguments(reason), .. })), 0) if reason.contains("no state")),
        "{without_state:?}"
    );
    let exits = end(builder(1).exit_hook(|| -> u32 { std::process::exit(3) }));
    assert!(matches!(exits, (None, 0)), "{exits:?}");
}

#[test]
fn a_hook_s_result_may_be_large_and_have_handles() {
    let _watchdog = watchdog();
    let hook = || {
        let (reader, mut writer) = pipe()?;
        writer.write_all(b"handle")?;
        let shared = Array::<u8>::from_iter([1, 2, 3])?;
        anyhow::Ok((vec![7_u8; 4 << 20], reader, shared))
    };
    let pool = builder(1).exit_hook(hook).start().unwrap();
    assert!(pool.apply(pid, ()).is_ok());
    pool.join();
    let mut results = pool.exit_results::<(Vec<u8>, PipeReader, Array<u8>)>();
    let (large, mut reader, shared) = results.pop().unwrap().unwrap();
    assert_eq!(large, vec![7; 4 << 20]);
    let mut words = String::new();
    reader.read_to_string(&mut words).unwrap();
    assert_eq!((words.as_str(), shared.to_vec()), ("handle", vec![1, 2, 3]));
}

#[test]
fn join_waits_for_hooks_and_terminate_does_not() {
    let _watchdog = watchdog();
    let slow = || {
        // For longer than a worker has that has closed its socket.
        thread::sleep(Duration::from_millis(1500));
        pid()
    };
    let pool = builder(1)
        .max_tasks_per_worker(1)
        .exit_hook(slow)
        .start()
        .unwrap();
    let first = pool.apply(pid, ()).unwrap();
    let second = pool.apply(pid, ()).unwrap();
    pool.join();
    let ended = results(&pool);
    assert!(ended.contains(&first) && ended.contains(&second));

    let forever = || -> u32 {
        loop {
            thread::park();
        }
    };
    let pool = builder(2).exit_hook(forever).start().unwrap();
    let busy = pool.apply(pid, ()).unwrap();
    assert!(!pool.join_timeout(Duration::from_millis(50)));
    pool.terminate();
    pool.join();
    assert!(!exists(busy));
}

#[test]
fn a_hook_sees_the_worker_s_state() {
    let _watchdog = watchdog();
    let pool = builder(2)
        .state(|first: u32| Cell::new(first), 100)
        .exit_hook_with_state(|sum: &Cell<u32>| sum.get())
        .start()
        .unwrap();
    let add = |sum: &Cell<u32>, n: u32| sum.set(sum.get() + n);
    pool.map_with_state(add, 0..100).unwrap();
    pool.join();
    assert_eq!(results(&pool).iter().sum::<u32>(), 200 + 4950);
}
