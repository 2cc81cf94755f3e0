//! Several results at once: all, any, as they come, and beside other things.

use procession_pipe::{Pipe, Waitable, wait};
use procession_pool::{AsyncResult, Pool, PoolError, as_completed, wait_all, wait_any};
use procession_process::Process;
use procession_shm::{Array, Value};
use procession_testkit::{eventually, kill9, watchdog};
use std::collections::BTreeSet;
use std::fs;
use std::thread;
use std::time::Duration;

procession_process::enable_in_tests!();

const MOMENT: Duration = Duration::from_millis(20);

/// Waits until the element is set.
fn wait_for(go: Array<u32>, n: usize) -> usize {
    while go.get(n) == 0 {
        thread::yield_now();
    }
    n
}

fn waiting(pool: &Pool, go: &Array<u32>) -> Vec<AsyncResult<usize>> {
    let call = |n| {
        pool.submit(wait_for, (go.clone(), n))
            .expect("the pool is open")
    };
    (0..go.len()).map(call).collect()
}

// POL-163
#[test]
fn all_are_waited_for_and_no_longer_than_asked() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    let go = Array::<u32>::zeroed(2).unwrap();
    let results = waiting(&pool, &go);
    assert!(!wait_all(&results, MOMENT));
    go.set(0, 1);
    assert!(!wait_all(&results, MOMENT));
    thread::scope(|scope| {
        let all = scope.spawn(|| wait_all(&results, None));
        go.set(1, 1);
        assert!(all.join().unwrap());
    });
    assert!(wait_all(&results, Duration::ZERO));
    assert!(wait_all::<u8>(&[], None));
}

// POL-078, POL-081
#[test]
fn any_is_waited_for_and_no_longer_than_asked() {
    let _watchdog = watchdog();
    let pool = Pool::new(3).unwrap();
    let go = Array::<u32>::zeroed(3).unwrap();
    let results = waiting(&pool, &go);
    assert_eq!(wait_any(&results, MOMENT), []);
    go.set(1, 1);
    assert_eq!(wait_any(&results, None), [1]);
    assert_eq!(wait_any(&results[2..], MOMENT), []);
    thread::scope(|scope| {
        let waits: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| wait_any(&results[2..], None)))
            .collect();
        go.set(2, 1);
        for wait in waits {
            assert_eq!(wait.join().unwrap(), [0]);
        }
    });
    go.set(0, 1);
    assert!(wait_all(&results, None));
    assert_eq!(wait_any(&results, None), [0, 1, 2]);
    assert_eq!(wait_any::<u8>(&[], None), []);
}

// POL-083, POL-084, POL-087
#[test]
fn results_are_taken_in_the_order_in_which_they_come() {
    let _watchdog = watchdog();
    let pool = Pool::new(4).unwrap();
    let go = Array::<u32>::zeroed(4).unwrap();
    let mut results = as_completed(waiting(&pool, &go));
    for (left, n) in (0..4).rev().zip([2, 0, 3, 1]) {
        assert!(results.next_timeout(MOMENT).is_none());
        assert_eq!(results.len(), left + 1);
        go.set(n, 1);
        let (which, result) = results.next().unwrap();
        assert_eq!((which, result.unwrap()), (n, n));
    }
    assert!(results.next().is_none() && results.next_timeout(MOMENT).is_none());
}

fn die_at(n: u64) -> u64 {
    if n % 1000 == 13 {
        kill9(std::process::id());
    }
    n
}

// POL-083
#[test]
fn thousands_are_taken_each_once_with_those_that_failed() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    let calls = (0..5000).map(|n| pool.submit(die_at, (n,)).unwrap());
    let mut seen = BTreeSet::new();
    for (which, result) in as_completed(calls) {
        match result {
            Ok(n) => assert_eq!(n, which as u64),
            Err(PoolError::WorkerDied { .. }) => assert_eq!(which % 1000, 13),
            Err(error) => panic!("{error}"),
        }
        assert!(seen.insert(which));
    }
    assert_eq!(seen.len(), 5000);
}

// POL-164
#[test]
fn results_of_several_pools_are_waited_for_together() {
    let _watchdog = watchdog();
    let pools = [Pool::new(1).unwrap(), Pool::new(1).unwrap()];
    let go = Array::<u32>::zeroed(2).unwrap();
    let call = |n: usize| pools[n].submit(wait_for, (go.clone(), n)).unwrap();
    let results = [call(0), call(1)];
    assert_eq!(wait_any(&results, MOMENT), []);
    thread::scope(|scope| {
        let any = scope.spawn(|| wait_any(&results, None));
        go.set(1, 1);
        assert_eq!(any.join().unwrap(), [1]);
    });
    let mut results = as_completed(results);
    assert_eq!(results.next().map(|(which, _)| which), Some(1));
    assert!(results.next_timeout(MOMENT).is_none());
    pools[0].terminate();
    let (which, result) = results.next().unwrap();
    assert!(matches!((which, result), (0, Err(PoolError::Terminated))));
}

