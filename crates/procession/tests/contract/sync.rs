//! What processes wait for each other with.

use super::types::{
    Barrier, BoundedSemaphore, Condition, Event, Lock, Place, RLock, Semaphore, Value,
};
use crate::Told;
use procession::{AcquireError, BarrierError, LockError, LockResult, PermitError, Process, Repair};
use procession_testkit::{eventually, kill9, watchdog};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(20);

fn refusal<G>(result: LockResult<G>) -> Option<LockError> {
    result.err()?.into_inner().err()
}

/// Runs it on another thread, to which the locks of this one are another's.
fn elsewhere<R: Send>(run: impl FnOnce() -> R + Send) -> R {
    thread::scope(|scope| scope.spawn(run).join().unwrap())
}

fn park() -> ! {
    loop {
        thread::park();
    }
}

// MGR-060
#[test]
fn one_thread_holds_a_lock() {
    let _watchdog = watchdog();
    let place = Place::new();
    let lock = place.lock();
    let held = lock.acquire().unwrap();
    assert!(lock.locked().told());
    assert_eq!(refusal(lock.acquire()), Some(LockError::HeldByThisThread));
    assert_eq!(
        refusal(lock.try_acquire()),
        Some(LockError::HeldByThisThread)
    );
    elsewhere(|| {
        assert_eq!(refusal(lock.try_acquire()), Some(LockError::WouldBlock));
        assert_eq!(
            refusal(lock.acquire_timeout(Duration::ZERO)),
            Some(LockError::TimedOut)
        );
        let start = Instant::now();
        assert_eq!(
            refusal(lock.acquire_timeout(SHORT)),
            Some(LockError::TimedOut)
        );
        assert!(start.elapsed() >= SHORT);
    });
    drop(held);
    assert!(!lock.locked().told());
    assert!(lock.acquire_timeout(Duration::MAX).is_ok());
    assert!(lock.try_acquire().is_ok());
}

// MGR-060
#[test]
fn a_lock_keeps_other_processes_out() {
    fn count(lock: Lock, number: Value<u32>) -> anyhow::Result<()> {
        for _ in 0..25 {
            let _held = lock.acquire()?;
            number.set(number.get().told() + 1).told();
        }
        Ok(())
    }
    let _watchdog = watchdog();
    let place = Place::new();
    let (lock, number) = (place.lock(), place.value(0));
    let spawn = |()| Process::spawn(count, (lock.clone(), number.clone())).unwrap();
    for child in [(); 3].map(spawn) {
        child.join().unwrap();
    }
    assert_eq!(number.get().told(), 75);
}

// MGR-060
#[test]
fn the_lock_of_a_dead_owner_is_poisoned_until_that_is_cleared() {
    fn hold(lock: Lock, taken: Event) -> anyhow::Result<()> {
        let _held = lock.acquire()?;
        taken.set().told();
        park()
    }
    let _watchdog = watchdog();
    let place = Place::new();
    let (lock, taken) = (place.lock(), place.event());
    let owner = Process::spawn(hold, (lock.clone(), taken.clone())).unwrap();
    taken.wait().told();
    assert_eq!(refusal(lock.try_acquire()), Some(LockError::WouldBlock));
    kill9(owner.pid());
    assert!(owner.join().is_err());
    assert_eq!(
        lock.acquire().map_err(LockError::from).err(),
        Some(LockError::Poisoned)
    );
    assert!(lock.is_poisoned().told());
    let Err(AcquireError::Poisoned(poisoned)) = lock.acquire_timeout(Duration::MAX) else {
        panic!("the poison stays until it is cleared");
    };
    drop(poisoned.repaired());
    assert!(!lock.is_poisoned().told());
    assert!(lock.acquire().is_ok());
}

// MGR-060
#[test]
fn a_panic_poisons_what_was_acquired_before() {
    let _watchdog = watchdog();
    let place = Place::new();
    let (lock, rlock) = (place.lock(), place.rlock());
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _held = (lock.acquire(), rlock.acquire(), rlock.acquire());
        panic!("half done");
    }));
    assert!(panicked.is_err());
    assert!(matches!(lock.acquire(), Err(AcquireError::Poisoned(_))));
    assert!(matches!(rlock.acquire(), Err(AcquireError::Poisoned(_))));
    lock.clear_poison().told();
    rlock.clear_poison().told();
    assert!(lock.acquire().is_ok() && rlock.acquire().is_ok());
}

