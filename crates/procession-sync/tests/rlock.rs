//! The lock that its owner may acquire again.

#![expect(
    clippy::unwrap_used,
    reason = "a child process fails by panicking, like a test"
)]

use procession_process::Process;
use procession_shm::Value;
use procession_sync::{AcquireError, Event, LockError, LockResult, RLock, RLockGuard};
use procession_testkit::{kill9, watchdog};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::thread;
use std::time::{Duration, Instant};

procession_process::enable_in_tests!();

fn refusal(result: LockResult<RLockGuard<'_>>) -> Option<LockError> {
    result.err()?.into_inner().err()
}

// SYN-024
#[test]
fn a_scope_holds_it_as_often_as_it_likes() {
    let _watchdog = watchdog();
    let lock = RLock::new().unwrap();
    {
        let _outer = lock.acquire().unwrap();
        let _inner = lock.try_acquire().unwrap();
        let same = lock.clone();
        let _third = same.acquire_timeout(Duration::ZERO).unwrap();
        assert_eq!((lock.depth(), lock.locked()), (3, true));
    }
    assert_eq!((lock.depth(), lock.locked()), (0, false));
}

#[test]
fn guards_are_dropped_in_any_order_and_from_any_handle() {
    let _watchdog = watchdog();
    let lock = RLock::new().unwrap();
    let other = lock.clone();
    let outer = lock.acquire().unwrap();
    let inner = other.acquire().unwrap();
    drop(outer);
    drop(lock);
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(refusal(other.try_acquire()), Some(LockError::WouldBlock)));
    });
    drop(inner);
    thread::scope(|scope| {
        scope.spawn(|| assert!(other.try_acquire().is_ok()));
    });
}

#[test]
fn two_locks_do_not_mix() {
    let _watchdog = watchdog();
    let (one, two) = (RLock::new().unwrap(), RLock::new().unwrap());
    let (_one, first) = (one.acquire().unwrap(), two.acquire().unwrap());
    let second = two.acquire().unwrap();
    assert_eq!((one.depth(), two.depth()), (1, 2));
    drop((first, second));
    assert_eq!((one.depth(), two.depth()), (1, 0));
}

fn hold(lock: RLock, holding: Event, go_on: Event) {
    let _outer = lock.acquire().unwrap();
    let _inner = lock.acquire().unwrap();
    holding.set();
    go_on.wait();
}

// SYN-022, SYN-023
#[test]
fn debug_names_owner_and_depth() {
    let _watchdog = watchdog();
    let lock = RLock::new().unwrap();
    let free = "RLock { owner: None, depth: 0, poisoned: false, .. }";
    assert_eq!(format!("{lock:?}"), free);

    let guard = lock.acquire().unwrap();
    let shown = format!("{lock:?}");
    assert!(
        shown.contains(&format!("process: Some({})", process::id())),
        "{shown}"
    );
    assert!(shown.contains("depth: 1"), "{shown}");
    drop(guard);

    let (holding, go_on) = (Event::new().unwrap(), Event::new().unwrap());
    let owner = Process::spawn(hold, (lock.clone(), holding.clone(), go_on.clone())).unwrap();
    holding.wait();
    assert!(lock.locked());
    assert_eq!(refusal(lock.try_acquire()), Some(LockError::WouldBlock));
    let shown = format!("{lock:?}");
    assert!(
        shown.contains(&format!("process: Some({})", owner.pid())),
        "{shown}"
    );
    assert!(shown.contains("depth: 2"), "{shown}");
    go_on.set();
    owner.join().unwrap();
    assert_eq!(format!("{lock:?}"), free);
}

// SYN-025
#[test]
fn a_dead_owner_is_reported_on_every_path() {
    let _watchdog = watchdog();
    let paths: [fn(&RLock) -> LockResult<RLockGuard<'_>>; 3] =
        [RLock::acquire, RLock::try_acquire, |lock| {
            lock.acquire_timeout(Duration::from_secs(99))
        }];
    for acquire in paths {
        let lock = RLock::new().unwrap();
        let (holding, never) = (Event::new().unwrap(), Event::new().unwrap());
        let owner = Process::spawn(hold, (lock.clone(), holding.clone(), never)).unwrap();
        holding.wait();
        kill9(owner.pid());
        assert!(owner.join().is_err());
        assert_eq!((lock.depth(), lock.locked()), (0, false));
        let Err(AcquireError::Poisoned(poisoned)) = acquire(&lock) else {
            panic!("not poisoned")
        };
        // The depth of the dead is not the next owner's.
        assert_eq!(lock.depth(), 1);
        assert!(lock.acquire().is_ok(), "this thread was told");
        drop(poisoned.repaired());
        assert!(acquire(&lock).is_ok());
    }
}

// SYN-004, SYN-030
#[test]
fn timeouts_end_waiting() {
    let _watchdog = watchdog();
    let lock = RLock::new().unwrap();
    let _held = lock.acquire().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            let (start, timeout) = (Instant::now(), Duration::from_millis(30));
            assert_eq!(
                refusal(lock.acquire_timeout(timeout)),
                Some(LockError::TimedOut)
            );
            assert!(start.elapsed() >= timeout);
        });
    });
}

fn count(lock: RLock, number: Value<u64>) {
    for _ in 0..1000 {
        let _outer = lock.acquire().unwrap();
        let before = number.get();
        let _inner = lock.acquire().unwrap();
        number.set(before + 1);
    }
}

#[test]
fn it_protects_what_is_changed_in_two_steps() {
    let _watchdog = watchdog();
    let (lock, number) = (RLock::new().unwrap(), Value::new(0_u64).unwrap());
    let spawn = |_| Process::spawn(count, (lock.clone(), number.clone())).unwrap();
    let processes: Vec<_> = (0..2).map(spawn).collect();
    for process in processes {
        process.join().unwrap();
    }
    assert_eq!(number.get(), 2000);
}

#[test]
fn a_panic_poisons() {
    let _watchdog = watchdog();
    let lock = RLock::new().unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let _outer = lock.acquire().unwrap();
        let _inner = lock.acquire().unwrap();
        panic!("half done");
    }));
    assert!(panic.is_err());
    assert!(matches!(lock.acquire(), Err(AcquireError::Poisoned(_))));
    lock.clear_poison();
    assert!(!lock.is_poisoned());
    assert!(lock.acquire().is_ok());
}

#[test]
fn a_leaked_guard_holds_it_until_the_thread_ends() {
    let _watchdog = watchdog();
    let lock = RLock::new().unwrap();
    let same = lock.clone();
    let leak = move || {
        let _dropped = same.acquire().unwrap();
        mem::forget(same.acquire().unwrap());
    };
    thread::spawn(leak).join().unwrap();
    assert!(matches!(lock.acquire(), Err(AcquireError::Poisoned(_))));
}

#[test]
fn a_lock_that_is_leaked_and_dropped_harms_nobody() {
    let _watchdog = watchdog();
    let leak = || {
        let lock = RLock::new().unwrap();
        mem::forget(lock.acquire().unwrap());
        drop(lock);
        // The thread's list of held mutexes goes through the one that was leaked.
        let other = RLock::new().unwrap();
        drop(other.acquire().unwrap());
    };
    thread::spawn(leak).join().unwrap();
}
