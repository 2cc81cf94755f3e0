//! What Python's futures and executors do, that has no other place.

use procession_call::Failure;
use procession_pool::{AsyncResult, Pool, PoolError, as_completed, worker_place};
use procession_shm::Value;
use procession_testkit::{eventually, hush, kill9, watchdog};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

procession_process::enable_in_tests!();

const MOMENT: Duration = Duration::from_millis(20);

fn wait_for(go: Value<bool>) -> u32 {
    while !go.get() {
        thread::yield_now();
    }
    7
}

fn fails() -> u32 {
    hush();
    panic!("it fails")
}

/// A call that runs until it may end, and one behind it.
fn running_and_queued(pool: &Pool) -> (AsyncResult<u32>, AsyncResult<u32>, Value<bool>) {
    let go = Value::new(false).expect("there is memory");
    let submit = || pool.submit(wait_for, (go.clone(),)).expect("it is open");
    let (running, queued) = (submit(), submit());
    eventually("the first is begun", || !running.workers().is_empty());
    (running, queued, go)
}

// POL-063, POL-066, POL-067, POL-068
#[test]
fn callbacks_come_early_or_late_whatever_became_of_the_call() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let (tell, told) = channel();
    let telling = || {
        let tell = tell.clone();
        move |result: Result<u32, PoolError>| tell.send(result).unwrap()
    };
    let (running, queued, go) = running_and_queued(&pool);
    let late = pool.submit(wait_for, (go.clone(),)).unwrap();
    let cancelled = pool.submit(wait_for, (go.clone(),)).unwrap();
    assert!(cancelled.cancel());
    cancelled.then(telling()).unwrap();
    assert!(matches!(told.recv().unwrap(), Err(PoolError::Cancelled)));
    late.then(telling()).unwrap();
    // One that panics before and one that panics after the call is done.
    let panics = |_| {
        hush();
        panic!("a callback");
    };
    queued.then(panics).unwrap();
    go.set(true);
    running.wait();
    running.then(panics).unwrap();
    assert_eq!(told.recv().unwrap().unwrap(), 7);
    let failed = pool.submit(fails, ()).unwrap();
    failed.wait();
    failed.then(telling()).unwrap();
    assert!(matches!(
        told.recv().unwrap(),
        Err(PoolError::Call {
            failure: Failure::Panicked(_),
            ..
        })
    ));
}

// POL-069
#[test]
fn the_state_of_a_result_is_shown() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let (mut running, queued, go) = running_and_queued(&pool);
    assert_eq!(
        format!("{running:?}"),
        r#"AsyncResult { state: "running", .. }"#
    );
    assert_eq!(
        format!("{queued:?}"),
        r#"AsyncResult { state: "queued", .. }"#
    );
    assert!(queued.cancel());
    assert_eq!(
        format!("{queued:?}"),
        r#"AsyncResult { state: "failed", .. }"#
    );
    go.set(true);
    running.wait();
    assert_eq!(
        format!("{running:?}"),
        r#"AsyncResult { state: "done", .. }"#
    );
    running.get_timeout(MOMENT).unwrap();
    assert_eq!(
        format!("{running:?}"),
        r#"AsyncResult { state: "taken", .. }"#
    );
}

// POL-074, POL-075, POL-076
#[test]
fn getting_for_a_while_has_the_answer_of_each_state() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let (mut running, mut queued, go) = running_and_queued(&pool);
    assert_eq!(running.get_timeout(MOMENT).unwrap(), None);
    let blocked = pool.submit(wait_for, (go.clone(),)).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| blocked.wait_timeout(Duration::from_mins(1)));
        assert!(blocked.cancel());
        assert!(waiting.join().unwrap());
    });
    assert!(matches!(blocked.get(), Err(PoolError::Cancelled)));
    assert!(queued.cancel());
    assert!(matches!(
        queued.get_timeout(MOMENT),
        Err(PoolError::Cancelled)
    ));
    go.set(true);
    assert_eq!(
        running.get_timeout(Duration::from_mins(1)).unwrap(),
        Some(7)
    );
    let mut failed = pool.submit(fails, ()).unwrap();
    let failed = failed.get_timeout(Duration::from_mins(1));
    assert!(matches!(
        failed,
        Err(PoolError::Call {
            failure: Failure::Panicked(_),
            ..
        })
    ));
}

