//! Start methods: how one is chosen, and what processes of different ones have in common.

#![expect(clippy::unwrap_used, reason = "tasks fail by panicking, like tests")]

use procession::{
    Connection, Lock, Pipe, Pool, Process, Queue, StartMethod, Value, current_process,
    set_start_method, start_method,
};
use procession_testkit::watchdog;
use serde::{Deserialize, Serialize};
use std::thread::park;

procession::enable_in_tests!();

/// Runs `task` in a process that has one thread, and so can be forked.
fn alone(task: impl Fn() + Copy + Send + 'static) {
    let _watchdog = watchdog();
    let spawn = Process::builder().start_method(StartMethod::Spawn);
    spawn.spawn(task, ()).unwrap().join().unwrap();
}

// PRC-027
#[test]
fn all_methods_are_listed_with_the_default_first() {
    alone(|| {
        assert_eq!(start_method(), StartMethod::ForkServer);
        assert_eq!(StartMethod::default(), StartMethod::ALL[0]);
        assert_eq!(StartMethod::ALL[0], StartMethod::ForkServer);
        assert_eq!(StartMethod::ALL.len(), 3);
    });
}

// PRC-026
#[test]
fn a_method_is_chosen_for_a_process_and_those_below_it() {
    alone(|| {
        let methods = || (start_method(), current_process().start_method());
        let below = || Process::spawn(|| (start_method(), current_process().start_method()), ());
        for method in StartMethod::ALL {
            set_start_method(method);
            assert_eq!(start_method(), method);
            assert_eq!(below().unwrap().join().unwrap(), (method, Some(method)));
            let deeper = move || below().unwrap().join().unwrap();
            let deeper = Process::spawn(deeper, ()).unwrap().join().unwrap();
            assert_eq!(deeper, (method, Some(method)));
            // A builder's word is for one child only.
            for other in StartMethod::ALL {
                let builder = Process::builder().start_method(other);
                let theirs = builder.spawn(methods, ()).unwrap().join().unwrap();
                assert_eq!(theirs, (method, Some(other)));
            }
        }
        assert_eq!(current_process().start_method(), Some(StartMethod::Spawn));
    });
}

/// What all processes of a tree have.
#[derive(Clone, Serialize, Deserialize)]
struct Shared {
    sum: Value<u64>,
    lock: Lock,
    queue: Queue<Vec<StartMethod>>,
}

/// Adds one under the lock, puts its way down the tree, and starts children by each method.
fn grow(shared: Shared, way: Vec<StartMethod>) {
    {
        let _held = shared.lock.acquire().unwrap();
        // Two steps, so that one that is not under the lock would be lost.
        let sum = shared.sum.get();
        std::thread::yield_now();
        shared.sum.set(sum + 1);
    }
    shared.queue.put(&way).unwrap();
    if way.len() == 2 {
        return;
    }
    let start = |method| {
        let way = [way.as_slice(), &[method]].concat();
        let builder = Process::builder().start_method(method);
        builder.spawn(grow, (shared.clone(), way)).unwrap()
    };
    let children = StartMethod::ALL.map(start);
    for child in children {
        child.join().unwrap();
    }
}

// PRC-029, PRC-030
#[test]
fn a_tree_of_all_methods_shares_everything() {
    alone(|| {
        let shared = Shared {
            sum: Value::new(0).unwrap(),
            lock: Lock::new().unwrap(),
            queue: Queue::new().unwrap(),
        };
        grow(shared.clone(), Vec::new());
        assert_eq!(shared.sum.get(), 1 + 3 + 9);
        let mut ways: Vec<_> = (0..13).map(|_| shared.queue.get().unwrap()).collect();
        assert!(shared.queue.is_empty().unwrap());
        ways.sort_by_key(|way| {
            way.iter()
                .map(|&method| method as u8 + 1)
                .collect::<Vec<_>>()
        });
        ways.dedup();
        assert_eq!(ways.len(), 13);
    });
}

fn double_in_a_pool(numbers: Vec<u64>) -> Vec<u64> {
    let pool = Pool::new(2).unwrap();
    pool.map(|number: u64| number * 2, numbers).unwrap()
}

// PRC-021
#[test]
fn a_child_has_a_pool_of_its_own() {
    let _watchdog = watchdog();
    for method in [StartMethod::ForkServer, StartMethod::Spawn] {
        let builder = Process::builder().start_method(method);
        let process = builder.spawn(double_in_a_pool, (vec![1, 2, 3],)).unwrap();
        assert_eq!(process.join().unwrap(), [2, 4, 6]);
    }
    alone(|| {
        let fork = Process::builder().start_method(StartMethod::Fork);
        let process = fork.spawn(double_in_a_pool, (vec![1, 2, 3],)).unwrap();
        assert_eq!(process.join().unwrap(), [2, 4, 6]);
    });
}

/// Has a daemon put something into a queue, whose process then waits to be ended.
fn queue_and_daemon() -> String {
    let queue = Queue::new().unwrap();
    let put = |queue: Queue<String>| {
        queue.put(&"from the daemon".to_owned()).unwrap();
        park();
    };
    let daemon = Process::builder().daemon(true);
    let _daemon = daemon.spawn(put, (queue.clone(),)).unwrap();
    queue.get().unwrap()
}

// PRC-020
#[test]
fn a_child_has_a_queue_and_a_daemon_of_its_own() {
    alone(|| {
        for method in StartMethod::ALL {
            set_start_method(method);
            let process = Process::spawn(queue_and_daemon, ()).unwrap();
            assert_eq!(process.join().unwrap(), "from the daemon");
        }
    });
}

/// A service with a state of its own, which it takes along into its process.
#[derive(Serialize, Deserialize)]
struct Upper {
    requests: Connection<String, String>,
    suffix: String,
}

impl Upper {
    fn run(self) -> usize {
        let mut served = 0;
        while let Ok(words) = self.requests.recv() {
            let reply = words.to_uppercase() + &self.suffix;
            self.requests.send(&reply).unwrap();
            served += 1;
        }
        served
    }
}

// PRC-015
#[test]
fn a_type_of_the_users_is_a_service() {
    let _watchdog = watchdog();
    let (ours, requests) = Pipe::duplex::<String, String>().unwrap();
    let suffix = "!".to_owned();
    let process = Process::spawn(Upper::run, (Upper { requests, suffix },)).unwrap();
    for words in ["hello", "there"] {
        ours.send(&words.to_owned()).unwrap();
        assert_eq!(ours.recv().unwrap(), words.to_uppercase() + "!");
    }
    drop(ours);
    assert_eq!(process.join().unwrap(), 2);
}
