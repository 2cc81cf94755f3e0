//! Pools of a process that may not open any more files.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use procession_pool::{Pool, PoolError};
use procession_process::Process;
use procession_testkit::{eventually, kill9, watchdog};

procession_process::enable_in_tests!();

/// Returns how many files this process has open, those for looking aside.
fn open_files() -> u64 {
    let entries = std::fs::read_dir("/proc/self/fd").expect("the process has a list of its files");
    entries.count() as u64 - 1
}

/// Allows so many open files more than there are; returns what was allowed before.
fn allow(more: u64) -> u64 {
    let (before, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a process may ask");
    setrlimit(Resource::RLIMIT_NOFILE, open_files() + more, hard).expect("less is allowed");
    before
}

fn restore(limit: u64) {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a process may ask");
    setrlimit(Resource::RLIMIT_NOFILE, limit, hard).expect("it was allowed before");
}

fn answer(n: u32) -> u32 {
    n + 1
}

/// Makes pools with room for more and more descriptors, until one has been made and works.
fn make_with_little() -> (u64, u64) {
    let mut refused = 0;
    for more in 0..400 {
        let before = allow(more);
        let pool = Pool::new(2);
        let answers = pool.map(|pool| pool.map(answer, 0..4));
        restore(before);
        match answers {
            Ok(answers) => {
                // Its workers may have been refused what they need, which the pool says.
                match answers {
                    Ok(answers) => assert_eq!(answers, [1, 2, 3, 4]),
                    Err(error) => {
                        assert!(matches!(error, PoolError::Broken { .. }), "{error}");
                        continue;
                    }
                }
                return (refused, more);
            }
            Err(PoolError::Start(_) | PoolError::Thread(_)) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("a pool never works")
}

// POL-143
#[test]
fn a_pool_that_lacks_descriptors_says_so_and_never_hangs() {
    let _watchdog = watchdog();
    let (refused, _) = Process::spawn(make_with_little, ())
        .unwrap()
        .join()
        .unwrap();
    assert!(refused > 3, "{refused}");
}

/// Kills workers while there is no descriptor for others.
fn lose_workers() -> (String, u32) {
    let pool = Pool::new(2).expect("a pool starts");
    assert_eq!(pool.map(answer, 0..4).expect("it works"), [1, 2, 3, 4]);
    let before = allow(0);
    let victim = pool.worker_pids()[0];
    kill9(victim);
    for n in 0..100 {
        assert_eq!(pool.apply(answer, (n,)).expect("the other works"), n + 1);
    }
    restore(before);
    eventually("the pool has its size again", || {
        pool.worker_pids().len() == 2
    });
    let answers = pool.map(answer, 0..4).expect("it works").len();

    let before = allow(0);
    pool.worker_pids().into_iter().for_each(kill9);
    let error = pool.apply(answer, (1,)).expect_err("there are no workers");
    restore(before);
    assert!(matches!(error, PoolError::Broken { .. }), "{error}");
    (error.to_string(), answers as u32)
}

// POL-144
#[test]
fn workers_that_cannot_be_replaced_for_want_of_descriptors_are_when_there_are_some() {
    let _watchdog = watchdog();
    let (error, answers) = Process::spawn(lose_workers, ()).unwrap().join().unwrap();
    assert!(error.contains("open files"), "{error}");
    assert_eq!(answers, 4);
}
