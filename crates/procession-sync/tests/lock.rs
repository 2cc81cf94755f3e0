//! The lock between processes and between threads.

#![expect(
    clippy::unwrap_used,
    reason = "a helper process fails by panicking, like a test"
)]

use procession_shm::Value;
use procession_sync::{AcquireError, Lock, LockError, LockGuard, LockResult};
use procession_testkit::helper::{Helper, arrive, say, wait_for_end};
use procession_testkit::{helper, watchdog};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::thread;
use std::time::{Duration, Instant};

procession_testkit::helpers!(
    hold_a_lock,
    wait_for_a_dead_owner,
    count_in_two_steps,
    hold_many_locks
);

fn refusal(result: LockResult<LockGuard<'_>>) -> Option<LockError> {
    result.err()?.into_inner().err()
}

// SYN-001: that an extra release does not exist is for the compiler to say.
#[test]
fn one_holds_it() {
    let _watchdog = watchdog();
    let lock = Lock::new().unwrap();
    let held = lock.acquire().unwrap();
    assert_eq!(
        refusal(lock.try_acquire()),
        Some(LockError::HeldByThisThread)
    );
    assert_eq!(refusal(lock.acquire()), Some(LockError::HeldByThisThread));
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(refusal(lock.try_acquire()), Some(LockError::WouldBlock)));
    });
    drop(held);
    assert!(lock.try_acquire().is_ok());
}

// SYN-002
#[test]
fn a_scope_holds_it() {
    let _watchdog = watchdog();
    let lock = Lock::new().unwrap();
    {
        let _held = lock.acquire().unwrap();
        assert!(lock.locked());
    }
    assert!(!lock.locked());
}

// SYN-004
#[test]
fn timeouts_end_waiting() {
    let _watchdog = watchdog();
    let lock = Lock::new().unwrap();
    let held = lock.acquire_timeout(Duration::from_secs(1)).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            let at_once = lock.acquire_timeout(Duration::ZERO);
            assert_eq!(refusal(at_once), Some(LockError::TimedOut));
            let (start, timeout) = (Instant::now(), Duration::from_millis(30));
            assert_eq!(
                refusal(lock.acquire_timeout(timeout)),
                Some(LockError::TimedOut)
            );
            assert!(start.elapsed() >= timeout);
        });
    });
    drop(held);
    assert!(lock.acquire_timeout(Duration::ZERO).is_ok());
    assert!(lock.acquire_timeout(Duration::MAX).is_ok());
}

// SYN-022
#[test]
fn locked_sees_other_processes() {
    let _watchdog = watchdog();
    let lock = Lock::new().unwrap();
    assert_eq!(
        format!("{lock:?}"),
        "Lock { owner: None, poisoned: false, .. }"
    );
    let mut helper = Helper::with("hold_a_lock", &lock);
    assert_eq!(helper.hear(), "holding");
    assert!(lock.locked());
    let shown = format!("{lock:?}");
    let process = format!(
        "owner: Some(Owner {{ process: Some({}), thread: ",
        helper.pid()
    );
    assert!(shown.contains(&process), "{shown}");
    assert_eq!(refusal(lock.try_acquire()), Some(LockError::WouldBlock));
    assert!(helper.end().success());
    assert!(!lock.locked());
    assert!(lock.acquire().is_ok());
}

// SYN-023
#[test]
fn debug_names_process_and_thread_of_the_owner() {
    let _watchdog = watchdog();
    let lock = Lock::new().unwrap();
    let shown = thread::scope(|scope| {
        let show = || {
            let _held = lock.acquire().unwrap();
            (nix::unistd::gettid(), format!("{lock:?}"))
        };
        let owner = thread::Builder::new().name("the owner".into());
        let (thread, shown) = owner.spawn_scoped(scope, show).unwrap().join().unwrap();
        let owner = format!(
            "Owner {{ process: Some({}), thread: {thread}, name: \"the owner\" }}",
            process::id()
        );
        assert!(shown.contains(&owner), "{shown}");
        shown
    });
    assert_ne!(format!("{lock:?}"), shown);
}

fn hold_a_lock() {
    let Some(lock) = arrive::<Lock>() else { return };
    let _held = lock.acquire().unwrap();
    say("holding");
    wait_for_end();
}

