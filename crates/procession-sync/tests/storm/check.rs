//! What must hold whatever the dead were doing: everything works, within a time that no test
//! comes near.

use crate::shared::{PERMITS, Shared, guard_of};
use procession_sync::PermitError;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

const LONG: Duration = Duration::from_mins(1);

/// While others use them: nobody keeps them for long.
pub(crate) fn what_the_living_use(shared: &Shared) {
    let (guard, _) = guard_of(shared.lock.acquire_timeout(LONG));
    shared.inside.store(0, Ordering::Relaxed);
    drop(guard);
    let (guard, _) = guard_of(shared.rlock.acquire_timeout(LONG));
    shared.inside_rlock.store(0, Ordering::Relaxed);
    drop(guard);
    let (guard, _) = guard_of(shared.rwlock.write_timeout(LONG));
    shared.written.store(0, Ordering::Relaxed);
    drop(guard);
    drop(shared.rwlock.read_timeout(LONG));
    drop(shared.semaphore.acquire_timeout(LONG).unwrap());
    drop(shared.bounded.acquire_timeout(LONG).unwrap());
    let (mut pair, _) = guard_of(shared.value.lock());
    pair[1] = pair[0].wrapping_neg();
    drop(pair);
    let (mut all, _) = guard_of(shared.array.lock());
    let first = all[0];
    all.fill(first);
}

/// When nobody else lives.
pub(crate) fn all(shared: &Shared) {
    assert!(!shared.lock.locked());
    assert_eq!(shared.rlock.depth(), 0);
    drop(guard_of(shared.rwlock.write_timeout(LONG)));
    assert_eq!(
        (shared.rwlock.locked(), shared.rwlock.readers()),
        (false, 0)
    );
    permits(shared);
    shared.event.clear();
    shared.barrier.reset().unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| shared.event.wait_timeout(LONG));
        let party = scope.spawn(|| shared.barrier.wait_timeout(LONG));
        shared.event.set();
        shared.barrier.wait_timeout(LONG).unwrap();
        party.join().unwrap().unwrap();
        assert!(waiter.join().unwrap());
        let guard = shared.lock.acquire().unwrap();
        scope.spawn(|| {
            let _guard = shared.lock.acquire().unwrap();
            shared.condition.notify_all().unwrap();
        });
        assert!(shared.condition.wait_timeout(guard, LONG).unwrap().1);
    });
    assert_eq!(shared.condition.waiters(), 0);
    assert_eq!(shared.barrier.waiting(), 0);
    shared.event.clear();
}

fn permits(shared: &Shared) {
    let all = |_| shared.semaphore.acquire_timeout(LONG).unwrap();
    let held: Vec<_> = (0..PERMITS).map(all).collect();
    let refused = shared.semaphore.try_acquire().unwrap_err();
    assert_eq!(refused, PermitError::WouldBlock);
    drop(held);
    assert_eq!(shared.semaphore.available(), PERMITS);
    let all = |_| shared.bounded.acquire_timeout(LONG).unwrap();
    let held: Vec<_> = (0..PERMITS).map(all).collect();
    drop(held);
    assert_eq!(shared.bounded.available(), PERMITS);
}
