//! The managed semaphores.

use super::{manager, start};
use procession_manager::{BoundedSemaphore, Event, ManagerError, Refusal, Semaphore, Value};
use procession_testkit::{kill9, watchdog};
use std::time::Duration;

#[test]
fn no_more_are_inside_than_there_are_permits() {
    let _watchdog = watchdog();
    let manager = manager();
    let (semaphore, inside) = (
        manager.semaphore(2).unwrap(),
        manager.value((0, 0)).unwrap(),
    );
    let work = |semaphore: Semaphore, inside: Value<(u32, u32)>| -> anyhow::Result<()> {
        for _ in 0..20 {
            let _permit = semaphore.acquire()?;
            inside.update(|(now, most)| {
                *now += 1;
                *most = (*most).max(*now);
            })?;
            inside.update(|(now, _)| *now -= 1)?;
        }
        Ok(())
    };
    let args = || (semaphore.clone(), inside.clone());
    for child in [(); 4].map(|()| start(work, args())) {
        child.join().unwrap();
    }
    let (now, most) = inside.get().unwrap();
    assert!(now == 0 && most <= 2, "{now}, {most}");
    assert_eq!(semaphore.available().unwrap(), 2);
}

#[test]
fn a_permit_is_had_until_it_is_dropped() {
    let _watchdog = watchdog();
    let manager = manager();
    let semaphore = manager.semaphore(1).unwrap();
    let permit = semaphore.acquire().unwrap();
    assert!(semaphore.try_acquire().unwrap().is_none());
    assert!(
        semaphore
            .acquire_timeout(Duration::from_millis(2))
            .unwrap()
            .is_none()
    );
    permit.release().unwrap();
    assert!(semaphore.try_acquire().unwrap().is_some());
    semaphore.release().unwrap();
    assert_eq!(
        semaphore.available().unwrap(),
        2,
        "a release without a permit adds one"
    );
}

#[test]
fn what_a_child_acquires_the_parent_may_release() {
    // MGR-015
    let _watchdog = watchdog();
    let manager = manager();
    let semaphore = manager.semaphore(1).unwrap();
    let take = |semaphore: Semaphore| -> anyhow::Result<()> { Ok(semaphore.acquire()?.leak()?) };
    start(take, (semaphore.clone(),)).join().unwrap();
    assert_eq!(semaphore.available().unwrap(), 0);
    semaphore.release().unwrap();
    assert_eq!(semaphore.available().unwrap(), 1);
}

#[test]
fn a_bounded_semaphore_is_not_released_too_often() {
    // MGR-016
    let _watchdog = watchdog();
    let manager = manager();
    let semaphore = manager.bounded_semaphore(1).unwrap();
    let take =
        |semaphore: BoundedSemaphore| -> anyhow::Result<()> { Ok(semaphore.acquire()?.leak()?) };
    start(take, (semaphore.clone(),)).join().unwrap();
    semaphore.release().unwrap();
    let error = semaphore.release().unwrap_err();
    assert!(
        matches!(error, ManagerError::Refused(Refusal::ReleasedTooOften)),
        "{error}"
    );
    let permit = semaphore.acquire_timeout(Duration::MAX).unwrap().unwrap();
    semaphore.release().unwrap();
    drop(permit);
    assert_eq!(semaphore.available().unwrap(), 1);
    assert!(semaphore.try_acquire().unwrap().is_some());
}

#[test]
fn a_dead_process_gives_back_its_permits() {
    let _watchdog = watchdog();
    let manager = manager();
    let (semaphore, taken) = (manager.semaphore(2).unwrap(), manager.event().unwrap());
    let hold = |semaphore: Semaphore, taken: Event| -> anyhow::Result<()> {
        let _permits = (semaphore.acquire()?, semaphore.acquire()?);
        taken.set()?;
        loop {
            std::thread::park();
        }
    };
    let holder = start(hold, (semaphore.clone(), taken.clone()));
    taken.wait().unwrap();
    assert_eq!(semaphore.available().unwrap(), 0);
    kill9(holder.pid());
    let _both = (semaphore.acquire().unwrap(), semaphore.acquire().unwrap());
    assert!(holder.join().is_err());
}
