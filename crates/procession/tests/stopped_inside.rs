//! A process that is stopped at any instruction of an operation keeps no other's timed call beyond its timeout.
//!
//! The suite spreads some stops over each operation; with `PROCESSION_TEST_EVERY_STEP=1` there is one at each
//! instruction. That a call returns while the other process is stopped is all that is asked for.

#![expect(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "a task fails by panicking, like a test, and owns its arguments"
)]

use procession::{
    AcquireError, Array, Barrier, BoundedSemaphore, Condition, Event, JoinableQueue, Lock,
    LockResult, Process, Queue, RLock, RwLock, Semaphore, Value,
};
use procession_testkit::steps::{self, Reached, Traced};
use procession_testkit::watchdog;
use std::cell::RefCell;
use std::env;
use std::time::Duration;

procession::enable_in_tests!();

/// Shorter than it takes for anybody to help a stopped process.
const SOON: Duration = Duration::from_millis(2);

/// How many stops are spread over an operation.
fn stops(instructions: usize) -> usize {
    match env::var_os("PROCESSION_TEST_EVERY_STEP") {
        Some(_) => instructions,
        None => 16,
    }
}

/// In the child: does `work` once, so that nothing is made or loaded on the way of the second time,
/// of which the test executes a part.
fn stepped(go: &Event, work: impl Fn()) {
    work();
    go.wait();
    steps::begin();
    work();
    steps::end();
}

/// Stops children of `start` within their work, each at another instruction, and makes `calls` meanwhile; `mend`
/// makes good what the death of the child leaves.
fn stopped(start: impl Fn(Event) -> Process<()>, calls: impl Fn(), mend: impl Fn()) {
    let _watchdog = watchdog();
    let stop_after = |steps, calls: &dyn Fn()| {
        let go = Event::new().unwrap();
        let child = start(go.clone());
        let traced = Traced::new(child.pid());
        go.set();
        let reached = traced.stop_after(steps, calls);
        child.join().unwrap_err();
        mend();
        reached
    };
    let Reached::End(instructions) = stop_after(usize::MAX, &|| {}) else {
        panic!("the work has no end");
    };
    let stops = stops(instructions);
    for stop in 0..stops {
        stop_after(stop * instructions / stops, &calls);
    }
}

/// Drops the guard, whatever state the lock is in.
fn release<G>(got: LockResult<G>) {
    drop(got.or_else(AcquireError::into_inner));
}

// SYN-042
#[test]
fn of_a_lock() {
    fn work(lock: Lock, go: Event) {
        stepped(&go, || drop(lock.acquire().unwrap()));
    }
    let lock = Lock::new().unwrap();
    stopped(
        |go| Process::spawn(work, (lock.clone(), go)).unwrap(),
        || {
            release(lock.acquire_timeout(SOON));
            release(lock.try_acquire());
        },
        || {
            release(lock.acquire());
            lock.clear_poison();
        },
    );
}

// SYN-042
#[test]
fn of_a_reentrant_lock() {
    fn work(lock: RLock, go: Event) {
        stepped(&go, || {
            let outer = lock.acquire().unwrap();
            drop(lock.acquire().unwrap());
            drop(outer);
        });
    }
    let lock = RLock::new().unwrap();
    stopped(
        |go| Process::spawn(work, (lock.clone(), go)).unwrap(),
        || {
            release(lock.acquire_timeout(SOON));
            release(lock.try_acquire());
        },
        || {
            release(lock.acquire());
            lock.clear_poison();
        },
    );
}

// SYN-042
#[test]
fn of_a_read_write_lock() {
    fn work(lock: RwLock, go: Event) {
        stepped(&go, || {
            drop(lock.read().unwrap());
            drop(lock.write().unwrap());
        });
    }
    let lock = RwLock::new().unwrap();
    stopped(
        |go| Process::spawn(work, (lock.clone(), go)).unwrap(),
        || {
            release(lock.read_timeout(SOON));
            release(lock.write_timeout(SOON));
        },
        || {
            release(lock.write());
            lock.clear_poison();
        },
    );
}

// SYN-042
#[test]
fn of_a_semaphore() {
    fn work(semaphore: Semaphore, go: Event) {
        stepped(&go, || {
            drop(semaphore.acquire().unwrap());
            drop(semaphore.try_acquire().unwrap());
            semaphore.release(1).unwrap();
            semaphore.acquire().unwrap().forget().unwrap();
        });
    }
    let semaphore = Semaphore::new(1).unwrap();
    // Giving a permit back waits for the other.
    let permits = RefCell::new(Vec::new());
    stopped(
        |go| Process::spawn(work, (semaphore.clone(), go)).unwrap(),
        || permits.borrow_mut().extend(semaphore.acquire_timeout(SOON)),
        || {
            permits.borrow_mut().clear();
            while semaphore.available() == 0 {
                semaphore.release(1).unwrap();
            }
        },
    );
}

