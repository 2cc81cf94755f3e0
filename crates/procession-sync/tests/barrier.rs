//! The barrier between processes and between threads.

#![expect(
    clippy::unwrap_used,
    reason = "a child process fails by panicking, like a test"
)]

use procession_process::Process;
use procession_shm::Value;
use procession_sync::{Barrier, BarrierError, Event, LockError};
use procession_testkit::helper::roundtrip;
use procession_testkit::{eventually, kill9, watchdog};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

procession_process::enable_in_tests!();

const SHORT: Duration = Duration::from_millis(20);

fn until_waiting(barrier: &Barrier, parties: usize) {
    eventually("the parties wait", || barrier.waiting() == parties);
}

/// Goes through so many rounds; returns the index of each.
fn rounds(barrier: Barrier, rounds: usize) -> Vec<usize> {
    (0..rounds).map(|_| barrier.wait().unwrap()).collect()
}

// SYN-014, SYN-015
#[test]
fn it_is_used_again_and_gives_each_party_another_index() {
    let _watchdog = watchdog();
    let barrier = Barrier::new(3).unwrap();
    let spawn = |_| Process::spawn(rounds, (barrier.clone(), 10)).unwrap();
    let others: Vec<_> = (0..2).map(spawn).collect();
    let mut indices = vec![rounds(barrier.clone(), 10)];
    indices.extend(others.into_iter().map(|other| other.join().unwrap()));
    for round in 0..10 {
        let round: BTreeSet<_> = indices.iter().map(|party| party[round]).collect();
        assert_eq!(round, BTreeSet::from([0, 1, 2]));
    }
    assert!(!barrier.is_broken());
}

// SYN-014
#[test]
fn the_last_party_acts_before_any_goes_on() {
    let _watchdog = watchdog();
    let (barrier, number) = (Barrier::new(2).unwrap(), Value::new(0).unwrap());
    let round = |expected| {
        barrier
            .wait_with(|| number.update(|number| *number += 1))
            .unwrap();
        assert_eq!(number.get(), expected);
        barrier.wait().unwrap();
    };
    thread::scope(|scope| {
        scope.spawn(|| (1..=10).for_each(round));
        scope.spawn(|| (1..=10).for_each(round));
    });
}

fn wait_in_another_process(barrier: Barrier) -> String {
    barrier.wait().unwrap_err().to_string()
}

// SYN-016
#[test]
fn abort_breaks_it_for_all() {
    let _watchdog = watchdog();
    let barrier = Barrier::new(3).unwrap();
    let spawn = |_| Process::spawn(wait_in_another_process, (barrier.clone(),)).unwrap();
    let others: Vec<_> = (0..2).map(spawn).collect();
    until_waiting(&barrier, 2);
    barrier.abort();
    for other in others {
        assert_eq!(other.join().unwrap(), BarrierError::Broken.to_string());
    }
    assert!(barrier.is_broken());
    assert_eq!(barrier.waiting(), 0);
    assert_eq!(barrier.wait(), Err(BarrierError::Broken));
    assert_eq!(
        barrier.wait_timeout(Duration::ZERO),
        Err(BarrierError::Broken)
    );
}

// SYN-017
#[test]
fn reset_breaks_the_round_and_not_the_barrier() {
    let _watchdog = watchdog();
    let barrier = Barrier::new(2).unwrap();
    let other = Process::spawn(wait_in_another_process, (barrier.clone(),)).unwrap();
    until_waiting(&barrier, 1);
    barrier.reset().unwrap();
    assert_eq!(other.join().unwrap(), BarrierError::Broken.to_string());
    assert!(!barrier.is_broken());
    let other = Process::spawn(rounds, (barrier.clone(), 1)).unwrap();
    barrier.wait().unwrap();
    other.join().unwrap();
}

// SYN-018
#[test]
fn what_was_aborted_can_be_reset() {
    let _watchdog = watchdog();
    let barrier = Barrier::new(2).unwrap();
    let other = Process::spawn(wait_in_another_process, (barrier.clone(),)).unwrap();
    until_waiting(&barrier, 1);
    barrier.abort();
    other.join().unwrap();
    barrier.reset().unwrap();
    barrier.reset().unwrap();
    let other = Process::spawn(rounds, (barrier.clone(), 3)).unwrap();
    assert_eq!(rounds(barrier.clone(), 3).len(), 3);
    other.join().unwrap();
}

// SYN-019, SYN-030
#[test]
fn a_timeout_breaks_it_for_all() {
    let _watchdog = watchdog();
    let barrier = Barrier::new(3).unwrap();
    let other = Process::spawn(wait_in_another_process, (barrier.clone(),)).unwrap();
    until_waiting(&barrier, 1);
    let start = Instant::now();
    assert_eq!(barrier.wait_timeout(SHORT), Err(BarrierError::TimedOut));
    assert!(start.elapsed() >= SHORT);
    assert_eq!(other.join().unwrap(), BarrierError::Broken.to_string());
    assert_eq!(
        barrier.wait(),
        Err(BarrierError::Broken),
        "who is late finds it broken"
    );
}

