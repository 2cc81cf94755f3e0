//! Results of a sequence as they come, and calls that are not waited for.

use procession_pool::{Pool, PoolError};
use procession_shm::{Array, Value};
use procession_testkit::{eventually, kill9, watchdog};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

procession_process::enable_in_tests!();

fn square(n: u64) -> u64 {
    n * n
}

// POL-008
#[test]
fn imap_yields_in_order_and_ends() {
    let _watchdog = watchdog();
    let pool = Pool::new(3).unwrap();
    for chunk in [1, 7, 100, 5000] {
        let mut results = pool.imap_chunked(square, 0..1000, chunk).unwrap();
        for n in 0..1000 {
            assert_eq!(results.next().unwrap().unwrap(), square(n));
        }
        assert!(results.is_done());
        assert!(results.next().is_none());
    }
    assert!(matches!(
        pool.imap_chunked(square, 0..3, 0),
        Err(PoolError::NoChunk)
    ));
}

// POL-010
#[test]
fn imap_unordered_yields_every_result_once() {
    let _watchdog = watchdog();
    let pool = Pool::new(3).unwrap();
    let results = pool.imap_unordered(square, 0..1000).unwrap();
    let mut results: Vec<u64> = results.map(Result::unwrap).collect();
    results.sort_unstable();
    assert!(results.into_iter().eq((0..1000).map(square)));
}

#[test]
fn nothing_yields_nothing() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    assert!(pool.imap(square, []).unwrap().next().is_none());
    assert!(pool.imap_unordered(square, []).unwrap().next().is_none());
    assert!(
        pool.map_async(square, [])
            .unwrap()
            .get()
            .unwrap()
            .is_empty()
    );
}

// POL-104
#[test]
fn imap_takes_a_few_items_ahead_of_an_endless_input() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    let taken = Cell::new(0_u64);
    let input = (0_u64..).inspect(|_| taken.set(taken.get() + 1));
    let mut results = pool.imap(square, input).unwrap();
    for n in 0..2000 {
        assert_eq!(results.next().unwrap().unwrap(), square(n));
        assert!(taken.get() <= n + 1 + 64, "{} for {n}", taken.get());
    }
    drop(results);
    assert_eq!(pool.apply(square, (3,)).unwrap(), 9);
}

// POL-009
#[test]
fn an_input_that_panics_ends_its_call_only() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    let input = (0..100_u64).inspect(|n| assert!(*n < 90, "the input ends badly"));
    let mut results = pool.imap(square, input).unwrap();
    let mut seen = 0;
    let caught = catch_unwind(AssertUnwindSafe(|| {
        for (n, result) in (0..).zip(&mut results) {
            assert_eq!(result.unwrap(), square(n));
            seen += 1;
        }
    }));
    assert!(caught.is_err() && seen < 90);
    drop(results);
    assert_eq!(pool.map(square, 0..3).unwrap(), [0, 1, 4]);
}

fn note_and_wait(ran: Array<u32>, go: Value<bool>, n: usize) {
    ran.update(n, |ran| *ran += 1);
    while !go.get() {
        std::thread::yield_now();
    }
}

