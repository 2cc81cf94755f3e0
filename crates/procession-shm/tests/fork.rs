//! Processes that were forked without the library's knowledge.

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use procession_os::lifetime::at_exit;
use procession_shm::{Array, LockError, SharedMemory, Value, family};
use procession_testkit::{eventually, shared_memory, watchdog};
use std::collections::BTreeSet;
use std::fs;
use std::mem;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

fn main() {
    let _watchdog = watchdog();
    hooks_run_once_each_in_reverse();
    a_forked_childs_exit_takes_nothing_away();
    a_forked_child_can_share_things_of_its_own();
    a_forked_child_does_not_unlock_its_parents_lock();
    a_message_copied_by_a_fork_is_claimed_once();
    a_forked_owner_removes_no_block();
    who_leaves_does_not_wait_for_a_forked_child();
}

/// Runs `work` in a forked child, which then exits as programs do.
#[expect(clippy::exit, reason = "this is about what runs when a process exits")]
fn forked(work: impl FnOnce()) -> Pid {
    // SAFETY: no other thread of this program does anything at this moment.
    match unsafe { fork() }.expect("the system has room for a process") {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            work();
            std::process::exit(0);
        }
    }
}

fn ends_well(child: Pid) {
    let status = waitpid(child, None).expect("it is our child");
    assert_eq!(status, WaitStatus::Exited(child, 0));
}

fn names() -> BTreeSet<String> {
    shared_memory(family::current().expect("there is a family").id())
}

fn hooks_run_once_each_in_reverse() {
    static RUN: AtomicU32 = AtomicU32::new(0);
    fn note(digit: u32) {
        let after = RUN.load(Ordering::Relaxed) * 10 + digit;
        RUN.store(after, Ordering::Relaxed);
    }
    fn check() {
        if RUN.load(Ordering::Relaxed) != 3321 {
            std::process::abort();
        }
    }
    ends_well(forked(|| {
        std::panic::set_hook(Box::new(|_| ()));
        at_exit(check).expect("there is room");
        at_exit(|| note(1)).expect("there is room");
        at_exit(|| panic!("the other hooks run all the same")).expect("there is room");
        at_exit(|| at_exit(|| note(2)).expect("there is room")).expect("there is room");
        at_exit(|| note(3)).expect("there is room");
        at_exit(|| note(3)).expect("there is room");
    }));
}

fn a_forked_childs_exit_takes_nothing_away() {
    let array = Array::from_iter(0..3).expect("there is room");
    let before = names();
    ends_well(forked(|| ()));
    let copy = array.clone();
    ends_well(forked(move || drop(copy)));
    assert_eq!(names(), before);
    assert_eq!(array.segment().holders(), 1);
    family::sweep();
    assert_eq!(names(), before);
}

fn a_forked_child_can_share_things_of_its_own() {
    let value = Value::new(1).expect("there is room");
    let before = names();
    ends_well(forked(|| {
        let own = Value::new(2).expect("there is room");
        assert_eq!(names().len(), before.len() + 1);
        value.set(own.get());
        mem::forget(own);
    }));
    assert_eq!(value.get(), 2);
    assert_eq!(names(), before);
    family::sweep();
    assert_eq!(names(), before);
}

fn a_forked_child_does_not_unlock_its_parents_lock() {
    let value = Value::new(1).expect("there is room");
    let guard = value.lock().expect("it is free");
    ends_well(forked(|| {
        // SAFETY: this process does not use the parent's guard any more.
        let copy = unsafe { std::ptr::read(&raw const guard) };
        drop(copy);
        assert_eq!(
            value.segment().try_lock().map(drop),
            Err(LockError::WouldBlock)
        );
    }));
    thread::scope(|scope| {
        let seen = || value.segment().try_lock().map(drop);
        let seen = scope.spawn(seen).join().expect("it does not panic");
        assert_eq!(seen, Err(LockError::WouldBlock));
    });
    drop(guard);
    assert!(!value.is_poisoned());
}

fn a_message_copied_by_a_fork_is_claimed_once() {
    let value = Value::new(1).expect("there is room");
    let kind = procession_wire::Kind::VALUE;
    let message = procession_wire::Message::encode(kind, &value).expect("it is encoded");
    ends_well(forked(|| {
        // SAFETY: this process does not use the parent's message any more.
        drop(unsafe { std::ptr::read(&raw const message) });
    }));
    assert_eq!(value.segment().holders(), 2);
    drop(message);
    assert_eq!(value.segment().holders(), 1);
}

fn a_forked_owner_removes_no_block() {
    let block = SharedMemory::create_anonymous(1).expect("there is room");
    let path = format!("/dev/shm/{}", block.name());
    let before = names();
    ends_well(forked(|| {
        assert!(!block.is_owner());
        block.keep();
        // SAFETY: this process does not use the parent's handle any more.
        drop(unsafe { std::ptr::read(&raw const block) });
    }));
    ends_well(forked(|| {
        let own = SharedMemory::create_anonymous(1).expect("there is room");
        assert!(own.is_owner());
    }));
    assert_eq!(names(), before);
    assert!(fs::exists(&path).expect("it can be looked at"));
    drop(block);
    assert!(!fs::exists(&path).expect("it can be looked at"));
}

fn who_leaves_does_not_wait_for_a_forked_child() {
    let value = Value::new(7).expect("there is room");
    let id = family::current().expect("there is a family").id();
    let child = forked(|| {
        eventually("the names are gone", || shared_memory(id).is_empty());
        assert_eq!(value.get(), 7);
    });
    family::leave();
    assert!(shared_memory(id).is_empty());
    ends_well(child);
}
