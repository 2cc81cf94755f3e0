//! The managed reentrant lock.

use super::{manager, start};
use procession_manager::{Event, ManagerError, RLock, Refusal};
use procession_testkit::{kill9, watchdog};
use std::time::Duration;

#[test]
fn its_owner_may_take_it_again() {
    // MGR-014
    let _watchdog = watchdog();
    let manager = manager();
    let lock = manager.rlock().unwrap();
    let twice = |lock: RLock| -> anyhow::Result<()> {
        let outer = lock.acquire()?;
        let inner = lock.acquire_timeout(Duration::ZERO)?;
        assert!(inner.is_some());
        drop(inner);
        assert!(lock.is_locked()?);
        Ok(outer.release()?)
    };
    for child in [start(twice, (lock.clone(),)), start(twice, (lock.clone(),))] {
        child.join().unwrap();
    }
    assert!(!lock.is_locked().unwrap());
}

#[test]
fn it_belongs_to_one_thread_of_one_process() {
    let _watchdog = watchdog();
    let manager = manager();
    let lock = manager.rlock().unwrap();
    let guard = lock.acquire().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| assert!(lock.try_acquire().unwrap().is_none()));
        scope.spawn(|| assert!(is_not_owner(&lock)));
    });
    let try_it = |lock: RLock| -> anyhow::Result<bool> {
        Ok(lock.try_acquire()?.is_none() && is_not_owner(&lock))
    };
    assert!(start(try_it, (lock.clone(),)).join().unwrap());
    guard.release().unwrap();
    let error = lock.release().unwrap_err();
    assert!(
        matches!(error, ManagerError::Refused(Refusal::NotHeld)),
        "{error}"
    );
}

fn is_not_owner(lock: &RLock) -> bool {
    matches!(
        lock.release(),
        Err(ManagerError::Refused(Refusal::NotOwner))
    )
}

#[test]
fn a_dead_owner_does_not_keep_it() {
    let _watchdog = watchdog();
    let manager = manager();
    let (lock, taken) = (manager.rlock().unwrap(), manager.event().unwrap());
    let hold = |lock: RLock, taken: Event| -> anyhow::Result<()> {
        let _outer = lock.acquire()?;
        let _inner = lock.acquire()?;
        taken.set()?;
        loop {
            std::thread::park();
        }
    };
    let owner = start(hold, (lock.clone(), taken.clone()));
    taken.wait().unwrap();
    kill9(owner.pid());
    assert!(lock.acquire().unwrap().was_abandoned());
    assert!(owner.join().is_err());
}
