//! A waiter gets what another process holds again and again.
//!
//! The test holds something for a while, releases it and takes it again at once, in a loop, while
//! a helper process waits for it. What is counted is how often the test had it meanwhile.

#![expect(
    clippy::unwrap_used,
    reason = "a helper process fails by panicking, like a test"
)]

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procession_shm::{Array, Shared, Value};
use procession_sync::{BoundedSemaphore, Condition, Lock, RLock, RwLock, Semaphore};
use procession_testkit::helper::{Helper, arrive, say, wait_for_end};
use procession_testkit::{eventually, watchdog};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

procession_testkit::helpers!(want, await_notice);

/// How often the test may have something while another waits for it. A waiter that is not starved
/// needs one or two, and some more on a busy machine; with nothing that prevents it, it is never
/// served.
const ENOUGH: u32 = 100;
const HOLD: Duration = Duration::from_millis(20);

/// What can be held, and how.
#[derive(Clone, Serialize, Deserialize)]
enum Thing {
    Lock(Lock),
    TriedLock(Lock),
    TimedLock(Lock),
    RLock(RLock),
    Semaphore(Semaphore),
    TriedSemaphore(Semaphore),
    TimedSemaphore(Semaphore),
    BoundedSemaphore(BoundedSemaphore),
    Value(Value<u64>),
    ValueUpdate(Value<u64>),
    Array(Array<u64>),
    ArrayRange(Array<u64>),
    ArrayElement(Array<u64>),
    ArrayRead(Array<u64>),
    /// The test takes the part, and the waiter one that overlaps it.
    Part(Array<u64>),
    OtherPart(Array<u64>),
    /// The test writes, and a reader waits.
    Writing(RwLock),
    /// The test reads, and a writer waits.
    Reading(RwLock),
    /// Both write.
    WritingBoth(RwLock),
}

impl Thing {
    /// Does the work while holding it; returns false if it was not to be had without waiting.
    fn hold(&self, work: impl FnOnce()) -> bool {
        match self {
            Self::Lock(lock) => with(lock.acquire().unwrap(), work),
            Self::TriedLock(lock) => lock.try_acquire().is_ok_and(|held| with(held, work)),
            Self::TimedLock(lock) => {
                let held = lock.acquire_timeout(Duration::ZERO);
                held.is_ok_and(|held| with(held, work))
            }
            Self::RLock(lock) => with(lock.acquire().unwrap(), work),
            Self::Semaphore(permits) => with(permits.acquire().unwrap(), work),
            Self::TriedSemaphore(permits) => permits.try_acquire().is_ok_and(|it| with(it, work)),
            Self::TimedSemaphore(permits) => {
                let permit = permits.acquire_timeout(Duration::ZERO);
                permit.is_ok_and(|permit| with(permit, work))
            }
            Self::BoundedSemaphore(permits) => with(permits.acquire().unwrap(), work),
            Self::Value(value) => with(value.lock().unwrap(), work),
            Self::ValueUpdate(value) => with((), || value.update(|_| work())),
            Self::Array(array) => with(array.lock().unwrap(), work),
            Self::ArrayRange(array) => with((), || array.update_range(1..3, |_| work()).unwrap()),
            Self::ArrayElement(array) => with((), || array.update(1, |_| work())),
            Self::ArrayRead(array) => with(array.read().unwrap(), work),
            Self::Part(array) => with(array.part(..2).unwrap().lock().unwrap(), work),
            Self::OtherPart(array) => with(array.part(1..).unwrap().lock().unwrap(), work),
            Self::Writing(lock) | Self::WritingBoth(lock) => with(lock.write().unwrap(), work),
            Self::Reading(lock) => with(lock.read().unwrap(), work),
        }
    }

    /// What waits for it does so, whatever the test tries.
    fn to_wait_for(&self) -> Self {
        match self.clone() {
            Self::TriedLock(lock) | Self::TimedLock(lock) => Self::Lock(lock),
            Self::TriedSemaphore(it) | Self::TimedSemaphore(it) => Self::Semaphore(it),
            Self::ArrayRead(array) => Self::Array(array),
            Self::Part(array) => Self::OtherPart(array),
            Self::Writing(lock) => Self::Reading(lock),
            Self::Reading(lock) => Self::Writing(lock),
            other => other,
        }
    }
}

fn with<G>(guard: G, work: impl FnOnce()) -> bool {
    work();
    drop(guard);
    true
}

/// Makes that this process, when it wakes, does not take the processor from the one that wakes it,
/// which would end the competition before it begins.
fn never_preempt() {
    let none = libc::sched_param { sched_priority: 0 };
    // SAFETY: the parameters outlive the call.
    let result = unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const none) };
    assert_eq!(result, 0, "a process may become less urgent");
}

