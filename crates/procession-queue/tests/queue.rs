//! The queue between threads and processes.

#![expect(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "a task fails by panicking, like a test, and owns its arguments"
)]

use procession_process::Process;
use procession_queue::{GetError, PutError, Queue, StateError};
use procession_shm::Value;
use procession_testkit::{shared_memory, watchdog};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::thread;
use std::time::{Duration, Instant};

procession_process::enable_in_tests!();

const SHORT: Duration = Duration::from_millis(30);

fn is_full(result: Result<(), PutError>) -> bool {
    matches!(result, Err(PutError::Full))
}

fn is_empty<T>(result: Result<T, GetError>) -> bool {
    matches!(result, Err(GetError::Empty))
}

// QUE-001
#[test]
fn a_bounded_queue_is_full_and_says_so() {
    let _watchdog = watchdog();
    let queue = Queue::bounded(6).unwrap();
    assert!(queue.is_empty().unwrap() && !queue.is_full().unwrap());
    assert_eq!(queue.capacity(), Some(6));
    queue.put(&1).unwrap();
    queue.put_timeout(&2, Duration::MAX).unwrap();
    queue.put_timeout(&3, Duration::ZERO).unwrap();
    queue.try_put(&4).unwrap();
    queue.put_many(&[5, 6]).unwrap();
    assert!(queue.is_full().unwrap() && !queue.is_empty().unwrap());
    assert!(is_full(queue.try_put(&7)));
    assert!(is_full(queue.put_timeout(&7, Duration::ZERO)));
    let start = Instant::now();
    assert!(is_full(queue.put_timeout(&7, SHORT)));
    assert!(start.elapsed() >= SHORT);
    assert_eq!(queue.len().unwrap(), 6);
    assert_eq!(queue.get_many(9).unwrap(), [1, 2, 3, 4, 5, 6]);
    assert!(queue.is_empty().unwrap());
}

#[test]
fn a_full_queue_takes_an_item_when_one_is_got() {
    let _watchdog = watchdog();
    let queue = Queue::bounded(1).unwrap();
    queue.put(&0).unwrap();
    let producer = Process::spawn(put_numbers, (queue.clone(), 1..200)).unwrap();
    for number in 0..200 {
        assert_eq!(queue.get().unwrap(), number);
    }
    producer.join().unwrap();
}

fn put_numbers(queue: Queue<u32>, numbers: std::ops::Range<u32>) {
    for number in numbers {
        queue.put(&number).unwrap();
    }
}

#[test]
fn put_many_waits_for_room_and_tells_how_far_it_came() {
    let _watchdog = watchdog();
    let queue = Queue::bounded(3).unwrap();
    let refused = queue.put_many_timeout(&[1, 2, 3, 4, 5], SHORT).unwrap_err();
    assert_eq!(refused.put, 3);
    assert!(matches!(refused.error, PutError::Full));
    assert_eq!(queue.get_many(9).unwrap(), [1, 2, 3]);
    thread::scope(|scope| {
        scope.spawn(|| queue.put_many(&(0..1000).collect::<Vec<u32>>()).unwrap());
        let got: Vec<_> = (0..1000).map(|_| queue.get().unwrap()).collect();
        assert!(got.into_iter().eq(0..1000));
    });
}

// QUE-002
#[test]
fn a_queue_in_use_works_in_a_child_and_keeps_the_order() {
    let _watchdog = watchdog();
    let queue = Queue::new().unwrap();
    put_numbers(queue.clone(), 0..10);
    let child = Process::spawn(put_numbers, (queue.clone(), 10..20)).unwrap();
    for number in 0..20 {
        assert_eq!(queue.get().unwrap(), number);
    }
    assert!(is_empty(queue.try_get()));
    child.join().unwrap();
}

// QUE-004
#[test]
fn a_timeout_ends_waiting_for_an_item() {
    let _watchdog = watchdog();
    let queue = Queue::<u8>::new().unwrap();
    let start = Instant::now();
    assert!(is_empty(queue.get_timeout(SHORT)));
    assert!(start.elapsed() >= SHORT);
    assert!(is_empty(queue.get_timeout(Duration::ZERO)));
    assert!(is_empty(queue.get_many_timeout(5, SHORT)));
    assert!(is_empty(queue.try_get_many(5)));
}

/// Cannot be encoded if it is odd.
#[derive(Debug, PartialEq, Deserialize)]
struct Even(u32);

