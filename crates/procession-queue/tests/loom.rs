//! The two sides of a queue, in every order in which their threads can run, on small bounds.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p procession-queue --release --test loom`
#![cfg(loom)]

use loom::sync::Arc;
use loom::thread::{self, JoinHandle};
use procession_queue::model::{Killed, Queue};
use procession_queue::{GetError, PutError};

const STEPS: [Killed; 4] = [
    Killed::Locked,
    Killed::Written,
    Killed::Announced,
    Killed::Published,
];

/// With more preemptions than these the number of orders grows beyond what is tried in minutes.
fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

fn with<R: 'static>(queue: &Arc<Queue>, run: impl FnOnce(&Queue) -> R + 'static) -> JoinHandle<R> {
    let queue = Arc::clone(queue);
    thread::spawn(move || run(&queue))
}

fn getter(queue: &Arc<Queue>) -> JoinHandle<u64> {
    with(queue, |queue| queue.handle().get(true).unwrap())
}

#[test]
fn an_item_reaches_who_waits_for_it() {
    check(3, || {
        let queue = Arc::new(Queue::new(9));
        let getter = getter(&queue);
        queue.handle().put(7).unwrap();
        assert_eq!(getter.join().unwrap(), 7);
        assert!(queue.is_empty().unwrap());
    });
}

#[test]
fn each_item_reaches_one() {
    check(2, || {
        let queue = Arc::new(Queue::new(9));
        let getters = [getter(&queue), getter(&queue)];
        let handle = queue.handle();
        handle.put(1).unwrap();
        handle.put(2).unwrap();
        let got = getters.map(|getter| getter.join().unwrap());
        assert_eq!(got[0] + got[1], 3);
    });
}

#[test]
fn items_of_two_are_not_written_over_one_another() {
    check(2, || {
        let queue = Arc::new(Queue::new(9));
        let putter = with(&queue, |queue| queue.handle().put(1).unwrap());
        let other = with(&queue, |queue| queue.handle().put(2).unwrap());
        let handle = queue.handle();
        let got = [handle.get(true).unwrap(), handle.get(true).unwrap()];
        assert_eq!(got[0] + got[1], 3);
        putter.join().unwrap();
        other.join().unwrap();
    });
}

#[test]
fn there_are_never_more_than_fit() {
    check(3, || {
        let queue = Arc::new(Queue::new(1));
        let putter = with(&queue, |queue| {
            let handle = queue.handle();
            (1..=2).for_each(|item| handle.put(item).unwrap());
        });
        assert!(queue.len().unwrap() <= 1);
        let handle = queue.handle();
        assert_eq!(handle.get(true).unwrap(), 1);
        assert!(queue.len().unwrap() <= 1);
        assert_eq!(handle.get(true).unwrap(), 2);
        putter.join().unwrap();
    });
}

#[test]
fn closing_reaches_all_who_wait() {
    check(2, || {
        let queue = Arc::new(Queue::new(1));
        queue.handle().put(1).unwrap();
        let putter = with(&queue, |queue| queue.handle().put(2));
        let getter = with(&queue, |queue| {
            let handle = queue.handle();
            // One of these at the latest finds nothing, and waits.
            (0..3).find_map(|_| handle.get(true).err()).unwrap()
        });
        queue.close().unwrap();
        assert!(matches!(getter.join().unwrap(), GetError::Closed(_)));
        let put = putter.join().unwrap();
        assert!(matches!(put, Ok(()) | Err(PutError::Closed(_))));
    });
}

#[test]
fn a_producer_killed_at_any_step_blocks_nobody() {
    for killed in STEPS {
        check(2, move || {
            let queue = Arc::new(Queue::new(9));
            let getter = getter(&queue);
            let victim = with(&queue, move |queue| {
                queue.handle().put_and_die(1, killed).unwrap();
            });
            victim.join().unwrap();
            // If it came so far the item is there, and nobody else is needed.
            if killed != Killed::Published {
                queue.handle().put(2).unwrap();
            }
            let expected = if killed == Killed::Published { 1 } else { 2 };
            assert_eq!(getter.join().unwrap(), expected);
            assert!(queue.is_empty().unwrap());
        });
    }
}

#[test]
fn a_consumer_killed_at_any_step_blocks_nobody() {
    for killed in STEPS {
        check(2, move || {
            let queue = Arc::new(Queue::new(1));
            queue.handle().put(1).unwrap();
            let putter = with(&queue, |queue| queue.handle().put(2).unwrap());
            let victim = with(&queue, move |queue| {
                queue.handle().get_and_die(killed).unwrap();
            });
            victim.join().unwrap();
            let handle = queue.handle();
            // It took what it had published that it took, and nothing else.
            if killed != Killed::Published {
                assert_eq!(handle.get(true).unwrap(), 1);
            }
            assert_eq!(handle.get(true).unwrap(), 2);
            putter.join().unwrap();
        });
    }
}

#[test]
fn who_dies_while_closing_has_not_closed() {
    check(2, || {
        let queue = Arc::new(Queue::new(9));
        let getter = getter(&queue);
        let victim = with(&queue, |queue| queue.close_and_die().unwrap());
        queue.handle().put(7).unwrap();
        assert_eq!(getter.join().unwrap(), 7);
        victim.join().unwrap();
    });
}

#[test]
fn who_does_not_wait_finds_an_item_or_none() {
    check(3, || {
        let queue = Arc::new(Queue::new(9));
        let impatient = with(&queue, |queue| queue.handle().get(false));
        queue.handle().put(7).unwrap();
        match impatient.join().unwrap() {
            Ok(item) => assert_eq!(item, 7),
            Err(error) => {
                assert!(matches!(error, GetError::Empty));
                assert_eq!(queue.handle().get(false).unwrap(), 7);
            }
        }
    });
}
