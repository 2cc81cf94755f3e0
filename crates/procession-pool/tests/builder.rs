//! Pools with settings of their own.

use anyhow::bail;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use procession_pool::{Pool, PoolError};
use procession_process::{Process, StartMethod, current_process};
use procession_shm::{Array, Value};
use procession_testkit::{eventually, exists, hush, watchdog};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::Duration;

procession_process::enable_in_tests!();

fn pid(_: u32) -> u32 {
    std::process::id()
}

#[test]
fn settings_reach_the_workers() {
    let _watchdog = watchdog();
    for method in [StartMethod::ForkServer, StartMethod::Spawn] {
        let pool = Pool::builder()
            .workers(2)
            .name("Cook")
            .process(move |process| process.start_method(method).env("DISH", "soup"))
            .start()
            .unwrap();
        let look = |_: u8| {
            let name = current_process().name().to_owned();
            (name, std::env::var("DISH").unwrap_or_default())
        };
        for (name, dish) in pool.map(look, 0..9).unwrap() {
            assert!(name.starts_with("Cook-"), "{name}");
            assert_eq!(dish, "soup");
        }
    }
}

#[test]
fn there_are_as_many_workers_as_processors_by_default() {
    let _watchdog = watchdog();
    let pool = Pool::builder().start().unwrap();
    assert_eq!(
        pool.size(),
        std::thread::available_parallelism().unwrap().get()
    );
    assert!(matches!(
        Pool::builder().workers(0).start(),
        Err(PoolError::NoWorkers)
    ));
}

/// Makes pools in a process that may use the first `count` of its processors only.
fn sizes_on(count: usize) -> (usize, usize) {
    let own = Pid::from_raw(0);
    let all = sched_getaffinity(own).expect("the process may ask");
    let mut few = CpuSet::new();
    let allowed = (0..CpuSet::count()).filter(|&cpu| all.is_set(cpu) == Ok(true));
    let chosen: Vec<usize> = allowed.take(count).collect();
    for &cpu in &chosen {
        few.set(cpu).expect("it is in the set");
    }
    sched_setaffinity(own, &few).expect("less is allowed");
    (
        chosen.len(),
        Pool::builder().start().expect("a pool starts").size(),
    )
}

// POL-134
#[test]
fn the_default_size_is_what_the_affinity_leaves() {
    let _watchdog = watchdog();
    for count in [1, 2] {
        let process = Process::spawn(sizes_on, (count,)).unwrap();
        let (allowed, size) = process.join().unwrap();
        assert!(allowed <= count);
        assert_eq!(size, allowed);
    }
}

static READY: OnceLock<u32> = OnceLock::new();

fn set_up(runs: Value<u32>, number: u32) {
    runs.update(|runs| *runs += 1);
    READY.get_or_init(|| number);
}

// POL-059
#[test]
fn an_initializer_runs_once_in_each_worker_before_its_tasks() {
    let _watchdog = watchdog();
    let runs = Value::new(0).unwrap();
    let pool = Pool::builder()
        .workers(3)
        .initializer(set_up, (runs.clone(), 17))
        .start()
        .unwrap();
    let ready = pool
        .map_chunked(|_: u8| READY.get().copied(), 0..60, 1)
        .unwrap();
    assert_eq!(ready, [Some(17); 60]);
    eventually("all have begun", || runs.get() == 3);
    drop(pool);
    assert_eq!(runs.get(), 3);
}

fn fail(words: String) -> anyhow::Result<()> {
    bail!(words)
}

fn panic_at_start(words: String) {
    hush();
    panic!("{words}")
}

// POL-060
#[test]
fn a_pool_whose_initializer_fails_says_why() {
    let _watchdog = watchdog();
    let words = || ("no bread".to_owned(),);
    let pools = [
        Pool::builder().workers(2).initializer(fail, words()),
        Pool::builder()
            .workers(2)
            .initializer(panic_at_start, words()),
        Pool::builder().workers(2).state(panic_at_start, words().0),
    ];
    for pool in pools {
        let pool = pool.start().unwrap();
        let error = pool.map(pid, 0..10).unwrap_err();
        assert!(matches!(error, PoolError::Broken { .. }), "{error}");
        assert!(error.to_string().contains("no bread"), "{error}");
        assert!(matches!(
            pool.apply(pid, (1,)),
            Err(PoolError::Broken { .. })
        ));
    }
}

/// What no serde carries.
struct Counter(Cell<u32>);

