//! Queues.

use super::types::{Event, JoinableQueue, Place, Producer, Queue};
use crate::Told;
use procession::{GetError, JoinError, Process, PutError, PutManyError, StateError, TaskDoneError};
use procession_testkit::{eventually, kill9, watchdog};
use std::thread;
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(20);

fn park() -> ! {
    loop {
        thread::park();
    }
}

// MGR-019, MGR-065
#[test]
fn a_bounded_queue_is_filled_and_emptied() {
    let _watchdog = watchdog();
    let place = Place::new();
    let queue = place.queue(2);
    assert_eq!(queue.capacity().told(), Some(2));
    assert!(queue.is_empty().unwrap() && !queue.is_full().unwrap());
    queue.put(&1).unwrap();
    queue.put_timeout(&2, Duration::MAX).unwrap();
    assert_eq!(queue.len().unwrap(), 2);
    assert!(queue.is_full().unwrap());
    assert!(matches!(queue.try_put(&3), Err(PutError::Full)));
    let start = Instant::now();
    assert!(matches!(queue.put_timeout(&3, SHORT), Err(PutError::Full)));
    assert!(start.elapsed() >= SHORT);
    assert_eq!(queue.get().unwrap(), 1);
    assert_eq!(queue.get_timeout(Duration::MAX).unwrap(), 2);
    assert!(matches!(queue.try_get(), Err(GetError::Empty)));
    assert!(matches!(queue.get_timeout(SHORT), Err(GetError::Empty)));
    assert_eq!(place.queue(0).capacity().told(), None, "zero is no limit");
}

// MGR-065
#[test]
fn several_items_go_together() {
    let _watchdog = watchdog();
    let place = Place::new();
    let queue = place.queue(4);
    queue.put_many(&[1, 2, 3]).unwrap();
    let Err(PutManyError { put, error, .. }) = queue.put_many_timeout(&[4, 5, 6], SHORT) else {
        panic!("there is room for one");
    };
    assert!(put == 1 && matches!(error, PutError::Full));
    assert_eq!(queue.get_many(3).unwrap(), [1, 2, 3]);
    assert_eq!(queue.try_get_many(9).unwrap(), [4]);
    assert!(matches!(queue.try_get_many(9), Err(GetError::Empty)));
    assert!(matches!(
        queue.get_many_timeout(9, SHORT),
        Err(GetError::Empty)
    ));
    assert_eq!(queue.get_many(0).unwrap(), Vec::<u32>::new());
    queue.put_many(&[]).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| queue.put_many(&(0..20).collect::<Vec<_>>()).unwrap());
        let mut got = Vec::new();
        while got.len() < 20 {
            got.extend(queue.get_many(3).unwrap());
        }
        assert_eq!(got, (0..20).collect::<Vec<_>>());
    });
}

// MGR-019, MGR-065
#[test]
fn each_item_is_got_once_and_in_order() {
    fn take(queue: Queue<u32>) -> Vec<u32> {
        queue.iter().map(Result::unwrap).collect()
    }
    let _watchdog = watchdog();
    let place = Place::new();
    let queue = place.queue(8);
    let consumers = [(); 3].map(|()| Process::spawn(take, (queue.clone(),)).unwrap());
    (0..300).for_each(|item| queue.put(&item).unwrap());
    queue.shutdown().unwrap();
    let got = consumers.map(|consumer| consumer.join().unwrap());
    assert!(got.iter().all(|items| items.is_sorted()));
    let mut all = got.concat();
    all.sort_unstable();
    assert_eq!(all, (0..300).collect::<Vec<_>>());
}

// MGR-065
#[test]
fn shutting_down_ends_the_putting_and_loses_nothing() {
    let _watchdog = watchdog();
    let place = Place::new();
    let queue = place.queue(1);
    queue.put(&1).unwrap();
    thread::scope(|scope| {
        let writer = scope.spawn(|| queue.put(&2));
        assert!(!queue.is_closed().told());
        queue.shutdown().unwrap();
        assert!(matches!(writer.join().unwrap(), Err(PutError::Closed(_))));
    });
    assert!(queue.is_closed().told());
    assert!(matches!(queue.try_put(&3), Err(PutError::Closed(_))));
    assert_eq!(queue.len().unwrap(), 1);
    assert_eq!(queue.get().unwrap(), 1);
    assert!(matches!(queue.get(), Err(GetError::Closed(_))));
    assert!(matches!(queue.try_get(), Err(GetError::Closed(_))));
    queue.shutdown().unwrap();
}

