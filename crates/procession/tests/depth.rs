//! A value that nests too deep is refused by whoever was to send it, and costs nobody else anything.

#![expect(clippy::unwrap_used, reason = "tasks fail by panicking, like tests")]

use procession::manager::Manager;
use procession::{Pipe, Pool, Process, Queue, StartMethod, inherit};
use procession_testkit::watchdog;
use serde::{Deserialize, Serialize};
use std::fmt::{Debug, Display};

procession::enable_in_tests!();

/// A list of itself.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Chain {
    next: Option<Box<Self>>,
}

impl Chain {
    fn of(len: u32) -> Self {
        let wrap = |next| Self {
            next: Some(Box::new(next)),
        };
        (0..len).fold(Self::default(), |next, _| wrap(next))
    }

    fn len(&self) -> usize {
        std::iter::successors(self.next.as_ref(), |node| node.next.as_ref()).count()
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        let mut next = self.next.take();
        while let Some(mut node) = next {
            next = node.next.take();
        }
    }
}

const DEEP: u32 = 100_000;
const FINE: u32 = 240;

#[track_caller]
fn refused<T: Debug, E: Display>(result: Result<T, E>) {
    let error = result.map(drop).unwrap_err().to_string();
    assert!(
        error.contains("it nests more than 500 levels deep"),
        "{error}"
    );
}

// VAL-008
#[test]
fn by_a_queue() {
    let _watchdog = watchdog();
    let queue = Queue::new().unwrap();
    refused(queue.put(&Chain::of(DEEP)));
    queue.put(&Chain::of(FINE)).unwrap();
    assert_eq!(queue.get().unwrap().len(), FINE as usize);
    assert!(queue.is_empty().unwrap());
}

// VAL-008
#[test]
fn by_a_pipe() {
    let _watchdog = watchdog();
    let (here, there) = Pipe::duplex::<Chain, ()>().unwrap();
    refused(here.send(&Chain::of(DEEP)));
    here.send(&Chain::of(FINE)).unwrap();
    assert_eq!(there.recv().unwrap().len(), FINE as usize);
}

// VAL-008
#[test]
fn by_a_process() {
    let _watchdog = watchdog();
    for method in [StartMethod::ForkServer, StartMethod::Spawn] {
        let process = || Process::builder().start_method(method);
        refused(process().spawn(|chain: Chain| chain.len(), (Chain::of(DEEP),)));
        refused(process().spawn(Chain::of, (DEEP,)).unwrap().join());
        let echoed = process().spawn(|chain: Chain| chain, (Chain::of(FINE),));
        assert_eq!(echoed.unwrap().join().unwrap().len(), FINE as usize);
    }
}

// VAL-008
#[test]
fn by_a_fork() {
    let _watchdog = watchdog();
    let forks = || {
        refused(Process::fork(|| Chain::of(DEEP)).unwrap().join());
        let fine = Process::fork(|| Chain::of(FINE)).unwrap().join();
        assert_eq!(fine.unwrap().len(), FINE as usize);
    };
    let alone = Process::builder().start_method(StartMethod::Spawn);
    alone.spawn(forks, ()).unwrap().join().unwrap();
}

// VAL-008
#[test]
fn by_what_a_child_inherits() {
    let _watchdog = watchdog();
    let inherits = || {
        inherit(|_: Chain| (), Chain::of(DEEP)).unwrap();
        refused(Process::spawn(|| (), ()));
    };
    Process::spawn(inherits, ()).unwrap().join().unwrap();
}

// VAL-008
#[test]
fn by_a_pool() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let workers = pool.worker_pids();
    refused(pool.apply(|chain: Chain| chain.len(), (Chain::of(DEEP),)));
    refused(pool.map(|chain: Chain| chain.len(), [Chain::of(1), Chain::of(DEEP)]));
    refused(pool.apply(Chain::of, (DEEP,)));
    let echoed = pool.apply(|chain: Chain| chain, (Chain::of(FINE),));
    assert_eq!(echoed.unwrap().len(), FINE as usize);
    assert_eq!(pool.worker_pids(), workers);
}

// VAL-008
#[test]
fn by_a_manager() {
    let _watchdog = watchdog();
    let manager = Manager::start().unwrap();
    let list = manager.list::<Chain>().unwrap();
    refused(list.append(Chain::of(DEEP)));
    list.append(Chain::of(FINE)).unwrap();
    refused(list.with(|_| Chain::of(DEEP)));
    assert_eq!(list.get(0).unwrap().unwrap().len(), FINE as usize);
}

#[test]
fn the_causes_of_an_error_may_be_many() {
    let _watchdog = watchdog();
    let fails = || -> anyhow::Result<()> {
        let root = anyhow::anyhow!("the cause");
        Err((0..5_000).fold(root, anyhow::Error::context))
    };
    let error = Process::spawn(fails, ()).unwrap().join().unwrap_err();
    let procession::Cause::Call(procession::Failure::Failed(error)) = error.cause() else {
        panic!("{error}");
    };
    assert_eq!(error.chain().count(), 5_001);
    assert_eq!(error.chain().last(), Some("the cause"));
}