fn want() {
    let (thing, got): (Thing, Shared<AtomicU32>) = arrive().unwrap();
    never_preempt();
    say("here");
    thing.hold(|| _ = got.fetch_add(1, SeqCst));
    wait_for_end();
}

/// Starts a process that waits for what this one holds.
fn waiter(thing: &Thing, got: &Shared<AtomicU32>) -> Helper {
    let mut helper = Helper::with("want", &(thing.to_wait_for(), got.clone()));
    assert_eq!(helper.hear(), "here");
    thread::sleep(HOLD);
    helper
}

/// Holds and releases it until so many others have had it, `most` times at the most.
fn hold_until(thing: &Thing, got: &Shared<AtomicU32>, wanted: u32, most: u32) {
    let mut holds = 0;
    while got.load(SeqCst) < wanted {
        assert!(holds < most, "a waiter is starved");
        holds += u32::from(thing.hold(|| thread::sleep(HOLD)));
    }
}

fn nobody() -> Shared<AtomicU32> {
    Shared::new(AtomicU32::new(0)).unwrap()
}

fn is_not_starved(thing: &Thing) {
    let _watchdog = watchdog();
    let got = nobody();
    let mut helper = None;
    thing.hold(|| helper = Some(waiter(thing, &got)));
    hold_until(thing, &got, 1, ENOUGH);
    assert!(helper.unwrap().end().success());
}

// SYN-040
#[test]
fn the_waiter_for_a_lock_gets_it() {
    is_not_starved(&Thing::Lock(Lock::new().unwrap()));
}

// SYN-040
#[test]
fn the_waiter_for_a_lock_that_is_tried_in_a_loop_gets_it() {
    is_not_starved(&Thing::TriedLock(Lock::new().unwrap()));
}

// SYN-040
#[test]
fn the_waiter_for_a_lock_that_is_taken_with_a_timeout_gets_it() {
    is_not_starved(&Thing::TimedLock(Lock::new().unwrap()));
}

// SYN-040
#[test]
fn the_waiter_for_an_rlock_gets_it() {
    is_not_starved(&Thing::RLock(RLock::new().unwrap()));
}

// SYN-040
#[test]
fn the_waiter_for_a_permit_gets_it() {
    is_not_starved(&Thing::Semaphore(Semaphore::new(1).unwrap()));
}

// SYN-040
#[test]
fn the_waiter_for_a_permit_that_is_tried_in_a_loop_gets_it() {
    is_not_starved(&Thing::TriedSemaphore(Semaphore::new(1).unwrap()));
}

// SYN-040
#[test]
fn the_waiter_for_a_permit_that_is_taken_with_a_timeout_gets_it() {
    is_not_starved(&Thing::TimedSemaphore(Semaphore::new(1).unwrap()));
}

// SYN-040
#[test]
fn the_waiter_for_a_bounded_permit_gets_it() {
    is_not_starved(&Thing::BoundedSemaphore(BoundedSemaphore::new(1).unwrap()));
}

// SYN-040
#[test]
fn the_waiter_for_a_value_gets_it() {
    is_not_starved(&Thing::Value(Value::new(0).unwrap()));
}

// SYN-040
#[test]
fn the_waiter_for_a_value_that_is_updated_gets_it() {
    is_not_starved(&Thing::ValueUpdate(Value::new(0).unwrap()));
}

// SYN-040
#[test]
fn the_waiter_for_an_array_gets_it() {
    is_not_starved(&Thing::Array(Array::zeroed(4).unwrap()));
}

// SYN-040
#[test]
fn the_waiter_for_a_range_gets_it() {
    is_not_starved(&Thing::ArrayRange(Array::zeroed(4).unwrap()));
}

// SYN-040
#[test]
fn the_waiter_for_an_element_gets_it() {
    is_not_starved(&Thing::ArrayElement(Array::zeroed(4).unwrap()));
}

// SYN-040
#[test]
fn the_writer_that_waits_for_an_array_that_is_read_gets_it() {
    is_not_starved(&Thing::ArrayRead(Array::zeroed(3).unwrap()));
}

// SYN-040
#[test]
fn the_waiter_for_a_part_of_an_array_gets_it() {
    is_not_starved(&Thing::Part(Array::zeroed(3).unwrap()));
}

// SYN-034, SYN-040
#[test]
fn the_reader_that_waits_for_an_rwlock_gets_it() {
    is_not_starved(&Thing::Writing(RwLock::new().unwrap()));
}

// SYN-034, SYN-040
#[test]
fn the_writer_that_waits_for_an_rwlock_gets_it() {
    is_not_starved(&Thing::Reading(RwLock::new().unwrap()));
    is_not_starved(&Thing::WritingBoth(RwLock::new().unwrap()));
}