// MGR-065
#[test]
fn closing_ends_everything_at_once() {
    fn wait(queue: Queue<u32>) -> bool {
        matches!(queue.get(), Err(GetError::Closed(_)))
    }
    let _watchdog = watchdog();
    let place = Place::new();
    let queue = place.queue(0);
    let reader = Process::spawn(wait, (queue.clone(),)).unwrap();
    queue.close().unwrap();
    assert!(reader.join().unwrap());
    let queue = place.queue(0);
    queue.put(&1).unwrap();
    queue.close().unwrap();
    queue.close().unwrap();
    queue.shutdown().unwrap();
    assert!(
        matches!(queue.get(), Err(GetError::Closed(_))),
        "what is left is not got"
    );
    assert!(matches!(
        queue.put_many(&[1]),
        Err(PutManyError { put: 0, .. })
    ));
    assert!(matches!(queue.len(), Err(StateError::Closed(_))));
    assert!(queue.is_empty().is_err() && queue.is_full().is_err());
    assert!(queue.is_closed().told());
    assert_eq!(queue.iter().count(), 0);
}

// MGR-020, MGR-065
#[test]
fn items_are_done_or_joined_for() {
    fn work(queue: JoinableQueue<u32>) {
        for item in &queue {
            item.unwrap();
            queue.task_done().unwrap();
        }
    }
    let _watchdog = watchdog();
    let place = Place::new();
    let queue = place.joinable_queue(0);
    queue.join().unwrap();
    assert!(matches!(queue.task_done(), Err(TaskDoneError::TooOften)));
    queue.put_many(&[1, 2, 3]).unwrap();
    assert!(matches!(
        queue.join_timeout(SHORT),
        Err(JoinError::TimedOut)
    ));
    assert_eq!(queue.unfinished().unwrap(), 3);
    queue.get().unwrap();
    assert_eq!(queue.unfinished().unwrap(), 3);
    queue.task_done().unwrap();
    assert_eq!(queue.unfinished().unwrap(), 2);
    let worker = Process::spawn(work, (queue.clone(),)).unwrap();
    queue.join().unwrap();
    queue.join_timeout(Duration::ZERO).unwrap();
    assert!(matches!(queue.task_done(), Err(TaskDoneError::TooOften)));
    queue.shutdown().unwrap();
    worker.join().unwrap();
    queue.close().unwrap();
    assert!(matches!(queue.join(), Err(JoinError::Closed(_))));
    assert!(matches!(queue.task_done(), Err(TaskDoneError::Closed(_))));
    assert!(matches!(queue.unfinished(), Err(StateError::Closed(_))));
}

// MGR-065
#[test]
fn what_a_dead_consumer_had_is_lost_until_that_is_forgotten() {
    fn take(queue: JoinableQueue<u32>, taken: Event) -> anyhow::Result<()> {
        queue.get_many(2)?;
        taken.set().told();
        park()
    }
    let _watchdog = watchdog();
    let place = Place::new();
    let (queue, taken) = (place.joinable_queue(0), place.event());
    queue.put_many(&[1, 2, 3]).unwrap();
    let consumer = Process::spawn(take, (queue.clone(), taken.clone())).unwrap();
    taken.wait().told();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| queue.join());
        kill9(consumer.pid());
        assert!(consumer.join().is_err());
        assert!(matches!(
            waiter.join().unwrap(),
            Err(JoinError::Lost { items: 2 })
        ));
    });
    assert!(matches!(queue.join(), Err(JoinError::Lost { items: 2 })));
    assert_eq!(queue.unfinished().unwrap(), 3);
    assert_eq!(queue.forget_lost().unwrap(), 2);
    assert_eq!(
        (queue.unfinished().unwrap(), queue.forget_lost().unwrap()),
        (1, 0)
    );
    queue.get().unwrap();
    queue.task_done().unwrap();
    queue.join().unwrap();
}

