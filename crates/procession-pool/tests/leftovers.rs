//! That a pool which has ended leaves no process, no zombie, no thread and no shared memory.
//!
//! The only test of its program, so that all children and threads are its own.

#![expect(clippy::exit, reason = "it is one of the ways in which a worker dies")]

use procession_pool::Pool;
use procession_process::active_children;
use procession_shm::family;
use procession_testkit::{children, eventually, kill9, shared_memory, watchdog};
use std::fs;

procession_process::enable_in_tests!();

fn pool_threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").expect("the process has a list of its threads");
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names
        .filter(|name| name.trim_end() == "procession-pool")
        .count()
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd")
        .expect("the process has a list of its files")
        .count()
}

/// Returns the names of what this family has in shared memory.
fn segments() -> Vec<String> {
    let family = family::current().expect("the system gives memory");
    let slabs = format!("procession-{}-0-", family.id());
    let names = shared_memory(family.id()).into_iter();
    let files = names.filter(|name| !name.ends_with("-lease") && !name.starts_with(&slabs));
    let usage = family::usage().expect("there is a family");
    let small = usage.objects().iter().filter(|object| object.in_slab);
    files
        .chain(small.map(|object| object.name.clone()))
        .collect()
}

fn exit_at(n: i32) -> i32 {
    if n == 3 { std::process::exit(3) } else { n }
}

// POL-109
#[test]
fn nothing_is_left() {
    let _watchdog = watchdog();
    let me = std::process::id();
    // Two workers, so that what starts of processes keep is there.
    drop(Pool::new(2).unwrap());
    // Those of the first may not all be closed yet, so that this may be too many.
    let before = descriptors();
    for end in [Pool::join, Pool::terminate, |_: &Pool| ()] {
        let pool = Pool::new(3).unwrap();
        eventually("the thread has its name", || pool_threads() == 1);
        assert!(pool.map(exit_at, 0..20).is_err());
        eventually("the dead worker is replaced", || {
            pool.worker_pids().len() == 3
        });
        // One that is alive, or starts, and cannot be reaped by anybody but the pool.
        let victim = pool.apply(std::process::id, ()).unwrap();
        kill9(victim);
        end(&pool);
        drop(pool);
        assert_eq!(children(me), []);
        assert!(active_children().is_empty());
        eventually("the shared memory is gone", || segments().is_empty());
        eventually("the thread is gone", || pool_threads() == 0);
    }
    eventually("the descriptors are closed", || descriptors() <= before);
}
