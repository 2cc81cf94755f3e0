//! The managed condition.
#![expect(
    clippy::needless_pass_by_value,
    reason = "what a child is given is its own"
)]

use super::{manager, start};
use procession_manager::{Condition, List, ManagerError, Refusal, Value};
use procession_testkit::{eventually, kill9, watchdog};
use std::time::Duration;

#[test]
fn a_child_acquires_and_releases_it() {
    // MGR-017
    let _watchdog = watchdog();
    let manager = manager();
    let condition = manager.condition().unwrap();
    let use_it =
        |condition: Condition| -> anyhow::Result<()> { Ok(condition.acquire()?.release()?) };
    start(use_it, (condition.clone(),)).join().unwrap();
    let guard = condition.acquire().unwrap();
    assert!(!guard.was_abandoned());
    assert!(condition.try_acquire().unwrap().is_none());
    assert!(
        condition
            .acquire_timeout(Duration::from_millis(1))
            .unwrap()
            .is_none()
    );
}

fn take_one(ready: Condition, items: List<u32>, sum: Value<u32>) -> anyhow::Result<()> {
    let mut held = ready.acquire()?;
    held.wait_while(|| items.is_empty())?;
    let item = items.pop()?.unwrap_or_default();
    sum.set(sum.get()? + item)?;
    Ok(())
}

#[test]
fn waiters_are_woken_one_by_one_or_all() {
    let _watchdog = watchdog();
    let manager = manager();
    let (ready, items) = (manager.condition().unwrap(), manager.list::<u32>().unwrap());
    let sum = manager.value(0).unwrap();
    let args = || (ready.clone(), items.clone(), sum.clone());
    let children = [(); 3].map(|()| start(take_one, args()));
    eventually("all wait", || ready.waiting().unwrap() == 3);
    let held = ready.acquire().unwrap();
    items.append(1).unwrap();
    ready.notify_one().unwrap();
    held.release().unwrap();
    eventually("one has gone", || sum.get().unwrap() == 1);
    assert_eq!(ready.waiting().unwrap(), 2);
    let held = ready.acquire().unwrap();
    items.extend([2, 4]).unwrap();
    ready.notify_all().unwrap();
    held.release().unwrap();
    for child in children {
        child.join().unwrap();
    }
    assert_eq!(sum.get().unwrap(), 7);
}

#[test]
fn a_wait_without_notification_runs_out() {
    let _watchdog = watchdog();
    let manager = manager();
    let condition = manager.condition().unwrap();
    let mut guard = condition.acquire().unwrap();
    assert!(!guard.wait_timeout(Duration::from_millis(2)).unwrap());
    assert!(
        !guard
            .wait_timeout_while(Duration::from_millis(2), || Ok(true))
            .unwrap()
    );
    assert!(
        guard
            .wait_timeout_while(Duration::ZERO, || Ok(false))
            .unwrap()
    );
    assert!(
        condition.try_acquire().unwrap().is_none(),
        "the lock was taken again"
    );
    assert_eq!(condition.waiting().unwrap(), 0);
    drop(guard);
    assert!(condition.try_acquire().unwrap().is_some());
}

#[test]
fn notifying_nobody_is_not_remembered() {
    let _watchdog = watchdog();
    let manager = manager();
    let condition = manager.condition().unwrap();
    condition.notify(3).unwrap();
    let mut guard = condition.acquire().unwrap();
    assert!(!guard.wait_timeout(Duration::from_millis(1)).unwrap());
}

fn wait_for_ever(condition: Condition) -> anyhow::Result<()> {
    Ok(condition.acquire()?.wait()?)
}

#[test]
fn a_dead_waiter_is_not_notified() {
    let _watchdog = watchdog();
    let manager = manager();
    let condition = manager.condition().unwrap();
    let dead = start(wait_for_ever, (condition.clone(),));
    eventually("it waits", || condition.waiting().unwrap() == 1);
    let alive = start(wait_for_ever, (condition.clone(),));
    eventually("both wait", || condition.waiting().unwrap() == 2);
    kill9(dead.pid());
    assert!(dead.join().is_err());
    // Whether the server has noticed yet or not, the notification reaches the one that lives.
    condition.notify_one().unwrap();
    alive.join().unwrap();
}

#[test]
fn a_dead_owner_does_not_keep_the_lock() {
    let _watchdog = watchdog();
    let manager = manager();
    let condition = manager.condition().unwrap();
    let hold = |condition: Condition| -> anyhow::Result<()> {
        std::mem::forget(condition.acquire()?);
        Ok(())
    };
    start(hold, (condition.clone(),)).join().unwrap();
    assert!(condition.acquire().unwrap().was_abandoned());
}

#[test]
fn a_guard_that_is_over_cannot_wait() {
    let _watchdog = watchdog();
    let manager = manager();
    let condition = manager.condition().unwrap();
    let mut guard = condition.acquire().unwrap();
    manager.shutdown().unwrap();
    assert!(matches!(guard.wait(), Err(ManagerError::Gone)));
    assert!(!matches!(
        condition.notify_one(),
        Err(ManagerError::Refused(Refusal::NotOwner))
    ));
}
