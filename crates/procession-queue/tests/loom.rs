//! The two sides of a queue, in every order in which their threads can run, on small bounds.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p procession-queue --release --test loom`
#![cfg(loom)]

use loom::sync::Arc;
use loom::thread::{self, JoinHandle};
use procession_queue::model::{Queue, live};
use procession_queue::{GetError, PutError};
use std::sync::atomic::{AtomicBool, Ordering};

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

/// Closes a queue with an item in it, whose next item begins a chunk, while somebody puts one and
/// somebody gets until it cannot.
fn check_closing(capacity: u64) {
    check(2, move || {
        let queue = Arc::new(Queue::new(capacity));
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
fn closing_reaches_all_who_wait() {
    check_closing(1);
}

/// Runs the model with a victim that is killed after each number of steps, up to the one that it
/// survives.
fn check_killed(preemptions: usize, model: impl Fn(u32) -> bool + Copy + Send + Sync + 'static) {
    for steps in 1.. {
        let survived = std::sync::Arc::new(AtomicBool::new(true));
        let all = std::sync::Arc::clone(&survived);
        check(preemptions, move || {
            if !model(steps) {
                all.store(false, Ordering::Relaxed);
            }
        });
        if survived.load(Ordering::Relaxed) {
            return;
        }
    }
}

/// Does `work` in a thread that is killed after so many steps; tells whether it survived.
fn victim<R>(
    queue: &Arc<Queue>,
    steps: u32,
    work: impl FnOnce(&Queue) -> R + 'static,
) -> JoinHandle<bool> {
    with(queue, move |queue| live(steps, || work(queue)))
}

#[test]
fn a_producer_killed_at_any_step_blocks_nobody() {
    check_killed(2, |steps| {
        let queue = Arc::new(Queue::new(9));
        let getter = getter(&queue);
        let victim = victim(&queue, steps, |queue| queue.handle().put(1));
        let survived = victim.join().unwrap();
        // If it came so far the item is there, and nobody else is needed.
        let handle = queue.handle();
        handle.put(2).unwrap();
        let got = getter.join().unwrap();
        assert!(got == 2 && !survived || got == 1);
        assert_eq!(queue.len().unwrap(), u64::from(got == 1));
        survived
    });
}

#[test]
fn a_producer_killed_at_the_border_of_a_chunk_blocks_nobody() {
    check_killed(2, |steps| {
        let queue = Arc::new(Queue::new(9));
        queue.handle().put(1).unwrap();
        let getter = with(&queue, |queue| {
            let handle = queue.handle();
            [handle.get(true).unwrap(), handle.get(true).unwrap()]
        });
        let victim = victim(&queue, steps, |queue| queue.handle().put(2));
        queue.handle().put(3).unwrap();
        let survived = victim.join().unwrap();
        // Somebody new looks up which chunk the producers are in.
        queue.handle().put(4).unwrap();
        let got = getter.join().unwrap();
        let handle = queue.handle();
        let left = std::iter::from_fn(|| handle.get(false).ok());
        let all: Vec<_> = got.into_iter().chain(left).collect();
        match &all[..] {
            [1, 3, 4] => assert!(!survived),
            [1, 2, 3, 4] | [1, 3, 2, 4] => {}
            _ => panic!("{all:?}"),
        }
        survived
    });
}

#[test]
fn a_consumer_killed_at_any_step_blocks_nobody() {
    check_killed(2, |steps| {
        let queue = Arc::new(Queue::new(1));
        queue.handle().put(1).unwrap();
        let putter = with(&queue, |queue| queue.handle().put(2).unwrap());
        let victim = victim(&queue, steps, |queue| queue.handle().get(false));
        let survived = victim.join().unwrap();
        let handle = queue.handle();
        // It took what it had published that it took, and nothing else.
        let got = handle.get(true).unwrap();
        if got == 1 {
            assert!(!survived);
            assert_eq!(handle.get(true).unwrap(), 2);
        }
        putter.join().unwrap();
        survived
    });
}

#[test]
fn a_consumer_killed_at_the_border_of_a_chunk_blocks_nobody() {
    check_killed(2, |steps| {
        let queue = Arc::new(Queue::new(9));
        let handle = queue.handle();
        (1..=3).for_each(|item| handle.put(item).unwrap());
        assert_eq!(handle.get(true).unwrap(), 1);
        let other = getter(&queue);
        let victim = victim(&queue, steps, |queue| queue.handle().get(false));
        // A chunk that is left is used again.
        handle.put(4).unwrap();
        let (survived, other) = (victim.join().unwrap(), other.join().unwrap());
        let left: Vec<_> = std::iter::from_fn(|| handle.get(false).ok()).collect();
        let whole = left.len() == if survived { 1 } else { 2 };
        assert!(whole || !survived && left.len() == 1, "{other} {left:?}");
        assert!((2..=3).contains(&other) && left.is_sorted() && left.ends_with(&[4]));
        assert!(!left.contains(&other));
        survived
    });
}

#[test]
fn two_consumers_cross_the_border_of_a_chunk() {
    check(2, || {
        let queue = Arc::new(Queue::new(9));
        let handle = queue.handle();
        handle.put(1).unwrap();
        let getters = [getter(&queue), getter(&queue)];
        handle.put(2).unwrap();
        let got = getters.map(|getter| getter.join().unwrap());
        assert_eq!(got[0] + got[1], 3);
        assert!(queue.is_empty().unwrap());
        drop(handle);
        // The one that the queue is in; the home chunk is free.
        assert_eq!(queue.chunks_held(), 1);
    });
}

#[test]
fn chunks_go_round() {
    check(2, || {
        let queue = Arc::new(Queue::new(9));
        let putter = with(&queue, |queue| {
            let handle = queue.handle();
            (1..=4).for_each(|item| handle.put(item).unwrap());
        });
        let handle = queue.handle();
        (1..=4).for_each(|item| assert_eq!(handle.get(true).unwrap(), item));
        putter.join().unwrap();
        drop(handle);
        // The one that the queue is in, and a spare one, of which one may be the home chunk.
        assert!(queue.chunks_held() <= 2);
    });
}

#[test]
fn a_chunk_that_is_used_again_is_used_once() {
    check(1, || {
        let queue = Arc::new(Queue::new(9));
        let handle = queue.handle();
        (1..=3).for_each(|item| handle.put(item).unwrap());
        for item in 4..=8 {
            assert_eq!(handle.get(false).unwrap(), item - 3);
            handle.put(item).unwrap();
        }
        let getter = getter(&queue);
        handle.put(9).unwrap();
        assert_eq!(getter.join().unwrap(), 6);
        (7..=9).for_each(|item| assert_eq!(handle.get(false).unwrap(), item));
    });
}

#[test]
fn closing_reaches_who_is_at_the_border_of_a_chunk() {
    check_closing(9);
}

#[test]
fn who_shuts_a_queue_down_loses_nothing_of_it() {
    check(2, || {
        let queue = Arc::new(Queue::new(9));
        let getter = with(&queue, |queue| {
            let handle = queue.handle();
            let got: Vec<_> = std::iter::from_fn(|| handle.get(true).ok()).collect();
            assert!(matches!(handle.get(true), Err(GetError::Closed(_))));
            got
        });
        let putter = with(&queue, |queue| queue.handle().put(1).is_ok());
        queue.shutdown().unwrap();
        let put = putter.join().unwrap();
        let got = getter.join().unwrap();
        assert_eq!(got, if put { vec![1] } else { vec![] });
    });
}

/// Gets until the queue ends, as a consumer does that looks when it finds nothing.
fn drain(queue: &Queue) -> Vec<u64> {
    let handle = queue.handle();
    let mut got = Vec::new();
    loop {
        match handle.get(false) {
            Ok(item) => got.push(item),
            Err(GetError::Closed(_)) => return got,
            Err(_) => {
                if !queue.end_if_deserted() {
                    thread::yield_now();
                }
            }
        }
    }
}

#[test]
fn a_queue_ends_with_its_last_producer_and_loses_nothing() {
    check(2, || {
        let queue = Arc::new(Queue::new(9));
        assert!(queue.produce());
        let drained = with(&queue, drain);
        let producer = with(&queue, |queue| {
            queue.handle().put(1).unwrap();
            queue.leave();
            queue.end_if_deserted();
        });
        assert_eq!(drained.join().unwrap(), [1]);
        producer.join().unwrap();
    });
}

#[test]
fn of_a_last_producer_that_goes_and_a_new_one_both_know_who_was_first() {
    check(3, || {
        let queue = Arc::new(Queue::new(9));
        assert!(queue.produce());
        let last = with(&queue, |queue| {
            queue.leave();
            queue.end_if_deserted();
        });
        let new = with(&queue, |queue| {
            queue.produce() && {
                queue.handle().put(1).unwrap();
                queue.leave();
                queue.end_if_deserted();
                true
            }
        });
        last.join().unwrap();
        let counted = new.join().unwrap();
        let got = drain(&queue);
        assert_eq!(got, if counted { vec![1] } else { vec![] });
    });
}

#[test]
fn who_waits_when_producers_begin_to_be_counted_is_woken() {
    check(2, || {
        let queue = Arc::new(Queue::new(9));
        let waiter = with(&queue, |queue| queue.wait_until_counted());
        assert!(queue.produce());
        waiter.join().unwrap();
    });
}

#[test]
fn a_producer_that_dies_while_it_puts_or_is_counted_is_none() {
    check_killed(1, |steps| {
        let queue = Arc::new(Queue::new(9));
        assert!(queue.produce());
        let victim = victim(&queue, steps, |queue| {
            queue.produce();
            queue.handle().put(1)
        });
        let survived = victim.join().unwrap();
        // What the kernel does for both of them; the second is there as soon as it has begun.
        (0..queue.present()).for_each(|_| queue.leave());
        let got = drain(&queue);
        assert!(got.len() <= 1 && (!survived || got == [1]));
        survived
    });
}

#[test]
fn who_dies_while_shutting_down_has_done_it_or_not() {
    check_killed(2, |steps| {
        let queue = Arc::new(Queue::new(9));
        let getter = with(&queue, |queue| queue.handle().get(true));
        let victim = victim(&queue, steps, Queue::shutdown);
        let survived = victim.join().unwrap();
        // If it is shut, nobody else is needed.
        let put = queue.handle().put(7).is_ok();
        assert!(!(survived && put));
        assert_eq!(getter.join().unwrap().is_ok(), put);
        survived
    });
}

#[test]
fn who_dies_while_closing_has_closed_or_not() {
    check_killed(2, |steps| {
        let queue = Arc::new(Queue::new(9));
        let getter = with(&queue, |queue| queue.handle().get(true));
        let victim = victim(&queue, steps, Queue::close);
        let survived = victim.join().unwrap();
        // If it is closed, nobody else is needed.
        if queue.is_empty().is_ok() {
            assert!(!survived);
            queue.handle().put(7).unwrap();
            assert_eq!(getter.join().unwrap().unwrap(), 7);
        } else {
            assert!(matches!(getter.join().unwrap(), Err(GetError::Closed(_))));
        }
        survived
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
