//! What processes share, of every kind, is given back when they are killed: at any instruction while they make it,
//! pass it on and drop it, and in a crowd that does so at random.

#![expect(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "a task fails by panicking, like a test, and owns its arguments"
)]

use procession::{
    Array, Barrier, BoundedSemaphore, Condition, Event, Lock, Process, Queue, RLock, RawArray,
    RawValue, RwLock, Semaphore, ShareableList, Shared, SharedMemory, Value, family, sweep,
};
use procession_testkit::helper::{Helper, arrive, read, roundtrip, say, wait_for_end};
use procession_testkit::steps::{self, Reached, Traced};
use procession_testkit::{shared_memory, watchdog};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::env;
use std::ops::Range;
use std::path::Path;
use std::process::id;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

procession::enable_in_tests!();
procession_testkit::helpers!(make_pass_on_and_drop, publish_pass_on_and_drop);

/// The tests look at what the whole program has in shared memory.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn objects() -> BTreeSet<String> {
    let usage = family::usage().unwrap();
    let objects = usage.objects().iter();
    objects.map(|object| object.name.clone()).collect()
}

/// Something of each kind.
#[derive(Clone, Serialize, Deserialize)]
enum Thing {
    Lock(Lock),
    RLock(RLock),
    RwLock(RwLock),
    Semaphore(Semaphore),
    Bounded(BoundedSemaphore),
    Condition(Condition),
    Event(Event),
    Barrier(Barrier),
    Value(Value<u64>),
    Array(Array<u8>),
    RawValue(RawValue<u64>),
    RawArray(RawArray<u8>),
    Queue(Queue<u8>),
    Shared(Shared<AtomicU64>),
}

const KINDS: usize = 16;

impl Thing {
    fn of_kind(kind: usize) -> Self {
        match kind {
            0 => Self::Lock(Lock::new().unwrap()),
            1 => Self::RLock(RLock::new().unwrap()),
            2 => Self::RwLock(RwLock::new().unwrap()),
            3 => Self::Semaphore(Semaphore::new(1).unwrap()),
            4 => Self::Bounded(BoundedSemaphore::new(1).unwrap()),
            5 => Self::Condition(Condition::new(&Lock::new().unwrap()).unwrap()),
            6 => Self::Event(Event::new().unwrap()),
            7 => Self::Barrier(Barrier::new(2).unwrap()),
            8 => Self::Value(Value::new(1).unwrap()),
            9 => Self::Array(Array::zeroed(1000).unwrap()),
            10 => Self::Array(Array::zeroed(50_000).unwrap()),
            11 => Self::RawValue(RawValue::new(1).unwrap()),
            12 => Self::RawArray(RawArray::zeroed(1000).unwrap()),
            13 => Self::RawArray(RawArray::zeroed(50_000).unwrap()),
            14 => Self::Queue(Queue::new().unwrap()),
            _ => Self::Shared(Shared::new(AtomicU64::new(1)).unwrap()),
        }
    }

    /// Uses what can be used without waiting.
    fn touch(&self) {
        match self {
            Self::Lock(lock) => drop(lock.try_acquire()),
            Self::RLock(lock) => drop(lock.try_acquire()),
            Self::RwLock(lock) => drop(lock.try_read()),
            Self::Semaphore(permits) => drop(permits.try_acquire()),
            Self::Bounded(permits) => drop(permits.try_acquire()),
            Self::Condition(condition) => drop(condition.notify_all()),
            Self::Event(event) => event.set(),
            Self::Barrier(barrier) => assert_eq!(barrier.parties(), 2),
            Self::Value(value) => drop(value.try_lock().map(|mut value| *value += 1)),
            Self::Array(array) => drop(array.try_lock().map(|mut array| array[7] = 7)),
            Self::RawValue(value) => value.set(7),
            Self::RawArray(array) => array.set(7, 7),
            Self::Queue(queue) => assert!(queue.len().is_ok()),
            Self::Shared(shared) => drop(shared.fetch_add(1, Relaxed)),
        }
    }
}

fn make_pass_on_and_drop() {
    let Some(kind) = arrive::<usize>() else {
        return;
    };
    let work = || {
        let thing = Thing::of_kind(kind);
        let same = thing.clone();
        let received = roundtrip(&thing);
        drop((thing, same));
        received.touch();
    };
    work();
    say("ready");
    steps::begin();
    work();
    steps::end();
    wait_for_end();
}

/// Kills a process within its work on things of these kinds: after some numbers of instructions, or after each with
/// `PROCESSION_TEST_EVERY_STEP=1`.
fn cut_short(kinds: Range<usize>) {
    let (_watchdog, _alone) = (watchdog(), alone());
    let kept = Value::new(1).unwrap();
    let before = objects();
    for kind in kinds {
        let kill_after = |steps| {
            let mut helper = Helper::with("make_pass_on_and_drop", &kind);
            let reached = Traced::new(helper.pid()).kill_after(steps);
            helper.kill9();
            family::give_back();
            assert_eq!(objects(), before, "kind {kind}, {steps} instructions");
            reached
        };
        if env::var_os("PROCESSION_TEST_EVERY_STEP").is_some() {
            let mut steps = 0;
            while !matches!(kill_after(steps), Reached::End(_)) {
                steps += 1;
            }
        } else {
            // Elsewhere for each kind; to measure the work first would take longest.
            for steps in [kind * 211, 3000 + kind * 1009, 20_000 + kind * 2003] {
                kill_after(steps);
            }
        }
    }
    assert_eq!((kept.get(), kept.segment().holders()), (1, 1));
}

