//! The mutex under every lock, by threads alone.

use procession_os::robust::{Acquired, LockError, RobustMutex};
use procession_os::wait::Deadline;
use procession_testkit::watchdog;
use std::mem::MaybeUninit;
use std::thread;
use std::time::{Duration, Instant};

/// A mutex that stays where it is, even if a failing test leaves it locked.
fn mutex() -> &'static RobustMutex {
    let memory = Box::leak(Box::new(MaybeUninit::uninit()));
    // SAFETY: the memory is valid and nobody else's.
    unsafe { RobustMutex::init_at(memory.as_mut_ptr()) }.expect("a mutex is made");
    // SAFETY: it was just initialised.
    unsafe { memory.assume_init_ref() }
}

type Path<'a> = &'a dyn Fn(&RobustMutex) -> Result<Acquired, LockError>;

fn unlock(mutex: &RobustMutex) {
    // SAFETY: only called by the thread that locked it.
    unsafe { mutex.unlock() }.expect("it is sound");
}

/// Locks it on a thread that ends without unlocking it.
fn orphan(mutex: &RobustMutex) {
    let lock = || assert_eq!(mutex.lock(), Ok(Acquired::Clean));
    thread::scope(|scope| drop(scope.spawn(lock).join()));
}

#[test]
fn it_excludes() {
    let _watchdog = watchdog();
    let mutex = mutex();
    assert_eq!(mutex.holder(), None);
    assert_eq!(mutex.lock(), Ok(Acquired::Clean));
    assert_eq!(
        mutex.holder(),
        Some(nix::unistd::gettid().as_raw().cast_unsigned())
    );
    thread::scope(|scope| {
        scope.spawn(|| {
            assert_eq!(mutex.try_lock(), Err(LockError::WouldBlock));
            let soon = Deadline::after(Duration::from_millis(10));
            assert_eq!(mutex.lock_until(soon), Err(LockError::TimedOut));
        });
    });
    unlock(mutex);
    assert_eq!(mutex.try_lock(), Ok(Acquired::Clean));
    unlock(mutex);
    assert_eq!(
        mutex.lock_until(Deadline::after(Duration::ZERO)),
        Ok(Acquired::Clean)
    );
    unlock(mutex);
}

// SYN-030
#[test]
fn a_timeout_is_waited_for_in_full() {
    let _watchdog = watchdog();
    let mutex = mutex();
    assert_eq!(mutex.lock(), Ok(Acquired::Clean));
    thread::scope(|scope| {
        scope.spawn(|| {
            let (start, timeout) = (Instant::now(), Duration::from_millis(50));
            assert_eq!(
                mutex.lock_until(Deadline::after(timeout)),
                Err(LockError::TimedOut)
            );
            assert!(start.elapsed() >= timeout);
        });
    });
    unlock(mutex);
}

#[test]
fn a_second_lock_of_one_thread_is_an_error_on_every_path() {
    let _watchdog = watchdog();
    let mutex = mutex();
    assert_eq!(mutex.lock(), Ok(Acquired::Clean));
    assert_eq!(mutex.lock(), Err(LockError::HeldByThisThread));
    assert_eq!(mutex.try_lock(), Err(LockError::HeldByThisThread));
    let later = Deadline::after(Duration::from_secs(99));
    assert_eq!(mutex.lock_until(later), Err(LockError::HeldByThisThread));
    assert_eq!(
        mutex.lock_until(Deadline::NEVER),
        Err(LockError::HeldByThisThread)
    );
    unlock(mutex);
}

// SYN-025
#[test]
fn a_dead_owner_is_told_once_on_every_path() {
    let _watchdog = watchdog();
    let later = || Deadline::after(Duration::from_secs(99));
    let paths: [Path<'_>; 3] = [&|mutex| mutex.lock(), &|mutex| mutex.try_lock(), &|mutex| {
        mutex.lock_until(later())
    }];
    let mutex = mutex();
    for lock in paths {
        orphan(mutex);
        assert_eq!(mutex.holder(), None);
        assert_eq!(lock(mutex), Ok(Acquired::OwnerDied));
        unlock(mutex);
        assert_eq!(lock(mutex), Ok(Acquired::Clean));
        unlock(mutex);
    }
}

#[test]
fn who_dies_repairing_is_told_of_too() {
    let _watchdog = watchdog();
    let mutex = mutex();
    orphan(mutex);
    thread::scope(|scope| {
        let lock = || assert_eq!(mutex.lock(), Ok(Acquired::OwnerDied));
        scope.spawn(lock).join().unwrap();
    });
    assert_eq!(mutex.lock(), Ok(Acquired::OwnerDied));
    unlock(mutex);
}

#[test]
fn a_waiter_learns_of_the_owners_death() {
    let _watchdog = watchdog();
    for deadline in [Deadline::NEVER, Deadline::after(Duration::from_secs(99))] {
        let mutex = mutex();
        let (locked, wait) = std::sync::mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(move || {
                assert_eq!(mutex.lock(), Ok(Acquired::Clean));
                locked.send(()).unwrap();
            });
            wait.recv().unwrap();
            assert_eq!(mutex.lock_until(deadline), Ok(Acquired::OwnerDied));
            unlock(mutex);
        });
    }
}

#[test]
fn memory_that_is_no_mutex_is_refused() {
    let _watchdog = watchdog();
    for byte in [0, 0x01, 0x5a, 0xff] {
        let mut memory = Box::new(MaybeUninit::<RobustMutex>::uninit());
        // SAFETY: any bytes are valid for the memory of a `MaybeUninit`.
        unsafe { memory.as_mut_ptr().write_bytes(byte, 1) };
        // SAFETY: any bytes are a valid, if useless, mutex for the checks.
        let mutex = unsafe { memory.assume_init_ref() };
        assert_eq!(mutex.lock(), Err(LockError::Damaged));
        assert_eq!(mutex.try_lock(), Err(LockError::Damaged));
        let later = Deadline::after(Duration::from_secs(99));
        assert_eq!(mutex.lock_until(later), Err(LockError::Damaged));
        // SAFETY: it is refused, whoever asks.
        assert_eq!(unsafe { mutex.unlock() }, Err(LockError::Damaged));
    }
}
