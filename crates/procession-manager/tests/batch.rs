//! Many calls in one trip, and calls that are awaited.

mod common;

use common::{manager, start};
use procession::{Fault, GetError};
use procession_manager::{
    Batch, Dict, List, Manager, ManagerError, ManagerHandle, Queue, Value, call_async, shared,
};
use procession_pipe::Address;
use procession_testkit::{eventually, kill9, watchdog};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

procession_process::enable_in_tests!();

struct Maths {
    base: u64,
}

#[shared(crate = "procession_manager")]
#[expect(
    unreachable_pub,
    reason = "a method of a proxy is one that is not private"
)]
impl Maths {
    pub fn new() -> Self {
        Self { base: 0 }
    }

    pub fn add(&self, x: u64, y: u64) -> u64 {
        self.base + x + y
    }

    pub fn divide(&self, x: u64, y: u64) -> u64 {
        self.base + x / y
    }

    pub fn repeat(&self, text: &str, times: usize) -> String {
        text.repeat(times + self.base as usize)
    }
}

/// A manager, and what a program with another executable has of it.
fn visited() -> (Manager, ManagerHandle) {
    let address = Address::unique().expect("a manager starts");
    let manager = Manager::builder()
        .address(&address)
        .key("key")
        .start()
        .expect("a manager starts");
    let client = Manager::connect(address, "key").expect("a manager starts");
    (manager, client)
}

// MGR-043
#[test]
fn a_thousand_calls_are_made_in_order() {
    let _watchdog = watchdog();
    let (manager, client) = visited();
    let own = (
        manager.list::<u64>().unwrap(),
        manager.create(Maths::new, ()).unwrap(),
    );
    manager.register("list", &own.0).unwrap();
    manager.register("maths", &own.1).unwrap();
    let visitors = (client.get("list").unwrap(), client.get("maths").unwrap());
    for (list, maths) in [own, visitors] {
        let (list, maths): (List<u64>, MathsProxy) = (list, maths);
        list.clear().unwrap();
        let mut batch = Batch::new();
        let mut sums = Vec::new();
        for number in 0..500 {
            batch.add(&list, move |list| list.append(number)).unwrap();
            sums.push(
                batch
                    .add(&maths, move |maths| maths.add(number, 1))
                    .unwrap(),
            );
        }
        let len = batch.add(&list, List::len).unwrap();
        batch.send().unwrap();
        assert_eq!(len.get().unwrap(), 500);
        let sums: Vec<u64> = sums.into_iter().map(|sum| sum.get().unwrap()).collect();
        assert_eq!(sums, (1..=500).collect::<Vec<_>>());
        assert_eq!(list.to_vec().unwrap(), (0..500).collect::<Vec<_>>());
    }
}

#[test]
fn one_that_fails_keeps_no_other() {
    let _watchdog = watchdog();
    let manager = manager();
    let maths = manager.create(Maths::new, ()).unwrap();
    let list = manager.list_from([1_u64]).unwrap();
    let mut batch = Batch::new();
    let panicked = batch.add(&maths, move |maths| maths.divide(1, 0)).unwrap();
    let refused = batch.add(&list, move |list| list.remove(7)).unwrap();
    let sum = batch.add(&maths, move |maths| maths.add(1, 2)).unwrap();
    batch.send().unwrap();
    assert!(matches!(panicked.get(), Err(ManagerError::Call(_))));
    assert!(refused.get().is_err());
    assert_eq!(sum.get().unwrap(), 3);
}

#[test]
fn more_than_a_message_comes_back_in_several() {
    let _watchdog = watchdog();
    let manager = manager();
    let maths = manager.create(Maths::new, ()).unwrap();
    let mut batch = Batch::new();
    let texts: Vec<_> = (0..100)
        .map(|number| {
            batch
                .add(&maths, move |maths| maths.repeat("word ", number * 1000))
                .unwrap()
        })
        .collect();
    batch.send().unwrap();
    for (number, text) in texts.into_iter().enumerate() {
        assert_eq!(text.get().unwrap().len(), number * 5000);
    }
}

