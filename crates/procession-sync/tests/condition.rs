//! The condition between processes and between threads.

#![expect(
    clippy::unwrap_used,
    reason = "a child process fails by panicking, like a test"
)]

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction};
use nix::unistd::Pid;
use procession_process::Process;
use procession_shm::Value;
use procession_sync::{AcquireError, Condition, Event, Lock, Semaphore};
use procession_testkit::helper::roundtrip;
use procession_testkit::{eventually, kill9, watchdog};
use std::thread;
use std::time::{Duration, Instant};

procession_process::enable_in_tests!();

const SHORT: Duration = Duration::from_millis(20);

/// A condition, and a semaphore that counts who was woken.
type Woken = (Condition, Semaphore);

fn new() -> Woken {
    let condition = Condition::new(&Lock::new().unwrap()).unwrap();
    (condition, Semaphore::new(0).unwrap())
}

fn wait(condition: Condition, woken: Semaphore) {
    let guard = condition.acquire().unwrap();
    drop(condition.wait(guard).unwrap());
    woken.release(1).unwrap();
}

fn wait_shortly(condition: Condition) -> bool {
    let guard = condition.acquire().unwrap();
    condition.wait_timeout(guard, SHORT).unwrap().1
}

fn waiting(count: usize, (condition, woken): &Woken) -> Vec<Process<()>> {
    let spawn = |_| Process::spawn(wait, (condition.clone(), woken.clone())).unwrap();
    let processes = (0..count).map(spawn).collect();
    eventually("all wait", || condition.waiters() == count);
    processes
}

fn end(processes: Vec<Process<()>>) {
    for process in processes {
        process.join().unwrap();
    }
}

fn eventually_woken((_, woken): &Woken, count: u32) {
    eventually("so many are woken", || woken.available() == count);
}

// SYN-005
#[test]
fn each_notification_wakes_one() {
    let _watchdog = watchdog();
    let shared = new();
    thread::scope(|scope| {
        let processes = waiting(1, &shared);
        scope.spawn(|| wait(shared.0.clone(), shared.1.clone()));
        eventually("both wait", || shared.0.waiters() == 2);
        shared.0.notify_one().unwrap();
        assert_eq!(shared.0.waiters(), 1);
        eventually_woken(&shared, 1);
        shared.0.notify_one().unwrap();
        eventually_woken(&shared, 2);
        assert_eq!(shared.0.waiters(), 0);
        end(processes);
    });
}

// SYN-006
#[test]
fn notify_all_wakes_all_but_those_who_gave_up() {
    let _watchdog = watchdog();
    let shared = new();
    let impatient: Vec<_> = (0..3)
        .map(|_| Process::spawn(wait_shortly, (shared.0.clone(),)).unwrap())
        .collect();
    assert!(!wait_shortly(shared.0.clone()));
    for process in impatient {
        assert!(!process.join().unwrap());
    }
    assert_eq!(shared.0.waiters(), 0);
    thread::scope(|scope| {
        let processes = waiting(3, &shared);
        for _ in 0..3 {
            scope.spawn(|| wait(shared.0.clone(), shared.1.clone()));
        }
        eventually("all wait", || shared.0.waiters() == 6);
        shared.0.notify_all().unwrap();
        eventually_woken(&shared, 6);
        end(processes);
    });
}

// SYN-007
#[test]
fn notify_wakes_as_many_as_asked() {
    let _watchdog = watchdog();
    let shared = new();
    let processes = waiting(6, &shared);
    shared.0.notify(0).unwrap();
    assert_eq!(shared.0.waiters(), 6);
    shared.0.notify(2).unwrap();
    assert_eq!(shared.0.waiters(), 4);
    eventually_woken(&shared, 2);
    shared.0.notify(4).unwrap();
    eventually_woken(&shared, 6);
    end(processes);
    shared.0.notify(3).unwrap();
    assert!(
        !wait_shortly(shared.0.clone()),
        "a notification is not kept"
    );
    assert_eq!(shared.1.available(), 6);
}

