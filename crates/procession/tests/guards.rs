//! `?` ends a function whose lock is poisoned, whatever error the function returns, and the guard
//! can be had instead.

use procession::{
    AcquireError, Array, Cause, Condition, Lock, LockError, Process, RLock, RwLock, Semaphore,
    Value,
};
use procession_testkit::{kill9, watchdog};
use std::error::Error;
use std::mem;
use std::thread;
use std::time::Duration;

procession::enable_in_tests!();

const SOON: Duration = Duration::from_millis(1);

#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct All {
    value: Value<u32>,
    array: Array<u32>,
    lock: Lock,
    rlock: RLock,
    rwlock: RwLock,
    semaphore: Semaphore,
    condition: Condition,
}

impl All {
    fn new() -> anyhow::Result<Self> {
        let lock = Lock::new()?;
        Ok(Self {
            value: Value::new(1)?,
            array: Array::from_slice(&[1, 2])?,
            condition: Condition::new(&lock)?,
            lock,
            rlock: RLock::new()?,
            rwlock: RwLock::new()?,
            semaphore: Semaphore::new(1)?,
        })
    }
}

/// A function that locks everything, for each type of error that `?` makes.
macro_rules! locks_everything {
    ($($name:ident: $error:ty;)*) => {
        $(
            fn $name(all: &All) -> Result<u32, $error> {
                *all.value.lock()? += 1;
                *all.value.try_lock()? += 1;
                *all.value.lock_timeout(SOON)? += 1;
                all.array.lock()?[0] += 1;
                all.array.try_lock()?[0] += 1;
                all.array.lock_timeout(SOON)?[0] += 1;
                drop(all.lock.acquire()?);
                drop(all.lock.try_acquire()?);
                drop(all.lock.acquire_timeout(SOON)?);
                drop(all.rlock.acquire()?);
                drop(all.rlock.try_acquire()?);
                drop(all.rlock.acquire_timeout(SOON)?);
                drop(all.rwlock.read()?);
                drop(all.rwlock.try_read()?);
                drop(all.rwlock.read_timeout(SOON)?);
                drop(all.rwlock.write()?);
                drop(all.rwlock.try_write()?);
                drop(all.rwlock.write_timeout(SOON)?);
                drop(all.array.read()?);
                drop(all.array.try_read()?);
                drop(all.array.read_timeout(SOON)?);
                drop(all.semaphore.acquire()?);
                let held = all.condition.acquire()?;
                let (held, _) = all.condition.wait_timeout(held, SOON)?;
                let held = all.condition.wait_for(held, || true)?;
                drop(all.condition.wait_for_timeout(held, SOON, || true)?);
                Ok(all.value.get())
            }
        )*
    };
}

locks_everything! {
    with_anyhow: anyhow::Error;
    with_a_box: Box<dyn Error>;
    with_a_box_for_threads: Box<dyn Error + Send + Sync>;
    with_its_own_error: Refusal;
}

/// What a user's own type of error has to say to be made of all of them.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the work was refused: {0}")]
    Lock(#[from] LockError),
    #[error(transparent)]
    Permit(#[from] procession::PermitError),
}

impl<G> From<AcquireError<G>> for Refusal {
    fn from(error: AcquireError<G>) -> Self {
        LockError::from(error).into()
    }
}

// SYN-031
#[test]
fn every_call_that_gives_a_guard_can_be_ended_by_a_question_mark() {
    let _watchdog = watchdog();
    let all = All::new().unwrap();
    assert_eq!(with_anyhow(&all).unwrap(), 4);
    assert_eq!(with_a_box(&all).unwrap(), 7);
    assert_eq!(with_a_box_for_threads(&all).unwrap(), 10);
    assert_eq!(with_its_own_error(&all).unwrap(), 13);

    let same = all.clone();
    let die = move || mem::forget(same.value.lock().unwrap());
    thread::spawn(die).join().unwrap();
    let error = with_anyhow(&all).unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&LockError::Poisoned));
    let error = with_a_box(&all).unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&LockError::Poisoned));
    let error = with_a_box_for_threads(&all).unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&LockError::Poisoned));
    let error = with_its_own_error(&all).unwrap_err();
    assert!(matches!(error, Refusal::Lock(LockError::Poisoned)));
    // What was given up is free, and still poisoned.
    drop(all.value.try_lock().or_else(AcquireError::repaired));
    assert!(with_anyhow(&all).is_ok());
}

fn hold_for_ever(lock: Lock, value: Value<u8>) -> anyhow::Result<()> {
    let _held = lock.acquire()?;
    value.set(1);
    loop {
        thread::park();
    }
}

fn count(lock: Lock, count: Value<u32>) -> anyhow::Result<u32> {
    let _held = lock.acquire()?;
    Ok(count.update(|count| {
        *count += 1;
        *count
    }))
}

// SYN-031
#[test]
fn a_dead_owner_is_an_error_of_the_task_and_no_panic() {
    let _watchdog = watchdog();
    let (lock, number) = (Lock::new().unwrap(), Value::new(0).unwrap());
    let holding = Value::new(0).unwrap();
    let owner = Process::spawn(hold_for_ever, (lock.clone(), holding.clone())).unwrap();
    procession_testkit::eventually("the lock is held", || holding.get() == 1);
    kill9(owner.pid());
    assert!(owner.join().is_err());

    let task = Process::spawn(count, (lock.clone(), number.clone())).unwrap();
    let error = task.join().unwrap_err();
    assert!(
        matches!(error.cause(), Cause::Call(procession::Failure::Failed(_))),
        "{error}"
    );
    let words = "poisoned: a process died or panicked while it held this lock";
    assert!(error.to_string().contains(words), "{error}");

    // Whoever can repair what the lock protects gets the guard out of the same error.
    let Err(AcquireError::Poisoned(poisoned)) = lock.acquire() else {
        panic!("not poisoned");
    };
    drop(poisoned.repaired());
    let task = Process::spawn(count, (lock, number)).unwrap();
    assert_eq!(task.join().unwrap(), 1);
}