// MGR-014
#[test]
fn a_thread_acquires_an_rlock_again() {
    let _watchdog = watchdog();
    let place = Place::new();
    let lock = place.rlock();
    let outer = lock.acquire().unwrap();
    let inner = (
        lock.try_acquire().unwrap(),
        lock.acquire_timeout(SHORT).unwrap(),
    );
    assert_eq!(lock.depth().told(), 3);
    drop(outer);
    elsewhere(|| {
        assert_eq!(refusal(lock.try_acquire()), Some(LockError::WouldBlock));
        assert_eq!(
            refusal(lock.acquire_timeout(SHORT)),
            Some(LockError::TimedOut)
        );
    });
    drop(inner);
    assert!(!lock.locked().told());
    assert_eq!(lock.depth().told(), 0);
    elsewhere(|| assert!(lock.acquire().is_ok()));
}

// MGR-014
#[test]
fn the_rlock_of_a_dead_owner_is_poisoned() {
    fn hold(lock: RLock, taken: Event) -> anyhow::Result<()> {
        let _held = (lock.acquire()?, lock.acquire()?);
        taken.set().told();
        park()
    }
    let _watchdog = watchdog();
    let place = Place::new();
    let (lock, taken) = (place.rlock(), place.event());
    let owner = Process::spawn(hold, (lock.clone(), taken.clone())).unwrap();
    taken.wait().told();
    assert_eq!(lock.depth().told(), 2);
    kill9(owner.pid());
    assert!(owner.join().is_err());
    let guard = lock.acquire().or_else(AcquireError::repaired).unwrap();
    drop(guard);
    assert!(!lock.is_poisoned().told());
}

// MGR-060
#[test]
fn permits_are_held_released_and_used_up() {
    let _watchdog = watchdog();
    let place = Place::new();
    let semaphore = place.semaphore(2);
    let first = semaphore.acquire().unwrap();
    assert_eq!(semaphore.available().told(), 1);
    let second = semaphore.acquire_timeout(Duration::MAX).unwrap();
    assert!(semaphore.locked().told());
    assert_eq!(
        semaphore.try_acquire().unwrap_err(),
        PermitError::WouldBlock
    );
    assert_eq!(
        semaphore.acquire_timeout(SHORT).unwrap_err(),
        PermitError::TimedOut
    );
    drop(first);
    assert!(semaphore.try_acquire().is_ok());
    second.forget().unwrap();
    assert_eq!(semaphore.available().told(), 1);
    semaphore.release(3).unwrap();
    assert_eq!(semaphore.available().told(), 4);
    let limit = u32::MAX;
    assert_eq!(
        semaphore.release(limit),
        Err(PermitError::OverRelease { limit })
    );
}

// MGR-013, MGR-015, MGR-016
#[test]
fn what_one_process_uses_up_another_releases() {
    fn take(semaphore: Semaphore, bounded: BoundedSemaphore) -> anyhow::Result<()> {
        semaphore.acquire()?.forget()?;
        Ok(bounded.acquire()?.forget()?)
    }
    let _watchdog = watchdog();
    let place = Place::new();
    let (semaphore, bounded) = (place.semaphore(1), place.bounded_semaphore(1));
    Process::spawn(take, (semaphore.clone(), bounded.clone()))
        .unwrap()
        .join()
        .unwrap();
    assert_eq!(
        (semaphore.available().told(), bounded.available().told()),
        (0, 0)
    );
    semaphore.release(1).unwrap();
    bounded.release(1).unwrap();
    assert_eq!(
        (semaphore.available().told(), bounded.available().told()),
        (1, 1)
    );
    assert_eq!(bounded.bound().told(), 1);
    assert_eq!(
        bounded.release(1),
        Err(PermitError::OverRelease { limit: 1 })
    );
    let permit = bounded.try_acquire().unwrap();
    assert!(bounded.locked().told());
    assert_eq!(
        bounded.release(1),
        Err(PermitError::OverRelease { limit: 1 })
    );
    assert_eq!(
        bounded.acquire_timeout(SHORT).unwrap_err(),
        PermitError::TimedOut
    );
    drop(permit);
}

