//! The simple queue.

#![expect(clippy::unwrap_used, reason = "a task fails by panicking, like a test")]

use procession_process::Process;
use procession_queue::{GetError, PutError, SimpleQueue, StateError};
use procession_testkit::watchdog;

procession_process::enable_in_tests!();

// QUE-008
#[test]
fn empty_is_right_though_another_process_puts() {
    let _watchdog = watchdog();
    let (queue, answers) = (SimpleQueue::new().unwrap(), SimpleQueue::new().unwrap());
    assert!(queue.is_empty().unwrap());
    let child = Process::spawn(put_two, (queue.clone(), answers.clone())).unwrap();
    answers.get().unwrap();
    assert!(!queue.is_empty().unwrap());
    assert!(queue.get().unwrap());
    assert!(!queue.get().unwrap());
    assert!(queue.is_empty().unwrap());
    child.join().unwrap();
}

fn put_two(queue: SimpleQueue<bool>, answers: SimpleQueue<()>) {
    queue.put(&true).unwrap();
    queue.put(&false).unwrap();
    answers.put(&()).unwrap();
}

// QUE-009, QUE-011
#[test]
fn closing_twice_is_as_good_as_once() {
    let _watchdog = watchdog();
    let queue = SimpleQueue::new().unwrap();
    queue.put(&1).unwrap();
    queue.close().unwrap();
    queue.close().unwrap();
    assert!(matches!(queue.is_empty(), Err(StateError::Closed(_))));
    assert!(matches!(queue.put(&1), Err(PutError::Closed(_))));
    assert!(matches!(queue.get(), Err(GetError::Closed(_))));
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Unclonable(u8);

#[test]
fn a_handle_can_be_cloned_and_shown_whatever_the_items() {
    let _watchdog = watchdog();
    let queue = SimpleQueue::new().unwrap();
    queue.clone().put(&Unclonable(7)).unwrap();
    assert!(format!("{queue:?}").contains("len: 1"));
    assert_eq!(queue.get().unwrap().0, 7);
}
