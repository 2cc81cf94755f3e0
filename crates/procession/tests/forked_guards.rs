//! A guard lends its data to the process that made it, and to no copy of that.

#![expect(clippy::unwrap_used, reason = "a task fails by panicking, like a test")]

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use procession::{Array, Lock, Process, StartError, StartMethod, Value};
use procession_testkit::{hush, watchdog};
use std::panic::{AssertUnwindSafe, catch_unwind};

procession::enable_in_tests!();

/// Runs `task` in a process that has one thread, and so can be copied.
fn alone(task: impl Fn() + Copy + Send + 'static) {
    let _watchdog = watchdog();
    let spawn = Process::builder().start_method(StartMethod::Spawn);
    spawn.spawn(task, ()).unwrap().join().unwrap();
}

/// Whether `work` panics, in a copy that only the C library knows of, with words about the guard.
fn is_refused_in_a_copy<R>(work: impl FnOnce() -> R) -> bool {
    // SAFETY: this process has one thread.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            hush();
            let panic = catch_unwind(AssertUnwindSafe(work)).err();
            let words = panic.and_then(|panic| panic.downcast_ref::<&str>().copied());
            let refused = words.is_some_and(|words| words.contains("forked from"));
            // SAFETY: ending the process leaves nobody who could see anything unsound.
            unsafe { libc::_exit(i32::from(refused)) }
        }
        ForkResult::Parent { child } => match waitpid(child, None).unwrap() {
            WaitStatus::Exited(_, code) => code == 1,
            other => panic!("{other:?}"),
        },
    }
}

// SHM-041
#[test]
fn a_copy_made_by_the_c_library_does_not_get_at_the_data() {
    alone(|| {
        let value = Value::new(1_u32).unwrap();
        let mut guard = value.lock().unwrap();
        assert!(is_refused_in_a_copy(|| *guard));
        assert!(is_refused_in_a_copy(|| *guard += 1));
        // The copy may lock the value itself, when it is free.
        assert!(!is_refused_in_a_copy(|| value.try_lock().is_err()));
        *guard += 1;
        drop(guard);
        assert_eq!(value.get(), 2);

        let array = Array::from_slice(&[1_u32, 2, 3, 4]).unwrap();
        let mut guard = array.lock().unwrap();
        assert!(is_refused_in_a_copy(|| guard[0]));
        assert!(is_refused_in_a_copy(|| guard[0] = 7));
        drop(guard);
        let reading = array.read().unwrap();
        assert!(is_refused_in_a_copy(|| reading[0]));
        drop(reading);
        let parts = array.split(2);
        let mut part = parts[0].lock().unwrap();
        assert!(is_refused_in_a_copy(|| part[0]));
        assert!(is_refused_in_a_copy(|| part[0] = 7));
        drop(part);
        assert_eq!(array.to_vec(), [1, 2, 3, 4]);
    });
}

fn is_guarded(result: Result<Process<u32>, StartError>) -> bool {
    match result {
        Err(StartError::Guarded) => true,
        Err(error) => panic!("{error}"),
        Ok(child) => child.join().unwrap() != 7,
    }
}

// SHM-041
#[test]
fn a_process_is_not_forked_while_it_has_what_is_lent() {
    alone(|| {
        let value = Value::new(1_u32).unwrap();
        let array = Array::from_slice(&[1_u32, 2, 3, 4]).unwrap();
        let parts = array.split(2);
        assert!(!is_guarded(Process::fork(|| 7_u32)));

        let mut guard = value.lock().unwrap();
        // A reference that is captured is not looked at where it is used.
        let number = &mut *guard;
        assert!(is_guarded(Process::fork(|| {
            *number += 1;
            *number
        })));
        drop(guard);
        assert_eq!(value.get(), 1);

        let guard = array.lock().unwrap();
        assert!(is_guarded(Process::fork(|| guard[0])));
        drop(guard);
        let reading = array.read().unwrap();
        let first = &reading[0];
        assert!(is_guarded(Process::fork(|| *first)));
        drop(reading);
        let part = parts[1].lock().unwrap();
        assert!(is_guarded(Process::fork(|| part[0])));
        drop(part);

        // A lock lends nothing.
        let lock = Lock::new().unwrap();
        let held = lock.acquire().unwrap();
        assert!(!is_guarded(Process::fork(|| 7_u32)));
        drop(held);
        assert!(!is_guarded(Process::fork(|| 7_u32)));
    });
}
