//! The pool that the server has.
#![expect(
    clippy::needless_pass_by_value,
    reason = "what a child is given is its own"
)]

use super::{manager, start};
use procession_call::Failure;
use procession_manager::{ClientStats, List, ManagerError, Pool, PoolResult, Value};
use procession_testkit::{alive, eventually, kill9, watchdog};
use std::thread;
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(20);

fn wait_for_more_than(value: Value<u32>, limit: u32) -> u32 {
    loop {
        match value.get().expect("the server is there") {
            now if now > limit => return now,
            _ => thread::sleep(Duration::from_millis(1)),
        }
    }
}

// MGR-069
#[test]
fn a_pool_calls_tasks_for_all_processes() {
    let _watchdog = watchdog();
    let manager = manager();
    let pool = manager.pool(2).unwrap();
    assert_eq!(pool.size().unwrap(), 2);
    assert_eq!(pool.apply(|a: u8, b: u8| a + b, (1, 2)).unwrap(), 3);
    let use_it = |pool: Pool| -> anyhow::Result<Vec<String>> {
        assert_eq!(
            pool.starmap(|a: u8, b: u8| a * b, [(2, 3), (4, 5)])?,
            [6, 20]
        );
        Ok(pool.map(|n: u32| n.to_string(), 0..100)?)
    };
    let texts = start(use_it, (pool.clone(),)).join().unwrap();
    assert_eq!(texts, (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
    let none: Vec<u8> = pool.map(|n: u8| n, []).unwrap();
    assert!(none.is_empty());
    // The workers are the server's, and one set for all.
    let workers = pool.worker_pids().unwrap();
    let own: Vec<u32> = pool.map(|_: u8| std::process::id(), 0..50).unwrap();
    assert!(own.iter().all(|pid| workers.contains(pid)));
}

// MGR-069
#[test]
fn results_are_objects_that_any_process_may_ask() {
    let _watchdog = watchdog();
    let manager = manager();
    let (pool, gate) = (manager.pool(1).unwrap(), manager.value(0_u32).unwrap());
    let result = pool
        .apply_async(wait_for_more_than, (gate.clone(), 6))
        .unwrap();
    assert!(!result.ready().unwrap() && !result.wait_timeout(SHORT).unwrap());
    assert_eq!(result.successful().unwrap(), None);
    assert_eq!(result.get_timeout(SHORT).unwrap(), None);
    let waits = start(
        |result: PoolResult<u32>| result.get().unwrap(),
        (result.clone(),),
    );
    // While a child waits for it, others ask.
    assert!(!result.ready().unwrap());
    gate.set(7).unwrap();
    assert_eq!(waits.join().unwrap(), 7);
    assert_eq!(result.successful().unwrap(), Some(true));
    let error = result.get().unwrap_err();
    assert!(
        matches!(error, ManagerError::Call(_)),
        "it was taken: {error}"
    );
    let squares = pool.map_async(|n: u32| n * n, 0..4).unwrap();
    squares.wait().unwrap();
    assert_eq!(squares.get_timeout(SHORT).unwrap(), Some(vec![0, 1, 4, 9]));
}

// MGR-069
#[test]
fn results_come_one_after_the_other() {
    let _watchdog = watchdog();
    let manager = manager();
    let (pool, gate) = (manager.pool(2).unwrap(), manager.value(3_u32).unwrap());
    let proxies = (0..6).map(|n| (n, gate.clone()));
    let wait = |(n, gate): (u32, Value<u32>)| {
        wait_for_more_than(gate, n);
        n
    };
    let mut results = pool.imap(wait, proxies).unwrap();
    let first: Vec<u32> = results.by_ref().take(3).map(Result::unwrap).collect();
    assert_eq!(first, [0, 1, 2]);
    assert!(results.next_timeout(SHORT).unwrap().is_none());
    gate.set(9).unwrap();
    assert!(results.map(Result::unwrap).eq(3..6));
    let results = pool.imap_unordered(|n: u32| n + 1, 0..1000).unwrap();
    let mut results: Vec<u32> = results.map(Result::unwrap).collect();
    results.sort_unstable();
    assert!(results.into_iter().eq(1..1001));
    let failing = pool.imap(|n: u32| 6 / n, [2, 0, 3]).unwrap();
    let failing: Vec<bool> = failing.map(|result| result.is_ok()).collect();
    assert_eq!(failing, [true, false, true]);
}

// MGR-070
#[test]
fn a_failure_arrives_as_what_it_is() {
    let _watchdog = watchdog();
    let manager = manager();
    let pool = manager.pool(1).unwrap();
    let error = pool
        .apply(|| -> () { panic!("in the worker") }, ())
        .unwrap_err();
    let ManagerError::Call(Failure::Panicked(panic)) = error else {
        panic!("{error}");
    };
    assert_eq!(panic.message(), "in the worker");
    let error = pool
        .map(
            |n: u8| -> anyhow::Result<u8> { n.checked_sub(1).ok_or(anyhow::anyhow!("too small")) },
            [1, 0],
        )
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("too small") && text.contains("item 1"),
        "{text}"
    );
    // A worker that is killed costs its call, and is replaced.
    let kill = || kill9(std::process::id());
    let error = pool.apply(kill, ()).unwrap_err();
    assert!(error.to_string().contains("SIGKILL"), "{error}");
    assert_eq!(pool.apply(|| 7, ()).unwrap(), 7);
    assert!(manager.pool(0).is_err(), "a pool without workers");
}

// MGR-070
#[test]
fn a_closed_pool_does_what_it_has_and_a_terminated_one_ends() {
    let _watchdog = watchdog();
    let manager = manager();
    let pool = manager.pool(1).unwrap();
    let result = pool.apply_async(|| 7, ()).unwrap();
    pool.close().unwrap();
    pool.join().unwrap();
    assert_eq!(result.get().unwrap(), 7);
    assert!(pool.apply(|| 7, ()).is_err());
    let pool = manager.pool(1).unwrap();
    let gate = manager.value(0_u32).unwrap();
    let result = pool.apply_async(wait_for_more_than, (gate, 0)).unwrap();
    assert!(!pool.join_timeout(SHORT).unwrap());
    pool.terminate().unwrap();
    assert!(result.get().unwrap_err().to_string().contains("terminated"));
    assert!(pool.join_timeout(Duration::MAX).unwrap());
    assert_eq!(pool.worker_pids().unwrap(), [0; 0]);
}

// MGR-070
#[test]
fn what_a_killed_client_has_not_begun_is_cancelled() {
    let _watchdog = watchdog();
    let manager = manager();
    let (pool, gate) = (manager.pool(1).unwrap(), manager.value(0_u32).unwrap());
    let done = manager.list::<u32>().unwrap();
    let occupy = |gate: Value<u32>, done: List<u32>| {
        done.append(0).unwrap();
        wait_for_more_than(gate, 0)
    };
    let held = pool
        .apply_async(occupy, (gate.clone(), done.clone()))
        .unwrap();
    // The worker has its connections, and the server its threads for them.
    eventually("the worker is busy", || done.len().unwrap() == 1);
    let server = manager.host(|| (), ()).unwrap();
    let threads = || {
        server
            .with(|()| std::fs::read_dir("/proc/self/task").unwrap().count())
            .unwrap()
    };
    let before = threads();
    let call = |pool: Pool, done: List<u32>| {
        pool.apply(|done: List<u32>| done.append(1).unwrap(), (done,))
            .unwrap();
    };
    let child = start(call, (pool.clone(), done.clone()));
    let pid = child.pid();
    let is_calling = |client: &ClientStats| client.pid == Some(pid) && client.running > 0;
    eventually("its call is there", || {
        manager.stats().unwrap().clients.iter().any(is_calling)
    });
    kill9(pid);
    child.join().unwrap_err();
    // The thread that waits for the worker gives up, while the worker is busy with what was before.
    eventually("the call is given up", || threads() <= before);
    gate.set(1).unwrap();
    assert_eq!(held.get().unwrap(), 1);
    assert_eq!(pool.apply(|| 7, ()).unwrap(), 7);
    assert_eq!(done.to_vec().unwrap(), [0], "it was cancelled");
}

// MGR-070
#[test]
fn workers_end_with_the_last_proxy_and_with_the_server() {
    let _watchdog = watchdog();
    let manager = manager();
    let pool = manager.pool(2).unwrap();
    let workers = pool.worker_pids().unwrap();
    assert_eq!(workers.len(), 2);
    drop(pool);
    eventually("they end with the pool", || {
        !workers.iter().any(|pid| alive(*pid))
    });
    let pool = manager.pool(2).unwrap();
    let workers = pool.worker_pids().unwrap();
    kill9(manager.pid());
    let error = pool.apply(|| 7, ()).unwrap_err();
    assert!(matches!(error, ManagerError::Gone), "{error}");
    eventually("they end with the server", || {
        !workers.iter().any(|pid| alive(*pid))
    });
}