// SYN-042
#[test]
fn of_a_bounded_semaphore() {
    fn work(semaphore: BoundedSemaphore, go: Event) {
        stepped(&go, || {
            let _first = semaphore.acquire().unwrap();
            drop(semaphore.acquire().unwrap());
        });
    }
    let semaphore = BoundedSemaphore::new(2).unwrap();
    let permits = RefCell::new(Vec::new());
    stopped(
        |go| Process::spawn(work, (semaphore.clone(), go)).unwrap(),
        || permits.borrow_mut().extend(semaphore.acquire_timeout(SOON)),
        || {
            permits.borrow_mut().clear();
            // What the dead hold is given back.
            drop(semaphore.acquire().unwrap());
        },
    );
}

// SYN-042
#[test]
fn of_a_condition() {
    fn work(condition: Condition, go: Event) {
        stepped(&go, || {
            condition.notify_one().unwrap();
            let guard = condition.acquire().unwrap();
            drop(condition.wait_timeout(guard, SOON).unwrap());
            condition.notify_all().unwrap();
        });
    }
    let condition = Condition::new(&Lock::new().unwrap()).unwrap();
    stopped(
        |go| Process::spawn(work, (condition.clone(), go)).unwrap(),
        || {
            let got = condition.lock().acquire_timeout(SOON);
            if let Ok(guard) = got.or_else(AcquireError::into_inner) {
                release(condition.wait_timeout(guard, SOON));
            }
        },
        || {
            release(condition.acquire());
            condition.lock().clear_poison();
            condition.notify_all().unwrap();
            // What this process left behind is made up for, and the dead are struck out by who waits.
            while condition.waiters() > 0 {
                release(condition.wait_timeout(condition.acquire().unwrap(), SOON));
            }
        },
    );
}

// SYN-042
#[test]
fn of_an_event() {
    fn work(event: Event, go: Event) {
        stepped(&go, || {
            event.set();
            assert!(event.wait_timeout(SOON));
            event.clear();
        });
    }
    let event = Event::new().unwrap();
    stopped(
        |go| Process::spawn(work, (event.clone(), go)).unwrap(),
        || _ = event.wait_timeout(SOON),
        || event.clear(),
    );
}

// SYN-042
#[test]
fn of_a_barrier() {
    fn work(barrier: Barrier, go: Event) {
        stepped(&go, || {
            let _ = barrier.wait_timeout(Duration::ZERO);
            barrier.reset().unwrap();
        });
    }
    let barrier = Barrier::new(2).unwrap();
    stopped(
        |go| Process::spawn(work, (barrier.clone(), go)).unwrap(),
        || _ = barrier.wait_timeout(SOON),
        || barrier.reset().unwrap(),
    );
}

// SYN-042
#[test]
fn of_a_value() {
    fn work(value: Value<u64>, go: Event) {
        stepped(&go, || {
            value.update(|number| *number += 1);
            value.set(value.get() + 1);
        });
    }
    let value = Value::new(0_u64).unwrap();
    stopped(
        |go| Process::spawn(work, (value.clone(), go)).unwrap(),
        || {
            release(value.lock_timeout(SOON));
            release(value.try_lock());
        },
        || {
            release(value.lock());
            value.clear_poison();
        },
    );
}

// SYN-042
#[test]
fn of_an_array() {
    fn work(array: Array<u64>, go: Event) {
        stepped(&go, || {
            drop(array.read().unwrap());
            array.lock().unwrap().fill(1);
        });
    }
    let array = Array::<u64>::from_iter(0..8).unwrap();
    stopped(
        |go| Process::spawn(work, (array.clone(), go)).unwrap(),
        || {
            release(array.lock_timeout(SOON));
            release(array.read_timeout(SOON));
        },
        || {
            release(array.lock());
            array.clear_poison();
        },
    );
}

// SYN-042
#[test]
fn of_a_queue() {
    fn work(queue: Queue<u64>, go: Event) {
        stepped(&go, || {
            queue.put(&1).unwrap();
            queue.get().unwrap();
        });
    }
    let queue = Queue::<u64>::bounded(4).unwrap();
    stopped(
        |go| Process::spawn(work, (queue.clone(), go)).unwrap(),
        || {
            let _ = queue.put_timeout(&2, SOON);
            let _ = queue.get_timeout(SOON);
        },
        || while queue.try_get().is_ok() {},
    );
}

// SYN-042
#[test]
fn of_a_joinable_queue() {
    fn work(queue: JoinableQueue<u64>, go: Event) {
        stepped(&go, || {
            queue.put(&1).unwrap();
            queue.get().unwrap();
            queue.task_done().unwrap();
        });
    }
    let queue = JoinableQueue::<u64>::new().unwrap();
    stopped(
        |go| Process::spawn(work, (queue.clone(), go)).unwrap(),
        || {
            let _ = queue.get_timeout(SOON);
            let _ = queue.join_timeout(SOON);
        },
        || while queue.try_get().is_ok() {},
    );
}
