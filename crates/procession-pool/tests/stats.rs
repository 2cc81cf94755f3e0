//! What a pool says of itself in numbers.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procession_pool::{Pool, PoolError, WorkerState};
use procession_shm::Value;
use procession_testkit::{eventually, kill9, watchdog};
use std::thread;
use std::time::Duration;

procession_process::enable_in_tests!();

fn double(n: u64) -> anyhow::Result<u64> {
    anyhow::ensure!(n % 10 != 7, "one in ten fails");
    Ok(2 * n)
}

/// Waits until the gate has opened.
fn wait(gate: Value<bool>) {
    while !gate.get() {
        thread::sleep(Duration::from_millis(1));
    }
}

// POL-190
#[test]
fn what_is_done_is_counted_exactly() {
    let _watchdog = watchdog();
    let pool = Pool::new(3).unwrap();
    let failures = |pool: &Pool, n| {
        let results = pool.task(double).chunk(4).try_map(0..n).unwrap();
        results.iter().filter(|result| result.is_err()).count()
    };
    assert_eq!(failures(&pool, 1000), 100);
    assert!(pool.apply(double, (7,)).is_err());
    assert_eq!(pool.apply(double, (8,)).unwrap(), 16);
    let large = pool.apply(|bytes: Vec<u8>| bytes, (vec![1; 1 << 20],));
    assert_eq!(large.unwrap().len(), 1 << 20);
    let stats = pool.stats();
    assert_eq!((stats.done, stats.failed), (1003, 101));
    assert_eq!((stats.queued, stats.running(), stats.lost), (0, 0, 0));
    assert_eq!((stats.retried, stats.restarted), (0, 0));
    assert!(
        stats.bytes_sent > 1 << 20 && stats.bytes_received > 1 << 20,
        "{stats}"
    );
    let of_workers = stats
        .workers
        .iter()
        .map(|worker| (worker.done, worker.failed));
    let sums = of_workers.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    assert_eq!(sums, (1003, 101));
    for worker in &stats.workers {
        assert!(pool.worker_pids().contains(&worker.pid));
        assert!(worker.name.starts_with("PoolWorker-"), "{}", worker.name);
        assert!(worker.memory.is_some_and(|bytes| bytes > 1 << 16));
        assert_eq!((worker.state, worker.waiting), (WorkerState::Idle, 0));
        assert_eq!(
            (worker.working, worker.idle),
            (None, None),
            "nobody has asked for them"
        );
    }
}

// POL-190
#[test]
fn what_runs_is_told_by_its_name_and_item() {
    let _watchdog = watchdog();
    let pool = Pool::builder().workers(2).insights(true).start().unwrap();
    let gate = Value::new(false).unwrap();
    let gates = vec![gate.clone(); 5];
    let calls = pool.task(wait).chunk(1).map_async(gates).unwrap();
    eventually("two are running", || pool.stats().running() == 2);
    thread::sleep(Duration::from_millis(20));
    let stats = pool.stats();
    assert_eq!(stats.queued, 3);
    assert_eq!(
        stats
            .workers
            .iter()
            .map(|worker| worker.waiting)
            .sum::<usize>(),
        3
    );
    let mut items: Vec<_> = stats
        .workers
        .iter()
        .map(|worker| {
            assert_eq!(worker.state, WorkerState::Working);
            let task = worker.task.as_ref().unwrap();
            assert!(task.task.ends_with("stats::wait"), "{}", task.task);
            assert!(task.age >= Some(Duration::from_millis(20)));
            assert!(worker.working >= task.age);
            task.item.unwrap()
        })
        .collect();
    items.sort_unstable();
    assert_eq!(items.len(), 2);
    let words = stats.to_string();
    assert!(
        words.starts_with("3 calls queued, 2 running, 0 done; "),
        "{words}"
    );
    assert!(
        words.contains(&format!("stats::wait, item {}, for ", items[0])),
        "{words}"
    );
    gate.set(true);
    calls.get().unwrap();
    let stats = pool.stats();
    assert_eq!((stats.done, stats.queued, stats.running()), (5, 0, 0));
    eventually("a moment passes", || {
        let idle = pool.stats().workers[0].idle;
        idle > stats.workers[0].idle
    });
}

// POL-191
#[test]
fn what_is_lost_run_again_and_restarted_is_counted() {
    let _watchdog = watchdog();
    let pool = Pool::builder().workers(1).retries(1).start().unwrap();
    let gate = Value::new(false).unwrap();
    let call = pool.apply_async(wait, (gate.clone(),)).unwrap();
    for deaths in 1..=2 {
        eventually("it runs", || pool.stats().running() == 1);
        kill9(pool.stats().workers[0].pid);
        eventually("another worker is there", || {
            pool.stats().restarted == deaths
        });
    }
    assert!(matches!(call.get(), Err(PoolError::WorkerDied { .. })));
    let cancelled = pool.apply_async(wait, (gate.clone(),)).unwrap();
    let running = pool.apply_async(wait, (gate.clone(),)).unwrap();
    eventually("one runs", || pool.stats().running() == 1);
    assert!(!cancelled.cancel() && running.workers().is_empty());
    let waiting = pool.apply_async(wait, (gate.clone(),)).unwrap();
    assert!(waiting.cancel());
    gate.set(true);
    running.get().unwrap();
    let stats = pool.stats();
    assert_eq!((stats.done, stats.failed), (2, 0));
    assert_eq!((stats.lost, stats.retried, stats.restarted), (2, 1, 2));
    pool.terminate();
    assert!(
        pool.stats()
            .workers
            .iter()
            .all(|worker| worker.state == WorkerState::Ending)
    );
    pool.join();
    assert_eq!(pool.stats().workers, []);
}

// POL-191
#[test]
fn a_workers_life_is_told_from_its_start() {
    fn prepare(gate: Value<bool>) {
        wait(gate);
        thread::sleep(Duration::from_millis(5));
    }
    let _watchdog = watchdog();
    let gate = Value::new(false).unwrap();
    let builder = Pool::builder()
        .workers(1)
        .task_timeout(Duration::from_mins(1));
    let pool = builder
        .initializer(prepare, (gate.clone(),))
        .start()
        .unwrap();
    let state = |pool: &Pool| pool.stats().workers.first().map(|worker| worker.state);
    eventually("it is starting", || {
        state(&pool) == Some(WorkerState::Starting)
    });
    assert_eq!(pool.stats().workers[0].starting, None);
    gate.set(true);
    eventually("it has nothing to do", || {
        state(&pool) == Some(WorkerState::Idle)
    });
    let worker = pool.stats().workers.remove(0);
    assert!(worker.initializer >= Some(Duration::from_millis(5)));
    assert!(worker.starting > Some(Duration::ZERO));
    gate.set(false);
    let call = pool.apply_async(wait, (gate.clone(),)).unwrap();
    eventually("it works", || state(&pool) == Some(WorkerState::Working));
    let pid = Pid::from_raw(worker.pid.cast_signed());
    kill(pid, Signal::SIGSTOP).unwrap();
    eventually("it is stopped", || {
        state(&pool) == Some(WorkerState::Stopped)
    });
    kill(pid, Signal::SIGCONT).unwrap();
    eventually("it goes on", || state(&pool) == Some(WorkerState::Working));
    gate.set(true);
    call.get().unwrap();
    assert!(pool.stats().workers[0].working > Some(Duration::ZERO));
    pool.close();
    pool.join();
    let end = pool.stats();
    assert_eq!((end.workers.len(), end.done), (0, 1));
}
