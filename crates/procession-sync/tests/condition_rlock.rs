//! The condition on an rlock: waiting releases all levels, and takes them again.

#![expect(
    clippy::unwrap_used,
    reason = "a child process fails by panicking, like a test"
)]

use procession_process::Process;
use procession_shm::Value;
use procession_sync::{AcquireError, Condition, Event, LockError, RLock, RLockGuard};
use procession_testkit::helper::roundtrip;
use procession_testkit::{eventually, kill9, watchdog};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

procession_process::enable_in_tests!();

const SHORT: Duration = Duration::from_millis(20);

fn new() -> Condition<RLock> {
    Condition::new(&RLock::new().unwrap()).unwrap()
}

/// Waits with three levels of the lock; returns how many there are afterwards, and behind those.
fn wait_in_depth(condition: Condition<RLock>, ready: Value<bool>) -> (usize, usize, usize) {
    let outer = condition.acquire().unwrap();
    let middle = condition.lock().acquire().unwrap();
    let inner = condition.acquire().unwrap();
    let inner = condition.wait_for(inner, || ready.get()).unwrap();
    let depth = condition.lock().depth();
    drop(outer);
    drop(inner);
    let fewer = condition.lock().depth();
    drop(middle);
    (depth, fewer, condition.lock().depth())
}

// SYN-035
#[test]
fn waiting_releases_all_levels_and_takes_them_again() {
    let _watchdog = watchdog();
    let (condition, ready) = (new(), Value::new(false).unwrap());
    let args = (condition.clone(), ready.clone());
    let waiter = Process::spawn(wait_in_depth, args).unwrap();
    eventually("it waits", || condition.waiters() == 1);
    // All of its levels are released, or this would wait for ever.
    let guard = condition.acquire().unwrap();
    assert_eq!(condition.lock().depth(), 1);
    ready.set(true);
    condition.notify_one().unwrap();
    assert_eq!(condition.lock().depth(), 1);
    drop(guard);
    assert_eq!(waiter.join().unwrap(), (3, 1, 0));
    assert!(!condition.locked());
}

// SYN-035
#[test]
fn every_form_of_waiting_takes_all_levels_again() {
    let _watchdog = watchdog();
    let condition = new();
    let free = |expected: bool| {
        let found = thread::scope(|scope| {
            let look = || condition.lock().try_acquire().is_ok();
            scope.spawn(look).join().unwrap()
        });
        assert_eq!(found, expected);
    };
    let outer = condition.acquire().unwrap();
    let inner = condition.acquire().unwrap();
    let (inner, notified) = condition.wait_timeout(inner, SHORT).unwrap();
    assert_eq!((notified, condition.lock().depth()), (false, 2));
    free(false);
    let waited = condition.wait_for_timeout(inner, SHORT, || {
        assert_eq!(condition.lock().depth(), 2);
        assert!(condition.lock().acquire().is_ok());
        false
    });
    let (inner, came_true) = waited.unwrap();
    assert_eq!((came_true, condition.lock().depth()), (false, 2));
    // What the predicate waits with is one more level.
    let again = || {
        condition
            .wait_timeout(condition.acquire().unwrap(), SHORT)
            .is_ok()
    };
    let inner = condition.wait_for(inner, again).unwrap();
    assert_eq!(condition.lock().depth(), 2);
    drop(outer);
    free(false);
    drop(inner);
    free(true);
}

fn notify_at_depth(condition: Condition<RLock>, turn: Value<u32>, mine: u32) {
    let _outer = condition.acquire().unwrap();
    for _ in 0..100 {
        let inner = condition.acquire().unwrap();
        let _inner = condition
            .wait_for(inner, || turn.get() % 2 == mine)
            .unwrap();
        turn.update(|turn| *turn += 1);
        condition.notify_all().unwrap();
    }
}

