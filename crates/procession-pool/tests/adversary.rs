//! What callers, tasks and the system can do to a pool at the worst moment.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procession_pool::{Pool, PoolError};
use procession_shm::Array;
use procession_testkit::{eventually, hush, watchdog};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

procession_process::enable_in_tests!();

const FOREVER: Duration = Duration::from_hours(1);

fn len(bytes: Vec<u8>) -> usize {
    bytes.len()
}

fn pause(millis: u64) -> u64 {
    thread::sleep(Duration::from_millis(millis));
    millis
}

fn forever() {
    loop {
        thread::park();
    }
}

/// Counts a run of an item.
fn count(runs: &Array<u32>, item: usize) {
    runs.lock().expect("nobody dies with the lock")[item] += 1;
}

#[test]
fn a_large_request_is_sent_though_nobody_waits() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    pool.apply(pause, (0,)).unwrap();
    let result = pool.apply_async(len, (vec![7; 8 << 20],)).unwrap();
    eventually("it is done", || result.ready());
    assert_eq!(result.get().unwrap(), 8 << 20);
}

#[test]
fn a_large_request_is_sent_while_another_caller_waits() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    pool.apply(pause, (0,)).unwrap();
    thread::scope(|scope| {
        let slow = scope.spawn(|| pool.apply(forever, ()));
        // It collects by then.
        thread::sleep(Duration::from_millis(100));
        assert_eq!(pool.apply(len, (vec![7; 8 << 20],)).unwrap(), 8 << 20);
        pool.terminate();
        assert!(matches!(slow.join().unwrap(), Err(PoolError::Terminated)));
    });
}

#[test]
fn several_threads_wait_for_one_result() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    pool.apply(pause, (0,)).unwrap();
    let result = pool.apply_async(pause, (600,)).unwrap();
    let result = &result;
    thread::scope(|scope| {
        // It collects for the others, and leaves last.
        let last = scope.spawn(|| pool.apply(forever, ()));
        thread::sleep(Duration::from_millis(50));
        let impatient = scope.spawn(move || result.wait_timeout(Duration::from_millis(100)));
        let waiting: Vec<_> = (0..3)
            .map(|_| scope.spawn(move || result.wait_timeout(FOREVER)))
            .collect();
        assert!(!impatient.join().unwrap());
        eventually("all are woken", || {
            waiting.iter().all(thread::ScopedJoinHandle::is_finished)
        });
        pool.terminate();
        last.join().unwrap().unwrap_err();
    });
}

#[test]
fn results_that_nobody_asks_for_hold_up_no_end() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    pool.apply(pause, (0,)).unwrap();
    let results = pool.imap(pause, vec![1; 30]).unwrap();
    pool.join();
    assert_eq!(results.count(), 30);
}

#[test]
fn items_fed_after_the_end_get_an_error() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let mut results = pool.imap(pause, std::iter::repeat(0)).unwrap();
    assert!(results.next().unwrap().is_ok());
    pool.join();
    let error = results.find_map(Result::err).unwrap();
    assert!(
        matches!(error, PoolError::Closed | PoolError::Terminated),
        "{error}"
    );
}

fn kilobyte(item: (Array<u32>, usize)) -> Vec<u8> {
    count(&item.0, item.1);
    if item.1 == 29 {
        forever();
    }
    vec![item.1 as u8; 1000]
}

fn kilobyte_of(state: &Array<u32>, item: usize) -> Vec<u8> {
    kilobyte((state.clone(), item))
}

#[test]
fn what_was_done_before_a_time_out_stays_done() {
    let _watchdog = watchdog();
    let runs = Array::<u32>::zeroed(40).unwrap();
    let pool = Pool::builder()
        .workers(1)
        .task_timeout(Duration::from_millis(300))
        .state(|runs: Array<u32>| runs, runs.clone())
        .start()
        .unwrap();
    pool.apply(pause, (0,)).unwrap();
    // The caller is busy with the items, and collects nothing.
    let items = (0..40_usize).inspect(|n| {
        if *n == 39 {
            thread::sleep(Duration::from_millis(900));
        }
    });
    let error = pool.map_with_state(kilobyte_of, items).unwrap_err();
    assert!(
        matches!(error, PoolError::TimedOut { item: Some(29), .. }),
        "{error}"
    );
    let runs = runs.lock().unwrap();
    assert_eq!(runs[..30], [1; 30]);
    assert!(runs[30..].iter().all(|&runs| runs <= 1), "{:?}", &runs[..]);
}

