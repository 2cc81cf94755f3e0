//! A whole program that is killed with -9 leaves no process, no socket and, once the next program
//! of the library has started, nothing in `/dev/shm`.

#![expect(
    clippy::unwrap_used,
    reason = "a helper process fails by panicking, like a test"
)]

use procession::{Array, Lock, Manager, Pool, Process};
use procession_testkit::helper::{Helper, say, wait_for_end};
use procession_testkit::{alive, children, eventually, kill9, shared_memory, watchdog};
use std::fs;
use std::thread::park;

procession::enable_in_tests!();
procession_testkit::helpers!(use_everything, start_a_family);

/// Has a bit of everything, and then waits to be killed.
fn use_everything() {
    procession::init();
    let array = Array::from_iter(0..1000).unwrap();
    let lock = Lock::new().unwrap();
    let manager = Manager::start().unwrap();
    let pool = Pool::new(2).unwrap();
    assert_eq!(pool.map(|n: u32| n + 1, 0..4).unwrap(), [1, 2, 3, 4]);
    let parked = |array: Array<i32>, lock: Lock| -> () {
        let _held = lock.acquire().unwrap();
        let _guard = array.lock().unwrap();
        loop {
            park();
        }
    };
    let _child = Process::spawn(parked, (array.clone(), lock.clone())).unwrap();
    // A child that has not begun yet looks like the one that a fork server has made in advance.
    eventually("the child has begun", || lock.locked());
    let segment = array.segment().name();
    say(segment.split('-').nth(1).unwrap());
    wait_for_end();
    drop(manager);
}

/// The next program of the library, as short as can be.
fn start_a_family() {
    let _array = Array::from_iter(0..3).unwrap();
    say("started");
    wait_for_end();
}

fn sockets(family: &str) -> usize {
    let table = fs::read_to_string("/proc/net/unix").unwrap();
    table.lines().filter(|line| line.contains(family)).count()
}

// PRC-037
#[test]
fn nothing_is_left_of_a_program_that_is_killed() {
    let _watchdog = watchdog();
    let mut program = Helper::start("use_everything", &[]);
    let family = program.hear();
    let processes = children(program.pid());
    assert!(processes.len() >= 4, "{processes:?}");
    assert!(!shared_memory(&family).is_empty());

    program.kill9();
    eventually("its children are gone", || {
        !processes.iter().any(|&pid| alive(pid))
    });
    eventually("its sockets are gone", || sockets(&family) == 0);
    let mut next = Helper::start("start_a_family", &[]);
    assert_eq!(next.hear(), "started");
    assert!(
        shared_memory(&family).is_empty(),
        "{:?}",
        shared_memory(&family)
    );
    assert!(next.end().success());
}

#[test]
fn nothing_is_left_of_its_children_when_they_are_killed_first() {
    let _watchdog = watchdog();
    let mut program = Helper::start("use_everything", &[]);
    let family = program.hear();
    for pid in children(program.pid()) {
        kill9(pid);
    }
    let status = program.end();
    assert!(status.success(), "{status}");
    assert!(
        shared_memory(&family).is_empty(),
        "{:?}",
        shared_memory(&family)
    );
    assert_eq!(sockets(&family), 0);
}