/// Returns how many threads help others to wait.
fn helpers() -> usize {
    let threads = fs::read_dir("/proc/self/task").expect("a process sees its threads");
    let name = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("comm"));
    let names = threads.flatten().flat_map(name);
    names.filter(|name| name == "procession-wait\n").count()
}

// POL-165
#[test]
fn results_are_waited_for_beside_connections_and_processes() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    let go = Array::<u32>::zeroed(2).unwrap();
    let results = waiting(&pool, &go);
    let (connection, other) = Pipe::duplex::<u8, u8>().unwrap();
    let ended = Value::new(false).unwrap();
    let until = |ended: Value<bool>| {
        while !ended.get() {
            thread::yield_now();
        }
    };
    let process = Process::spawn(until, (ended.clone(),)).unwrap();
    let all: [&dyn Waitable; 4] = [&connection, &results[0], &process, &results[1]];
    assert_eq!(wait(&all, MOMENT).unwrap(), []);
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(MOMENT);
            go.set(1, 1);
        });
        assert_eq!(wait(&all[1..], None).unwrap(), [2]);
    });
    other.send(&1).unwrap();
    assert_eq!(wait(&all, None).unwrap(), [0, 3]);
    pool.terminate();
    assert_eq!(wait(&all, None).unwrap(), [0, 1, 3]);
    ended.set(true);
    process.join().unwrap();
}

// POL-165
#[test]
fn thousands_of_results_are_waited_for_without_a_thread_each() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let other = Pool::new(1).unwrap();
    let go = Array::<u32>::zeroed(2).unwrap();
    let mut results = Vec::new();
    for n in 0..4000 {
        let pool = if n % 2 == 0 { &pool } else { &other };
        results.push(pool.submit(wait_for, (go.clone(), n % 2)).unwrap());
    }
    thread::scope(|scope| {
        let any = scope.spawn(|| wait(&results, None).unwrap());
        thread::sleep(MOMENT);
        // Another test has one.
        assert!(helpers() <= 1);
        go.set(1, 1);
        let ready = any.join().unwrap();
        assert!(!ready.is_empty() && ready.iter().all(|n| n % 2 == 1));
    });
    go.set(0, 1);
    assert!(wait_all(&results, None));
    assert_eq!(wait(&results, None).unwrap().len(), 4000);
}

// POL-071, POL-072, POL-073
#[test]
fn a_result_tells_how_far_it_is() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let go = Array::<u32>::zeroed(2).unwrap();
    let results = waiting(&pool, &go);
    eventually("the first is begun", || !results[0].workers().is_empty());
    assert_eq!(results[0].workers(), pool.worker_pids());
    assert!(results[1].workers().is_empty());
    assert_eq!((results[0].ready(), results[0].successful()), (false, None));
    assert!(results[1].cancel());
    assert_eq!(results[1].successful(), Some(false));
    go.set(0, 1);
    results[0].wait();
    assert!(results[0].workers().is_empty());
    assert_eq!(results[0].successful(), Some(true));
}

// POL-072
#[test]
fn success_is_known_before_the_result_is_taken_and_after() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    let mut fine = pool.map_async(|n: u64| n, 0..500).unwrap();
    let mut large = pool.submit(|| vec![0_u8; 100_000], ()).unwrap();
    let handle = pool
        .submit(|| Value::new(1_u8).map_err(anyhow::Error::from), ())
        .unwrap();
    let fails = |n: u64| {
        if n == 333 {
            Err(anyhow::anyhow!("no"))
        } else {
            Ok(n)
        }
    };
    let mut failed = pool.map_async(fails, 0..500).unwrap();
    let never = Array::<u32>::zeroed(1).unwrap();
    let late = pool.task(wait_for).timeout(MOMENT);
    let late = late.apply_async((never, 0)).unwrap();
    let died = pool.submit(die_at, (13,)).unwrap();
    for done in [
        fine.wait_timeout(Duration::MAX),
        late.wait_timeout(Duration::MAX),
    ] {
        assert!(done);
    }
    large.wait();
    handle.wait();
    failed.wait();
    died.wait();
    assert_eq!(fine.successful(), Some(true));
    assert_eq!(large.successful(), Some(true));
    assert_eq!(handle.successful(), Some(true));
    assert_eq!(failed.successful(), Some(false));
    assert_eq!(late.successful(), Some(false));
    assert_eq!(died.successful(), Some(false));
    fine.get_timeout(Duration::ZERO).unwrap();
    large.get_timeout(Duration::ZERO).unwrap();
    failed.get_timeout(Duration::ZERO).unwrap_err();
    assert_eq!(fine.successful(), Some(true));
    assert_eq!(large.successful(), Some(true));
    assert_eq!(failed.successful(), Some(false));
}
