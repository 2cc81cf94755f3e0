//! The managed queue.

use super::{manager, start};
use procession_manager::{ManagerError, Queue, Refusal, Value};
use procession_pipe::Channel;
use procession_testkit::{eventually, kill9, watchdog};
use procession_wire::{Kind, Message};
use std::time::Duration;

fn refusal<T: std::fmt::Debug>(result: Result<T, ManagerError>) -> Refusal {
    match result.expect_err("it is refused") {
        ManagerError::Refused(refusal) => refusal,
        error => panic!("{error}"),
    }
}

#[test]
fn a_bounded_queue_is_filled_and_emptied() {
    // MGR-019
    let _watchdog = watchdog();
    let manager = manager();
    let queue = manager.bounded_queue(2).unwrap();
    assert_eq!(queue.capacity().unwrap(), Some(2));
    queue.put(1).unwrap();
    queue.put_timeout(2, Duration::ZERO).unwrap();
    let look = |queue: Queue<i32>| -> anyhow::Result<()> {
        assert_eq!(queue.len()?, 2);
        assert!(queue.is_full()? && !queue.is_empty()?);
        assert_eq!(queue.get()?, 1);
        assert_eq!(queue.get()?, 2);
        assert!(queue.is_empty()? && !queue.is_full()?);
        Ok(())
    };
    start(look, (queue.clone(),)).join().unwrap();
    assert_eq!(queue.try_get().unwrap(), None);
    assert_eq!(queue.get_timeout(Duration::from_millis(2)).unwrap(), None);
}

#[test]
fn a_full_queue_refuses_in_time() {
    let _watchdog = watchdog();
    let manager = manager();
    let queue = manager.bounded_queue(1).unwrap();
    queue.put(1).unwrap();
    assert_eq!(refusal(queue.try_put(2)), Refusal::Full);
    assert_eq!(
        refusal(queue.put_timeout(2, Duration::from_millis(2))),
        Refusal::Full
    );
    assert_eq!(queue.len().unwrap(), 1);
}

#[test]
fn each_item_comes_out_once() {
    let _watchdog = watchdog();
    let manager = manager();
    let (queue, done) = (manager.bounded_queue(8).unwrap(), manager.list().unwrap());
    let produce = |queue: Queue<u32>, from: u32| -> anyhow::Result<()> {
        (from..from + 100).try_for_each(|number| Ok(queue.put(number)?))
    };
    let consume = |queue: Queue<u32>, done: procession_manager::List<u32>| {
        while let Ok(number) = queue.get() {
            done.append(number).unwrap();
        }
    };
    let consumers = [(); 2].map(|()| start(consume, (queue.clone(), done.clone())));
    for producer in [0, 100].map(|from| start(produce, (queue.clone(), from))) {
        producer.join().unwrap();
    }
    queue.close().unwrap();
    for consumer in consumers {
        consumer.join().unwrap();
    }
    done.sort().unwrap();
    assert_eq!(done.to_vec().unwrap(), (0..200).collect::<Vec<_>>());
}

#[test]
fn join_waits_until_all_is_done() {
    // MGR-020
    let _watchdog = watchdog();
    let manager = manager();
    let queue = manager.queue().unwrap();
    for number in [2, 3, 4] {
        queue.put(number).unwrap();
    }
    assert!(!queue.join_timeout(Duration::from_millis(2)).unwrap());
    let work = |queue: Queue<i32>| -> anyhow::Result<i32> {
        let number = queue.get()?;
        queue.task_done()?;
        Ok(number)
    };
    let taken = [(); 3].map(|()| start(work, (queue.clone(),)).join().unwrap());
    assert_eq!(taken, [2, 3, 4]);
    queue.join().unwrap();
    assert_eq!(refusal(queue.task_done()), Refusal::DoneTooOften);
}

