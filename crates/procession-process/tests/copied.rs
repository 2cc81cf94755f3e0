//! A process that was copied by the C library's `fork`, while it had threads of the library.
//!
//! Each case is the task of a process of its own, whose main thread makes the copy.

#![expect(clippy::unwrap_used, reason = "tasks fail by panicking, like tests")]

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use procession_process::{ExitStatus, Process, StartMethod, active_children};
use procession_testkit::watchdog;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

procession_process::enable_in_tests!();

/// Runs `task` on the main thread of a process of its own.
fn alone(task: impl Fn() + Copy + Send + 'static) {
    let _watchdog = watchdog();
    let spawn = Process::builder().start_method(StartMethod::Spawn);
    spawn.spawn(task, ()).unwrap().join().unwrap();
}

/// Does `work` in a copy of this process, and waits for it.
fn in_a_copy(work: impl FnOnce()) {
    // SAFETY: no other thread of this process does anything but wait.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            let worked = catch_unwind(AssertUnwindSafe(work));
            // SAFETY: ending the process leaves nobody who could see anything unsound.
            unsafe { libc::_exit(i32::from(worked.is_err())) }
        }
        ForkResult::Parent { child } => {
            assert_eq!(waitpid(child, None).unwrap(), WaitStatus::Exited(child, 0));
        }
    }
}

/// Has the watching thread tell how a process ended.
fn watched_end() -> ExitStatus {
    let (tell, told) = crossbeam_channel::bounded(1);
    let process = Process::spawn(|| (), ()).unwrap();
    let tell = move |status| tell.send(status).unwrap();
    process.when_ended(tell).unwrap();
    told.recv().unwrap()
}

#[test]
fn a_copy_watches_children_of_its_own() {
    alone(|| {
        let (tell, told) = crossbeam_channel::bounded(1);
        let process = Process::spawn(thread::park, ()).unwrap();
        process
            .when_ended(move |status| tell.send(status).unwrap())
            .unwrap();
        in_a_copy(|| assert_eq!(watched_end(), ExitStatus::Code(0)));
        assert_eq!(watched_end(), ExitStatus::Code(0));
        assert!(told.is_empty());
        process.kill().unwrap();
        assert_eq!(told.recv().unwrap(), ExitStatus::Signal(9));
    });
}

#[test]
fn a_copy_starts_children_from_any_of_its_threads() {
    alone(|| {
        let start = || Process::spawn(|| 7, ()).unwrap().join().unwrap();
        let from_a_thread = || thread::spawn(start).join().unwrap();
        assert_eq!(from_a_thread(), 7);
        in_a_copy(|| assert_eq!(from_a_thread(), 7));
        assert_eq!(from_a_thread(), 7);
    });
}

#[test]
fn a_copy_has_none_of_its_parents_children() {
    alone(|| {
        let process = Process::spawn(thread::park, ()).unwrap();
        drop(Process::spawn(thread::park, ()).unwrap());
        in_a_copy(|| {
            assert_eq!(active_children(), []);
            assert_eq!(Process::spawn(|| 7, ()).unwrap().join().unwrap(), 7);
        });
        assert_eq!(active_children().len(), 2);
        for child in active_children() {
            procession_testkit::kill9(child.pid());
        }
        assert!(process.join().is_err());
    });
}
