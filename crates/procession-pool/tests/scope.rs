//! Calls that end together.

use procession_pool::{Pool, PoolError};
use procession_shm::{Array, Value};
use procession_testkit::{hush, watchdog};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

procession_process::enable_in_tests!();

fn note(ran: Array<u32>, n: usize) -> anyhow::Result<usize> {
    thread::sleep(Duration::from_millis(1));
    ran.update(n, |ran| *ran += 1);
    anyhow::ensure!(n != 7, "seven");
    Ok(n)
}

// POL-168
#[test]
fn all_calls_of_a_scope_are_done_when_it_ends() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    let ran = Array::<u32>::zeroed(30).unwrap();
    let kept = pool.scope(|scope| {
        for n in 10..20 {
            drop(scope.submit(note, (ran.clone(), n)).unwrap());
        }
        let items = (20..30).map(|n| (ran.clone(), n));
        scope.task(note).star().map_async(items).unwrap()
    });
    let kept = kept.unwrap();
    assert!(kept.ready());
    assert_eq!(ran.to_vec().iter().sum::<u32>(), 20);
    assert!(kept.get().unwrap().into_iter().eq(20..30));
    assert_eq!(pool.scope(|_| 7).unwrap(), 7);
}

// POL-168
#[test]
fn an_error_that_nobody_took_is_the_scope_s() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    let ran = Array::<u32>::zeroed(10).unwrap();
    let lost = pool.scope(|scope| {
        (0..10).for_each(|n| drop(scope.submit(note, (ran.clone(), n)).unwrap()));
    });
    assert_eq!(lost.unwrap_err().to_string(), "the task failed: seven");
    assert_eq!(ran.to_vec(), [1; 10]);
    // Of a sequence too, and by its item.
    let items = || (0..10).map(|n| (ran.clone(), n));
    let lost = pool.scope(|scope| drop(scope.task(note).star().map_async(items()).unwrap()));
    assert_eq!(lost.unwrap_err().item(), Some(7));
    let lost = pool.scope(|scope| drop(scope.task(note).star().try_map_async(items()).unwrap()));
    assert_eq!(lost.unwrap_err().item(), Some(7));
    // Somebody took these.
    pool.scope(|scope| {
        let taken = scope.submit(note, (ran.clone(), 7)).unwrap();
        assert!(taken.get().is_err());
        let call = scope.submit(note, (ran.clone(), 7)).unwrap();
        call.then(|result| assert!(result.is_err())).unwrap();
    })
    .unwrap();
}

fn wait_for(go: Value<bool>) {
    while !go.get() {
        thread::yield_now();
    }
}

// POL-169
#[test]
fn a_scope_whose_work_panics_ends_its_calls_first() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let ran = Array::<u32>::zeroed(100).unwrap();
    let go = Value::new(false).unwrap();
    let begun = Value::new(false).unwrap();
    let wait = |begun: Value<bool>, go: Value<bool>| {
        begun.set(true);
        wait_for(go);
    };
    let caught = catch_unwind(AssertUnwindSafe(|| {
        pool.scope(|scope| {
            let _first = scope.submit(wait, (begun.clone(), go.clone())).unwrap();
            for n in 0..100 {
                drop(scope.submit(note, (ran.clone(), n)).unwrap());
            }
            wait_for(begun.clone());
            let (last, go) = (scope.submit(note, (ran.clone(), 99)).unwrap(), go.clone());
            thread::spawn(move || {
                // All are cancelled together.
                last.wait();
                go.set(true);
            });
            hush();
            panic!("the work ends badly");
        })
    }));
    assert!(caught.is_err());
    // What was begun is done, and the rest is not run.
    assert!(go.get());
    pool.apply(|| (), ()).unwrap();
    assert_eq!(ran.to_vec(), [0; 100]);
}

// POL-018, POL-169
#[test]
fn a_scope_ends_with_its_calls_time_and_with_its_pool() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let go = Value::new(false).unwrap();
    let late = pool.scope(|scope| {
        let wait = scope.task(wait_for).timeout(Duration::from_millis(20));
        drop(wait.apply_async((go.clone(),)).unwrap());
        drop(wait.map_async([go.clone(), go.clone()]).unwrap());
    });
    assert!(matches!(late, Err(PoolError::NotInTime { .. })));
    let cancelled = pool.scope(|scope| {
        // The worker is at the first one still.
        drop(scope.submit(wait_for, (go.clone(),)).unwrap());
        scope.cancel();
    });
    cancelled.unwrap();
    let ended = pool.scope(|scope| {
        drop(scope.submit(wait_for, (go.clone(),)).unwrap());
        pool.terminate();
    });
    assert!(matches!(ended, Err(PoolError::Terminated)));
    let refused = pool.scope(|scope| scope.submit(wait_for, (go.clone(),)).map(drop));
    assert!(matches!(refused, Ok(Err(PoolError::Terminated))));
}
