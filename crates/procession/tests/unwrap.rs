//! What `unwrap` prints of an error has its words, and what tells it from others.

#![expect(clippy::exit, reason = "a task may end its process")]

use procession::{
    Address, Array, Barrier, BoundedSemaphore, Cause, ConnectError, FamilyError, JoinableQueue,
    Lock, LockError, Manager, ManagerError, NamedPipe, Pipe, Pool, PoolError, Process, Queue,
    RoutineError, SharedMemory, StartError, TaskError,
};
use procession_testkit::watchdog;
use std::error::Error;
use std::time::Duration;
use std::{io, panic};

procession::enable_in_tests!();

/// Expects the name of a variant or of a type, then all that the error says.
#[track_caller]
fn shows(name: &str, error: impl Error) {
    let shown = format!("{error:?}");
    assert!(shown.starts_with(&format!("{name}: {error}")), "{shown}");
    let mut source = error.source();
    while let Some(error) = source {
        assert!(shown.contains(&error.to_string()), "{shown}");
        source = error.source();
    }
}

/// Fails with a chain of causes.
fn fail() -> anyhow::Result<()> {
    Err(anyhow::anyhow!("the innermost").context("the outermost"))
}

// PRC-064
#[test]
fn an_error_that_is_unwrapped_shows_its_words() {
    let _watchdog = watchdog();
    shows("NotInitialised", StartError::NotInitialised);
    shows("Start", PoolError::Start(StartError::NotInitialised));
    shows("Start", ManagerError::Start(StartError::NotInitialised));
    shows("NoWorkers", Pool::new(0).unwrap_err());
    shows("Left", FamilyError::Left);
    shows("OutsideExecutable", RoutineError::OutsideExecutable);
    shows("TimedOut", ConnectError::TimedOut);
    shows(
        "ParseAddressError",
        "nowhere".parse::<Address>().unwrap_err(),
    );
    let array = Array::<u8>::zeroed(1).unwrap();
    shows("OutOfBounds", array.try_get(1).unwrap_err());
    shows("OutOfMemory", Array::<u64>::zeroed(1 << 44).unwrap_err());
    shows(
        "NotFound",
        SharedMemory::attach("test-of-procession-nowhere").unwrap_err(),
    );
    shows(
        "MissingDirectory",
        NamedPipe::create("/nowhere/pipe").unwrap_err(),
    );
}

#[test]
fn an_error_of_a_call_that_is_unwrapped_shows_its_words() {
    let _watchdog = watchdog();
    let process = Process::spawn(|| -> () { std::process::exit(3) }, ());
    let error = process.unwrap().join().unwrap_err();
    assert!(matches!(error.cause(), Cause::Ended(_)));
    shows("ProcessError", error);
    let error = Process::spawn(fail, ()).unwrap().join().unwrap_err();
    assert!(format!("{error:?}").contains("the innermost"), "{error:?}");
    shows("ProcessError", error);
    shows("TaskError", TaskError::from(fail().unwrap_err()));
    let pool = Pool::new(1).unwrap();
    shows("Call", pool.apply(fail, ()).unwrap_err());
    let manager = Manager::start().unwrap();
    let list = manager.list::<u8>().unwrap();
    manager.shutdown().unwrap();
    shows("Gone", list.len().unwrap_err());
    let (one, other) = Pipe::duplex::<u8, u8>().unwrap();
    drop(other);
    shows("Closed", one.recv().unwrap_err());
    shows("Closed", one.send(&1).unwrap_err());
    shows("Io", procession::SendError::Io(io::Error::other("a word")));
    let queue = Queue::<u8>::bounded(1).unwrap();
    shows("Empty", queue.try_get().unwrap_err());
    queue.put(&1).unwrap();
    shows("Full", queue.try_put(&1).unwrap_err());
    queue.close().unwrap();
    shows("Closed", queue.get().unwrap_err());
    shows(
        "TooOften",
        JoinableQueue::<u8>::new().unwrap().task_done().unwrap_err(),
    );
}

#[test]
fn an_error_of_a_lock_that_is_unwrapped_shows_its_words() {
    let _watchdog = watchdog();
    let lock = Lock::new().unwrap();
    let held = lock.acquire().unwrap();
    let error = lock.acquire().unwrap_err();
    assert_eq!(format!("{error:?}"), format!("HeldByThisThread: {error}"));
    shows("HeldByThisThread", LockError::from(error));
    drop(held);
    let poison = || {
        let _held = lock.acquire().unwrap();
        panic::resume_unwind(Box::new("while the lock is held"));
    };
    assert!(panic::catch_unwind(panic::AssertUnwindSafe(poison)).is_err());
    let error = lock.acquire().unwrap_err();
    assert_eq!(format!("{error:?}"), format!("Poisoned: {error}"));
    shows("Poisoned", LockError::Poisoned);
    let semaphore = BoundedSemaphore::new(1).unwrap();
    shows("OverRelease", semaphore.release(1).unwrap_err());
    let barrier = Barrier::new(2).unwrap();
    shows(
        "TimedOut",
        barrier.wait_timeout(Duration::ZERO).unwrap_err(),
    );
}
