//! The managed lock: who has it, and what becomes of it when the owner ends.
#![expect(
    clippy::needless_pass_by_value,
    reason = "what a child is given is its own"
)]

use super::{manager, start};
use procession_manager::{Lock, ManagerError, Refusal, Value};
use procession_process::Process;
use procession_testkit::{kill9, watchdog};
use std::time::Duration;

#[test]
fn it_keeps_others_out() {
    let _watchdog = watchdog();
    let manager = manager();
    let (lock, value) = (manager.lock().unwrap(), manager.value(0_u32).unwrap());
    let count = |lock: Lock, value: Value<u32>| -> anyhow::Result<()> {
        for _ in 0..50 {
            let _held = lock.acquire()?;
            value.set(value.get()? + 1)?;
        }
        Ok(())
    };
    let args = || (lock.clone(), value.clone());
    for child in [
        start(count, args()),
        start(count, args()),
        start(count, args()),
    ] {
        child.join().unwrap();
    }
    assert_eq!(value.get().unwrap(), 150);
}

#[test]
fn it_is_held_until_the_guard_is_dropped() {
    let _watchdog = watchdog();
    let manager = manager();
    let lock = manager.lock().unwrap();
    let guard = lock.acquire().unwrap();
    assert!(lock.is_locked().unwrap());
    assert!(lock.try_acquire().unwrap().is_none());
    assert!(
        lock.acquire_timeout(Duration::from_millis(2))
            .unwrap()
            .is_none()
    );
    drop(guard);
    let guard = lock.acquire_timeout(Duration::MAX).unwrap().unwrap();
    assert!(!guard.was_abandoned());
    guard.release().unwrap();
    assert!(!lock.is_locked().unwrap());
}

#[test]
fn another_process_may_release_it() {
    // MGR-013
    let _watchdog = watchdog();
    let manager = manager();
    let lock = manager.lock().unwrap();
    let take = |lock: Lock| -> anyhow::Result<()> { Ok(lock.acquire()?.leak()?) };
    start(take, (lock.clone(),)).join().unwrap();
    assert!(lock.is_locked().unwrap(), "also when the process has ended");
    lock.release().unwrap();
    let error = lock.release().unwrap_err();
    assert!(
        matches!(error, ManagerError::Refused(Refusal::NotHeld)),
        "{error}"
    );
}

#[test]
fn a_guard_never_releases_the_next_owners_lock() {
    let _watchdog = watchdog();
    let manager = manager();
    let lock = manager.lock().unwrap();
    let one = lock.acquire().unwrap();
    lock.release().unwrap();
    let other = lock.acquire().unwrap();
    let error = one.release().unwrap_err();
    assert!(
        matches!(error, ManagerError::Refused(Refusal::NotOwner)),
        "{error}"
    );
    assert!(lock.is_locked().unwrap());
    drop(other);
    assert!(!lock.is_locked().unwrap());
}

fn hold(lock: Lock, taken: procession_manager::Event) -> anyhow::Result<()> {
    let _held = lock.acquire()?;
    taken.set()?;
    loop {
        std::thread::park();
    }
}

#[test]
fn a_dead_owner_does_not_keep_it() {
    let _watchdog = watchdog();
    let manager = manager();
    let (lock, taken) = (manager.lock().unwrap(), manager.event().unwrap());
    let owner = start(hold, (lock.clone(), taken.clone()));
    taken.wait().unwrap();
    assert!(lock.try_acquire().unwrap().is_none());
    kill9(owner.pid());
    let guard = lock.acquire().unwrap();
    assert!(guard.was_abandoned());
    drop(guard);
    assert!(!lock.acquire().unwrap().was_abandoned(), "it is said once");
    assert!(owner.join().is_err());
}

#[test]
fn an_owner_that_forgot_its_guard_gives_it_back_at_its_end() {
    let _watchdog = watchdog();
    let manager = manager();
    let lock = manager.lock().unwrap();
    let take = |lock: Lock| -> anyhow::Result<()> {
        std::mem::forget(lock.acquire()?);
        Ok(())
    };
    start(take, (lock.clone(),)).join().unwrap();
    assert!(lock.acquire().unwrap().was_abandoned());
}

#[test]
fn a_dead_waiter_delays_nobody_and_gets_nothing() {
    let _watchdog = watchdog();
    let manager = manager();
    let (lock, value) = (manager.lock().unwrap(), manager.value(0_u8).unwrap());
    let guard = lock.acquire().unwrap();
    let wait = |lock: Lock, value: Value<u8>| -> anyhow::Result<()> {
        value.set(1)?;
        let _held = lock.acquire()?;
        Ok(value.set(2)?)
    };
    let waiter: Process<()> = start(wait, (lock.clone(), value.clone()));
    procession_testkit::eventually("the waiter is about to wait", || value.get().unwrap() == 1);
    kill9(waiter.pid());
    assert!(waiter.join().is_err());
    drop(guard);
    let guard = lock.acquire().unwrap();
    assert!(!guard.was_abandoned());
    assert_eq!(value.get().unwrap(), 1);
}
