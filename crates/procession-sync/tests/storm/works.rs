//! What a process of a storm does, until it is killed at it.
//!
//! Some of it waits without a timeout, though nobody may ever come: then it is killed waiting.

use crate::shared::{Random, Shared, be_alone, guard_of, guard_of_unmended};
use procession_shm::{LockError, Repair};
use procession_sync::{AcquireError, PermitError};
use std::sync::atomic::Ordering;
use std::time::Duration;

pub(crate) type Work = fn(&Shared, &mut Random);

/// Everything, with the names that the summary has, and how often it is done in a row: what waits
/// takes longer, and is as likely to be killed.
pub(crate) const ALL: &[(&str, u64, Work)] = &[
    ("lock", 100, lock),
    ("rlock", 100, rlock),
    ("semaphore", 20, semaphore),
    ("bounded semaphore", 100, bounded),
    ("condition wait", 1, wait),
    ("condition notify", 100, notify),
    ("event set", 200, set),
    ("event wait", 1, wait_for_event),
    ("barrier", 1, barrier),
    ("value", 100, value),
    ("array", 100, array),
    ("array read", 100, read_array),
    ("rwlock read", 100, read),
    ("rwlock write", 100, write),
];

fn timeout(random: &mut Random) -> Duration {
    Duration::from_micros(random.below(400))
}

/// Once in so many times something is waited for without a timeout.
const PATIENT: u64 = 64;

fn lock(shared: &Shared, random: &mut Random) {
    let taken = match random.below(3) {
        0 => shared.lock.try_acquire(),
        1 => shared.lock.acquire_timeout(timeout(random)),
        _ => shared.lock.acquire(),
    };
    if let Err(AcquireError::Failed(LockError::WouldBlock | LockError::TimedOut)) = taken {
        return;
    }
    let (_guard, died) = guard_of(taken);
    be_alone(&shared.inside, died, random);
}

fn rlock(shared: &Shared, random: &mut Random) {
    let (outer, died) = guard_of(shared.rlock.acquire());
    let inner = shared.rlock.try_acquire().unwrap();
    be_alone(&shared.inside_rlock, died, random);
    if random.one_in(2) {
        drop(outer);
        be_alone(&shared.inside_rlock, false, random);
        drop(inner);
    }
}

fn semaphore(shared: &Shared, random: &mut Random) {
    let permit = if random.one_in(PATIENT) {
        shared.semaphore.acquire()
    } else {
        shared.semaphore.acquire_timeout(timeout(random))
    };
    match permit {
        Ok(_permit) => random.idle(),
        Err(error) => assert_eq!(error, PermitError::TimedOut),
    }
}

fn bounded(shared: &Shared, random: &mut Random) {
    match shared.bounded.try_acquire() {
        Ok(_permit) => random.idle(),
        Err(error) => assert_eq!(error, PermitError::WouldBlock),
    }
    // Nobody has forgotten a permit, so none can be made.
    let refused = shared.bounded.release(1);
    assert!(matches!(refused, Err(PermitError::OverRelease { .. })));
}

fn wait(shared: &Shared, random: &mut Random) {
    let (guard, died) = guard_of(shared.condition.acquire());
    be_alone(&shared.inside, died, random);
    if random.one_in(PATIENT) {
        let (_guard, died) = guard_of(shared.condition.wait(guard));
        return be_alone(&shared.inside, died, random);
    }
    let waited = shared.condition.wait_timeout(guard, timeout(random));
    if let Ok((_guard, _)) = waited {
        be_alone(&shared.inside, false, random);
    }
}

fn notify(shared: &Shared, random: &mut Random) {
    let (_guard, died) = guard_of(shared.lock.acquire());
    be_alone(&shared.inside, died, random);
    let notified = match random.below(3) {
        0 => shared.condition.notify_one(),
        1 => shared.condition.notify(2),
        _ => shared.condition.notify_all(),
    };
    notified.unwrap();
}

fn set(shared: &Shared, random: &mut Random) {
    shared.event.set();
    random.idle();
    shared.event.clear();
}

fn wait_for_event(shared: &Shared, random: &mut Random) {
    if random.one_in(PATIENT) {
        shared.event.wait();
    } else {
        let _ = shared.event.wait_timeout(timeout(random));
    }
}

fn barrier(shared: &Shared, random: &mut Random) {
    let waited = if random.one_in(PATIENT) {
        shared.barrier.wait()
    } else {
        shared
            .barrier
            .wait_timeout_with(timeout(random), || random.idle())
    };
    match waited {
        Ok(index) => assert!(index < 2),
        Err(_) => shared.barrier.reset().unwrap(),
    }
}

fn value(shared: &Shared, random: &mut Random) {
    let (mut pair, died) = guard_of(shared.value.lock());
    if died {
        pair[1] = pair[0].wrapping_neg();
    }
    assert_eq!(pair[0].wrapping_add(pair[1]), 0, "half of a change is seen");
    pair[0] = random.next();
    random.idle();
    pair[1] = pair[0].wrapping_neg();
}

fn array(shared: &Shared, random: &mut Random) {
    let (mut all, died) = guard_of(shared.array.lock());
    let first = all[0];
    if died {
        all.fill(first);
    }
    assert!(
        all.iter().all(|one| *one == first),
        "half of a change is seen"
    );
    all.fill(random.next());
}

fn read_array(shared: &Shared, random: &mut Random) {
    // It does not mend what it finds, so it may find what a writer left that died.
    let all = match shared.array.read() {
        Ok(all) => all,
        Err(AcquireError::Poisoned(_)) => return,
        Err(AcquireError::Failed(error)) => panic!("{error}"),
    };
    let first = all[0];
    random.idle();
    let equal = all.iter().all(|one| *one == first);
    assert!(equal, "half of a change is seen");
}

fn read(shared: &Shared, random: &mut Random) {
    let taken = match random.below(3) {
        0 => shared.rwlock.try_read(),
        1 => shared.rwlock.read_timeout(timeout(random)),
        _ => shared.rwlock.read(),
    };
    let outer = match taken {
        Ok(guard) => guard,
        Err(AcquireError::Failed(error)) => {
            assert!(matches!(error, LockError::WouldBlock | LockError::TimedOut));
            return;
        }
        // Somebody who writes has to mend it.
        Err(AcquireError::Poisoned(_)) => return,
    };
    let inner = random.one_in(4).then(|| shared.rwlock.read());
    assert_eq!(shared.written.load(Ordering::Relaxed), 0, "somebody writes");
    random.idle();
    assert_eq!(shared.written.load(Ordering::Relaxed), 0, "somebody writes");
    drop((outer, inner));
}

fn write(shared: &Shared, random: &mut Random) {
    let taken = match random.below(3) {
        0 => shared.rwlock.try_write(),
        1 => shared.rwlock.write_timeout(timeout(random)),
        _ => shared.rwlock.write(),
    };
    if let Err(AcquireError::Failed(LockError::WouldBlock | LockError::TimedOut)) = taken {
        return;
    }
    let (guard, died) = guard_of_unmended(taken);
    be_alone(&shared.written, died, random);
    if died {
        guard.clear_poison();
    }
    if random.one_in(2) {
        let _reading = guard.downgrade();
        random.idle();
    }
}