// SYN-008, SYN-011, SYN-030
#[test]
fn a_timeout_is_told_from_a_notification() {
    let _watchdog = watchdog();
    let (condition, _) = new();
    let guard = condition.acquire().unwrap();
    let start = Instant::now();
    let (guard, notified) = condition.wait_timeout(guard, SHORT).unwrap();
    assert!(!notified && start.elapsed() >= SHORT);
    let (guard, notified) = condition.wait_timeout(guard, Duration::ZERO).unwrap();
    assert!(!notified && condition.locked());
    thread::scope(|scope| {
        scope.spawn(|| {
            let _guard = condition.acquire().unwrap();
            condition.notify_one().unwrap();
        });
        let (_guard, notified) = condition.wait_timeout(guard, Duration::MAX).unwrap();
        assert!(notified);
    });
}

// SYN-009
#[test]
fn wait_for_waits_until_it_holds() {
    let _watchdog = watchdog();
    let ((condition, _), number) = (new(), Value::new(0).unwrap());
    let count_down = |condition: Condition, number: Value<i32>| {
        let guard = condition.acquire().unwrap();
        drop(condition.wait_for(guard, || number.get() == 4).unwrap());
        number.set(-1);
    };
    let process = Process::spawn(count_down, (condition.clone(), number.clone())).unwrap();
    for _ in 0..4 {
        let _guard = condition.acquire().unwrap();
        number.update(|number| *number += 1);
        condition.notify_one().unwrap();
    }
    process.join().unwrap();
    assert_eq!(number.get(), -1);
}

// SYN-010
#[test]
fn wait_for_gives_up_though_it_is_notified() {
    let _watchdog = watchdog();
    let (condition, _) = new();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let guard = condition.acquire().unwrap();
            let start = Instant::now();
            let (_guard, held) = condition.wait_for_timeout(guard, SHORT, || false).unwrap();
            assert!(start.elapsed() >= SHORT);
            held
        });
        while !waiter.is_finished() {
            condition.notify_one().unwrap();
            thread::yield_now();
        }
        assert!(!waiter.join().unwrap());
    });
    let guard = condition.acquire().unwrap();
    assert!(condition.wait_for_timeout(guard, SHORT, || true).unwrap().1);
}

fn wait_through_signals(condition: Condition, there: Event) -> bool {
    extern "C" fn nothing(_: i32) {}
    let action = SigAction::new(
        SigHandler::Handler(nothing),
        SaFlags::empty(),
        SigSet::empty(),
    );
    // SAFETY: a handler that does nothing can run at any time.
    unsafe { sigaction(Signal::SIGUSR1, &action) }.unwrap();
    let guard = condition.acquire().unwrap();
    there.set();
    condition
        .wait_timeout(guard, Duration::from_secs(99))
        .unwrap()
        .1
}

// SYN-011: a signal runs its handler; the wait goes on.
#[test]
fn a_signal_does_not_end_the_waiting() {
    let _watchdog = watchdog();
    let ((condition, _), there) = (new(), Event::new().unwrap());
    let arguments = (condition.clone(), there.clone());
    let process = Process::spawn(wait_through_signals, arguments).unwrap();
    there.wait();
    for _ in 0..100 {
        kill(Pid::from_raw(process.pid().cast_signed()), Signal::SIGUSR1).unwrap();
        thread::yield_now();
    }
    eventually("it waits", || condition.waiters() == 1);
    condition.notify_one().unwrap();
    assert!(process.join().unwrap());
}

// SYN-026
#[test]
fn a_notice_is_not_lost_to_a_dead_waiter() {
    let _watchdog = watchdog();
    for _ in 0..5 {
        let shared = new();
        let mut processes = waiting(1, &shared);
        let dead = processes.pop().unwrap();
        let living = {
            let spawned = Process::spawn(wait, (shared.0.clone(), shared.1.clone())).unwrap();
            eventually("both wait", || shared.0.waiters() == 2);
            spawned
        };
        kill9(dead.pid());
        assert!(dead.join().is_err());
        shared.0.notify_one().unwrap();
        living.join().unwrap();
        shared.0.notify_all().unwrap();
    }
}

