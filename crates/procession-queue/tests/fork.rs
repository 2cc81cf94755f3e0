//! Queues in processes that are copies of their parent.

#![expect(clippy::unwrap_used, reason = "tasks stand in their tests")]

use procession_process::{Process, StartMethod};
use procession_queue::Queue;
use procession_testkit::{eventually, watchdog};
use std::thread;
use std::time::Duration;

procession_process::enable_in_tests!();

/// Runs `task` in a process that has one thread, and so may be copied.
fn alone(task: impl Fn() + Copy + Send + 'static) {
    let builder = Process::builder().start_method(StartMethod::Spawn);
    builder.spawn(task, ()).unwrap().join().unwrap();
}

#[test]
fn a_copy_keeps_what_its_parent_has_let_go_of() {
    let _watchdog = watchdog();
    alone(|| {
        let (queue, answers) = (Queue::new().unwrap(), Queue::new().unwrap());
        queue.put(&"from the parent".to_owned()).unwrap();
        let child = {
            let (queue, answers) = (queue.clone(), answers.clone());
            Process::fork(move || {
                let go: String = answers.get().unwrap();
                format!("{go}: {}", queue.get().unwrap())
            })
            .unwrap()
        };
        drop(queue); // the parent's last handle: the items are still the child's
        answers.put(&"go".to_owned()).unwrap();
        assert_eq!(child.join().unwrap(), "go: from the parent");
    });
}

#[test]
fn a_copy_that_has_ended_holds_nothing() {
    let _watchdog = watchdog();
    alone(|| {
        let queue = Queue::new().unwrap();
        let child = Process::fork(|| queue.put(&7).unwrap()).unwrap();
        child.join().unwrap();
        assert_eq!(queue.get_timeout(Duration::from_mins(1)).unwrap(), 7);
        let family = procession_shm::family::current().unwrap().id();
        let segments = || procession_testkit::shared_memory(family).len();
        let before = segments();
        drop(queue);
        eventually("the queue's memory is gone", || {
            thread::yield_now();
            segments() < before
        });
    });
}
