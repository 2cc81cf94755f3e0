//! Processes that are killed at random moments, whatever they do at that moment.

#![expect(
    clippy::unwrap_used,
    reason = "a child process fails by panicking, like a test"
)]

use procession_process::Process;
use procession_sync::{
    AcquireError, Barrier, Condition, Event, Lock, PermitError, RLock, Semaphore,
};
use procession_testkit::{kill9, watchdog};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

procession_process::enable_in_tests!();

type All = (Lock, RLock, Semaphore, Condition, Event, Barrier);

const LONG: Duration = Duration::from_mins(1);
const SHORT: Duration = Duration::from_micros(200);

fn all() -> All {
    let lock = Lock::new().unwrap();
    let condition = Condition::new(&lock).unwrap();
    (
        lock,
        RLock::new().unwrap(),
        Semaphore::new(2).unwrap(),
        condition,
        Event::new().unwrap(),
        Barrier::new(2).unwrap(),
    )
}

/// Uses everything, for ever.
fn rage(all: All) {
    let (lock, rlock, semaphore, condition, event, barrier) = all;
    loop {
        drop(lock.acquire().or_else(AcquireError::repaired).unwrap());
        let outer = rlock.acquire().or_else(AcquireError::repaired).unwrap();
        drop(rlock.acquire().unwrap());
        drop(outer);
        drop(semaphore.acquire_timeout(SHORT));
        let guard = lock.acquire().or_else(AcquireError::repaired).unwrap();
        drop(condition.wait_timeout(guard, SHORT));
        condition.notify(2).unwrap();
        event.set();
        event.clear();
        let _ = event.wait_timeout(SHORT);
        if barrier.wait_timeout(SHORT).is_err() {
            barrier.reset().unwrap();
        }
    }
}

/// Whatever the dead were doing: everything works, within a time that no test comes near.
fn check(all: &All) {
    let (lock, rlock, semaphore, condition, event, barrier) = all;
    drop(
        lock.acquire_timeout(LONG)
            .or_else(AcquireError::repaired)
            .unwrap(),
    );
    drop(
        rlock
            .acquire_timeout(LONG)
            .or_else(AcquireError::repaired)
            .unwrap(),
    );
    assert_eq!(rlock.depth(), 0);

    let permits = [
        semaphore.acquire_timeout(LONG),
        semaphore.acquire_timeout(LONG),
    ];
    assert!(permits.iter().all(Result::is_ok));
    assert_eq!(
        semaphore.try_acquire().unwrap_err(),
        PermitError::WouldBlock
    );
    drop(permits);
    assert_eq!(semaphore.available(), 2);

    event.clear();
    barrier.reset().unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| event.wait_timeout(LONG));
        let party = scope.spawn(|| barrier.wait_timeout(LONG));
        event.set();
        barrier.wait_timeout(LONG).unwrap();
        party.join().unwrap().unwrap();
        assert!(waiter.join().unwrap());
        let guard = lock.acquire().unwrap();
        scope.spawn(|| {
            let _guard = lock.acquire().unwrap();
            condition.notify_all().unwrap();
        });
        assert!(condition.wait_timeout(guard, LONG).unwrap().1);
    });
}

/// The generator of Lehmer, which is random enough for moments.
fn next(seed: &mut u64) -> u64 {
    *seed = *seed * 48271 % 0x7fff_ffff;
    *seed
}

// SYN-025, SYN-026, SYN-027, SYN-029
#[test]
fn nobody_is_blocked_by_the_dead() {
    let _watchdog = watchdog();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = u64::from(now.subsec_nanos()) % 0x7fff_fffe + 1;
    // A panic tells the name of its thread.
    let storm = thread::Builder::new().name(format!("storm with seed {seed}"));
    storm
        .spawn(move || storm_over(all(), seed))
        .unwrap()
        .join()
        .unwrap();
}

fn storm_over(all: All, mut seed: u64) {
    for _ in 0..15 {
        let spawn = |_| Process::spawn(rage, (all.clone(),)).unwrap();
        let processes: Vec<_> = (0..3).map(spawn).collect();
        for process in processes {
            thread::sleep(Duration::from_micros(next(&mut seed) % 3000));
            kill9(process.pid());
            assert!(process.join().is_err());
        }
        check(&all);
    }
}