/// A process that waits, and came when three others waited that are dead now.
fn waiting_behind_three_dead(shared: &Woken) -> Process<()> {
    let dead = waiting(3, shared);
    let living = Process::spawn(wait, (shared.0.clone(), shared.1.clone())).unwrap();
    eventually("all wait", || shared.0.waiters() == 4);
    for dead in dead {
        kill9(dead.pid());
        assert!(dead.join().is_err());
    }
    living
}

// SYN-026
#[test]
fn the_dead_are_struck_out_by_who_waits() {
    let _watchdog = watchdog();
    let shared = new();
    let living = waiting_behind_three_dead(&shared);
    eventually("one is left", || shared.0.waiters() == 1);
    shared.0.notify_one().unwrap();
    living.join().unwrap();
    assert_eq!((shared.0.waiters(), shared.1.available()), (0, 1));
}

// SYN-026
#[test]
fn one_notice_gets_past_the_dead() {
    let _watchdog = watchdog();
    let shared = new();
    let living = waiting_behind_three_dead(&shared);
    // At once: the dead have not been noticed, or just so.
    shared.0.notify_one().unwrap();
    living.join().unwrap();
    assert_eq!(shared.1.available(), 1);
    // Whoever waits next strikes them out.
    while shared.0.waiters() > 0 {
        wait_shortly(shared.0.clone());
    }
}

#[test]
fn who_is_woken_learns_that_the_owner_died() {
    let _watchdog = watchdog();
    let ((condition, _), there) = (new(), Event::new().unwrap());
    let die = |condition: Condition, there: Event| {
        let _guard = condition.acquire().unwrap();
        condition.notify_all().unwrap();
        there.set();
        Event::new().unwrap().wait();
    };
    let guard = condition.acquire().unwrap();
    let owner = Process::spawn(die, (condition.clone(), there.clone())).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            there.wait();
            kill9(owner.pid());
        });
        let error = condition.wait(guard).unwrap_err();
        assert!(matches!(error, AcquireError::Poisoned(_)), "{error:?}");
    });
    assert!(owner.join().is_err());
    assert!(condition.lock().is_poisoned());
}

#[test]
#[should_panic(expected = "the guard is of another lock")]
fn the_guard_of_another_lock_is_refused() {
    let _watchdog = watchdog();
    let ((condition, _), other) = (new(), Lock::new().unwrap());
    let _ = condition.wait(other.acquire().unwrap());
}

#[test]
fn two_conditions_share_a_lock() {
    let _watchdog = watchdog();
    let lock = Lock::new().unwrap();
    let (full, empty) = (
        Condition::new(&lock).unwrap(),
        Condition::new(&lock).unwrap(),
    );
    let slot = Value::new(0).unwrap();
    let produce = |full: Condition, empty: Condition, slot: Value<i32>| {
        for item in 1..=100 {
            let guard = empty.acquire().unwrap();
            let _guard = empty.wait_for(guard, || slot.get() == 0).unwrap();
            slot.set(item);
            full.notify_one().unwrap();
        }
    };
    let arguments = (full.clone(), empty.clone(), slot.clone());
    let producer = Process::spawn(produce, arguments).unwrap();
    for item in 1..=100 {
        let guard = lock.acquire().unwrap();
        let _guard = full.wait_for(guard, || slot.get() != 0).unwrap();
        assert_eq!(slot.swap(0), item);
        empty.notify_one().unwrap();
    }
    producer.join().unwrap();
}

#[test]
fn debug_shows_who_waits() {
    let _watchdog = watchdog();
    let (condition, _) = new();
    let shown = "Condition { waiters: 0, lock: Lock { owner: None, poisoned: false, .. }, .. }";
    assert_eq!(format!("{condition:?}"), shown);
    assert_eq!(roundtrip(&condition).waiters(), 0);
}