// MGR-060
#[test]
fn the_dead_give_back_their_permits() {
    fn hold(semaphore: Semaphore, taken: Event) -> anyhow::Result<()> {
        let _permits = (semaphore.acquire()?, semaphore.acquire()?);
        taken.set().told();
        park()
    }
    let _watchdog = watchdog();
    let place = Place::new();
    let (semaphore, taken) = (place.semaphore(2), place.event());
    let holder = Process::spawn(hold, (semaphore.clone(), taken.clone())).unwrap();
    taken.wait().told();
    assert_eq!(semaphore.available().told(), 0);
    kill9(holder.pid());
    let both = (semaphore.acquire().unwrap(), semaphore.acquire().unwrap());
    assert!(holder.join().is_err());
    drop(both);
    assert_eq!(semaphore.available().told(), 2);
}

fn wait_for_one(condition: Condition, number: Value<u32>) -> anyhow::Result<()> {
    let held = condition.acquire()?;
    let held = condition.wait_for(held, || number.get().told() == 1)?;
    drop(held);
    Ok(())
}

// MGR-017
#[test]
fn a_condition_is_waited_for_under_its_lock() {
    let _watchdog = watchdog();
    let place = Place::new();
    let lock = place.lock();
    let (condition, number) = (place.condition(&lock), place.value(0));
    assert!(!condition.lock().locked().told());
    let spawn = |()| Process::spawn(wait_for_one, (condition.clone(), number.clone())).unwrap();
    let children = [(); 3].map(spawn);
    eventually("they wait", || condition.waiters().told() == 3);
    let held = condition.acquire().unwrap();
    number.set(1).told();
    condition.notify_all().unwrap();
    assert_eq!(condition.waiters().told(), 0);
    drop(held);
    for child in children {
        child.join().unwrap();
    }
    assert!(!condition.locked().told());
}

// MGR-060
#[test]
fn as_many_wake_as_are_notified() {
    let _watchdog = watchdog();
    let place = Place::new();
    let (condition, woken) = (place.condition(&place.lock()), place.value(0));
    condition.notify(7).unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let held = condition.acquire().unwrap();
                let held = condition.wait(held).unwrap();
                woken.set(woken.get().told() + 1).told();
                drop(held);
            });
        }
        eventually("they wait", || condition.waiters().told() == 4);
        condition.notify_one().unwrap();
        eventually("one is awake", || woken.get().told() == 1);
        condition.notify(2).unwrap();
        eventually("three are awake", || woken.get().told() == 3);
        assert_eq!(condition.waiters().told(), 1);
        condition.notify_all().unwrap();
    });
    assert_eq!(woken.get().told(), 4);
}

// MGR-060
#[test]
fn waiting_for_a_condition_has_a_timeout() {
    let _watchdog = watchdog();
    let place = Place::new();
    let condition = place.condition(&place.lock());
    let held = condition.acquire().unwrap();
    let (held, notified) = condition.wait_timeout(held, SHORT).unwrap();
    assert!(!notified && condition.locked().told());
    let start = Instant::now();
    let (held, holds) = condition.wait_for_timeout(held, SHORT, || false).unwrap();
    assert!(!holds && start.elapsed() >= SHORT);
    let (held, holds) = condition.wait_for_timeout(held, SHORT, || true).unwrap();
    assert!(holds);
    drop(held);
    assert_eq!(condition.waiters().told(), 0);
}

// MGR-060
#[test]
fn waiting_releases_all_levels_of_an_rlock_and_takes_them_again() {
    let _watchdog = watchdog();
    let place = Place::new();
    let lock = place.rlock();
    let condition = place.condition_of_rlock(&lock);
    let outer = lock.acquire().unwrap();
    let inner = condition.acquire().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            eventually("the other waits", || condition.waiters().told() == 1);
            let held = lock.acquire().unwrap();
            assert_eq!(lock.depth().told(), 1);
            condition.notify_one().unwrap();
            drop(held);
        });
        let inner = condition.wait(inner).unwrap();
        assert_eq!(lock.depth().told(), 2);
        drop(inner);
    });
    drop(outer);
    assert!(!lock.locked().told());
}

// MGR-060
#[test]
fn a_notice_is_not_lost_to_a_dead_waiter() {
    let _watchdog = watchdog();
    let place = Place::new();
    let (condition, number) = (place.condition(&place.lock()), place.value(0));
    let spawn = |()| Process::spawn(wait_for_one, (condition.clone(), number.clone())).unwrap();
    let [dead, alive] = [(); 2].map(spawn);
    eventually("they wait", || condition.waiters().told() == 2);
    kill9(dead.pid());
    assert!(dead.join().is_err());
    let held = condition.acquire().unwrap();
    number.set(1).told();
    condition.notify_one().unwrap();
    drop(held);
    alive.join().unwrap();
}

