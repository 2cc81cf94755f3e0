//! The joinable queue.

#![expect(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "a task fails by panicking, like a test, and owns its arguments"
)]

use procession_process::Process;
use procession_queue::{JoinError, JoinableQueue, PutError, Queue, TaskDoneError};
use procession_testkit::{kill9, watchdog};
use std::thread;
use std::time::{Duration, Instant};

procession_process::enable_in_tests!();

// QUE-003
#[test]
fn join_returns_when_all_is_done() {
    let _watchdog = watchdog();
    let queue = JoinableQueue::new().unwrap();
    let workers: Vec<_> = (0..4)
        .map(|_| Process::spawn(work, (queue.clone(),)).unwrap())
        .collect();
    for number in 1..=10 {
        queue.put(&number).unwrap();
    }
    queue.join().unwrap();
    assert_eq!(queue.unfinished().unwrap(), 0);
    assert!(queue.is_empty().unwrap());
    for _ in &workers {
        queue.put(&0).unwrap();
    }
    let done: u32 = workers
        .into_iter()
        .map(|worker| worker.join().unwrap())
        .sum();
    assert_eq!(done, 10);
    queue.join().unwrap();
}

fn work(queue: JoinableQueue<u32>) -> u32 {
    let mut done = 0;
    loop {
        let number = queue.get().unwrap();
        thread::sleep(Duration::from_millis(number.into()));
        queue.task_done().unwrap();
        if number == 0 {
            return done;
        }
        done += 1;
    }
}

#[test]
fn task_done_too_often_is_an_error() {
    let _watchdog = watchdog();
    let queue = JoinableQueue::bounded(5).unwrap();
    let too_often = || matches!(queue.task_done(), Err(TaskDoneError::TooOften));
    assert!(too_often());
    queue.put_many(&[1, 2]).unwrap();
    assert!(too_often());
    assert_eq!(queue.get_many(2).unwrap(), [1, 2]);
    queue.task_done().unwrap();
    assert_eq!(queue.unfinished().unwrap(), 1);
    queue.task_done().unwrap();
    assert!(too_often());
    queue.join().unwrap();
}

#[test]
fn a_timeout_ends_joining() {
    let _watchdog = watchdog();
    let queue = JoinableQueue::new().unwrap();
    queue.join_timeout(Duration::ZERO).unwrap();
    queue.put(&1).unwrap();
    let (start, timeout) = (Instant::now(), Duration::from_millis(250));
    let refused = queue.join_timeout(timeout);
    assert!(matches!(refused, Err(JoinError::TimedOut)));
    assert!(start.elapsed() >= timeout);
}

// QUE-007, QUE-010
#[test]
fn a_closed_queue_refuses_everything() {
    let _watchdog = watchdog();
    let queue = JoinableQueue::new().unwrap();
    queue.put(&1).unwrap();
    queue.get().unwrap();
    let same = queue.clone();
    let joining = thread::spawn(move || same.join());
    queue.close().unwrap();
    assert!(matches!(joining.join().unwrap(), Err(JoinError::Closed(_))));
    assert!(matches!(queue.put(&1), Err(PutError::Closed(_))));
    assert!(matches!(queue.task_done(), Err(TaskDoneError::Closed(_))));
    assert!(queue.unfinished().is_err());
    assert!(queue.forget_lost().is_err());
}

// QUE-014
#[test]
fn items_of_a_dead_consumer_are_reported() {
    let _watchdog = watchdog();
    let queue = JoinableQueue::new().unwrap();
    let taken = Queue::new().unwrap();
    for number in 0..10 {
        queue.put(&number).unwrap();
    }
    let child = Process::spawn(take_three, (queue.clone(), taken.clone())).unwrap();
    taken.get().unwrap();
    let same = queue.clone();
    let joining = thread::spawn(move || same.join());
    kill9(child.pid());
    assert!(matches!(
        joining.join().unwrap(),
        Err(JoinError::Lost { items: 2 })
    ));
    assert!(matches!(queue.join(), Err(JoinError::Lost { items: 2 })));
    assert!(child.join().is_err());
    assert_eq!(queue.unfinished().unwrap(), 9);
    assert_eq!(queue.forget_lost().unwrap(), 2);
    assert_eq!(queue.get_many(100).unwrap(), [3, 4, 5, 6, 7, 8, 9]);
    for _ in 0..7 {
        queue.task_done().unwrap();
    }
    queue.join().unwrap();
}

fn take_three(queue: JoinableQueue<u32>, taken: Queue<()>) {
    queue.get_many(3).unwrap();
    queue.task_done().unwrap();
    taken.put(&()).unwrap();
    loop {
        thread::park();
    }
}

#[test]
fn a_consumer_that_ended_well_loses_nothing() {
    let _watchdog = watchdog();
    let queue = JoinableQueue::new().unwrap();
    for _ in 0..20 {
        queue.put(&0).unwrap();
        let child = Process::spawn(work, (queue.clone(),)).unwrap();
        child.join().unwrap();
    }
    queue.join().unwrap();
}

#[test]
fn a_plain_queue_is_no_joinable_one() {
    let _watchdog = watchdog();
    let plain = procession_testkit::helper::send(&Queue::<u32>::new().unwrap());
    let mut forged = procession_testkit::helper::send(&JoinableQueue::<u32>::new().unwrap());
    let head = 3 + 8;
    forged.truncate(head);
    forged.extend_from_slice(&plain[head..]);
    let packet = procession_wire::Packet::parse(forged, Vec::new()).unwrap();
    let refused = packet.decode::<JoinableQueue<u32>>().unwrap_err();
    assert!(refused.to_string().ends_with("not a joinable one"));
}

#[test]
fn a_queue_that_is_shut_down_can_be_joined() {
    let _watchdog = watchdog();
    let queue = JoinableQueue::new().unwrap();
    queue.put(&1).unwrap();
    queue.shutdown().unwrap();
    assert_eq!(queue.get().unwrap(), 1);
    queue.task_done().unwrap();
    queue.join().unwrap();
    assert!(queue.get().is_err());
}
