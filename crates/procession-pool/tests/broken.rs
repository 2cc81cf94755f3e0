//! Pools whose workers cannot be started.
//!
//! Each runs in a process of its own, which spoils its own ability to start others.

#![expect(clippy::exit, reason = "it is how a worker ends that cannot be set up")]

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use procession_pool::{AsyncResult, Pool, PoolError};
use procession_process::{Process, Stdio, active_children, inherit};
use procession_testkit::{eventually, kill9, watchdog};
use std::fs;

procession_process::enable_in_tests!();

fn reason(result: Result<u32, PoolError>) -> String {
    match result {
        Err(PoolError::Broken { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

fn kill_all(pool: &Pool) {
    pool.worker_pids().into_iter().for_each(kill9);
}

fn forever() -> u32 {
    loop {
        std::thread::park();
    }
}

/// Lets this process open no further file.
fn open_no_more() {
    let open = fs::read_dir("/proc/self/fd").expect("the process has a list of its files");
    let highest = open.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u64>().ok());
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("there is a limit");
    let limit = highest.max().expect("some are open");
    setrlimit(Resource::RLIMIT_NOFILE, limit.min(8), hard).expect("a limit may be lowered");
}

fn without_descriptors() -> Vec<String> {
    let pool = Pool::new(2).expect("a pool starts");
    assert_eq!(
        pool.map(|n: u32| n, 0..4).expect("the pool works"),
        [0, 1, 2, 3]
    );
    let running: Vec<AsyncResult<u32>> = (0..6)
        .map(|_| pool.apply_async(forever, ()).expect("the pool is open"))
        .collect();
    open_no_more();
    kill_all(&pool);
    let mut results = running.into_iter().map(AsyncResult::get);
    // The two that were running died with their workers, unless they had not begun.
    let died =
        |result: &Result<u32, PoolError>| matches!(result, Err(PoolError::WorkerDied { .. }));
    let mut reasons: Vec<String> = results
        .by_ref()
        .filter(|result| !died(result))
        .map(reason)
        .collect();
    reasons.push(reason(pool.apply(|| 7, ())));
    reasons
}

#[test]
fn a_pool_that_gets_no_descriptors_says_so() {
    let _watchdog = watchdog();
    let reasons = Process::spawn(without_descriptors, ())
        .unwrap()
        .join()
        .unwrap();
    assert!(reasons.len() >= 5, "{reasons:?}");
    for reason in reasons {
        assert!(reason.contains("Too many open files"), "{reason}");
    }
}

fn die_in_setup(code: i32) {
    std::process::exit(code);
}

/// What a program does whose children do not get as far as to serve.
fn with_failing_setup() -> (String, usize) {
    let pool = Pool::new(2).expect("a pool starts");
    pool.apply(|| 7, ()).expect("the pool works");
    inherit(die_in_setup, 9).expect("the setup is a function of this program");
    kill_all(&pool);
    let late = reason(pool.apply(|| 8, ()));
    eventually("the pool has given up", || pool.worker_pids().is_empty());
    assert_eq!(reason(pool.apply(|| 9, ())), late);
    drop(pool);

    let stillborn = Pool::new(3).expect("the processes start");
    assert_eq!(reason(stillborn.map(|n: u32| n, 0..9).map(|_| 0)), late);
    drop(stillborn);
    (late, active_children().len())
}

// POL-060, POL-093
#[test]
fn a_pool_whose_workers_end_at_once_says_so() {
    let _watchdog = watchdog();
    let (reason, children) = Process::spawn(with_failing_setup, ())
        .unwrap()
        .join()
        .unwrap();
    assert_eq!(reason, "a worker exited with code 9 before it had started");
    assert_eq!(children, 0);
}

fn panic_in_setup(words: String) {
    panic!("{words}");
}

fn fail_in_setup(words: String) -> anyhow::Result<()> {
    anyhow::bail!(words)
}

/// The reason of a pool whose workers are set up by what fails.
fn reason_of_a_new_pool() -> String {
    let pool = Pool::new(2).expect("the processes start");
    reason(pool.apply(|| 8, ()))
}

fn with_panicking_setup() -> String {
    let words = "no licence".to_owned();
    inherit(panic_in_setup, words).expect("the setup is a function of this program");
    reason_of_a_new_pool()
}

fn with_setup_that_returns_an_error() -> String {
    let words = "no licence".to_owned();
    inherit(fail_in_setup, words).expect("the setup is a function of this program");
    reason_of_a_new_pool()
}

// POL-096
#[test]
fn what_a_setup_failed_with_is_the_reason() {
    let _watchdog = watchdog();
    // The panics are reported there too.
    let quiet = || Process::builder().stderr(Stdio::null());
    let panicked = quiet().spawn(with_panicking_setup, ());
    let panicked = panicked.unwrap().join().unwrap();
    assert!(
        panicked.starts_with("a worker panicked at crates/procession-pool/tests/broken.rs:"),
        "{panicked}"
    );
    assert!(panicked.ends_with(": no licence"), "{panicked}");
    let failed = quiet().spawn(with_setup_that_returns_an_error, ());
    assert_eq!(
        failed.unwrap().join().unwrap(),
        "a worker failed: no licence"
    );
}

fn too_many() -> (String, usize) {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("there is a limit");
    setrlimit(Resource::RLIMIT_NOFILE, 40, hard).expect("a limit may be lowered");
    let error = Pool::new(100).expect_err("there is no room for so many");
    assert!(matches!(error, PoolError::Start(_)), "{error}");
    (error.to_string(), active_children().len())
}

#[test]
fn a_pool_that_cannot_begin_leaves_nothing() {
    let _watchdog = watchdog();
    let (error, children) = Process::spawn(too_many, ()).unwrap().join().unwrap();
    assert!(error.starts_with("cannot start a worker: "), "{error}");
    assert!(error.contains("Too many open files"), "{error}");
    assert_eq!(children, 0);
}