#[test]
fn a_large_result_comes_though_others_answer_all_the_time() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let busy = scope.spawn(|| {
            let items = (0_u64..).take_while(|_| !done.load(Ordering::Relaxed));
            pool.imap(|n: u64| n, items).unwrap().count()
        });
        thread::sleep(Duration::from_millis(50));
        let large = pool.apply(|n: usize| vec![1_u8; n], (32 << 20,)).unwrap();
        done.store(true, Ordering::Relaxed);
        assert_eq!(large.len(), 32 << 20);
        assert!(busy.join().unwrap() > 0);
    });
}

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("a waker");
    }
}

#[test]
fn a_waker_that_panics_harms_no_other() {
    let _watchdog = watchdog();
    hush();
    let pool = Pool::new(1).unwrap();
    for _ in 0..3 {
        let mut result = pin!(pool.apply_async(pause, (50,)).unwrap());
        let waker = Waker::from(Arc::new(Panics));
        let mut context = Context::from_waker(&waker);
        assert!(result.as_mut().poll(&mut context).is_pending());
        eventually("it is done", || result.ready());
        let Poll::Ready(Ok(50)) = result.as_mut().poll(&mut context) else {
            panic!("it is ready");
        };
    }
    let other = pool.apply_async(pause, (1,)).unwrap();
    eventually("it is done", || other.ready());
    assert_eq!(pool.apply(pause, (1,)).unwrap(), 1);
    kill(
        Pid::from_raw(pool.worker_pids()[0].cast_signed()),
        Signal::SIGKILL,
    )
    .unwrap();
    eventually("it is replaced", || pool.apply(pause, (1,)).is_ok());
}

fn numbered(item: u64) -> (u32, u64) {
    thread::sleep(Duration::from_millis(if item == 0 { 300 } else { 2 }));
    (std::process::id(), item)
}

#[test]
fn no_worker_runs_more_than_it_may_when_others_are_slow() {
    let _watchdog = watchdog();
    let pool = Pool::builder()
        .workers(3)
        .max_tasks_per_worker(5)
        .start()
        .unwrap();
    for _ in 0..5 {
        let ran = pool.map_chunked(numbered, 0..40, 1).unwrap();
        let mut per = std::collections::BTreeMap::new();
        for (pid, _) in ran {
            *per.entry(pid).or_insert(0) += 1;
        }
        assert!(per.values().all(|&n| n <= 5), "{per:?}");
    }
}

#[test]
fn requests_taken_back_fill_no_ring() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let slow = pool.apply_async(pause, (500,)).unwrap();
    for _ in 0..2000 {
        let waiting = pool.apply_async(len, (vec![7; 100],)).unwrap();
        assert!(waiting.cancel() || slow.ready());
    }
    slow.get().unwrap();
    assert_eq!(pool.apply(len, (vec![7; 100],)).unwrap(), 100);
}

#[test]
fn a_stopped_worker_holds_up_nothing_that_it_has_not_begun() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    assert_eq!(pool.map_chunked(pause, [30; 4], 1).unwrap(), [30; 4]);
    for pid in pool.worker_pids() {
        let send = |signal| kill(Pid::from_raw(pid.cast_signed()), signal).unwrap();
        send(Signal::SIGSTOP);
        for _ in 0..4 {
            assert_eq!(pool.apply(pause, (1,)).unwrap(), 1);
        }
        assert_eq!(pool.map_chunked(pause, [1; 40], 1).unwrap(), [1; 40]);
        let polled = pool.apply_async(pause, (1,)).unwrap();
        eventually("it is done", || polled.ready());
        send(Signal::SIGCONT);
    }
}