impl Serialize for Even {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 % 2 == 1 {
            return Err(serde::ser::Error::custom("it is odd"));
        }
        self.0.serialize(serializer)
    }
}

// QUE-005, QUE-006: the error is `put`'s, so there is no hook to receive it.
#[test]
fn what_cannot_be_encoded_is_an_error_of_put() {
    let _watchdog = watchdog();
    let queue = Queue::bounded(1).unwrap();
    for _ in 0..3 {
        let refused = queue.put(&Even(1)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the value cannot be encoded: it is odd"
        );
    }
    let refused = queue.put_many(&[Even(2), Even(1)]).unwrap_err();
    assert_eq!(refused.put, 0);
    assert_eq!(queue.len().unwrap(), 0);
    queue.try_put(&Even(2)).unwrap();
    assert_eq!(queue.get().unwrap(), Even(2));
}

/// Cannot be decoded.
#[derive(Debug, Serialize)]
struct Stubborn;

impl<'de> Deserialize<'de> for Stubborn {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("no"))
    }
}

#[test]
fn what_cannot_be_decoded_is_an_error_of_get() {
    let _watchdog = watchdog();
    let queue = Queue::new().unwrap();
    queue.put(&Stubborn).unwrap();
    assert!(matches!(queue.get(), Err(GetError::Decode(_))));
    assert!(is_empty(queue.try_get()));
}

// QUE-007, QUE-010: a closed queue is an error, whether it was used or not.
#[test]
fn a_closed_queue_refuses_everything() {
    let _watchdog = watchdog();
    for used in [false, true] {
        let queue = Queue::bounded(9).unwrap();
        if used {
            queue.put(&1).unwrap();
        }
        queue.close().unwrap();
        assert!(queue.is_closed());
        let refused = queue.put(&2).unwrap_err();
        assert_eq!(refused.to_string(), "the queue is closed");
        assert!(matches!(queue.try_put(&2), Err(PutError::Closed(_))));
        assert!(matches!(queue.get(), Err(GetError::Closed(_))));
        assert!(matches!(queue.try_get(), Err(GetError::Closed(_))));
        assert!(matches!(queue.is_empty(), Err(StateError::Closed(_))));
        assert!(matches!(queue.is_full(), Err(StateError::Closed(_))));
        assert!(queue.put_many(&[1, 2]).is_err());
        assert_eq!(queue.capacity(), Some(9));
        assert!(format!("{queue:?}").contains("closed"));
    }
}

// QUE-013: what was put is got, or thrown away by `close`, as the caller says.
#[test]
fn a_queue_that_is_shut_down_is_drained() {
    let _watchdog = watchdog();
    let queue = Queue::bounded(9).unwrap();
    queue.put_many(&[1, 2, 3]).unwrap();
    queue.shutdown().unwrap();
    queue.shutdown().unwrap();
    assert!(queue.is_closed());
    assert!(matches!(queue.try_put(&4), Err(PutError::Closed(_))));
    assert!(queue.put_many(&[4, 5]).is_err());
    assert_eq!(queue.len().unwrap(), 3);
    assert_eq!(queue.get().unwrap(), 1);
    assert_eq!(queue.get_many(9).unwrap(), [2, 3]);
    assert!(matches!(queue.get(), Err(GetError::Closed(_))));
    assert!(matches!(queue.try_get(), Err(GetError::Closed(_))));
    assert!(queue.is_empty().unwrap());
    queue.close().unwrap();
    assert!(matches!(queue.is_empty(), Err(StateError::Closed(_))));
    queue.shutdown().unwrap();
    assert!(matches!(queue.is_empty(), Err(StateError::Closed(_))));
}