// POL-079, POL-080
#[test]
fn the_first_error_is_found_among_results_as_they_come() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let already = pool.submit(fails, ()).unwrap();
    already.wait();
    let (running, queued, go) = running_and_queued(&pool);
    let mut results = as_completed([running, already, queued]);
    let first = results.find(|(_, result)| result.is_err());
    assert_eq!(first.map(|(which, _)| which), Some(1));
    go.set(true);
    let failed = pool.submit(fails, ()).unwrap();
    let done = pool.submit(wait_for, (go,)).unwrap();
    let failed = as_completed([done, failed]).find_map(|(_, result)| result.err());
    assert!(matches!(
        failed,
        Some(PoolError::Call {
            failure: Failure::Panicked(_),
            ..
        })
    ));
    assert_eq!(results.count(), 2);
}

// POL-055, POL-057, POL-058
#[test]
fn a_pool_is_closed_without_waiting_and_what_is_queued_can_be_cancelled() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let (running, queued, go) = running_and_queued(&pool);
    let more: Vec<_> = (0..20)
        .map(|_| pool.submit(wait_for, (go.clone(),)).unwrap())
        .collect();
    let last = pool.submit(wait_for, (go.clone(),)).unwrap();
    assert_eq!(more.iter().filter(|call| call.cancel()).count(), 20);
    assert!(queued.cancel());
    pool.close();
    assert!(!last.ready() && !running.ready());
    go.set(true);
    assert_eq!(last.get().unwrap(), 7);
    assert_eq!(running.get().unwrap(), 7);
    pool.join();
    for call in more {
        assert!(matches!(call.get(), Err(PoolError::Cancelled)));
    }
    // Cancelling and closing at the same moment ends as well.
    let pool = Pool::new(1).unwrap();
    let call = pool.submit(|| 7, ()).unwrap();
    let was_in_time = call.cancel();
    pool.join();
    assert_eq!(call.get().is_err(), was_in_time);
}

// POL-011
#[test]
fn an_input_that_panics_ends_an_unordered_call_with_valid_results_before() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    let input = (0..100_u64).inspect(|n| assert!(*n != 90, "the input ends badly"));
    let mut results = pool.imap_unordered(|n: u64| n * n, input).unwrap();
    let mut seen = Vec::new();
    let take = std::panic::AssertUnwindSafe(|| seen.extend(results.by_ref().map(Result::unwrap)));
    hush();
    assert!(std::panic::catch_unwind(take).is_err());
    assert!(seen.iter().all(|square| (0..90).any(|n| n * n == *square)));
    drop(results);
    assert_eq!(pool.apply(|| 7, ()).unwrap(), 7);
}

// POL-171
#[test]
fn a_pool_is_terminated_twice_and_from_several_threads() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    let (running, queued, _go) = running_and_queued(&Pool::new(1).unwrap());
    drop((running, queued));
    let go = Value::new(false).unwrap();
    let calls: Vec<_> = (0..10)
        .map(|_| pool.submit(wait_for, (go.clone(),)).unwrap())
        .collect();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| pool.terminate());
        }
    });
    pool.terminate();
    pool.join();
    pool.terminate();
    for call in calls {
        assert!(matches!(call.get(), Err(PoolError::Terminated)));
    }
    assert!(matches!(pool.submit(|| 7, ()), Err(PoolError::Terminated)));
}

fn place_and_pid(go: Value<u32>) -> (Option<usize>, u32) {
    go.update(|count| *count += 1);
    while go.get() < 3 {
        thread::yield_now();
    }
    (worker_place(), std::process::id())
}

// POL-170
#[test]
fn a_task_knows_its_worker_s_place_which_a_successor_takes() {
    let _watchdog = watchdog();
    let pool = Pool::new(3).unwrap();
    let all = || {
        let go = Value::new(0_u32).unwrap();
        let mut all = pool.map_chunked(place_and_pid, vec![go; 3], 1).unwrap();
        all.sort_unstable();
        all
    };
    let before = all();
    let places: Vec<_> = before.iter().map(|(place, _)| *place).collect();
    assert_eq!(places, [Some(0), Some(1), Some(2)]);
    kill9(before[1].1);
    eventually("it is replaced", || {
        !pool.worker_pids().contains(&before[1].1)
    });
    let after = all();
    assert_eq!(after[1].0, Some(1));
    assert_ne!(after[1].1, before[1].1);
    assert_eq!((after[0], after[2]), (before[0], before[2]));
    assert_eq!(worker_place(), None);
}
