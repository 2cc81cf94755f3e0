//! What a program has in shared memory, and who holds it.

#![expect(clippy::unwrap_used, reason = "a test or a task fails by panicking")]

use procession::family::{self, HeldBy};
use procession::{
    Array, Barrier, Condition, Event, Lock, Process, Queue, RLock, RwLock, Semaphore, Value,
};
use procession_testkit::{eventually, watchdog};
use std::process;

procession::enable_in_tests!();

type All = (
    (Lock, RLock, RwLock, Semaphore, Condition),
    (Event, Barrier, Value<u32>, Array<u8>, Queue<Lock>),
);

fn all() -> All {
    let lock = Lock::new().unwrap();
    let condition = Condition::new(&lock).unwrap();
    (
        (
            lock,
            RLock::new().unwrap(),
            RwLock::new().unwrap(),
            Semaphore::new(1).unwrap(),
            condition,
        ),
        (
            Event::new().unwrap(),
            Barrier::new(2).unwrap(),
            Value::new(7).unwrap(),
            Array::zeroed(1 << 20).unwrap(),
            Queue::new().unwrap(),
        ),
    )
}

fn hold(all: All, ready: Event, end: Event) {
    ready.set();
    end.wait();
    drop(all);
}

// SHM-037
#[test]
fn usage_tells_objects_by_kind_and_holder() {
    let _watchdog = watchdog();
    assert_eq!(family::usage().unwrap().segments(), 0, "nothing is shared");
    let (ready, end) = (Event::new().unwrap(), Event::new().unwrap());
    let own = family::usage().unwrap().objects().len();
    let things = all();
    let queued = Lock::new().unwrap();
    things.1.4.put(&queued).unwrap();
    let arguments = (things, ready.clone(), end.clone());
    let child = Process::spawn(hold, arguments).unwrap();
    ready.wait();

    let usage = family::usage().unwrap();
    for (kind, number) in [
        ("lock", 2),
        ("rlock", 1),
        ("read-write lock", 1),
        ("semaphore", 1),
        ("condition", 1),
        ("event", 3),
        ("barrier", 1),
        ("value", 1),
        ("array", 1),
    ] {
        assert_eq!(usage.by_kind()[kind].0, number, "{kind}");
    }
    assert!(usage.by_kind()["array"].1 >= 1 << 20);
    let by_process = usage.by_process();
    assert!(by_process[&child.pid()].0 >= 12, "{usage}");
    assert!(by_process[&child.pid()].1 >= 1 << 20, "{usage}");
    let mut queued_lock = usage
        .objects()
        .iter()
        .filter(|object| object.kind == "lock");
    let in_queue = queued_lock.find(|object| object.holders.contains(&HeldBy::Queued(1)));
    let holders = &in_queue.unwrap().holders;
    assert!(holders.contains(&HeldBy::Process(process::id())), "{usage}");
    let words = usage.to_string();
    for part in ["12 ", "barrier", "read-write lock", "in slabs"] {
        assert!(words.contains(part), "{words}");
    }
    assert!(
        words.contains(&format!("process {}", child.pid())),
        "{words}"
    );

    drop(queued);
    end.set();
    child.join().unwrap();
    eventually("all is given back", || {
        family::usage().unwrap().objects().len() == own
    });
    drop((ready, end));
    assert!(family::usage().unwrap().objects().is_empty());
}
