//! The managed barrier.
#![expect(
    clippy::needless_pass_by_value,
    reason = "what a child is given is its own"
)]

use super::{manager, start};
use procession_manager::{Barrier, ManagerError, Refusal};
use procession_testkit::{eventually, kill9, watchdog};
use std::time::Duration;

fn is_broken<T>(result: &Result<T, ManagerError>) -> bool {
    matches!(result, Err(ManagerError::Refused(Refusal::Broken)))
}

fn meet_often(barrier: Barrier) -> anyhow::Result<Vec<usize>> {
    (0..20).map(|_| Ok(barrier.wait()?.index())).collect()
}

#[test]
fn all_parties_pass_together_as_often_as_they_like() {
    let _watchdog = watchdog();
    let manager = manager();
    let barrier = manager.barrier(3).unwrap();
    let children = [(); 3].map(|()| start(meet_often, (barrier.clone(),)));
    let indices = children.map(|child| child.join().unwrap());
    for round in 0..20 {
        let mut round = indices.each_ref().map(|indices| indices[round]);
        round.sort_unstable();
        assert_eq!(round, [0, 1, 2]);
    }
    assert_eq!(barrier.waiting().unwrap(), 0);
    assert_eq!(barrier.parties().unwrap(), 3);
}

#[test]
fn one_party_or_none_never_waits() {
    let _watchdog = watchdog();
    let manager = manager();
    for parties in [0, 1] {
        let barrier = manager.barrier(parties).unwrap();
        assert!(barrier.wait().unwrap().is_leader());
        assert!(barrier.wait_timeout(Duration::ZERO).unwrap().is_leader());
    }
}

#[test]
fn a_wait_that_runs_out_breaks_it_for_all() {
    let _watchdog = watchdog();
    let manager = manager();
    let barrier = manager.barrier(3).unwrap();
    let other = start(
        |barrier: Barrier| is_broken(&barrier.wait()),
        (barrier.clone(),),
    );
    eventually("the other waits", || barrier.waiting().unwrap() == 1);
    assert!(is_broken(&barrier.wait_timeout(Duration::from_millis(2))));
    assert!(other.join().unwrap());
    assert!(barrier.is_broken().unwrap());
    assert!(is_broken(&barrier.wait()));
    barrier.reset().unwrap();
    assert!(!barrier.is_broken().unwrap());
}

#[test]
fn abort_and_reset_end_all_waits() {
    let _watchdog = watchdog();
    let manager = manager();
    let barrier = manager.barrier(2).unwrap();
    for end in [Barrier::abort, Barrier::reset] {
        let other = start(
            |barrier: Barrier| is_broken(&barrier.wait()),
            (barrier.clone(),),
        );
        eventually("the other waits", || barrier.waiting().unwrap() == 1);
        end(&barrier).unwrap();
        assert!(other.join().unwrap());
        barrier.reset().unwrap();
    }
    let children = [(); 2].map(|()| start(meet_often, (barrier.clone(),)));
    for child in children {
        assert_eq!(child.join().unwrap().len(), 20);
    }
}

#[test]
fn a_party_that_dies_is_not_waited_for() {
    let _watchdog = watchdog();
    let manager = manager();
    let barrier = manager.barrier(3).unwrap();
    let dead = start(meet_often, (barrier.clone(),));
    eventually("the first waits", || barrier.waiting().unwrap() == 1);
    let other = start(
        |barrier: Barrier| is_broken(&barrier.wait()),
        (barrier.clone(),),
    );
    eventually("both wait", || barrier.waiting().unwrap() == 2);
    kill9(dead.pid());
    assert!(other.join().unwrap());
    assert!(dead.join().is_err());
    assert!(barrier.is_broken().unwrap());
}