// MGR-060
#[test]
fn a_waiter_returns_poison_that_came_meanwhile() {
    fn die(condition: Condition) -> anyhow::Result<()> {
        let held = condition.acquire()?;
        condition.notify_one()?;
        std::mem::forget(held);
        Ok(())
    }
    let _watchdog = watchdog();
    let place = Place::new();
    let condition = place.condition(&place.lock());
    let held = condition.acquire().unwrap();
    let child = Process::spawn(die, (condition.clone(),)).unwrap();
    let waited = condition.wait(held);
    let Err(AcquireError::Poisoned(poisoned)) = waited else {
        panic!("the owner before ended with the lock: {waited:?}");
    };
    poisoned.get_ref().clear_poison();
    drop(poisoned);
    child.join().unwrap();
    assert!(condition.acquire().is_ok());
}

// MGR-060
#[test]
#[should_panic(expected = "of another lock")]
fn a_guard_of_another_lock_is_refused() {
    let _watchdog = watchdog();
    let place = Place::new();
    let (condition, other) = (place.condition(&place.lock()), place.lock());
    let _ = condition.wait(other.acquire().unwrap()).is_ok();
}

// MGR-012
#[test]
fn an_event_is_set_and_cleared() {
    fn set(event: Event) {
        event.set().told();
    }
    let _watchdog = watchdog();
    let place = Place::new();
    let event = place.event();
    assert!(!event.is_set().told());
    let start = Instant::now();
    assert!(!event.wait_timeout(SHORT).told());
    assert!(start.elapsed() >= SHORT);
    let child = Process::spawn(set, (event.clone(),)).unwrap();
    event.wait().told();
    child.join().unwrap();
    assert!(event.is_set().told() && event.wait_timeout(Duration::ZERO).told());
    event.clear().told();
    assert!(!event.is_set().told());
}

// MGR-012
#[test]
fn a_set_that_is_cleared_at_once_is_not_missed() {
    let _watchdog = watchdog();
    let place = Place::new();
    let (event, about_to) = (place.event(), place.event());
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            about_to.set().told();
            event.wait().told();
        });
        about_to.wait().told();
        eventually("the waiter is through", || {
            event.set().told();
            event.clear().told();
            waiter.is_finished()
        });
    });
}

/// Goes through so many rounds; returns the index of each.
fn rounds(barrier: Barrier, rounds: usize) -> Vec<usize> {
    (0..rounds).map(|_| barrier.wait().unwrap()).collect()
}

// MGR-060
#[test]
fn a_barrier_gives_each_party_another_index_in_each_round() {
    let _watchdog = watchdog();
    let place = Place::new();
    let barrier = place.barrier(3);
    assert_eq!(barrier.parties().told(), 3);
    let spawn = |()| Process::spawn(rounds, (barrier.clone(), 10)).unwrap();
    let others = [(); 2].map(spawn);
    let mut indices = vec![rounds(barrier.clone(), 10)];
    indices.extend(others.map(|other| other.join().unwrap()));
    for round in 0..10 {
        let mut round: Vec<_> = indices.iter().map(|party| party[round]).collect();
        round.sort_unstable();
        assert_eq!(round, [0, 1, 2]);
    }
    assert!(!barrier.is_broken().told());
    assert_eq!(place.barrier(1).wait(), Ok(0), "one party never waits");
}

// MGR-060
#[test]
fn the_last_party_acts_before_any_goes_on() {
    let _watchdog = watchdog();
    let place = Place::new();
    let (barrier, number) = (place.barrier(2), place.value(0));
    let round = |expected| {
        let act = || number.set(number.get().told() + 1).told();
        barrier.wait_with(act).unwrap();
        assert_eq!(number.get().told(), expected);
        barrier.wait_timeout_with(Duration::MAX, || ()).unwrap();
    };
    thread::scope(|scope| {
        scope.spawn(|| (1..=5).for_each(round));
        scope.spawn(|| (1..=5).for_each(round));
    });
}