// SHM-039
#[test]
fn who_is_killed_at_any_instruction_leaves_no_locks() {
    cut_short(0..5);
}

// SHM-039
#[test]
fn who_is_killed_at_any_instruction_leaves_no_events_and_values() {
    cut_short(5..10);
}

// SHM-039
#[test]
fn who_is_killed_at_any_instruction_leaves_no_arrays_and_queues() {
    cut_short(10..KINDS);
}

const ITEMS: [i64; 3] = [7, -8, 1 << 40];

/// Does as its kin with what has a name for other programs.
fn publish_pass_on_and_drop() {
    let Some(name) = read() else { return };
    let work = |name: &str| {
        let block = SharedMemory::create(&format!("{name}-block"), 10_000).unwrap();
        let list = ShareableList::with_name(&format!("{name}-list"), ITEMS).unwrap();
        let received = roundtrip(&(block.clone(), list.clone()));
        drop((block, list));
        received.0.write_at(9_999, &[7]).unwrap();
        received.1.set(0, 8_i64).unwrap();
    };
    work(&format!("{name}-before"));
    // By this the test knows the family.
    say(Value::new(1)
        .unwrap()
        .segment()
        .name()
        .split('-')
        .nth(1)
        .unwrap());
    steps::begin();
    work(&name);
    steps::end();
    wait_for_end();
}

/// Whatever has been published is whole; nothing of it outlives its family.
// SHM-039
#[test]
fn who_is_killed_at_any_instruction_leaves_no_blocks_and_no_half_of_one() {
    let _watchdog = watchdog();
    let name = format!("test-procession-{}-published", id());
    let published = |what: &str| {
        Path::new("/dev/shm")
            .join(format!("{name}-{what}"))
            .exists()
    };
    let kill_after = |steps| {
        let mut helper = Helper::start("publish_pass_on_and_drop", std::slice::from_ref(&name));
        let reached = Traced::new(helper.pid()).kill_after(steps);
        helper.kill9();
        if published("block") {
            let block = SharedMemory::attach(&format!("{name}-block")).unwrap();
            assert_eq!(block.len(), 10_000, "{steps} instructions");
        }
        if published("list") {
            let list = ShareableList::attach(&format!("{name}-list")).unwrap();
            assert_eq!(list.len(), ITEMS.len(), "{steps} instructions");
            assert_eq!(
                list.get(1).unwrap(),
                ITEMS[1].into(),
                "{steps} instructions"
            );
        }
        let family = helper.hear();
        sweep();
        assert_eq!(
            shared_memory(&family),
            BTreeSet::new(),
            "{steps} instructions"
        );
        assert!(
            !published("block") && !published("list"),
            "{steps} instructions"
        );
        reached
    };
    if env::var_os("PROCESSION_TEST_EVERY_STEP").is_some() {
        let mut steps = 0;
        while !matches!(kill_after(steps), Reached::End(_)) {
            steps += 1;
        }
    }
    for steps in (0..6).map(|at| 211 + at * 4507) {
        kill_after(steps);
    }
}

/// Numbers that a seed determines.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % limit
    }
}

/// Makes things, passes them on, holds some, and uses what comes, until it is killed.
fn wander(things: Queue<Thing>, seed: u64) {
    let mut dice = Dice(seed | 1);
    let mut held = Vec::new();
    loop {
        let thing = Thing::of_kind(dice.below(KINDS));
        things.put(&thing).unwrap();
        held.push(thing);
        if let Ok(thing) = things.get_timeout(Duration::from_millis(50)) {
            thing.touch();
            held.push(thing);
        }
        while held.len() > 12 {
            held.swap_remove(dice.below(held.len()));
        }
    }
}

// SHM-039
#[test]
fn a_crowd_that_shares_everything_and_is_killed_at_random_leaves_nothing() {
    const PROCESSES: usize = 4;
    let (_watchdog, _alone) = (watchdog(), alone());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = match env::var("PROCESSION_TEST_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => now.as_nanos() as u64,
    };
    let mut dice = Dice(seed | 1);
    let kept = Value::new(1).unwrap();
    drop(Process::spawn(|| (), ()).unwrap().join());
    let before = objects();
    for _ in 0..3 {
        let things = Queue::<Thing>::new().unwrap();
        let start = |dice: &mut Dice| {
            let seed = dice.below(usize::MAX) as u64;
            Process::spawn(wander, (things.clone(), seed)).unwrap()
        };
        let mut crowd: Vec<_> = (0..PROCESSES).map(|_| start(&mut dice)).collect();
        for _ in 0..6 {
            thread::sleep(Duration::from_millis(dice.below(40) as u64));
            let killed = crowd.swap_remove(dice.below(crowd.len()));
            killed.kill().unwrap();
            // One that panicked has found something wrong.
            let end = killed.join().unwrap_err().to_string();
            assert!(end.contains("SIGKILL"), "seed {seed}: {end}");
            crowd.push(start(&mut dice));
        }
        for process in crowd {
            process.kill().unwrap();
            drop(process.join());
        }
        drop(things);
        family::give_back();
        assert_eq!(
            objects(),
            before,
            "seed {seed}\n{}",
            family::usage().unwrap()
        );
    }
    assert_eq!((kept.get(), kept.segment().holders()), (1, 1));
}
