//! A pool, in every order in which its threads and its workers can run, on small bounds.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p procession-pool --release --test loom`
#![cfg(loom)]

use loom::thread;
use procession_pool::model::Pool;

/// With more preemptions than these the number of orders grows beyond what is tried in minutes.
fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    builder.expect_explicit_explore = true;
    builder.check(model);
}

/// Makes a pool whose workers have started, one order of which is enough.
fn started(workers: usize) -> Pool {
    let pool = Pool::new(workers);
    while !pool.is_at_rest() {
        thread::yield_now();
    }
    loom::explore();
    pool
}

/// Ends a pool in one order.
fn end(pool: &Pool) {
    loom::stop_exploring();
    pool.terminate();
}

#[test]
fn workers_start() {
    check(2, || {
        loom::explore();
        let pool = Pool::new(1);
        let call = pool.submit(&[7], 1, true);
        assert_eq!(call.wait(), [Ok(8)]);
        pool.terminate();
    });
}

#[test]
fn a_caller_gets_its_result() {
    check(3, || {
        let pool = started(1);
        let call = pool.submit(&[7], 1, true);
        assert_eq!(call.wait(), [Ok(8)]);
        end(&pool);
    });
}

#[test]
fn a_result_comes_though_nobody_waits() {
    check(2, || {
        let pool = started(1);
        let call = pool.submit(&[7], 1, false);
        pool.join();
        assert_eq!(call.results(), Some(vec![Ok(8)]));
    });
}

#[test]
fn a_caller_takes_the_duty_from_the_minder() {
    check(2, || {
        let pool = started(1);
        let call = pool.submit(&[7], 1, false);
        assert_eq!(call.wait(), [Ok(8)]);
        end(&pool);
    });
}

#[test]
fn callers_wake_one_another() {
    check(2, || {
        let pool = started(1);
        let same = pool.clone();
        let other = thread::spawn(move || {
            let call = same.submit(&[1], 1, true);
            assert_eq!(call.wait(), [Ok(2)]);
        });
        let call = pool.submit(&[2], 1, true);
        assert_eq!(call.wait(), [Ok(3)]);
        other.join().unwrap();
        end(&pool);
    });
}

#[test]
fn two_wait_for_one_result() {
    check(2, || {
        let pool = started(1);
        let call = pool.submit(&[1], 1, true);
        let same = call.clone();
        let other = thread::spawn(move || same.wait());
        let here = call.wait();
        let there = other.join().unwrap();
        // One of the two takes them.
        assert_eq!([here, there].concat(), [Ok(2)]);
        end(&pool);
    });
}

#[test]
fn the_minder_goes_on_where_a_caller_has_left() {
    check(3, || {
        let pool = started(1);
        let call = pool.submit(&[1], 1, true);
        let later = pool.submit(&[2], 1, true);
        assert_eq!(call.wait(), [Ok(2)]);
        // Nobody waits, and nothing else happens that would wake it.
        let mut results = later.results();
        while results.is_none() {
            thread::yield_now();
            results = later.results();
        }
        assert_eq!(results, Some(vec![Ok(3)]));
        end(&pool);
    });
}

#[test]
fn what_is_cancelled_does_not_run() {
    check(3, || {
        let pool = started(1);
        let call = pool.submit(&[1, 2], 1, false);
        let all = call.cancel();
        let results = call.wait();
        assert_eq!(results.len(), 2);
        for (item, result) in (1..).zip(results) {
            assert_eq!(pool.runs(item), usize::from(result.is_ok()));
        }
        assert!(!all || pool.runs(2) == 0);
        end(&pool);
    });
}

#[test]
fn what_one_has_not_begun_another_runs_once() {
    check(2, || {
        let pool = started(2);
        let call = pool.submit(&[1, 2, 3], 1, true);
        assert_eq!(call.wait(), [Ok(2), Ok(3), Ok(4)]);
        assert!((1..=3).all(|item| pool.runs(item) == 1));
        end(&pool);
    });
}

#[test]
fn a_call_is_settled_though_its_worker_ends() {
    check(1, || {
        let pool = started(1);
        let same = pool.clone();
        let killer = thread::spawn(move || same.kill(0));
        let call = pool.submit(&[1, 2], 1, true);
        let results = call.wait();
        assert_eq!(results.len(), 2);
        for (item, result) in (1..).zip(results) {
            let runs = pool.runs(item);
            assert!(
                runs <= 1 && (runs == 1 || result.is_err()),
                "{runs} {result:?}"
            );
        }
        killer.join().unwrap();
        end(&pool);
    });
}

#[test]
fn a_waiting_caller_hears_of_the_end() {
    check(2, || {
        let pool = started(1);
        let call = pool.submit(&[1], 1, true);
        let waiting = thread::spawn(move || call.wait());
        pool.terminate();
        assert_eq!(waiting.join().unwrap().len(), 1);
    });
}