// SYN-025
#[test]
fn a_dead_owner_is_reported_on_every_path() {
    let _watchdog = watchdog();
    let paths: [fn(&Lock) -> LockResult<LockGuard<'_>>; 3] =
        [Lock::acquire, Lock::try_acquire, |lock| {
            lock.acquire_timeout(Duration::from_secs(99))
        }];
    for acquire in paths {
        let lock = Lock::new().unwrap();
        let mut helper = Helper::with("hold_a_lock", &lock);
        assert_eq!(helper.hear(), "holding");
        helper.kill9();
        assert!(!lock.locked());
        let Err(AcquireError::Poisoned(poisoned)) = acquire(&lock) else {
            panic!("not poisoned")
        };
        assert!(lock.locked());
        drop(poisoned.into_inner());
        assert!(lock.is_poisoned());
        drop(acquire(&lock).or_else(AcquireError::repaired).unwrap());
        assert!(acquire(&lock).is_ok());
    }
}

#[test]
fn a_waiter_in_another_process_learns_of_the_owners_death() {
    let _watchdog = watchdog();
    let lock = Lock::new().unwrap();
    let mut owner = Helper::with("hold_a_lock", &lock);
    assert_eq!(owner.hear(), "holding");
    let mut waiter = Helper::with("wait_for_a_dead_owner", &lock);
    assert_eq!(waiter.hear(), "waiting");
    owner.kill9();
    assert_eq!(waiter.hear(), "poisoned");
    assert!(waiter.end().success());
}

fn wait_for_a_dead_owner() {
    let Some(lock) = arrive::<Lock>() else { return };
    say("waiting");
    assert!(matches!(lock.acquire(), Err(AcquireError::Poisoned(_))));
    say("poisoned");
}

#[test]
fn it_protects_what_is_changed_in_two_steps() {
    let _watchdog = watchdog();
    let shared = (Lock::new().unwrap(), Value::new(0_u64).unwrap());
    let helpers: Vec<_> = (0..2)
        .map(|_| Helper::with("count_in_two_steps", &shared))
        .collect();
    for helper in helpers {
        assert!(helper.end().success());
    }
    assert_eq!(shared.1.get(), 2000);
}

fn count_in_two_steps() {
    let Some((lock, count)) = arrive::<(Lock, Value<u64>)>() else {
        return;
    };
    for _ in 0..1000 {
        let _held = lock.acquire().unwrap();
        count.set(count.get() + 1);
    }
}

#[test]
fn a_panic_poisons() {
    let _watchdog = watchdog();
    let lock = Lock::new().unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let _held = lock.acquire().unwrap();
        panic!("half done");
    }));
    assert!(panic.is_err());
    let error = lock.acquire().unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("poisoned: a process died or panicked"),
        "{error}"
    );
    drop(error);
    lock.clear_poison();
    assert!(lock.acquire().is_ok());
}

#[test]
fn a_leaked_guard_holds_it_until_the_thread_ends() {
    let _watchdog = watchdog();
    let lock = Lock::new().unwrap();
    thread::scope(|scope| {
        scope
            .spawn(|| mem::forget(lock.acquire().unwrap()))
            .join()
            .unwrap();
    });
    assert!(matches!(lock.acquire(), Err(AcquireError::Poisoned(_))));
}

#[test]
fn another_shared_thing_is_no_lock() {
    let _watchdog = watchdog();
    let value = Value::new(1).unwrap();
    let lock = Lock::new().unwrap();
    let head = 3 + 8;
    let mut forged = helper::send(&lock)[..head].to_vec();
    forged.extend_from_slice(&helper::send(&value)[head..]);
    let packet = procession_wire::Packet::parse(forged, Vec::new()).unwrap();
    let error = packet.decode::<Lock>().unwrap_err().to_string();
    assert!(error.ends_with("the segment is not a lock"), "{error}");
}

// SYN-043
#[test]
fn a_thread_holds_no_more_locks_than_are_freed_when_it_dies() {
    let _watchdog = watchdog();
    let locks: Vec<Lock> = (0..2100).map(|_| Lock::new().unwrap()).collect();
    let mut helper = Helper::with("hold_many_locks", &locks);
    let held: usize = helper.hear().parse().unwrap();
    assert!(held > 1000, "{held}");
    helper.kill9();
    for (at, lock) in locks.iter().enumerate() {
        let got = lock.acquire();
        assert_eq!(got.is_err(), at < held, "lock {at} of {held}");
        drop(got.or_else(AcquireError::into_inner).unwrap());
    }
}

fn hold_many_locks() {
    let Some(locks) = arrive::<Vec<Lock>>() else {
        return;
    };
    let mut guards: Vec<_> = locks.iter().map_while(|lock| lock.acquire().ok()).collect();
    let refused = locks[guards.len()].acquire().unwrap_err();
    assert!(
        matches!(refused, AcquireError::Failed(LockError::TooManyHeld)),
        "{refused}"
    );
    // One guard less makes room for one.
    guards.pop();
    guards.push(locks[guards.len()].acquire().unwrap());
    say(&guards.len().to_string());
    wait_for_end();
}
