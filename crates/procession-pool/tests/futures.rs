//! Results that are awaited, under tokio and under an executor made by hand; wakers that do what they like.

#![cfg(not(loom))]

use procession_pool::{Pool, PoolError};
use procession_shm::Value;
use procession_testkit::{kill9, watchdog};
use std::future::Future;
use std::pin::pin;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

procession_process::enable_in_tests!();

fn square(n: u64) -> u64 {
    if n == 13 {
        kill9(std::process::id());
    }
    n * n
}

fn wait_for(go: Value<bool>) -> u64 {
    while !go.get() {
        thread::yield_now();
    }
    1
}

// POL-106
#[test]
fn results_are_awaited_under_tokio() {
    let _watchdog = watchdog();
    let pool = Arc::new(Pool::new(2).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let tasks: Vec<_> = (0..100)
            .map(|n| {
                let pool = Arc::clone(&pool);
                tokio::spawn(async move { pool.submit(square, (n,))?.await })
            })
            .collect();
        for (n, task) in (0..).zip(tasks) {
            match task.await.unwrap() {
                Ok(result) => assert_eq!((result, n != 13), (n * n, true)),
                Err(PoolError::WorkerDied { .. }) => assert_eq!(n, 13),
                Err(error) => panic!("{error}"),
            }
        }
        let squares = pool.map_async(square, 0..10).unwrap();
        let sum = pool.submit(|x: u64, y: u64| x + y, (3, 4)).unwrap();
        let (squares, sum) = tokio::join!(squares, sum);
        assert_eq!((squares.unwrap()[9], sum.unwrap()), (81, 7));
    });
}

// POL-106
#[test]
fn under_tokio_a_call_is_dropped_times_out_and_outlives_its_pool() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let go = Value::new(false).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let task = pool.task(wait_for);
        // The runtime's time drops the future.
        let call = pool.submit(wait_for, (go.clone(),)).unwrap();
        let moment = Duration::from_millis(20);
        assert!(tokio::time::timeout(moment, call).await.is_err());
        // The pool's time needs no runtime.
        let late = task.timeout(moment).apply_async((go.clone(),)).unwrap();
        assert!(matches!(late.await, Err(PoolError::NotInTime { .. })));
        // One that is polled once and moved to another task is woken there.
        let mut moved = Box::pin(pool.submit(wait_for, (go.clone(),)).unwrap());
        tokio::select! {
            biased;
            _ = &mut moved => panic!("it is not done"),
            () = std::future::ready(()) => {}
        }
        let moved = tokio::spawn(moved);
        go.set(true);
        assert_eq!(moved.await.unwrap().unwrap(), 1);
        go.set(false);
        let lost = pool.submit(wait_for, (go.clone(),)).unwrap();
        let lost = tokio::spawn(lost);
        tokio::task::yield_now().await;
        pool.terminate();
        assert!(matches!(lost.await.unwrap(), Err(PoolError::Terminated)));
    });
}

/// Sends word, after whatever it does first.
struct Waking<F: Fn() + Send + Sync>(Mutex<Sender<()>>, F);

impl<F: Fn() + Send + Sync + 'static> Wake for Waking<F> {
    fn wake(self: Arc<Self>) {
        (self.1)();
        let _ = self.0.lock().expect("nobody panics with it").send(());
    }
}

/// Runs a future with a waker that does something first.
fn block_on<F: Future>(future: F, first: impl Fn() + Send + Sync + 'static) -> F::Output {
    let (tell, told) = channel();
    let waker = Waker::from(Arc::new(Waking(Mutex::new(tell), first)));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => told.recv().expect("the waker is there"),
        }
    }
}

// POL-166
#[test]
fn a_waker_may_wait_for_the_pool_that_calls_it() {
    let _watchdog = watchdog();
    let pool = Arc::new(Pool::new(1).unwrap());
    for n in 0..20 {
        let go = Value::new(false).unwrap();
        let call = pool.submit(wait_for, (go.clone(),)).unwrap();
        let same = Arc::clone(&pool);
        // The second of these needs another worker, which the pool's thread starts.
        let waits = move || {
            assert_eq!(same.apply(square, (n,)).is_ok(), n != 13);
            assert_eq!(same.map(square, 0..10).unwrap().len(), 10);
        };
        thread::scope(|scope| {
            // Somebody else collects, or nobody.
            if n % 2 == 0 {
                scope.spawn(|| assert_eq!(pool.apply(square, (n,)).is_ok(), n != 13));
            }
            scope.spawn(|| go.set(true));
            assert_eq!(block_on(call, waits).unwrap(), 1);
        });
    }
}

// POL-166
#[test]
fn a_waker_that_panics_or_takes_long_keeps_nothing_back() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let (go, stay) = channel::<()>();
    let stay = Mutex::new(stay);
    let slow = pool
        .submit(|| thread::sleep(Duration::from_millis(20)), ())
        .unwrap();
    let waker = Waker::from(Arc::new(Waking(Mutex::new(channel().0), move || {
        let _ = stay.lock().unwrap().recv();
        procession_testkit::hush();
        panic!("a waker");
    })));
    let mut slow = pin!(slow);
    assert!(
        slow.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    drop(waker);
    assert_eq!(pool.map(square, 0..100).unwrap_err().item(), Some(13));
    assert_eq!(pool.submit(square, (3,)).unwrap().get().unwrap(), 9);
    assert!(slow.ready());
    drop(go);
    assert_eq!(
        block_on(pool.submit(square, (4,)).unwrap(), || {}).unwrap(),
        16
    );
}

// POL-086
#[test]
fn a_future_that_is_dropped_keeps_neither_its_waker_nor_its_result() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let go = Value::new(false).unwrap();
    let held = Arc::new(Waking(Mutex::new(channel().0), || {}));
    let waker = Waker::from(Arc::clone(&held));
    let mut call = Box::pin(pool.submit(wait_for, (go.clone(),)).unwrap());
    assert!(
        call.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    drop((waker, call));
    assert_eq!(Arc::strong_count(&held), 1);
    go.set(true);
    assert_eq!(pool.apply(square, (3,)).unwrap(), 9);
}