// SYN-020
#[test]
fn the_barriers_timeout_is_the_default() {
    let _watchdog = watchdog();
    let barrier = Barrier::with_timeout(2, SHORT).unwrap();
    let start = Instant::now();
    assert_eq!(roundtrip(&barrier).wait(), Err(BarrierError::TimedOut));
    assert!(start.elapsed() >= SHORT);
    barrier.reset().unwrap();
    assert_eq!(
        barrier.wait_timeout(Duration::ZERO),
        Err(BarrierError::TimedOut)
    );
}

// SYN-021
#[test]
fn one_party_never_waits() {
    let _watchdog = watchdog();
    for parties in [0, 1] {
        let barrier = Barrier::new(parties).unwrap();
        assert_eq!(barrier.wait(), Ok(0));
        assert_eq!(barrier.wait_timeout(Duration::ZERO), Ok(0));
        assert_eq!(barrier.wait_timeout(Duration::MAX), Ok(0));
    }
}

// SYN-029
#[test]
fn timeouts_hold_though_a_party_was_killed() {
    let _watchdog = watchdog();
    let barrier = Barrier::new(3).unwrap();
    let dead = Process::spawn(wait_in_another_process, (barrier.clone(),)).unwrap();
    until_waiting(&barrier, 1);
    kill9(dead.pid());
    assert!(dead.join().is_err());
    // It may have been killed while it held the barrier's lock for a moment, which breaks it.
    let outcome = barrier.wait_timeout(SHORT);
    let (timed_out, broken) = (Err(BarrierError::TimedOut), Err(BarrierError::Broken));
    assert!(outcome == timed_out || outcome == broken, "{outcome:?}");
    assert!(barrier.is_broken());
    barrier.reset().unwrap();
    let others: Vec<_> = (0..2)
        .map(|_| Process::spawn(rounds, (barrier.clone(), 1)).unwrap())
        .collect();
    barrier.wait().unwrap();
    for other in others {
        other.join().unwrap();
    }
}

fn die_in_the_action(barrier: Barrier, acting: Event) {
    let act = || {
        acting.set();
        Event::new().unwrap().wait();
    };
    let _ = barrier.wait_with(act);
}

#[test]
fn who_waits_learns_that_the_acting_party_was_killed() {
    let _watchdog = watchdog();
    let (barrier, acting) = (Barrier::new(2).unwrap(), Event::new().unwrap());
    let patient = Process::spawn(wait_in_another_process, (barrier.clone(),)).unwrap();
    until_waiting(&barrier, 1);
    let dead = Process::spawn(die_in_the_action, (barrier.clone(), acting.clone())).unwrap();
    acting.wait();
    kill9(dead.pid());
    assert!(dead.join().is_err());
    assert_eq!(patient.join().unwrap(), BarrierError::Broken.to_string());
    barrier.reset().unwrap();
    assert!(!barrier.is_broken());
}

#[test]
fn a_long_action_keeps_no_timeout_from_passing() {
    let _watchdog = watchdog();
    let (barrier, acting, go_on) = (
        Barrier::new(2).unwrap(),
        Event::new().unwrap(),
        Event::new().unwrap(),
    );
    thread::scope(|scope| {
        let impatient = scope.spawn(|| {
            let first = barrier.wait_timeout(SHORT);
            go_on.set();
            first
        });
        // On a busy machine its timeout may have passed by then.
        eventually("the party waits", || {
            barrier.waiting() == 1 || barrier.is_broken()
        });
        let act = || {
            acting.set();
            go_on.wait();
        };
        let last = barrier.wait_timeout_with(Duration::from_secs(99), act);
        match impatient.join().unwrap() {
            // The last party came too late, and never acted.
            Err(BarrierError::TimedOut) => assert_eq!(last, Err(BarrierError::Broken)),
            other => panic!("the timeout did not pass: {other:?}, {last:?}"),
        }
    });
}

#[test]
fn an_action_that_panics_breaks_it() {
    let _watchdog = watchdog();
    let barrier = Barrier::new(2).unwrap();
    thread::scope(|scope| {
        let other = scope.spawn(|| barrier.wait());
        until_waiting(&barrier, 1);
        let act = || barrier.wait_with(|| panic!("no"));
        assert!(catch_unwind(AssertUnwindSafe(act)).is_err());
        assert_eq!(other.join().unwrap(), Err(BarrierError::Broken));
    });
    barrier.reset().unwrap();
    assert!(!barrier.is_broken());
}

#[test]
fn an_action_that_uses_its_barrier_is_told() {
    let _watchdog = watchdog();
    let barrier = Barrier::new(1).unwrap();
    let mut answer = Ok(0);
    barrier.wait_with(|| answer = barrier.wait()).unwrap();
    assert_eq!(answer, Err(BarrierError::Lock(LockError::HeldByThisThread)));
    assert_eq!(
        barrier.wait_with(|| barrier.abort()),
        Err(BarrierError::Broken)
    );
}

#[test]
fn debug_shows_who_waits() {
    let _watchdog = watchdog();
    let barrier = Barrier::new(2).unwrap();
    let shown = "Barrier { parties: 2, waiting: 0, broken: false, .. }";
    assert_eq!(format!("{barrier:?}"), shown);
    barrier.abort();
    assert!(format!("{barrier:?}").contains("broken: true"));
}
