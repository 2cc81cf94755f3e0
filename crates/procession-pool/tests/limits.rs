//! What a worker may have: memory, and time without anything to do.

use procession_pool::{Pool, PoolError};
use procession_process::StartMethod;
use procession_shm::{Array, Value};
use procession_testkit::{eventually, exists, watchdog};
use std::collections::BTreeSet;
use std::hint::black_box;
use std::thread;
use std::time::Duration;

procession_process::enable_in_tests!();

const LIMIT: u64 = 64 << 20;

fn pid() -> u32 {
    std::process::id()
}

/// Has so much memory for as long as it is let.
fn fill(ran: Array<u32>, n: usize, bytes: usize) -> usize {
    ran.update(n, |ran| *ran += 1);
    let memory = black_box(vec![1_u8; bytes]);
    if bytes as u64 > LIMIT {
        loop {
            thread::park();
        }
    }
    memory.len()
}

// POL-135
#[test]
fn a_task_that_takes_too_much_memory_fails_alone() {
    let _watchdog = watchdog();
    for method in [StartMethod::ForkServer, StartMethod::Spawn] {
        let pool = Pool::builder()
            .workers(2)
            .memory_limit(LIMIT)
            .process(move |process| process.start_method(method))
            .start()
            .unwrap();
        let ran = Array::<u32>::zeroed(8).unwrap();
        let bytes = |n| if n == 5 { 96 << 20 } else { 1 << 20 };
        let calls: Vec<_> = (0..8)
            .map(|n| pool.apply_async(fill, (ran.clone(), n, bytes(n))).unwrap())
            .collect();
        for (n, call) in calls.into_iter().enumerate() {
            match call.get() {
                Ok(filled) => assert!(filled == 1 << 20 && n != 5),
                Err(PoolError::MemoryLimit { limit, pid, .. }) => {
                    assert!(n == 5 && limit == LIMIT && !exists(pid));
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(ran.to_vec(), [1; 8]);
        let items = (0..4).map(|n| (ran.clone(), n, if n == 2 { 96 << 20 } else { 1 }));
        let error = pool.starmap(fill, items).unwrap_err();
        let words = error.to_string();
        assert!(
            words.ends_with(
                "exceeded its memory limit of 67108864 bytes while it ran the task for item 2"
            ),
            "{words}"
        );
    }
}

// POL-136
#[test]
fn a_worker_that_has_too_much_memory_between_tasks_is_replaced() {
    let _watchdog = watchdog();
    let pool = Pool::builder()
        .workers(1)
        .memory_limit(LIMIT)
        .start()
        .unwrap();
    let leak = || {
        black_box(vec![1_u8; 96 << 20].leak());
        pid()
    };
    // It may be found while the task still runs.
    let first = match pool.apply(leak, ()) {
        Ok(pid) | Err(PoolError::MemoryLimit { pid, .. }) => pid,
        Err(error) => panic!("{error}"),
    };
    eventually("another worker is there", || match pool.apply(pid, ()) {
        Ok(pid) | Err(PoolError::MemoryLimit { pid, .. }) => pid != first,
        Err(error) => panic!("{error}"),
    });
    eventually("the first has ended", || !exists(first));
    assert!(pool.apply(pid, ()).is_ok());
}

#[test]
fn shared_memory_does_not_count() {
    let _watchdog = watchdog();
    let pool = Pool::builder()
        .workers(1)
        .memory_limit(LIMIT)
        .start()
        .unwrap();
    let first = pool.apply(pid, ()).unwrap();
    let shared = Array::<u8>::zeroed(96 << 20).unwrap();
    let use_all = |shared: Array<u8>| {
        shared.lock().unwrap().fill(1);
        // It is looked meanwhile.
        thread::sleep(Duration::from_millis(300));
        std::process::id()
    };
    assert_eq!(pool.apply(use_all, (shared,)).unwrap(), first);
}

#[test]
fn an_initializer_that_takes_too_much_memory_is_why_the_pool_cannot_start() {
    let _watchdog = watchdog();
    let set_up = || {
        let memory = black_box(vec![1_u8; 96 << 20]);
        while !memory.is_empty() {
            thread::park();
        }
    };
    let pool = Pool::builder()
        .workers(1)
        .memory_limit(LIMIT)
        .initializer(set_up, ())
        .start()
        .unwrap();
    let error = pool.apply(pid, ()).unwrap_err();
    assert!(matches!(error, PoolError::Broken { .. }), "{error}");
    assert!(error.to_string().contains("memory limit"), "{error}");
}

/// Waits until so many tasks run at the same time.
fn meet(there: Value<u32>, wanted: u32) -> u32 {
    there.update(|there| *there += 1);
    while there.get() < wanted {
        thread::yield_now();
    }
    std::process::id()
}

// POL-137
#[test]
fn idle_workers_end_and_come_back_as_many_as_are_needed() {
    let _watchdog = watchdog();
    let pool = Pool::builder()
        .workers(3)
        .idle_timeout(Duration::from_millis(20))
        .start()
        .unwrap();
    let mut all = BTreeSet::new();
    for wanted in [1, 3, 2] {
        let there = Value::new(0).unwrap();
        let calls: Vec<_> = (0..wanted)
            .map(|_| pool.apply_async(meet, (there.clone(), wanted)).unwrap())
            .collect();
        let pids: BTreeSet<u32> = calls.into_iter().map(|call| call.get().unwrap()).collect();
        assert_eq!(pids.len(), wanted as usize);
        all.extend(pids);
        eventually("they have ended", || pool.worker_pids().is_empty());
        assert!(all.iter().all(|&pid| !exists(pid)));
    }
    assert_eq!(pool.size(), 3);
    pool.join();
}

#[test]
fn a_single_call_brings_back_one_worker_only() {
    let _watchdog = watchdog();
    let pool = Pool::builder()
        .workers(3)
        .idle_timeout(Duration::from_millis(200))
        .start()
        .unwrap();
    eventually("they have ended", || pool.worker_pids().is_empty());
    let pid = pool.apply(pid, ()).unwrap();
    let there = pool.worker_pids();
    assert!(there.is_empty() || there == [pid]);
}

#[test]
fn a_worker_that_is_busy_for_longer_is_not_idle() {
    let _watchdog = watchdog();
    let pool = Pool::builder()
        .workers(1)
        .idle_timeout(Duration::from_millis(10))
        .start()
        .unwrap();
    let sleep = |millis: u64| {
        thread::sleep(Duration::from_millis(millis));
        std::process::id()
    };
    let calls: Vec<_> = (0..4)
        .map(|_| pool.apply_async(sleep, (100,)).unwrap())
        .collect();
    let pids: BTreeSet<u32> = calls.into_iter().map(|call| call.get().unwrap()).collect();
    assert_eq!(pids.len(), 1);
}

#[test]
fn calls_at_the_moment_of_going_are_run() {
    let _watchdog = watchdog();
    let pool = Pool::builder()
        .workers(2)
        .idle_timeout(Duration::from_millis(1))
        .start()
        .unwrap();
    for n in 0..100_u32 {
        assert_eq!(pool.apply(|n: u32| n, (n,)).unwrap(), n);
        thread::sleep(Duration::from_micros(u64::from(n) * 40));
    }
    let calls: Vec<_> = (0..50_u32)
        .map(|n| pool.apply_async(|n: u32| n, (n,)).unwrap())
        .collect();
    pool.join();
    for (n, call) in (0..).zip(calls) {
        assert_eq!(call.get().unwrap(), n);
    }
}