// MGR-044
#[test]
fn proxies_travel_in_both_directions_and_none_is_left() {
    let _watchdog = watchdog();
    let (manager, client) = visited();
    let own: Dict<i32, List<u8>> = manager.dict().unwrap();
    manager.register("dict", &own).unwrap();
    manager.export::<List<u8>>().unwrap();
    own.insert(0, manager.list_from([7]).unwrap()).unwrap();
    let visitors: Dict<i32, List<u8>> = client.get("dict").unwrap();
    for dict in [&own, &visitors] {
        let inner = dict.get(0).unwrap().unwrap();
        let mut batch = Batch::new();
        batch
            .add(dict, move |dict| dict.insert(1, inner.clone()))
            .unwrap();
        let back = batch.add(dict, move |dict| dict.get(1)).unwrap();
        let unread = batch.add(dict, move |dict| dict.get(1)).unwrap();
        batch.add(dict, move |dict| dict.remove(1)).unwrap();
        batch.send().unwrap();
        drop(unread);
        assert_eq!(back.get().unwrap().unwrap().to_vec().unwrap(), [7]);
    }
    own.clear().unwrap();
    eventually("the list is gone", || manager.object_count().unwrap() == 1);
    // One that is not sent.
    let list = manager.list_from([1]).unwrap();
    let mut batch = Batch::new();
    let later = batch
        .add(&own, move |own| own.insert(2, list.clone()))
        .unwrap();
    drop(batch);
    assert!(matches!(later.get(), Err(ManagerError::Collected)));
    eventually("the list is gone", || manager.object_count().unwrap() == 1);
}

#[test]
fn only_one_call_is_collected() {
    let _watchdog = watchdog();
    let (one, other) = (manager(), manager());
    let list = one.list_from([1_u8]).unwrap();
    let elsewhere = other.list_from([1_u8]).unwrap();
    let mut batch = Batch::new();
    let none = batch.add(&list, |_| Ok::<usize, ManagerError>(1));
    let two = batch.add(&list, |list| {
        let _ = list.len();
        list.len()
    });
    for refused in [none, two] {
        assert!(
            matches!(refused, Err(ManagerError::NotCollected)),
            "{refused:?}"
        );
    }
    // What is made of the result is made when it is there.
    let doubled = batch
        .add(&list, |list| list.len().map(|len| 2 * len))
        .unwrap();
    let len = batch.add(&list, List::len).unwrap();
    let error = batch.add(&elsewhere, List::len).unwrap_err();
    assert!(matches!(error, ManagerError::Elsewhere(_)), "{error}");
    batch.send().unwrap();
    assert_eq!((len.get().unwrap(), doubled.get().unwrap()), (1, 2));
    // After all that, calls are made as before.
    assert_eq!((list.len().unwrap(), elsewhere.len().unwrap()), (1, 1));
    Batch::new().send().unwrap();
}

struct Fills {
    upto: u32,
}

#[shared(crate = "procession_manager")]
#[expect(
    unreachable_pub,
    reason = "a method of a proxy is one that is not private"
)]
impl Fills {
    pub fn fill(&self, list: &List<u32>) -> usize {
        let mut batch = Batch::new();
        for number in 0..self.upto {
            batch
                .add(list, move |list| list.append(number))
                .expect("the server is this one");
        }
        let len = batch.add(list, List::len).expect("the server is this one");
        batch.send().expect("the server is this one");
        let first = call_async(list, |list| list.get(0));
        assert_eq!(first.wait().expect("the server is this one"), Some(0));
        len.get().expect("the server is this one")
    }
}

#[test]
fn the_server_itself_may_collect() {
    let _watchdog = watchdog();
    let manager = manager();
    let fills = manager.create(|| Fills { upto: 10 }, ()).unwrap();
    assert_eq!(fills.fill(&manager.list().unwrap()).unwrap(), 10);
}