fn count(counter: &Counter, n: u32) -> (u32, u32, u32) {
    counter.0.set(counter.0.get() + 1);
    (n, std::process::id(), counter.0.get())
}

fn counts_of(counted: &[(u32, u32, u32)], worker: u32) -> usize {
    counted.iter().filter(|(_, pid, _)| *pid == worker).count()
}

#[test]
fn a_worker_s_state_is_its_own_and_lasts() {
    let _watchdog = watchdog();
    let pool = Pool::builder()
        .workers(2)
        .state(|first: u32| Counter(Cell::new(first)), 100)
        .start()
        .unwrap();
    let counted = pool.map_with_state(count, 0..50).unwrap();
    for worker in pool.worker_pids() {
        let own = counted.iter().filter(|(_, pid, _)| *pid == worker);
        let mut counts: Vec<u32> = own.map(|(.., count)| *count).collect();
        // It may have been given a later item first.
        counts.sort_unstable();
        assert!(
            counts
                .into_iter()
                .eq((101..).take(counts_of(&counted, worker)))
        );
    }
    assert!(counted.iter().map(|(n, ..)| *n).eq(0..50));
    let error = pool.map_with_state(|_: &String, n: u8| n, [1]).unwrap_err();
    assert!(error.to_string().contains("no state of type"), "{error}");
}

// POL-020, POL-039
#[test]
fn a_worker_is_replaced_after_so_many_tasks() {
    let _watchdog = watchdog();
    let pool = Pool::builder()
        .workers(2)
        .max_tasks_per_worker(10)
        .start()
        .unwrap();
    for chunk in [1, 3, 10, 50] {
        let pids = pool.map_chunked(pid, 0..100, chunk).unwrap();
        for worker in pids.iter().collect::<BTreeSet<_>>() {
            assert!(pids.iter().filter(|pid| *pid == worker).count() <= 10);
        }
    }
    let first = pool.apply(pid, (0,)).unwrap();
    eventually("the first is gone", || {
        assert!(pool.apply(pid, (0,)).is_ok());
        !exists(first)
    });
    pool.join();
}

#[test]
fn a_chunk_that_no_worker_may_run_any_more_is_run_by_the_next() {
    let _watchdog = watchdog();
    let pool = Pool::builder()
        .workers(1)
        .max_tasks_per_worker(10)
        .start()
        .unwrap();
    let first = pool.map_chunked(pid, 0..9, 9).unwrap();
    let second = pool.map_chunked(pid, 0..2, 2).unwrap();
    assert!(first[0] != second[0] && second[0] == second[1]);
}

// POL-041
#[test]
fn a_pool_that_replaces_its_workers_ends_with_all_done() {
    let _watchdog = watchdog();
    let pool = Pool::builder()
        .workers(3)
        .max_tasks_per_worker(1)
        .start()
        .unwrap();
    let calls: Vec<_> = (0..30)
        .map(|n| pool.apply_async(pid, (n,)).unwrap())
        .collect();
    pool.close();
    pool.join();
    let pids: BTreeSet<u32> = calls.into_iter().map(|call| call.get().unwrap()).collect();
    assert_eq!(pids.len(), 30);
}

fn endless_at(ran: Array<u32>, n: usize) -> usize {
    ran.update(n, |ran| *ran += 1);
    if n % 4 == 3 {
        forever();
    }
    n
}

fn forever() {
    loop {
        std::thread::park();
    }
}

// POL-103
#[test]
fn a_task_that_takes_too_long_fails_alone() {
    let _watchdog = watchdog();
    let limit = Duration::from_millis(100);
    let pool = Pool::builder()
        .workers(2)
        .task_timeout(limit)
        .start()
        .unwrap();
    let ran = Array::<u32>::zeroed(12).unwrap();
    let items = (0..12).map(|n| (ran.clone(), n));
    let calls: Vec<_> = items
        .map(|item| pool.apply_async(endless_at, item).unwrap())
        .collect();
    for (n, call) in (0..).zip(calls) {
        match call.get() {
            Ok(answer) => assert_eq!((answer, n % 4 == 3), (n, false)),
            Err(error) => {
                assert!(matches!(error, PoolError::TimedOut { .. }), "{error}");
                assert_eq!(n % 4, 3);
            }
        }
    }
    assert_eq!(ran.to_vec(), [1; 12]);
    let error = pool
        .map_chunked(
            |n: u32| {
                if n == 2 {
                    forever();
                }
            },
            0..5,
            5,
        )
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the task for item 2 took longer than 100ms"
    );
    assert_eq!(pool.map(pid, 0..9).unwrap().len(), 9);
}
