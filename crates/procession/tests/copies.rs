//! What a copy of a process can do with the handles it has by being a copy.

#![expect(clippy::unwrap_used, reason = "tasks fail by panicking, like tests")]

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use procession::manager::{Dict, ManagerError};
use procession::{
    AsyncResult, Event, Manager, Pipe, Pool, PoolError, Process, StartError, StartMethod,
};
use procession_testkit::{eventually, watchdog};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

procession::enable_in_tests!();

/// Runs `task` in a process that has one thread, and so can be copied.
fn alone(task: impl Fn() + Copy + Send + 'static) {
    let _watchdog = watchdog();
    let spawn = Process::builder().start_method(StartMethod::Spawn);
    spawn.spawn(task, ()).unwrap().join().unwrap();
}

/// Runs `work` in a copy that only the C library knows of, and waits for it.
fn in_a_copy(work: impl FnOnce()) {
    // SAFETY: what the copy does either needs no other thread or must be refused there.
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
        in_a_copy(|| work_with(&dict));
        still_works(&dict, &manager);
    });
}

fn host_in_a_copy(manager: &Manager) {
    let list = manager.list::<u32>().unwrap();
    list.append(3).unwrap();
    let dict = manager.dict::<String, u32>().unwrap();
    dict.insert("ours", 1_u32).unwrap();
    work_with(&dict);
    assert_eq!(list.to_vec().unwrap(), [3]);
    assert_eq!(manager.object_count().unwrap(), 2);
    drop(dict);
    assert_eq!(manager.object_count().unwrap(), 1);
}

#[test]
fn a_copy_hosts_objects_that_live_as_long_as_it() {
    alone(|| {
        let manager = Manager::start().unwrap();
        let process = Process::fork(|| host_in_a_copy(&manager)).unwrap();
        process.join().unwrap();
        let gone = || manager.object_count().unwrap() == 0;
        eventually("the fork's objects are gone", gone);
        in_a_copy(|| host_in_a_copy(&manager));
        eventually("the copy's objects are gone", gone);
    });
}

#[test]
fn a_copy_of_a_copy_hosts_objects_beside_it() {
    alone(|| {
        let manager = Manager::start().unwrap();
        in_a_copy(|| {
            let list = manager.list::<u32>().unwrap();
            in_a_copy(|| {
                let dict = manager.dict::<String, u32>().unwrap();
                dict.insert("ours", 1_u32).unwrap();
                work_with(&dict);
                list.append(4).unwrap();
            });
            assert_eq!(list.to_vec().unwrap(), [4]);
            let alone = || manager.object_count().unwrap() == 1;
            eventually("the other's object is gone", alone);
        });
        eventually("all are gone", || manager.object_count().unwrap() == 0);
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

fn is_refused<R>(result: Result<R, PoolError>) -> bool {
    matches!(result, Err(PoolError::Copied))
}

fn refuses_everything(pool: Pool, mut results: Vec<AsyncResult<u32>>) {
    assert!(is_refused(pool.map(|n: u32| n, [1, 2])));
    assert!(is_refused(pool.map(|n: u32| n, [])));
    assert!(is_refused(pool.apply(|n: u32| n, (1,))));
    assert!(is_refused(pool.apply_async(|n: u32| n, (1,))));
    assert!(pool.worker_pids().is_empty());
    assert!(results.iter().all(AsyncResult::ready));
    assert!(is_refused(results[0].get_timeout(Duration::MAX)));
    assert!(is_refused(results.pop().unwrap().get()));
    pool.close();
    pool.terminate();
    pool.join();
    drop((results, pool));
}

fn answer(go: Event) -> u32 {
    go.wait();
    7
}

#[test]
fn a_copy_leaves_the_pool_alone() {
    alone(|| {
        let pool = RefCell::new(Some(Pool::new(2).unwrap()));
        let go = Event::new().unwrap();
        let ask = |_| {
            pool.borrow()
                .as_ref()
                .unwrap()
                .apply_async(answer, (go.clone(),))
        };
        let asked = RefCell::new((0..3).map(ask).map(Result::unwrap).collect::<Vec<_>>());
        let workers = pool.borrow().as_ref().unwrap().worker_pids();
        in_a_copy(|| refuses_everything(pool.take().unwrap(), asked.take()));
        go.set();
        for result in asked.take() {
            assert_eq!(result.get().unwrap(), 7);
        }
        let pool = pool.take().unwrap();
        assert_eq!(pool.map(|n: u32| n + 1, [1, 2]).unwrap(), [2, 3]);
        assert_eq!(pool.worker_pids(), workers);
    });
}

#[test]
fn copies_of_a_busy_pool_are_refused_whatever_its_threads_are_doing() {
    alone(|| {
        let pool = RefCell::new(Some(Pool::new(2).unwrap()));
        for round in 1..=20 {
            let ask = |n: u32| {
                let pool = pool.borrow();
                pool.as_ref().unwrap().apply_async(|n: u32| n, (n,))
            };
            let asked = (0..round).map(ask).map(Result::unwrap).collect::<Vec<_>>();
            let asked = RefCell::new(asked);
            in_a_copy(|| refuses_everything(pool.take().unwrap(), asked.take()));
            for (n, result) in (0..).zip(asked.take()) {
                assert_eq!(result.get().unwrap(), n);
            }
        }
    });
}