fn get_all(queue: Queue<u32>) -> Vec<u32> {
    let mut got = Vec::new();
    loop {
        match queue.get() {
            Ok(item) => got.push(item),
            Err(GetError::Closed(_)) => return got,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn shutting_down_ends_all_consumers_after_the_last_item() {
    let _watchdog = watchdog();
    let queue = Queue::bounded(3).unwrap();
    let consumers: Vec<_> = (0..3)
        .map(|_| Process::spawn(get_all, (queue.clone(),)).unwrap())
        .collect();
    (0..100).for_each(|item| queue.put(&item).unwrap());
    queue.shutdown().unwrap();
    let got = consumers
        .into_iter()
        .map(|consumer| consumer.join().unwrap());
    let mut all: Vec<_> = got.flatten().collect();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..100));
}

fn get_until_closed(queue: Queue<u32>) -> bool {
    matches!(queue.get(), Err(GetError::Closed(_)))
}

fn put_until_closed(queue: Queue<u32>) -> bool {
    loop {
        match queue.put(&1) {
            Ok(()) => {}
            Err(error) => return matches!(error, PutError::Closed(_)),
        }
    }
}

#[test]
fn closing_wakes_who_waits() {
    let _watchdog = watchdog();
    let (empty, full) = (Queue::new().unwrap(), Queue::bounded(1).unwrap());
    let waiting: Vec<_> = [
        Process::spawn(get_until_closed, (empty.clone(),)),
        Process::spawn(get_until_closed, (empty.clone(),)),
        Process::spawn(put_until_closed, (full.clone(),)),
    ]
    .into_iter()
    .map(Result::unwrap)
    .collect();
    while !full.is_full().unwrap() {
        thread::yield_now();
    }
    empty.close().unwrap();
    full.close().unwrap();
    for process in waiting {
        assert!(process.join().unwrap());
    }
}

// QUE-013: what was put stays, whatever becomes of the producer.
#[test]
fn a_producer_may_end_before_a_consumer_begins() {
    let _watchdog = watchdog();
    let queue = Queue::new().unwrap();
    let producer = Process::spawn(put_blocks, (queue.clone(), 3000)).unwrap();
    producer.join().unwrap();
    assert_eq!(queue.len().unwrap(), 3000);
    let consumer = Process::spawn(count_blocks, (queue.clone(),)).unwrap();
    assert_eq!(consumer.join().unwrap(), 3000);
    assert!(queue.is_empty().unwrap());
}

fn put_blocks(queue: Queue<Vec<u8>>, count: usize) {
    for number in 0..count {
        queue.put(&vec![number as u8; 1000]).unwrap();
    }
}

fn count_blocks(queue: Queue<Vec<u8>>) -> usize {
    let mut count = 0;
    while let Ok(block) = queue.try_get() {
        assert_eq!(block, vec![count as u8; 1000]);
        count += 1;
    }
    count
}

#[test]
fn it_grows_and_gives_the_memory_back() {
    let _watchdog = watchdog();
    // A process of its own counts segments, for other tests make some too.
    Process::spawn(grow_and_shrink, ()).unwrap().join().unwrap();
}

fn grow_and_shrink() {
    let queue = Queue::new().unwrap();
    let name = format!("-{:x}-", std::process::id());
    let ours = || shared_memory(&name).len();
    let before = ours();
    for _ in 0..2 {
        put_blocks(queue.clone(), 8000);
        assert!(ours() >= before + 8, "{} segments", ours());
        assert_eq!(count_blocks(queue.clone()), 8000);
        // Home, the chunk in use, a spare one, and two that the producer has still mapped.
        assert!(ours() <= before + 4, "{} segments", ours());
    }
    drop(queue);
    assert_eq!(ours(), before - 1);
}

#[test]
fn items_have_any_size() {
    let _watchdog = watchdog();
    let queue = Queue::new().unwrap();
    let inline = 2 << 20;
    let around = (inline - 30)..(inline + 8);
    let sizes = [0, 1, 7, 8, 9, 4096, 65_536, 100_000, 300_000].into_iter();
    let sizes: Vec<usize> = sizes.chain(around).chain([1 << 20, 64 << 20]).collect();
    for &size in &sizes {
        queue.put(&"x".repeat(size)).unwrap();
    }
    for size in sizes {
        assert!(queue.get().unwrap() == "x".repeat(size), "{size} bytes");
    }
    let none = Queue::<()>::new().unwrap();
    none.put(&()).unwrap();
    none.get().unwrap();
    assert!(none.is_empty().unwrap());
}

#[test]
fn handles_travel_through_a_queue() {
    let _watchdog = watchdog();
    let queue = Queue::new().unwrap();
    let value = Value::new(5_u32).unwrap();
    queue.put(&value).unwrap();
    drop(value);
    let child = Process::spawn(add_one, (queue.clone(),)).unwrap();
    let value = child.join().unwrap();
    assert_eq!(value.get(), 6);
    assert_eq!(value.segment().holders(), 1);
}

fn add_one(queue: Queue<Value<u32>>) -> Value<u32> {
    let value = queue.get().unwrap();
    value.update(|value| *value += 1);
    value
}

#[test]
fn handles_in_a_queue_that_is_dropped_are_dropped() {
    let _watchdog = watchdog();
    let queue = Queue::new().unwrap();
    let value = Value::new(5_u32).unwrap();
    for _ in 0..100 {
        queue.put(&value).unwrap();
    }
    assert_eq!(value.segment().holders(), 101);
    drop(queue.clone());
    assert_eq!(value.segment().holders(), 101);
    drop(queue);
    assert_eq!(value.segment().holders(), 1);
}

#[test]
fn a_refused_item_keeps_no_claim() {
    let _watchdog = watchdog();
    let queue = Queue::bounded(1).unwrap();
    let value = Value::new(5_u32).unwrap();
    queue.put(&value).unwrap();
    assert!(is_full(queue.try_put(&value)));
    assert_eq!(value.segment().holders(), 2);
}

#[test]
fn a_queue_travels_through_a_queue() {
    let _watchdog = watchdog();
    let outer = Queue::new().unwrap();
    let inner = Queue::new().unwrap();
    inner.put(&7_u32).unwrap();
    outer.put(&inner).unwrap();
    drop(inner);
    let again = outer.get().unwrap();
    assert_eq!(again.get().unwrap(), 7);
}

#[derive(Debug)]
struct WithFile(std::os::fd::OwnedFd);

impl Serialize for WithFile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use std::os::fd::AsFd;
        procession_wire::handle::serialize_fd(self.0.as_fd(), serializer)
    }
}