// SYN-035
#[test]
fn two_that_hold_several_levels_take_turns() {
    let _watchdog = watchdog();
    let (condition, turn) = (new(), Value::new(0).unwrap());
    let spawn = |mine| {
        let args = (condition.clone(), turn.clone(), mine);
        Process::spawn(notify_at_depth, args).unwrap()
    };
    for process in [spawn(0), spawn(1)] {
        process.join().unwrap();
    }
    assert_eq!((turn.get(), condition.waiters()), (200, 0));
    assert_eq!((condition.locked(), condition.lock().depth()), (false, 0));
}

fn hold_two_levels(lock: RLock, holding: Event) {
    let _outer = lock.acquire().unwrap();
    let _inner = lock.acquire().unwrap();
    holding.set();
    loop {
        thread::park();
    }
}

// SYN-035
#[test]
fn an_owner_that_died_meanwhile_is_told_and_all_levels_are_held() {
    let _watchdog = watchdog();
    let condition = new();
    let outer = condition.acquire().unwrap();
    let inner = condition.acquire().unwrap();
    let same = condition.clone();
    let killer = thread::spawn(move || {
        let holding = Event::new().unwrap();
        let args = (same.lock().clone(), holding.clone());
        let owner = Process::spawn(hold_two_levels, args).unwrap();
        holding.wait();
        kill9(owner.pid());
        assert!(owner.join().is_err());
        same.notify_all().unwrap();
    });
    let Err(AcquireError::Poisoned(poisoned)) = condition.wait(inner) else {
        panic!("not poisoned")
    };
    let inner = poisoned.repaired();
    assert_eq!(condition.lock().depth(), 2);
    drop((inner, outer));
    assert_eq!((condition.lock().depth(), condition.locked()), (0, false));
    killer.join().unwrap();
    assert!(condition.acquire().is_ok());
}

// SYN-035
#[test]
fn a_waiter_that_is_killed_leaves_the_lock_free_and_sound() {
    let _watchdog = watchdog();
    let (condition, ready) = (new(), Value::new(false).unwrap());
    let args = (condition.clone(), ready.clone());
    let waiter = Process::spawn(wait_in_depth, args).unwrap();
    eventually("it waits", || condition.waiters() == 1);
    kill9(waiter.pid());
    assert!(waiter.join().is_err());
    condition.notify_all().unwrap();
    drop(condition.acquire().unwrap());
}

#[test]
fn a_panic_behind_waiting_poisons() {
    let _watchdog = watchdog();
    let condition = new();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let _outer = condition.acquire().unwrap();
        let inner = condition.acquire().unwrap();
        let _inner = condition.wait_timeout(inner, SHORT).unwrap();
        panic!("half done");
    }));
    assert!(panic.is_err());
    assert!(matches!(
        condition.acquire(),
        Err(AcquireError::Poisoned(_))
    ));
    condition.lock().clear_poison();
    assert!(condition.acquire().is_ok());
}

#[test]
fn another_locks_guard_is_refused() {
    let _watchdog = watchdog();
    let (condition, other) = (new(), RLock::new().unwrap());
    let wait = |guard| condition.wait_timeout(guard, SHORT).map(|waited| waited.1);
    let refused = catch_unwind(AssertUnwindSafe(|| wait(other.acquire().unwrap()).ok()));
    assert!(refused.is_err());
    other.clear_poison();
    let same = condition.lock().clone();
    let guard: RLockGuard<'_> = same.acquire().unwrap();
    assert_eq!(
        wait(guard).ok(),
        Some(false),
        "a handle is as good as another"
    );
}

#[test]
fn a_handle_arrives_with_its_lock() {
    let _watchdog = watchdog();
    let condition = new();
    let same = roundtrip(&condition);
    let _held = condition.acquire().unwrap();
    assert_eq!(same.lock().depth(), 1);
    let refused = thread::scope(|scope| {
        let refused = || same.lock().try_acquire().unwrap_err().into_inner().err();
        scope.spawn(refused).join().unwrap()
    });
    assert_eq!(refused, Some(LockError::WouldBlock));
    let shown = format!("{same:?}");
    assert!(
        shown.starts_with("Condition { waiters: 0, lock: RLock { owner: Some("),
        "{shown}"
    );
}
