//! The suite, with children that are copies of their parent; and what only they can do.
//!
//! Only a process that has one thread can be copied, which a test program is not: each case is the
//! task of a process of its own.

#![expect(
    clippy::exit,
    clippy::unwrap_used,
    reason = "a case is a test that its program makes one; tasks stand in their cases, and may end their process"
)]

mod suite;

use procession_pipe::Pipe;
use procession_process::{
    Cause, Failure, Process, StartError, StartMethod, inherit, set_start_method, start_method,
};
use procession_shm::{Array, Value};
use procession_testkit::{children, hush, watchdog};
use std::cell::Cell;
use std::fs::File;
use std::io::Read;
use std::sync::atomic::{AtomicU32, Ordering};
use suite::{failure, forever};

procession_process::enable_in_tests!();

suite::suite!(Fork);

/// Runs a case in a process that has one thread.
fn run<F: Fn() + Copy + Send + 'static>(case: F) {
    let _watchdog = watchdog();
    suite::hear_interrupts();
    let task = move || {
        set_start_method(StartMethod::Fork);
        case();
    };
    let spawn = Process::builder().start_method(StartMethod::Spawn);
    spawn.spawn(task, ()).unwrap().join().unwrap();
}

#[test]
fn a_process_with_threads_is_not_forked() {
    let _watchdog = watchdog();
    for refused in [
        Process::fork(|| 7).unwrap_err(),
        Process::builder()
            .start_method(StartMethod::Fork)
            .spawn(|| 7, ())
            .unwrap_err(),
    ] {
        let StartError::MultiThreaded { threads } = refused else {
            panic!("{refused}")
        };
        assert!(threads >= 2);
        assert!(
            refused.to_string().contains("by another start method"),
            "{refused}"
        );
    }
}

#[test]
fn a_thread_that_ended_is_no_hindrance() {
    run(|| {
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || wait.recv());
        assert!(matches!(
            Process::fork(|| 7),
            Err(StartError::MultiThreaded { threads: 2 })
        ));
        drop(go);
        assert!(thread.join().unwrap().is_err());
        // The kernel counts a thread for a moment after it was joined.
        procession_testkit::eventually("the thread is gone", || {
            std::fs::read_dir("/proc/self/task").unwrap().count() == 1
        });
        assert_eq!(Process::fork(|| 7).unwrap().join().unwrap(), 7);
    });
}

#[test]
fn a_closure_captures_anything() {
    run(|| {
        let words = ["by", "reference"].map(str::to_owned);
        let count = Cell::new(3);
        let file = File::open("/proc/self/stat").unwrap();
        let boxed: Box<dyn Fn(u32) -> u32> = Box::new(|x| x + 1);
        let process = Process::fork(|| {
            count.set(count.get() + 1);
            let mut text = String::new();
            (&file).read_to_string(&mut text).unwrap();
            assert!(!text.is_empty());
            format!("{} {}", words.join(" "), boxed(count.get()))
        });
        assert_eq!(process.unwrap().join().unwrap(), "by reference 5");
        assert_eq!(count.get(), 3); // it was changed in the child
    });
}

#[test]
fn shared_things_are_shared_on() {
    run(|| {
        let array = Array::from_iter(0..10_u64).unwrap();
        let value = Value::new(0_u64).unwrap();
        let (here, there) = Pipe::duplex::<u32, u32>().unwrap();
        let child = Process::fork(|| {
            value.set(array.to_vec().iter().sum());
            array.fill(7);
            there.send(&(there.recv().unwrap() + 1)).unwrap();
            array.clone()
        });
        here.send(&6).unwrap();
        assert_eq!(here.recv().unwrap(), 7);
        let theirs = child.unwrap().join().unwrap();
        assert_eq!(value.get(), 45);
        assert_eq!(array.to_vec(), [7; 10]);
        theirs.set(0, 8);
        assert_eq!(array.get(0), 8);
        drop((value, array));
        // What one process dropped is whole for the other.
        assert_eq!(theirs.get(9), 7);
    });
}

#[test]
fn statics_are_copied() {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    run(|| {
        COUNT.store(5, Ordering::Relaxed);
        let add = || COUNT.fetch_add(1, Ordering::Relaxed) + 1;
        assert_eq!(Process::spawn(add, ()).unwrap().join().unwrap(), 6);
        assert_eq!(COUNT.load(Ordering::Relaxed), 5);
    });
}

#[test]
fn a_fork_fails_like_any_other_process() {
    run(|| {
        let words = "captured".to_owned();
        let panics = Process::fork(|| -> () {
            hush();
            panic!("{words}")
        });
        let error = failure(panics.unwrap());
        assert!(
            matches!(error.cause(), Cause::Call(Failure::Panicked(panic)) if panic.message() == "captured")
        );
        let fails = Process::fork(|| -> anyhow::Result<u8> { anyhow::bail!("{words}") });
        let error = failure(fails.unwrap());
        assert!(error.to_string().ends_with("failed: captured"), "{error}");
    });
}

#[test]
fn only_a_fork_captures() {
    let _watchdog = watchdog();
    for method in [StartMethod::Spawn, StartMethod::ForkServer] {
        let builder = Process::builder().start_method(method);
        let refused = builder.fork(|| 7).unwrap_err();
        let words = refused.to_string();
        assert!(
            words.contains("only a forked process has what a closure captures"),
            "{words}"
        );
    }
}

#[test]
fn a_fork_does_not_depend_on_what_was_set() {
    run(|| {
        set_start_method(StartMethod::Spawn);
        let methods = || {
            (
                start_method(),
                procession_process::current_process().start_method(),
            )
        };
        let forked = Process::fork(methods).unwrap().join().unwrap();
        assert_eq!(forked, (StartMethod::Spawn, Some(StartMethod::Fork)));
    });
}

#[test]
fn a_fork_has_setups_of_its_own() {
    static SUM: AtomicU32 = AtomicU32::new(0);
    fn add(number: u32) {
        SUM.fetch_add(number, Ordering::Relaxed);
    }
    run(|| {
        inherit(add, 3).unwrap();
        inherit(add, 4).unwrap();
        let sum = || SUM.load(Ordering::Relaxed);
        assert_eq!(Process::fork(sum).unwrap().join().unwrap(), 7);
        // A setup that does not inherit again ends with the child.
        let below = || Process::fork(sum).unwrap().join().unwrap();
        assert_eq!(Process::fork(below).unwrap().join().unwrap(), 7);
        assert_eq!(sum(), 0);
    });
}

#[test]
fn a_copy_knows_none_of_its_parents_children() {
    run(|| {
        let sibling = Process::spawn(forever, ()).unwrap();
        let active = || procession_process::active_children().len();
        assert_eq!(Process::fork(active).unwrap().join().unwrap(), 0);
        // It has the handle of a process that is not its child.
        let alive = Process::fork(|| (sibling.is_alive(), sibling.pid()));
        let (_, pid) = alive.unwrap().join().unwrap();
        assert_eq!(children(std::process::id()), [pid]);
        sibling.kill().unwrap();
        assert!(sibling.join().is_err());
    });
}

// PRC-025
#[test]
fn a_fork_has_the_open_files_of_its_parent() {
    run(|| {
        let file = File::open("/proc/self/comm").unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&file);
        let link = |number: i32| std::fs::read_link(format!("/proc/self/fd/{number}"));
        let links = || link(number).unwrap().to_str().unwrap().to_owned();
        let theirs = Process::fork(links).unwrap().join().unwrap();
        assert_eq!(theirs, links());
    });
}