impl<'de> Deserialize<'de> for WithFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        procession_wire::handle::deserialize_fd(deserializer).map(Self)
    }
}

#[test]
fn file_descriptors_are_refused() {
    let _watchdog = watchdog();
    let queue = Queue::new().unwrap();
    let file = WithFile(std::fs::File::open("/dev/null").unwrap().into());
    assert!(matches!(queue.put(&file), Err(PutError::Descriptors)));
    assert_eq!(queue.len().unwrap(), 0);
}

#[test]
fn a_queue_of_another_type_is_refused() {
    let _watchdog = watchdog();
    let queue = Queue::<u32>::new().unwrap();
    let bytes = procession_testkit::helper::send(&queue);
    let head = 3 + 8;
    let mut forged = procession_testkit::helper::send(&Queue::<u8>::new().unwrap());
    forged.truncate(head);
    forged.extend_from_slice(&bytes[head..]);
    let packet = procession_wire::Packet::parse(forged, Vec::new()).unwrap();
    let refused = packet.decode::<Queue<u8>>().unwrap_err().to_string();
    assert!(refused.ends_with("another type of element"), "{refused}");
}

#[test]
fn many_producers_and_consumers_share_it() {
    let _watchdog = watchdog();
    for capacity in [0, 5] {
        let queue = Queue::bounded(capacity).unwrap();
        let producers: Vec<_> = (0..3)
            .map(|first| {
                let range = first * 2000..(first + 1) * 2000;
                Process::spawn(put_numbers, (queue.clone(), range)).unwrap()
            })
            .collect();
        let consumers: Vec<_> = (0..3)
            .map(|_| Process::spawn(get_numbers, (queue.clone(),)).unwrap())
            .collect();
        for producer in producers {
            producer.join().unwrap();
        }
        put_numbers(queue.clone(), STOP - 3..STOP);
        let mut got: Vec<u32> = Vec::new();
        for consumer in consumers {
            let part = consumer.join().unwrap();
            for producer in 0..3 {
                let of = |&&number: &&u32| number / 2000 == producer;
                assert!(part.iter().filter(of).is_sorted(), "out of order");
            }
            got.extend(part);
        }
        got.sort_unstable();
        assert!(got.into_iter().eq(0..6000));
    }
}

const STOP: u32 = u32::MAX;

fn get_numbers(queue: Queue<u32>) -> Vec<u32> {
    let mut got = Vec::new();
    loop {
        match queue.get().unwrap() {
            number if number >= STOP - 3 => return got,
            number => got.push(number),
        }
    }
}

#[test]
fn threads_share_it() {
    let _watchdog = watchdog();
    let queue = Queue::bounded(10).unwrap();
    thread::scope(|scope| {
        for first in 0..3 {
            let queue = &queue;
            scope.spawn(move || put_numbers(queue.clone(), first * 1000..(first + 1) * 1000));
        }
        let mut got: Vec<_> = (0..3000).map(|_| queue.get().unwrap()).collect();
        got.sort_unstable();
        assert!(got.into_iter().eq(0..3000));
    });
}
