//! Functions that are called with results, results that are awaited, and pools that are joined for a while.

use procession_pool::{Pool, PoolError};
use procession_shm::Value;
use procession_testkit::{hush, kill9, watchdog};
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

procession_process::enable_in_tests!();

type Log = Arc<Mutex<Vec<Result<u32, String>>>>;

fn logging(log: &Log) -> impl FnOnce(Result<u32, PoolError>) + Send + 'static {
    let log = Arc::clone(log);
    move |result| {
        let result = result.map_err(|error| error.to_string());
        log.lock()
            .expect("no callback panics while it logs")
            .push(result);
    }
}

fn odd(n: u32) -> u32 {
    if n == 8 {
        kill9(std::process::id());
    }
    if n.is_multiple_of(2) {
        hush();
        panic!("{n} is even");
    }
    n
}

// POL-061, POL-062, POL-065
#[test]
fn a_callback_gets_the_result_or_the_error() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    let log = Log::default();
    for n in [1, 2, 8] {
        pool.apply_async(odd, (n,))
            .unwrap()
            .then(logging(&log))
            .unwrap();
    }
    // One that comes late is called all the same.
    let done = pool.apply_async(odd, (3,)).unwrap();
    assert!(done.wait_timeout(Duration::from_mins(1)));
    done.then(logging(&log)).unwrap();
    pool.join();
    let mut log = log.lock().unwrap();
    log.sort();
    assert_eq!(log[..2], [Ok(1), Ok(3)]);
    assert!(log[2].as_ref().unwrap_err().contains("2 is even"));
    assert!(log[3].as_ref().unwrap_err().contains("SIGKILL"));
    assert_eq!(log.len(), 4);
}

// POL-064, POL-092
#[test]
fn a_callback_that_panics_or_takes_long_keeps_no_result_back() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    let log = Log::default();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let panics = |_| {
        hush();
        panic!("a callback")
    };
    pool.apply_async(odd, (1,)).unwrap().then(panics).unwrap();
    let waits = move |_| wait.recv().unwrap();
    pool.apply_async(odd, (3,)).unwrap().then(waits).unwrap();
    pool.apply_async(odd, (5,))
        .unwrap()
        .then(logging(&log))
        .unwrap();
    assert_eq!(pool.map(odd, [7, 9]).unwrap(), [7, 9]);
    go.send(()).unwrap();
    pool.join();
    assert_eq!(*log.lock().unwrap(), [Ok(5)]);
}

// POL-105
#[test]
fn a_callback_may_use_the_pool() {
    let _watchdog = watchdog();
    let pool = Arc::new(Pool::new(1).unwrap());
    let (tell, told) = std::sync::mpsc::channel();
    let same = Arc::clone(&pool);
    let again = move |first: Result<u32, PoolError>| {
        tell.send(same.apply(odd, (first.unwrap() + 2,)).unwrap())
            .unwrap();
    };
    pool.apply_async(odd, (1,)).unwrap().then(again).unwrap();
    assert_eq!(told.recv().unwrap(), 3);
}

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

// POL-106
#[test]
fn a_result_can_be_awaited() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    let sum = block_on(async {
        let one = pool.apply_async(odd, (1,))?.await?;
        let more = pool.map_async(odd, [3, 5, 7])?.await?;
        Ok::<_, PoolError>(one + more.into_iter().sum::<u32>())
    });
    assert_eq!(sum.unwrap(), 16);
    let lost = block_on(pool.apply_async(odd, (8,)).unwrap());
    assert!(matches!(lost, Err(PoolError::WorkerDied { .. })));
    let forever = || -> () {
        loop {
            thread::park();
        }
    };
    let endless = pool.apply_async(forever, ()).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| block_on(endless));
        pool.terminate();
        assert!(matches!(
            waiting.join().unwrap(),
            Err(PoolError::Terminated)
        ));
    });
}

// POL-107
#[test]
fn a_pool_can_be_joined_for_a_while() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let go = Value::new(false).unwrap();
    let wait = |go: Value<bool>| {
        while !go.get() {
            thread::yield_now();
        }
    };
    let call = pool.apply_async(wait, (go.clone(),)).unwrap();
    assert!(!pool.join_timeout(Duration::from_millis(20)));
    assert!(matches!(pool.apply(odd, (1,)), Err(PoolError::Closed)));
    go.set(true);
    assert!(pool.join_timeout(Duration::from_mins(1)));
    call.get().unwrap();
}
