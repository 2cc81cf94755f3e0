//! What the workers of a pool and a manager's server leave behind when they are killed is reaped by
//! whoever inherits it.

#![expect(clippy::unwrap_used, reason = "tasks fail by panicking, like tests")]

use nix::sys::prctl::set_child_subreaper;
use procession::{Manager, Pool, Process, StartMethod, Task, set_start_method};
use procession_testkit::{eventually, hush, kill9, watchdog, zombies};
use std::process::id;
use std::thread::park;

procession::enable_in_tests!();

fn forever() {
    loop {
        park();
    }
}

/// Calls `task` in a process that the children of dead descendants are given to, once for each pair of
/// methods, of which neither makes copies: what starts them has threads.
fn in_heir<M>(task: impl Task<(StartMethod, StartMethod), M, Output = ()>) {
    const METHODS: [StartMethod; 2] = [StartMethod::Spawn, StartMethod::ForkServer];
    let _watchdog = watchdog();
    for method in METHODS {
        for below in METHODS {
            let alone = Process::builder().start_method(StartMethod::Spawn);
            alone.spawn(task, (method, below)).unwrap().join().unwrap();
        }
    }
}

fn heir(method: StartMethod) {
    set_child_subreaper(true).unwrap();
    set_start_method(method);
    hush();
}

/// Starts two children and is killed.
fn leave_children(method: StartMethod) {
    for _ in 0..2 {
        let builder = Process::builder().start_method(method);
        drop(builder.spawn(forever, ()).unwrap());
    }
    kill9(id());
    forever();
}

// PRC-066
#[test]
fn those_of_a_pools_workers() {
    in_heir(|method: StartMethod, below: StartMethod| {
        heir(method);
        let pool = Pool::new(2).unwrap();
        for _ in 0..3 {
            pool.apply(leave_children, (below,)).unwrap_err();
        }
        // The pool's thread sees to it, without another call.
        eventually("no zombie is left", || zombies(id()).is_empty());
    });
}

// PRC-066
#[test]
fn those_of_a_managers_server() {
    in_heir(|method: StartMethod, below: StartMethod| {
        heir(method);
        for _ in 0..3 {
            let manager = Manager::start().unwrap();
            let list = manager.list::<u8>().unwrap();
            let leave = |_: &mut Vec<u8>, below| leave_children(below);
            list.call(leave, below).unwrap_err();
            drop((list, manager));
            assert_eq!(zombies(id()), []);
        }
    });
}