// MGR-060
#[test]
fn a_panic_in_the_action_breaks_the_barrier() {
    let _watchdog = watchdog();
    let place = Place::new();
    let barrier = place.barrier(2);
    thread::scope(|scope| {
        let other = scope.spawn(|| barrier.wait());
        eventually("the other waits", || barrier.waiting().told() == 1);
        let act = AssertUnwindSafe(|| barrier.wait_with(|| panic!("half done")));
        assert!(catch_unwind(act).is_err());
        assert_eq!(other.join().unwrap(), Err(BarrierError::Broken));
    });
    assert!(barrier.is_broken().told());
}

fn broken(barrier: Barrier) -> String {
    barrier.wait().unwrap_err().to_string()
}

// MGR-060
#[test]
fn a_barrier_is_aborted_and_reset() {
    let _watchdog = watchdog();
    let place = Place::new();
    let barrier = place.barrier(2);
    let other = Process::spawn(broken, (barrier.clone(),)).unwrap();
    eventually("the other waits", || barrier.waiting().told() == 1);
    barrier.abort().told();
    assert_eq!(other.join().unwrap(), BarrierError::Broken.to_string());
    assert!(barrier.is_broken().told());
    assert_eq!(barrier.waiting().told(), 0);
    assert_eq!(
        barrier.wait_timeout(Duration::ZERO),
        Err(BarrierError::Broken)
    );
    barrier.reset().unwrap();
    let other = Process::spawn(broken, (barrier.clone(),)).unwrap();
    eventually("the other waits", || barrier.waiting().told() == 1);
    barrier.reset().unwrap();
    assert_eq!(other.join().unwrap(), BarrierError::Broken.to_string());
    assert!(!barrier.is_broken().told());
    let other = Process::spawn(rounds, (barrier.clone(), 1)).unwrap();
    barrier.wait().unwrap();
    other.join().unwrap();
}

// MGR-060
#[test]
fn a_timeout_breaks_a_barrier_for_all() {
    let _watchdog = watchdog();
    let place = Place::new();
    let barrier = place.barrier(3);
    thread::scope(|scope| {
        let other = scope.spawn(|| barrier.wait());
        eventually("the other waits", || barrier.waiting().told() == 1);
        assert_eq!(barrier.wait_timeout(SHORT), Err(BarrierError::TimedOut));
        assert_eq!(other.join().unwrap(), Err(BarrierError::Broken));
    });
    let barrier = place.barrier_with_timeout(2, SHORT);
    assert_eq!(barrier.wait(), Err(BarrierError::TimedOut));
}

// MGR-060
#[test]
fn a_party_that_was_killed_has_arrived() {
    let _watchdog = watchdog();
    let place = Place::new();
    let barrier = place.barrier(2);
    let other = Process::spawn(rounds, (barrier.clone(), 1)).unwrap();
    eventually("the other waits", || barrier.waiting().told() == 1);
    kill9(other.pid());
    assert!(other.join().is_err());
    assert_eq!(barrier.wait(), Ok(1));
    assert!(!barrier.is_broken().told());
    assert_eq!(barrier.wait_timeout(SHORT), Err(BarrierError::TimedOut));
}

// MGR-060
#[test]
fn a_waiter_that_is_killed_delays_none_and_gets_nothing() {
    fn wait(lock: Lock, semaphore: Semaphore, number: Value<u32>) -> anyhow::Result<()> {
        let on_another_thread = {
            let (semaphore, number) = (semaphore.clone(), number.clone());
            move || {
                number.set(number.get().told() + 1).told();
                if semaphore.acquire().is_ok() {
                    number.set(7).told();
                }
            }
        };
        thread::spawn(on_another_thread);
        eventually("the thread is about to wait", || number.get().told() == 1);
        number.set(2).told();
        let _held = lock.acquire()?;
        number.set(8).told();
        Ok(())
    }
    let _watchdog = watchdog();
    let place = Place::new();
    let (lock, semaphore, number) = (place.lock(), place.semaphore(1), place.value(0));
    let (held, permit) = (lock.acquire().unwrap(), semaphore.acquire().unwrap());
    let args = (lock.clone(), semaphore.clone(), number.clone());
    let waiter = Process::spawn(wait, args).unwrap();
    eventually("it is about to wait", || number.get().told() == 2);
    kill9(waiter.pid());
    assert!(waiter.join().is_err());
    drop((held, permit));
    let held = (lock.acquire().unwrap(), semaphore.acquire().unwrap());
    assert_eq!(number.get().told(), 2);
    drop(held);
    assert!(!lock.is_poisoned().told());
}
