//! Requests that a worker cannot read.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procession_pipe::{PipeReader, pipe};
use procession_pool::{Pool, PoolBuilder, PoolError};
use procession_testkit::{eventually, watchdog};
use std::time::Duration;

procession_process::enable_in_tests!();

/// Makes workers that cannot receive [`many`] descriptors.
fn builder(workers: usize) -> PoolBuilder {
    Pool::builder()
        .workers(workers)
        .process(|process| process.open_files_limit(40))
}

fn many() -> Vec<PipeReader> {
    let reader = |_| pipe().expect("there is room for a pipe").0;
    (0..60).map(reader).collect()
}

fn count(readers: Vec<PipeReader>) -> (u32, usize) {
    (std::process::id(), readers.len())
}

fn is_refusal(error: &PoolError) -> bool {
    matches!(error, PoolError::Exchange { reason, .. } if reason.contains("descriptor"))
}

// POL-141
#[test]
fn a_request_that_no_worker_can_read_fails_with_the_reason_and_no_other_does() {
    let _watchdog = watchdog();
    let pool = builder(2).start().unwrap();
    let pids = pool.worker_pids();
    let calls: Vec<_> = (0..30)
        .map(|n| {
            let readers = if n % 5 == 2 { many() } else { Vec::new() };
            pool.apply_async(count, (readers,)).unwrap()
        })
        .collect();
    for (n, call) in calls.into_iter().enumerate() {
        match call.get() {
            Ok((_, readers)) => assert!(readers == 0 && n % 5 != 2),
            Err(error) => assert!(n % 5 == 2 && is_refusal(&error), "{error}"),
        }
    }
    let items = [Vec::new(), many(), Vec::new()];
    let error = pool.map(count, items).unwrap_err();
    assert!(error.item() == Some(1) && is_refusal(&error), "{error}");
    assert_eq!(pool.worker_pids(), pids, "no worker has ended");
}

// POL-142
#[test]
fn a_worker_does_not_refuse_what_was_taken_back_from_it() {
    let _watchdog = watchdog();
    let pool = builder(2).stop_timeout(Duration::MAX).start().unwrap();
    let stopped = pool.worker_pids()[0];
    eventually("it has begun", || {
        let used = pool.map_chunked(count, (0..20).map(|_| Vec::new()), 1);
        used.unwrap().iter().any(|(pid, _)| *pid == stopped)
    });
    let signal = |signal| kill(Pid::from_raw(stopped.cast_signed()), signal).unwrap();
    for _ in 0..10 {
        signal(Signal::SIGSTOP);
        let calls = [many(), many()].map(|readers| pool.apply_async(count, (readers,)).unwrap());
        for call in calls {
            let error = call.get().unwrap_err();
            assert!(is_refusal(&error), "{error}");
        }
        signal(Signal::SIGCONT);
        // The worker finds what it has not read in front of what is its own now.
        for _ in 0..5 {
            let few = pool.map_chunked(count, (0..8).map(|_| Vec::new()), 1);
            assert_eq!(few.unwrap().len(), 8);
        }
    }
    assert!(pool.worker_pids().contains(&stopped));
}
