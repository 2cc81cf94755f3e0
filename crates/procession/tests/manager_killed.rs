//! Clients of a manager, killed at any instruction of a call and at random moments: the server lives, and has
//! back what they had.
//!
//! The suite spreads some kills over each call; with `PROCESSION_TEST_EVERY_STEP=1` there is one at each
//! instruction.

#![expect(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "a task fails by panicking, like a test, and owns its arguments"
)]

use procession::manager::{Batch, List, Lock, ManagerHandle, Queue, Semaphore, call_async};
use procession::{AcquireError, Event, Manager, Process};
use procession_testkit::steps::{self, Reached, Traced};
use procession_testkit::{eventually, kill9, watchdog};
use serde::{Deserialize, Serialize};
use std::env;
use std::time::Duration;

procession::enable_in_tests!();

/// What a client works with.
#[derive(Clone, Serialize, Deserialize)]
struct Things {
    manager: ManagerHandle,
    lock: Lock,
    semaphore: Semaphore,
    queue: Queue<u32>,
    lists: List<List<u32>>,
    list: List<u32>,
}

const PERMITS: u32 = 3;

impl Things {
    fn new(manager: &Manager) -> Self {
        Self {
            manager: manager.handle(),
            lock: manager.lock().unwrap(),
            semaphore: manager.semaphore(PERMITS).unwrap(),
            queue: manager.queue().unwrap(),
            lists: manager.list().unwrap(),
            list: manager.list().unwrap(),
        }
    }

    /// Looks whether all is as if the killed client had never been, except for what it had done.
    fn check(&self, is_poisoned_allowed: bool) {
        eventually("the client is forgotten", || {
            self.manager.stats().unwrap().clients.len() == 1
        });
        match self.lock.acquire() {
            Ok(_) => {}
            Err(AcquireError::Poisoned(_)) if is_poisoned_allowed => {
                self.lock.clear_poison().unwrap();
            }
            Err(error) => panic!("{error}"),
        }
        assert_eq!(self.semaphore.available().unwrap(), PERMITS);
        self.lists.clear().unwrap();
        let objects = || self.manager.debug_info().unwrap();
        eventually(&format!("no list is left but ours: {}", objects()), || {
            self.manager.object_count().unwrap() == 5
        });
        let stats = self.manager.stats().unwrap();
        let sent: u64 = stats.objects.iter().map(|one| one.in_messages).sum();
        assert_eq!((sent, stats.running()), (0, 0), "{stats}");
        // A client killed between the two leaves what it put.
        while self.queue.try_get().is_ok() {}
    }
}

type Call = fn(&Things);

fn lock(things: &Things) {
    drop(things.lock.acquire().unwrap());
}

fn semaphore(things: &Things) {
    drop(things.semaphore.acquire().unwrap());
}

fn queue(things: &Things) {
    things.queue.put(&7).unwrap();
    things.queue.get().unwrap();
}

fn nested(things: &Things) {
    things.lists.append(things.manager.list().unwrap()).unwrap();
    things.lists.get(0).unwrap();
}

fn batch(things: &Things) {
    let mut batch = Batch::new();
    for number in 0..3 {
        batch
            .add(&things.list, move |list| list.append(number))
            .unwrap();
    }
    let len = batch.add(&things.list, List::len).unwrap();
    batch.send().unwrap();
    len.get().unwrap();
}

fn stepped<F: Fn(&Things)>(call: F, go: Event, things: Things) {
    // Nothing is made or loaded on the way of the second call.
    call(&things);
    go.wait();
    steps::begin();
    call(&things);
    steps::end();
}

/// How many kills are spread over a call.
fn kills(instructions: usize) -> usize {
    match env::var_os("PROCESSION_TEST_EVERY_STEP") {
        Some(_) => instructions,
        None => 5,
    }
}