#[test]
fn what_a_dead_consumer_took_is_told_and_not_waited_for() {
    let _watchdog = watchdog();
    let manager = manager();
    let (queue, taken) = (manager.queue().unwrap(), manager.event().unwrap());
    queue.put(1).unwrap();
    queue.put(2).unwrap();
    let take = |queue: Queue<i32>, taken: procession_manager::Event| -> anyhow::Result<()> {
        queue.get()?;
        taken.set()?;
        loop {
            std::thread::park();
        }
    };
    let consumer = start(take, (queue.clone(), taken.clone()));
    taken.wait().unwrap();
    assert_eq!(queue.get().unwrap(), 2);
    queue.task_done().unwrap();
    assert!(!queue.join_timeout(Duration::from_millis(1)).unwrap());
    kill9(consumer.pid());
    assert!(consumer.join().is_err());
    assert_eq!(refusal(queue.join()), Refusal::Abandoned(1));
    queue.join().unwrap();
}

#[test]
fn a_reader_killed_while_it_waits_takes_nothing() {
    let _watchdog = watchdog();
    let manager = manager();
    let (queue, waiting) = (manager.queue().unwrap(), manager.value(false).unwrap());
    let wait = |queue: Queue<String>, waiting: Value<bool>| -> anyhow::Result<String> {
        waiting.set(true)?;
        Ok(queue.get()?)
    };
    for _ in 0..10 {
        waiting.set(false).unwrap();
        let reader = start(wait, (queue.clone(), waiting.clone()));
        eventually("the reader is about to wait", || waiting.get().unwrap());
        kill9(reader.pid());
        assert!(reader.join().is_err());
        queue.put("for the living".to_owned()).unwrap();
        assert_eq!(queue.try_get().unwrap().as_deref(), Some("for the living"));
    }
}

#[test]
fn a_writer_killed_while_it_waits_puts_nothing() {
    let _watchdog = watchdog();
    let manager = manager();
    let (queue, waiting) = (
        manager.bounded_queue(1).unwrap(),
        manager.value(false).unwrap(),
    );
    queue.put(1).unwrap();
    let write = |queue: Queue<i32>, waiting: Value<bool>| -> anyhow::Result<()> {
        waiting.set(true)?;
        Ok(queue.put(2)?)
    };
    let writer = start(write, (queue.clone(), waiting.clone()));
    eventually("the writer is about to wait", || waiting.get().unwrap());
    kill9(writer.pid());
    assert!(writer.join().is_err());
    assert_eq!(queue.get().unwrap(), 1);
    assert_eq!(queue.try_get().unwrap(), None);
}

#[test]
fn closing_wakes_all_and_loses_nothing() {
    let _watchdog = watchdog();
    let manager = manager();
    let queue = manager.bounded_queue(1).unwrap();
    let wait = |queue: Queue<i32>| queue.get().is_err();
    let reader = start(wait, (queue.clone(),));
    queue.close().unwrap();
    assert!(reader.join().unwrap());
    assert_eq!(refusal(queue.put(1)), Refusal::Closed);
    assert_eq!(refusal(queue.get()), Refusal::Closed);

    let queue = manager.bounded_queue(1).unwrap();
    queue.put(1).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| refusal(queue.put(2)));
        queue.close().unwrap();
        assert_eq!(writer.join().unwrap(), Refusal::Closed);
    });
    assert!(queue.is_closed().unwrap());
    assert_eq!(queue.get().unwrap(), 1, "what was in can be taken");
    assert_eq!(refusal(queue.try_get()), Refusal::Closed);
}

#[test]
fn a_connection_goes_through_it() {
    let _watchdog = watchdog();
    let manager = manager();
    let queue = manager.queue::<Channel>().unwrap();
    let (here, there) = Channel::pair().unwrap();
    queue.put(there).unwrap();
    let answer = |queue: Queue<Channel>| -> anyhow::Result<()> {
        let message = Message::encode(Kind::VALUE, &42_u8)?;
        Ok(queue.get()?.send(message)?)
    };
    start(answer, (queue,)).join().unwrap();
    assert_eq!(here.recv().unwrap().decode::<u8>().unwrap(), 42);
}