// MGR-065
#[test]
fn a_process_that_is_killed_while_it_waits_takes_and_puts_nothing() {
    fn get(queue: Queue<u32>, about_to: Event) -> anyhow::Result<()> {
        about_to.set().told();
        queue.get()?;
        Ok(())
    }
    fn put(queue: Queue<u32>, about_to: Event) -> anyhow::Result<()> {
        about_to.set().told();
        Ok(queue.put(&7)?)
    }
    let _watchdog = watchdog();
    let place = Place::new();
    let queue = place.queue(1);
    let about_to = place.event();
    let reader = Process::spawn(get, (queue.clone(), about_to.clone())).unwrap();
    about_to.wait().told();
    kill9(reader.pid());
    assert!(reader.join().is_err());
    queue.put(&5).unwrap();
    assert_eq!(queue.get().unwrap(), 5);
    queue.put(&1).unwrap();
    let about_to = place.event();
    let writer = Process::spawn(put, (queue.clone(), about_to.clone())).unwrap();
    about_to.wait().told();
    kill9(writer.pid());
    assert!(writer.join().is_err());
    assert_eq!(queue.get().unwrap(), 1);
    assert!(matches!(queue.try_get(), Err(GetError::Empty)));
}

// MGR-065
#[test]
fn a_queue_ends_with_the_last_of_its_producers() {
    fn produce(producer: Producer<u32>) -> anyhow::Result<()> {
        producer.put(&1)?;
        producer.try_put(&2)?;
        Ok(producer.put_many(&[3])?)
    }
    fn hold(producer: Producer<u32>, here: Event) {
        here.set().told();
        let _producer = producer;
        park()
    }
    let _watchdog = watchdog();
    let place = Place::new();
    let (queue, here) = (place.queue(0), place.event());
    // First, for the queue ends when a child that is done was the last.
    let own = queue.producer().unwrap();
    let child = Process::spawn(produce, (queue.producer().unwrap(),)).unwrap();
    let killed = Process::spawn(hold, (queue.producer().unwrap(), here.clone())).unwrap();
    let other = own.clone();
    own.put_timeout(&4, SHORT).unwrap();
    assert_eq!(own.queue().capacity().told(), None);
    child.join().unwrap();
    here.wait().told();
    kill9(killed.pid());
    assert!(killed.join().is_err());
    drop(own);
    assert!(
        !queue.is_closed().told(),
        "a clone is the same producer, and still there"
    );
    drop(other);
    let mut items: Vec<_> = queue.iter().map(Result::unwrap).collect();
    items.sort_unstable();
    assert_eq!(items, [1, 2, 3, 4]);
    assert!(matches!(queue.producer(), Err(StateError::Closed(_))));
    eventually("it is over", || queue.is_closed().told());
}

// MGR-065
#[test]
fn what_cannot_be_encoded_is_an_error_of_put() {
    /// A value that refuses.
    #[derive(Debug)]
    struct Refuses;
    impl serde::Serialize for Refuses {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("it refuses"))
        }
    }
    impl<'de> serde::Deserialize<'de> for Refuses {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            <()>::deserialize(deserializer).map(|()| Self)
        }
    }
    let _watchdog = watchdog();
    let place = Place::new();
    let queue = place.queue_of::<Refuses>();
    assert!(matches!(queue.put(&Refuses), Err(PutError::Encode(_))));
    let many = queue.put_many(&[Refuses]);
    assert!(matches!(
        many,
        Err(PutManyError {
            put: 0,
            error: PutError::Encode(_),
            ..
        })
    ));
    assert!(queue.is_empty().unwrap());
}

// MGR-065
#[test]
fn bytes_and_handles_go_through_a_queue() {
    let _watchdog = watchdog();
    let place = Place::new();
    let bytes = place.queue_of::<Vec<u8>>();
    bytes.put(&vec![7; 1000]).unwrap();
    bytes.put_many(&[vec![8], Vec::new()]).unwrap();
    assert_eq!(bytes.get_many(3).unwrap(), [vec![7; 1000], vec![8], vec![]]);
    let single = place.queue_of::<u8>();
    single.put_many(&[1, 2, 3]).unwrap();
    assert_eq!(single.get_many(9).unwrap(), [1, 2, 3]);
    let queues = place.queue_of::<Queue<u8>>();
    queues.put(&single).unwrap();
    queues.get().unwrap().put(&9).unwrap();
    assert_eq!(single.get().unwrap(), 9);
}