// POL-070
#[test]
fn dropping_the_results_cancels_what_has_not_begun() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    let ran = Array::<u32>::zeroed(40).unwrap();
    let go = Value::new(false).unwrap();
    let calls: Vec<_> = (0..40)
        .map(|n| {
            pool.apply_async(note_and_wait, (ran.clone(), go.clone(), n))
                .unwrap()
        })
        .collect();
    eventually("two have begun", || ran.to_vec().iter().sum::<u32>() == 2);
    let cancelled = calls.iter().filter(|call| call.cancel()).count();
    assert_eq!(cancelled, 38);
    go.set(true);
    for call in calls {
        match call.get() {
            Ok(()) | Err(PoolError::Cancelled) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(ran.to_vec().iter().sum::<u32>(), 2);
}

// POL-167
#[test]
fn a_call_that_is_given_up_is_not_run_to_the_end_of_its_chunk() {
    let _watchdog = watchdog();
    let ran = Array::<u32>::zeroed(100).unwrap();
    let go = Value::new(false).unwrap();
    // An item with a handle in it would be a chunk of its own.
    let state = |shared: (Array<u32>, Value<bool>)| shared;
    let builder = Pool::builder().workers(1);
    let pool = builder.state(state, (ran.clone(), go.clone())).start();
    let pool = pool.unwrap();
    let items = || 0..100_usize;
    let sum = || ran.to_vec().iter().sum::<u32>();
    let task = |(ran, go): &(Array<u32>, Value<bool>), n| note_and_wait(ran.clone(), go.clone(), n);
    let task = pool.task(task).with_state().chunk(100);
    let begun = |which| eventually("it has begun", || sum() == which);
    // It is cancelled, dropped, too late, and the worker dies while the rest is not wanted.
    let cancelled = task.map_async(items()).unwrap();
    begun(1);
    assert!(!cancelled.cancel());
    go.set(true);
    let error = cancelled.get().unwrap_err();
    assert!(matches!(error, PoolError::Cancelled), "{error}");
    assert_eq!(sum(), 1);

    go.set(false);
    let results = task.imap(items()).unwrap();
    begun(2);
    drop(results);
    go.set(true);
    pool.apply(square, (1,)).unwrap();
    assert_eq!(sum(), 2);

    go.set(false);
    // On a busy machine the time may be over before the first is begun.
    while sum() < 3 {
        let late = task.timeout(Duration::from_millis(100)).map(items());
        assert!(matches!(late, Err(PoolError::NotInTime { .. })));
    }
    kill9(pool.worker_pids()[0]);
    pool.apply(square, (1,)).unwrap();
    assert_eq!(sum(), 3);
    pool.join();
}

fn die_at(n: u64) -> u64 {
    if n == 13 {
        kill9(std::process::id());
    }
    n
}

// POL-027
#[test]
fn imap_goes_on_behind_an_item_that_was_lost() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    for chunk in [1, 10] {
        let results = pool.imap_chunked(die_at, 0..40, chunk).unwrap();
        for (n, result) in (0..).zip(results) {
            match result {
                Ok(answer) => assert_eq!((answer, n == 13), (n, false)),
                Err(error) => {
                    assert_eq!((n, error.item()), (13, Some(13)));
                    assert!(matches!(error, PoolError::WorkerDied { .. }), "{error}");
                }
            }
        }
    }
}

// POL-028
#[test]
fn a_result_that_does_not_come_in_time_comes_later() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let go = Value::new(false).unwrap();
    let wait = |go: Value<bool>| {
        while !go.get() {
            std::thread::yield_now();
        }
        7
    };
    let mut results = pool.imap(wait, [go.clone()]).unwrap();
    assert!(results.next_timeout(Duration::from_millis(20)).is_none());
    assert!(!results.is_done());
    go.set(true);
    assert_eq!(results.next().unwrap().unwrap(), 7);
}

// POL-004, POL-005
#[test]
fn sequences_are_run_without_waiting() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    let squares = pool.map_async(square, 0..1000).unwrap();
    let sums = pool
        .starmap_async(|x: u64, y: u64| x + y, (0..1000).zip(5..))
        .unwrap();
    assert!(squares.get().unwrap().into_iter().eq((0..1000).map(square)));
    assert!(
        sums.get()
            .unwrap()
            .into_iter()
            .eq((0..1000).map(|x| 2 * x + 5))
    );
    let failed = pool.map_async(die_at, 0..40).unwrap();
    assert_eq!(failed.get().unwrap_err().item(), Some(13));
}

#[test]
fn threads_and_tasks_wait_for_results_at_once() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..6_u64 {
            let pool = &pool;
            scope.spawn(move || {
                for n in 0..50 {
                    let results = pool.imap(square, n..n + thread).unwrap();
                    let results: Result<Vec<_>, _> = results.collect();
                    assert!(results.unwrap().into_iter().eq((n..n + thread).map(square)));
                    assert_eq!(pool.apply(square, (n,)).unwrap(), square(n));
                }
            });
        }
    });
}
