//! The memory of a process that was killed is given back while the program goes on.

#![expect(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "a task fails by panicking, like a test, and owns its arguments"
)]

use procession::{Array, Pipe, Pool, Process, Queue, Value, family};
use procession_testkit::{eventually, shared_memory, watchdog};
use std::collections::BTreeSet;
use std::process;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::park;

procession::enable_in_tests!();

/// The tests look at what the whole program has in shared memory.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The names of all files but slabs and the lease, and of what lies in slabs.
fn names() -> BTreeSet<String> {
    let value = Value::new(0).unwrap();
    let name = value.segment().name();
    let family = name.split('-').nth(1).unwrap();
    let slab = format!("procession-{family}-0-");
    let files = shared_memory(family).into_iter();
    let objects = family::usage().unwrap();
    let objects = objects.objects().iter();
    let mut names: BTreeSet<_> = (files.filter(|name| !name.starts_with(&slab)))
        .chain(objects.map(|object| object.name[1..].to_owned()))
        .collect();
    names.remove(&name[1..]);
    names
}

/// Has an array that nobody else has, and dies.
fn die_with_an_array() {
    let array = Array::<u8>::zeroed(8 << 20).unwrap();
    nix::sys::signal::kill(nix::unistd::getpid(), nix::sys::signal::Signal::SIGKILL).unwrap();
    drop(array);
}

#[test]
fn what_killed_tasks_and_processes_held_alone_is_given_back() {
    let (_watchdog, _alone) = (watchdog(), alone());
    let pool = Pool::new(2).unwrap();
    assert!(pool.apply(|| true, ()).unwrap());
    let before: BTreeSet<_> = names();
    for _ in 0..15 {
        assert!(pool.apply(die_with_an_array, ()).is_err());
    }
    for _ in 0..5 {
        let child = Process::spawn(die_with_an_array, ()).unwrap();
        assert!(child.join().is_err());
    }
    let large = |name: &&String| {
        let file = std::fs::metadata(format!("/dev/shm/{name}"));
        file.is_ok_and(|file| file.len() > 8 << 20)
    };
    assert_eq!(names().iter().filter(large).count(), 0);
    drop(pool);
    eventually("the workers' memory is gone", || names().is_subset(&before));
}

#[test]
fn an_argument_of_a_child_that_is_killed_is_given_back() {
    fn hold(array: Array<u8>, ready: Value<bool>) {
        ready.set(true);
        loop {
            assert_eq!(array.len(), 1000);
            park();
        }
    }
    let (_watchdog, _alone) = (watchdog(), alone());
    let ready = Value::new(false).unwrap();
    let before = names();
    let array = Array::<u8>::zeroed(1000).unwrap();
    let child = Process::spawn(hold, (array, ready.clone())).unwrap();
    eventually("the child has it", || ready.get());
    assert_eq!(names().len(), before.len() + 1);
    child.kill().unwrap();
    child.join().unwrap_err();
    assert_eq!((names(), ready.segment().holders()), (before, 1));
}

#[test]
fn a_result_is_kept_though_its_maker_has_ended() {
    let (_watchdog, _alone) = (watchdog(), alone());
    let before = names();
    let child = Process::spawn(|| Array::from_iter(0..3).unwrap(), ()).unwrap();
    let array = child.join().unwrap();
    procession::sweep();
    assert_eq!(
        (array.to_vec(), array.segment().holders()),
        (vec![0, 1, 2], 1)
    );
    drop(array);
    assert_eq!(names(), before);
}

#[test]
fn what_lies_in_the_socket_of_a_killed_receiver_is_given_back() {
    let (_watchdog, _alone) = (watchdog(), alone());
    let before = names();
    let (here, there) = Pipe::duplex::<Array<i32>, Array<i32>>().unwrap();
    let deaf = |there: procession::Connection<Array<i32>, Array<i32>>| -> () {
        let _there = there;
        loop {
            park();
        }
    };
    let child = Process::spawn(deaf, (there,)).unwrap();
    for _ in 0..5 {
        here.send(&Array::from_iter(0..3).unwrap()).unwrap();
    }
    procession::sweep();
    assert_eq!(names().len(), before.len() + 5, "the messages hold them");
    child.kill().unwrap();
    child.join().unwrap_err();
    // This process is what holds the other end of the socket's messages now.
    drop(here);
    procession::sweep();
    assert_eq!(names(), before);
}

#[test]
fn what_lies_in_a_queue_outlives_its_producer_and_goes_with_the_queue() {
    fn produce(queue: Queue<Array<i32>>) -> anyhow::Result<()> {
        for number in 0..3 {
            queue.put(&Array::from_iter([number])?)?;
        }
        // Not a word to anybody.
        nix::sys::signal::kill(nix::unistd::getpid(), nix::sys::signal::Signal::SIGKILL)?;
        Ok(())
    }
    let (_watchdog, _alone) = (watchdog(), alone());
    let before = names();
    let queue = Queue::<Array<i32>>::new().unwrap();
    let child = Process::spawn(produce, (queue.clone(),)).unwrap();
    child.join().unwrap_err();
    let first = queue.get().unwrap();
    assert_eq!((first.to_vec(), first.segment().holders()), (vec![0], 1));
    drop(first);
    // A handle of the killed process was counted: nobody empties the queue.
    drop(queue);
    procession::sweep();
    assert_eq!(names(), before);
}

#[test]
fn a_large_item_and_chunks_of_a_killed_consumer_go_with_the_queue() {
    fn consume(queue: Queue<Vec<u8>>) {
        for _ in 0..60 {
            queue.get().unwrap();
        }
        process::abort();
    }
    let (_watchdog, _alone) = (watchdog(), alone());
    let before = names();
    let queue = Queue::<Vec<u8>>::new().unwrap();
    let large = vec![7; 3 << 20];
    for _ in 0..3 {
        queue.put(&large).unwrap();
    }
    for _ in 0..100 {
        queue.put(&vec![1; 100_000]).unwrap();
    }
    let child = Process::spawn(consume, (queue.clone(),)).unwrap();
    child.join().unwrap_err();
    assert_eq!(queue.get().unwrap().len(), 100_000);
    drop(queue);
    assert_eq!(names(), before);
}