/// Runs a future on this thread.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

// MGR-045
#[test]
fn calls_are_awaited_in_any_order() {
    let _watchdog = watchdog();
    let (manager, client) = visited();
    let queue = manager.queue::<usize>().unwrap();
    manager.register("queue", &queue).unwrap();
    let visitors: Queue<usize> = client.get("queue").unwrap();
    for queue in [&queue, &visitors] {
        let waiting: Vec<_> = (0..16).map(|_| call_async(queue, Queue::get)).collect();
        eventually("all wait", || manager.stats().unwrap().running() == 16);
        assert!(waiting.iter().all(|item| !item.is_done()));
        for number in 0..16 {
            block_on(call_async(queue, move |queue| queue.put(&number))).unwrap();
        }
        let mut items: Vec<usize> = waiting
            .into_iter()
            .rev()
            .map(|item| block_on(item).unwrap())
            .collect();
        items.sort_unstable();
        assert_eq!(items, (0..16).collect::<Vec<_>>());
    }
    // What a method makes of its reply, and errors of its own.
    let semaphore = manager.semaphore(1).unwrap();
    let taken = block_on(call_async(&semaphore, |semaphore| {
        semaphore.acquire()?.forget()
    }));
    taken.unwrap();
    assert_eq!(semaphore.available().unwrap(), 0);
    let wrong = call_async(&semaphore, |_| Ok::<_, ManagerError>(1));
    assert!(matches!(block_on(wrong), Err(ManagerError::NotCollected)));
}

#[test]
fn a_future_that_is_dropped_leaves_nothing() {
    let _watchdog = watchdog();
    let manager = manager();
    let lists = manager.queue::<List<u8>>().unwrap();
    for _ in 0..3 {
        drop(call_async(&lists, Queue::get));
    }
    for _ in 0..3 {
        lists.put(&manager.list().unwrap()).unwrap();
    }
    eventually("the lists are gone", || {
        manager.object_count().unwrap() == 1
    });
    assert!(lists.is_empty().unwrap());
}

/// Returns the manager's error inside of a queue's.
fn servers(got: Result<u8, GetError>) -> ManagerError {
    match got {
        Err(GetError::Fault(Fault::Server(error))) => {
            *error.downcast().expect("it is the manager's")
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn they_end_with_the_server() {
    let _watchdog = watchdog();
    let manager = manager();
    let (queue, value) = (manager.queue::<u8>().unwrap(), manager.value(1).unwrap());
    let waiting = call_async(&queue, Queue::get);
    let mut batch = Batch::new();
    let item = batch.add(&queue, Queue::get).unwrap();
    eventually("it waits", || manager.stats().unwrap().running() == 1);
    let pid = manager.pid();
    thread::scope(|scope| {
        let sending = scope.spawn(|| batch.send());
        eventually("both wait", || manager.stats().unwrap().running() == 2);
        kill9(pid);
        assert!(matches!(sending.join().unwrap(), Err(ManagerError::Gone)));
    });
    assert!(matches!(servers(item.get()), ManagerError::Collected));
    assert!(matches!(servers(block_on(waiting)), ManagerError::Gone));
    assert!(matches!(
        call_async(&value, Value::get).wait(),
        Err(ManagerError::Gone)
    ));
}

#[test]
fn every_process_has_its_own() {
    let _watchdog = watchdog();
    let manager = manager();
    let value = manager.value(1).unwrap();
    let own = value.clone();
    assert_eq!(call_async(&own, Value::get).wait().unwrap(), 1);
    let add = |value: Value<i32>| -> anyhow::Result<i32> {
        let same = value.clone();
        call_async(&same, |same| same.set(2)).wait()?;
        Ok(call_async(&value, Value::get).wait()?)
    };
    assert_eq!(start(add, (value,)).join().unwrap(), 2);
}
