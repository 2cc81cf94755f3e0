//! Workers that end before they have run anything.

#![expect(clippy::exit, reason = "it is one of the ways to end")]

use nix::sys::signal::{Signal, kill, raise};
use nix::unistd::Pid;
use procession_pool::{Pool, PoolError};
use procession_process::StartMethod;
use procession_shm::{Array, Value};
use procession_testkit::{eventually, watchdog};
use std::process::{abort, exit};

procession_process::enable_in_tests!();

/// How an initializer ends its worker, for as long as it has to.
fn end(runs: Value<u32>, deaths: u32, how: u32) {
    if runs.update(|runs| std::mem::replace(runs, *runs + 1)) >= deaths {
        return;
    }
    match how {
        0 => raise(Signal::SIGKILL).expect("a process may kill itself"),
        1 => exit(3),
        2 => exit(0),
        _ => abort(),
    }
}

fn count(ran: Array<u32>, n: usize) -> usize {
    ran.update(n, |ran| *ran += 1);
    n
}

// POL-145
#[test]
fn workers_that_end_in_their_initializer_are_replaced_and_cost_no_call() {
    let _watchdog = watchdog();
    for method in [StartMethod::ForkServer, StartMethod::Spawn] {
        for how in 0..4 {
            let runs = Value::new(0).unwrap();
            let pool = Pool::builder()
                .workers(2)
                .process(move |process| process.start_method(method))
                .initializer(end, (runs.clone(), 4, how))
                .start()
                .unwrap();
            let ran = Array::<u32>::zeroed(20).unwrap();
            let items = (0..20).map(|n| (ran.clone(), n));
            assert!(pool.starmap(count, items).unwrap().into_iter().eq(0..20));
            assert_eq!(ran.to_vec(), [1; 20]);
            eventually("both have begun", || runs.get() >= 6);
        }
    }
}

// POL-146
#[test]
fn how_workers_end_in_their_initializer_is_why_a_pool_cannot_start() {
    let _watchdog = watchdog();
    let ends = [
        "a worker was killed by SIGKILL (signal 9) before it had started",
        "a worker exited with code 3 before it had started",
        "a worker exited with code 0 before it had started",
        "a worker was killed by SIGABRT (signal 6) before it had started",
    ];
    for (how, words) in (0..).zip(ends) {
        let runs = Value::new(0).unwrap();
        let pool = Pool::builder()
            .workers(2)
            .initializer(end, (runs.clone(), u32::MAX, how))
            .start()
            .unwrap();
        let calls: Vec<_> = (0..5_u32)
            .map(|n| pool.apply_async(|n: u32| n, (n,)))
            .collect();
        for call in calls {
            // The pool may have given up before the call.
            let error = call
                .and_then(procession_pool::AsyncResult::get)
                .unwrap_err();
            let PoolError::Broken { reason } = &error else {
                panic!("{error}");
            };
            assert_eq!(reason, words);
        }
        // A few tries for each worker, and no more.
        assert!((5..20).contains(&runs.get()), "{}", runs.get());
        let error = pool.map(|n: u32| n, 0..3).unwrap_err();
        assert!(matches!(error, PoolError::Broken { .. }), "{error}");
        pool.join();
    }
}

#[test]
fn workers_that_are_killed_from_outside_while_they_start_are_replaced() {
    let _watchdog = watchdog();
    for round in 0..20 {
        let method = [StartMethod::ForkServer, StartMethod::Spawn][round % 2];
        let pool = Pool::builder()
            .workers(3)
            .process(move |process| process.start_method(method))
            .start()
            .unwrap();
        let ran = Array::<u32>::zeroed(9).unwrap();
        let calls: Vec<_> = (0..9)
            .map(|n| pool.apply_async(count, (ran.clone(), n)).unwrap())
            .collect();
        for pid in pool.worker_pids() {
            // It may have been reaped.
            let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
        }
        for (n, call) in calls.into_iter().enumerate() {
            match call.get() {
                Ok(answer) => assert_eq!((answer, ran.get(n)), (n, 1)),
                Err(PoolError::WorkerDied { .. }) => assert!(ran.get(n) <= 1),
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(pool.map(|n: u32| n, 0..3).unwrap(), [0, 1, 2]);
    }
}
