//! Whatever a thread has in its own memory is dropped when the thread ends, after the library's own of that
//! thread: it is dropped all the same.

#![expect(
    clippy::unwrap_used,
    reason = "a thread fails by panicking, like a test"
)]

use procession::manager::{Batch, Dict, List};
use procession::{
    Array, Barrier, Condition, Connection, Event, Lock, Manager, Pipe, Pool, Process, Queue, RLock,
    Semaphore, Value,
};
use procession_testkit::{eventually, watchdog};
use std::any::Any;
use std::cell::RefCell;
use std::thread;

procession::enable_in_tests!();

thread_local! {
    static LATE: RefCell<Vec<Box<dyn Any>>> = const { RefCell::new(Vec::new()) };
}

/// Has a thread end that keeps what `make` makes. What the library has in that thread's memory is made later,
/// and so goes earlier.
fn drop_late(make: impl FnOnce() -> Vec<Box<dyn Any>> + Send) {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            LATE.with_borrow(Vec::len);
            let kept = make();
            LATE.with_borrow_mut(|late| late.extend(kept));
        });
        thread.join().unwrap();
    });
}

/// Sends when it is dropped.
struct Sends<T>(Connection<T, T>, T)
where
    T: serde::Serialize + serde::de::DeserializeOwned;

impl<T: serde::Serialize + serde::de::DeserializeOwned> Drop for Sends<T> {
    fn drop(&mut self) {
        // What has a handle in it is refused then.
        let _ = self.0.send(&self.1);
    }
}

#[test]
fn proxies_go_with_their_thread() {
    let _watchdog = watchdog();
    let manager = Manager::start().unwrap();
    let before = manager.object_count().unwrap();
    drop_late(|| {
        let list = manager.list::<u32>().unwrap();
        list.append(7).unwrap();
        let dict = manager.dict::<String, u32>().unwrap();
        dict.insert("seven".to_owned(), 7_u32).unwrap();
        let lock = manager.lock().unwrap();
        drop(lock.acquire().unwrap());
        let queue = manager.queue::<String>().unwrap();
        queue.put(&"seven".to_owned()).unwrap();
        vec![
            Box::new(list),
            Box::new(dict),
            Box::new(lock),
            Box::new(queue),
        ]
    });
    eventually("the server has dropped them", || {
        manager.object_count().unwrap() == before
    });
}

#[test]
fn handles_go_with_their_thread() {
    let _watchdog = watchdog();
    drop_late(|| {
        let lock = Lock::new().unwrap();
        let queue = Queue::<String>::new().unwrap();
        queue.put(&"seven".to_owned()).unwrap();
        vec![
            Box::new(Array::<u8>::zeroed(1 << 16).unwrap()),
            Box::new(Value::new(7_u32).unwrap()),
            Box::new(Condition::new(&lock).unwrap()),
            Box::new(lock),
            Box::new(queue),
            Box::new(RLock::new().unwrap()),
            Box::new(Semaphore::new(1).unwrap()),
            Box::new(Event::new().unwrap()),
            Box::new(Barrier::new(2).unwrap()),
            Box::new(Process::spawn(|| 7, ()).unwrap()),
            Box::new(Pool::new(1).unwrap()),
            Box::new(Manager::start().unwrap()),
        ]
    });
}

#[test]
fn what_sends_as_it_is_dropped_sends() {
    let _watchdog = watchdog();
    let (here, there) = Pipe::duplex::<String, String>().unwrap();
    let (_lost, nowhere) = Pipe::duplex::<Value<u8>, Value<u8>>().unwrap();
    drop_late(|| {
        let text = Sends(there, "seven".repeat(20_000));
        let handle = Sends(nowhere, Value::new(7).unwrap());
        vec![Box::new(text), Box::new(handle)]
    });
    assert_eq!(here.recv().unwrap(), "seven".repeat(20_000));
}

/// Calls a manager's objects when it is dropped, with a proxy among the arguments, and in one trip.
struct Calls(Dict<u8, List<u32>>, List<u32>);

impl Drop for Calls {
    fn drop(&mut self) {
        let Self(dict, list) = self;
        list.append(7).unwrap();
        dict.insert(1_u8, list.clone()).unwrap();
        list.with(|items| items.push(8)).unwrap();
        let mut batch = Batch::new();
        let len = batch.add(list, List::len).unwrap();
        batch.send().unwrap();
        assert_eq!(len.get().unwrap(), 2);
    }
}

#[test]
fn what_calls_as_it_is_dropped_calls() {
    let _watchdog = watchdog();
    for builder in [Manager::builder(), Manager::builder().rings(4096)] {
        let manager = builder.start().unwrap();
        let dict = manager.dict().unwrap();
        drop_late(|| {
            let list = manager.list().unwrap();
            list.clear().unwrap();
            vec![Box::new(Calls(dict.clone(), list))]
        });
        let list = dict.get(1_u8).unwrap().unwrap();
        assert_eq!(list.to_vec().unwrap(), [7, 8]);
    }
}