// SYN-040
#[test]
fn on_one_processor_too() {
    let before = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let first = (0..CpuSet::count()).find(|&cpu| before.is_set(cpu).unwrap());
    let mut one = CpuSet::new();
    one.set(first.unwrap()).unwrap();
    // Of this thread; the processes that it starts have no other.
    sched_setaffinity(Pid::from_raw(0), &one).unwrap();
    is_not_starved(&Thing::Lock(Lock::new().unwrap()));
    is_not_starved(&Thing::Semaphore(Semaphore::new(1).unwrap()));
}

fn await_notice() {
    let (condition, got): (Condition, Shared<AtomicU32>) = arrive().unwrap();
    never_preempt();
    let held = condition.acquire().unwrap();
    say("here");
    let _held = condition.wait(held).unwrap();
    got.store(1, SeqCst);
}

// SYN-040
#[test]
fn a_waiter_that_is_notified_gets_the_lock_of_its_condition() {
    let _watchdog = watchdog();
    let condition = Condition::new(&Lock::new().unwrap()).unwrap();
    let got = nobody();
    let mut helper = Helper::with("await_notice", &(condition.clone(), got.clone()));
    assert_eq!(helper.hear(), "here");
    let mut holds = 0;
    while got.load(SeqCst) == 0 {
        let _held = condition.acquire().unwrap();
        condition.notify_all().unwrap();
        holds += 1;
        assert!(holds <= ENOUGH, "the waiter is starved");
        thread::sleep(HOLD);
    }
    assert!(helper.end().success());
}

// SYN-040
#[test]
fn several_waiters_get_it_one_after_the_other() {
    let _watchdog = watchdog();
    for thing in [
        Thing::Lock(Lock::new().unwrap()),
        Thing::Semaphore(Semaphore::new(1).unwrap()),
    ] {
        let got = nobody();
        let mut helpers = Vec::new();
        thing.hold(|| helpers.extend((0..4).map(|_| waiter(&thing, &got))));
        hold_until(&thing, &got, 4, ENOUGH);
        assert!(helpers.into_iter().all(|helper| helper.end().success()));
    }
}

/// Starts a process that waits for a value that this one holds, until it must not be overtaken.
fn overdue_waiter(value: &Value<u64>, got: &Shared<AtomicU32>) -> Helper {
    let helper = waiter(&Thing::Value(value.clone()), got);
    let segment = value.segment();
    eventually("the waiter is overdue", || segment.overdue() == 1);
    helper
}

// SYN-041
#[test]
fn a_waiter_that_is_killed_is_forgotten() {
    let _watchdog = watchdog();
    let (value, got) = (Value::new(0_u64).unwrap(), nobody());
    let held = value.lock().unwrap();
    let mut victim = overdue_waiter(&value, &got);
    victim.kill9();
    drop(held);
    let mut taken = 0;
    while value.segment().overdue() != 0 {
        value.set(taken);
        taken += 1;
        assert!(taken < 1000, "a dead waiter delays others for ever");
    }
    drop(victim);
    is_not_starved(&Thing::Value(value));
}

// SYN-041
#[test]
fn a_permit_is_not_kept_for_a_waiter_that_was_killed() {
    let _watchdog = watchdog();
    let permits = Semaphore::new(1).unwrap();
    let (thing, got) = (Thing::Semaphore(permits.clone()), nobody());
    thing.hold(|| waiter(&thing, &got).kill9());
    for _ in 0..100 {
        assert!(permits.try_acquire().is_ok());
    }
    is_not_starved(&thing);
}

// SYN-041
#[test]
fn a_waiter_that_is_stopped_delays_nobody_for_long() {
    let _watchdog = watchdog();
    let (value, got) = (Value::new(0_u64).unwrap(), nobody());
    let thing = Thing::Value(value.clone());
    let held = value.lock().unwrap();
    let stopped = overdue_waiter(&value, &got);
    let signal = |signal| kill(Pid::from_raw(stopped.pid().cast_signed()), signal).unwrap();
    signal(Signal::SIGSTOP);
    let other = waiter(&thing, &got);
    drop(held);
    hold_until(&thing, &got, 1, ENOUGH);
    // What is not kept for the stopped one is taken at once, so that this comes to its end.
    for i in 0..1000 {
        assert!(value.try_lock().is_ok(), "nobody else holds it");
        value.set(i);
    }
    assert_eq!(value.segment().overdue(), 0);
    signal(Signal::SIGCONT);
    // It may sleep for a second until it sees that it was forgotten.
    hold_until(&thing, &got, 2, 2 * ENOUGH);
    assert!(stopped.end().success() && other.end().success());
}
