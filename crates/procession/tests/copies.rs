//! What a copy of a process can do with the handles it has by being a copy.

#![expect(clippy::unwrap_used, reason = "tasks fail by panicking, like tests")]

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use procession::manager::{Dict, ManagerError};
use procession::{Manager, Pipe, Pool, Process, StartError, StartMethod};
use procession_testkit::{eventually, watchdog};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

procession::enable_in_tests!();

/// Runs `task` in a process that has one thread, and so can be copied.
fn alone(task: impl Fn() + Copy + 'static) {
    let _watchdog = watchdog();
    let spawn = Process::builder().start_method(StartMethod::Spawn);
    spawn.spawn(task, ()).unwrap().join().unwrap();
}

fn work_with(dict: &Dict<String, u32>) {
    assert_eq!(dict.get("ours").unwrap(), Some(1));
    dict.insert("theirs", 2_u32).unwrap();
    drop(dict.clone());
    assert_eq!(dict.get("theirs").unwrap(), Some(2));
}

fn still_works(dict: &Dict<String, u32>, manager: &Manager) {
    assert_eq!(dict.get("theirs").unwrap(), Some(2));
    let list = manager.list::<u32>().unwrap();
    list.append(3).unwrap();
    assert_eq!(list.get(0).unwrap(), Some(3));
    work_with(dict);
}

#[test]
fn a_fork_works_with_the_proxies_of_its_parent() {
    alone(|| {
        let manager = Manager::start().unwrap();
        let dict = manager.dict::<String, u32>().unwrap();
        dict.insert("ours", 1_u32).unwrap();
        let process = Process::fork(|| work_with(&dict)).unwrap();
        process.join().unwrap();
        still_works(&dict, &manager);
    });
}

#[test]
fn a_copy_made_by_the_c_library_works_with_the_proxies_of_its_parent() {
    alone(|| {
        let manager = Manager::start().unwrap();
        let dict = manager.dict::<String, u32>().unwrap();
        dict.insert("ours", 1_u32).unwrap();
        // SAFETY: this process has one thread.
        match unsafe { fork() }.unwrap() {
            ForkResult::Child => {
                let worked = catch_unwind(AssertUnwindSafe(|| work_with(&dict)));
                // SAFETY: ending the process leaves nobody who could see anything unsound.
                unsafe { libc::_exit(i32::from(worked.is_err())) }
            }
            ForkResult::Parent { child } => {
                assert_eq!(waitpid(child, None).unwrap(), WaitStatus::Exited(child, 0));
            }
        }
        still_works(&dict, &manager);
    });
}

#[test]
fn what_a_fork_drops_is_still_its_parents() {
    alone(|| {
        let manager = RefCell::new(Some(Manager::start().unwrap()));
        let dict = manager.borrow().as_ref().unwrap().dict::<String, u32>();
        let dict = RefCell::new(Some(dict.unwrap()));
        let process = Process::fork(|| drop((dict.take(), manager.take())));
        process.unwrap().join().unwrap();
        let (dict, manager) = (dict.take().unwrap(), manager.take().unwrap());
        dict.insert("ours", 1_u32).unwrap();
        dict.insert("theirs", 2_u32).unwrap();
        still_works(&dict, &manager);
    });
}

#[test]
fn an_object_goes_with_the_proxies_of_those_who_were_given_one() {
    alone(|| {
        let manager = Manager::start().unwrap();
        let dict = RefCell::new(Some(manager.dict::<String, u32>().unwrap()));
        let (here, there) = Pipe::duplex::<(), ()>().unwrap();
        let process = Process::fork(|| {
            let dict = dict.take().unwrap();
            dict.insert("theirs", 2_u32).unwrap();
            there.send(&()).unwrap();
            eventually("the object is gone", || match dict.get("theirs") {
                Ok(found) => found != Some(2),
                Err(error) => matches!(error, ManagerError::NoSuchObject),
            });
        });
        here.recv().unwrap();
        drop(dict.take());
        process.unwrap().join().unwrap();
        assert!(manager.dict::<String, u32>().is_ok());
    });
}

#[test]
fn the_servers_end_is_told_to_a_fork() {
    alone(|| {
        let manager = Manager::start().unwrap();
        let dict = manager.dict::<String, u32>().unwrap();
        let (here, there) = Pipe::duplex::<(), ()>().unwrap();
        let process = Process::fork(|| {
            there.recv().unwrap();
            assert!(matches!(dict.get("ours"), Err(ManagerError::Gone)));
        });
        drop(manager);
        here.send(&()).unwrap();
        process.unwrap().join().unwrap();
        assert!(matches!(dict.get("ours"), Err(ManagerError::Gone)));
    });
}

#[test]
fn a_process_with_a_pool_is_not_forked() {
    alone(|| {
        let pool = Pool::new(2).unwrap();
        let refused = Process::fork(|| pool.apply(|n: u32| n + 1, (1,)).unwrap());
        assert!(matches!(refused, Err(StartError::MultiThreaded { .. })));
        // By the other methods its children start as ever, with a pool of their own if they like.
        let theirs = || Pool::new(1).unwrap().apply(|n: u32| n + 1, (2,)).unwrap();
        let process = Process::builder().daemon(false).spawn(theirs, ());
        assert_eq!(process.unwrap().join().unwrap(), 3);
        assert_eq!(pool.apply(|n: u32| n + 1, (1,)).unwrap(), 2);
    });
}