/// Kills clients within a call, each at another instruction, over sockets and over rings.
fn cut_short(task: fn(Event, Things) -> Process<()>) {
    let _watchdog = watchdog();
    for builder in [
        Manager::builder().without_rings(),
        Manager::builder().rings(4096),
    ] {
        let manager = builder.start().unwrap();
        let things = Things::new(&manager);
        let kill_after = |steps| {
            let go = Event::new().unwrap();
            let child = task(go.clone(), things.clone());
            let traced = Traced::new(child.pid());
            go.set();
            let reached = traced.kill_after(steps);
            child.join().unwrap_err();
            things.check(true);
            reached
        };
        let Reached::End(instructions) = kill_after(usize::MAX) else {
            panic!("it does not come to its end");
        };
        let kills = kills(instructions);
        for number in 0..kills {
            kill_after(instructions * number / kills);
        }
        assert_eq!(manager.handle().stats().unwrap().clients.len(), 1);
        manager.shutdown().unwrap();
    }
}

/// Makes a function that starts a client with a call.
macro_rules! client {
    ($call:ident) => {
        |go, things| {
            let task = |go: Event, things: Things| stepped($call, go, things);
            Process::spawn(task, (go, things)).unwrap()
        }
    };
}

// MGR-046
#[test]
fn at_any_instruction_of_acquiring_and_releasing() {
    cut_short(client!(lock));
    cut_short(client!(semaphore));
}

// MGR-046
#[test]
fn at_any_instruction_of_handing_over() {
    cut_short(client!(queue));
    cut_short(client!(batch));
}

// MGR-046
#[test]
fn at_any_instruction_of_sending_a_proxy() {
    cut_short(client!(nested));
}

// MGR-047
#[test]
fn at_random() {
    let _watchdog = watchdog();
    let manager = Manager::start().unwrap();
    let things = Things::new(&manager);
    let work = |things: Things| -> () {
        loop {
            for call in [semaphore as Call, queue, nested, batch] {
                call(&things);
            }
            let held = things.lock.acquire();
            let _ = things.list.append(1);
            drop(held);
            let waiting = call_async(&things.queue, Queue::get);
            things.queue.put(&1).unwrap();
            waiting.wait().unwrap();
        }
    };
    // The same moments in each run, as far as the machine allows.
    let mut random = 0x2545_f491_u64;
    for _ in 0..20 {
        let children: Vec<_> = (0..3)
            .map(|_| Process::spawn(work, (things.clone(),)).unwrap())
            .collect();
        // A message that its receiver never decodes keeps its objects: what is killed here has decoded it.
        eventually("all work", || {
            let clients = things.manager.stats().unwrap().clients;
            clients.iter().filter(|client| client.calls > 0).count() == 4
        });
        for child in children {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            std::thread::sleep(Duration::from_micros(random >> 51));
            kill9(child.pid());
            child.join().unwrap_err();
        }
        things.check(true);
    }
    assert_eq!(things.manager.stats().unwrap().clients.len(), 1);
}

/// As many as there are to be at once.
const CLIENTS: usize = 256;

// MGR-048
#[test]
fn many_at_once_and_none_is_left() {
    let _watchdog = watchdog();
    let manager = Manager::start().unwrap();
    let things = Things::new(&manager);
    let count = |what: &str| {
        std::fs::read_dir(format!("/proc/{}/{what}", manager.pid()))
            .unwrap()
            .count()
    };
    let (threads, files) = (count("task"), count("fd"));
    let gate = manager.event().unwrap();
    let work = |things: Things, gate: procession::manager::Event| {
        things.list.append(1).unwrap();
        gate.wait().unwrap();
        let _permit = things.semaphore.acquire().unwrap();
        things.list.len().unwrap()
    };
    let children: Vec<_> = (0..CLIENTS)
        .map(|_| Process::spawn(work, (things.clone(), gate.clone())).unwrap())
        .collect();
    eventually("all wait", || {
        things.manager.stats().unwrap().running() == CLIENTS as u64
    });
    let stats = things.manager.stats().unwrap();
    assert_eq!(stats.clients.len(), CLIENTS + 1);
    // A thread for what a client says about its handles, and one for each call.
    assert!(
        count("task") <= threads + 2 * CLIENTS + 2,
        "{} threads",
        count("task")
    );
    gate.set().unwrap();
    for child in children {
        assert_eq!(child.join().unwrap(), CLIENTS);
    }
    eventually("their threads are gone", || count("task") <= threads + 1);
    eventually("their descriptors are gone", || count("fd") <= files + 2);
    drop(gate);
    things.check(false);
}
