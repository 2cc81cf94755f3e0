//! A bound on what is queued.

use procession_pool::{Pool, PoolError};
use procession_shm::Value;
use procession_testkit::{eventually, watchdog};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

procession_process::enable_in_tests!();

fn pool(workers: usize, bound: usize) -> Pool {
    let builder = Pool::builder().workers(workers).max_queued(bound);
    builder.start().expect("a pool starts")
}

fn count(done: Value<u32>, n: u32) -> u32 {
    done.update(|done| *done += 1);
    n
}

/// Lasts until it is let go.
fn wait(gate: Value<bool>) {
    while !gate.get() {
        thread::sleep(Duration::from_millis(1));
    }
}

fn forever() {
    loop {
        thread::park();
    }
}

// POL-150
#[test]
fn no_more_is_queued_than_may_be() {
    let _watchdog = watchdog();
    let pool = pool(2, 5);
    let done = Value::new(0).unwrap();
    let mut calls = Vec::new();
    for n in 0..500 {
        calls.push(pool.apply_async(count, (done.clone(), n)).unwrap());
        assert!(calls.len() as u32 - done.get() <= 5);
    }
    for (n, call) in (0..).zip(calls) {
        assert_eq!(call.get().unwrap(), n);
    }
    // An item of a sequence is a call.
    let mut taken = 0;
    let done = Value::new(0).unwrap();
    let items = (0..300).map(|n| {
        taken += 1;
        // One chunk is accepted beyond the items that are, and another is being filled.
        assert!(taken - done.get() <= 5 + 2 * 3, "{taken}");
        (done.clone(), n)
    });
    let results = pool.task(count).star().chunk(3).map_async(items).unwrap();
    assert!(results.get().unwrap().into_iter().eq(0..300));
}

#[test]
fn several_threads_share_the_room() {
    let _watchdog = watchdog();
    let pool = pool(2, 3);
    thread::scope(|scope| {
        for thread in 0..4_u32 {
            let pool = &pool;
            scope.spawn(move || {
                let add = |n: u32| n + 1;
                let calls: Vec<_> = (0..100)
                    .map(|n| pool.apply_async(add, (thread * 1000 + n,)).unwrap())
                    .collect();
                for (n, call) in (1..).zip(calls) {
                    assert_eq!(call.get().unwrap(), thread * 1000 + n);
                }
            });
        }
    });
}

// POL-151
#[test]
fn a_call_that_finds_no_room_in_time_is_an_error_and_runs_nothing() {
    let _watchdog = watchdog();
    let pool = pool(1, 3);
    let (gate, done) = (Value::new(false).unwrap(), Value::new(0).unwrap());
    let waiting: Vec<_> = (0..3)
        .map(|_| pool.apply_async(wait, (gate.clone(),)).unwrap())
        .collect();
    for patience in [Duration::ZERO, Duration::from_millis(20)] {
        let counted = pool.task(count).queue_timeout(patience);
        let refused = counted.apply_async((done.clone(), 1));
        assert!(matches!(refused, Err(PoolError::Full)), "{refused:?}");
        let refused = counted.star().map_async([(done.clone(), 1)]);
        assert!(matches!(refused, Err(PoolError::Full)), "{refused:?}");
        let counted = pool.task(count).timeout(patience);
        let late = counted.apply_async((done.clone(), 1));
        assert!(matches!(late, Err(PoolError::NotInTime { .. })), "{late:?}");
    }
    gate.set(true);
    for call in waiting {
        call.get().unwrap();
    }
    assert_eq!(done.get(), 0);
    assert_eq!(pool.apply(count, (done.clone(), 7)).unwrap(), 7);
    assert_eq!(done.get(), 1);
}

#[test]
fn a_sequence_that_finds_no_room_is_cancelled() {
    let _watchdog = watchdog();
    let pool = pool(1, 4);
    let (gate, done) = (Value::new(false).unwrap(), Value::new(0).unwrap());
    let first = pool.apply_async(wait, (gate.clone(),)).unwrap();
    let counted = pool
        .task(count)
        .star()
        .chunk(1)
        .queue_timeout(Duration::ZERO);
    let refused = counted.map_async((0..100).map(|n| (done.clone(), n)));
    assert!(matches!(refused, Err(PoolError::Full)));
    gate.set(true);
    first.get().unwrap();
    assert_eq!(pool.apply(|| 7, ()).unwrap(), 7);
    assert_eq!(done.get(), 0, "none had begun");
}

#[test]
fn those_that_wait_for_their_results_do_not_wait_for_room() {
    let _watchdog = watchdog();
    let pool = pool(2, 1);
    let _endless = pool.apply_async(forever, ()).unwrap();
    assert_eq!(pool.apply(|| 7, ()).unwrap(), 7);
    assert_eq!(pool.map(|n: u32| n, 0..50).unwrap().len(), 50);
    let squares = pool.imap(|n: u32| n * n, 0..50).unwrap();
    assert_eq!(squares.collect::<Result<Vec<_>, _>>().unwrap().len(), 50);
}

// POL-152
#[test]
fn whoever_waits_for_room_is_told_of_the_pool_s_end() {
    let _watchdog = watchdog();
    for ends in [Pool::terminate, |pool: &Pool| {
        pool.worker_pids()
            .into_iter()
            .for_each(procession_testkit::kill9);
    }] {
        let pool = pool(1, 1);
        let begun = Value::new(false).unwrap();
        let first = |begun: Value<bool>| {
            begun.set(true);
            forever();
        };
        let _endless = pool.apply_async(first, (begun.clone(),)).unwrap();
        eventually("it has begun", || begun.get());
        thread::scope(|scope| {
            let (told, tell) = channel();
            let pool = &pool;
            let waiting = scope.spawn(move || {
                told.send(()).expect("the test hears it");
                pool.apply_async(|| 7, ())
                    .and_then(procession_pool::AsyncResult::get)
            });
            tell.recv().unwrap();
            ends(pool);
            match waiting.join().unwrap() {
                Ok(seven) => assert_eq!(seven, 7),
                Err(error) => assert!(matches!(error, PoolError::Terminated), "{error}"),
            }
        });
    }
}

#[test]
fn a_callback_may_queue_more() {
    let _watchdog = watchdog();
    let pool = std::sync::Arc::new(pool(1, 1));
    let (sender, results) = channel();
    let in_callback = std::sync::Arc::clone(&pool);
    let then = move |result: Result<u32, PoolError>| {
        for n in 0..5 {
            let next = in_callback.apply_async(|n: u32| n, (n,));
            drop(next.expect("there will be room"));
        }
        sender
            .send(result.expect("nothing failed"))
            .expect("the test hears it");
    };
    let call = pool.apply_async(|n: u32| n, (7,)).unwrap();
    call.then(then).unwrap();
    assert_eq!(results.recv().unwrap(), 7);
    eventually("all are done", || pool.apply(|| true, ()).unwrap());
}

#[test]
#[should_panic(expected = "room for at least one")]
fn there_is_room_for_one_call() {
    let _ = Pool::builder().max_queued(0);
}
