//! Workers that may use certain processors only.

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;
use procession_pool::{Pool, PoolError};
use procession_process::StartMethod;
use procession_testkit::{eventually, kill9, watchdog};
use std::collections::BTreeSet;

procession_process::enable_in_tests!();

/// Returns the processors that this process may use.
fn own() -> Vec<usize> {
    let set = sched_getaffinity(Pid::from_raw(0)).expect("a process may ask");
    (0..CpuSet::count())
        .filter(|&number| set.is_set(number) == Ok(true))
        .collect()
}

fn own_with_pid(_: u32) -> (u32, Vec<usize>) {
    (std::process::id(), own())
}

// POL-140
#[test]
fn each_worker_has_a_processor_of_its_own_and_its_successor_the_same() {
    let _watchdog = watchdog();
    let all = own();
    for method in [StartMethod::ForkServer, StartMethod::Spawn] {
        let pool = Pool::builder()
            .workers(all.len())
            .process(move |process| process.start_method(method))
            .pin()
            .start()
            .unwrap();
        for _ in 0..2 {
            let mut used = BTreeSet::new();
            eventually("all workers were asked", || {
                used.extend(pool.map_chunked(own_with_pid, 0..64, 1).unwrap());
                used.len() == all.len()
            });
            let processors: BTreeSet<_> = used.iter().map(|(_, own)| own.clone()).collect();
            let expected: BTreeSet<_> = all.iter().map(|&number| vec![number]).collect();
            assert_eq!(processors, expected);
            let victims: Vec<u32> = used.into_iter().map(|(pid, _)| pid).collect();
            victims.into_iter().for_each(kill9);
            eventually("they are replaced", || {
                pool.worker_pids().len() == all.len()
            });
        }
    }
    assert_eq!(own(), all, "the pool's own process has all that it had");
}

#[test]
fn workers_are_pinned_to_lists_in_turn() {
    let _watchdog = watchdog();
    let all = own();
    let lists = [all.clone(), vec![all[0]]];
    let pool = Pool::builder()
        .workers(3)
        .pin_to(lists.clone())
        .start()
        .unwrap();
    let mut used = BTreeSet::new();
    eventually("all workers were asked", || {
        used.extend(pool.map_chunked(own_with_pid, 0..64, 1).unwrap());
        used.len() == 3
    });
    let with = |list: &Vec<usize>| used.iter().filter(|(_, own)| own == list).count();
    if lists[0] != lists[1] {
        assert_eq!((with(&lists[0]), with(&lists[1])), (2, 1));
    }
}

#[test]
fn a_processor_that_may_not_be_used_is_refused() {
    let _watchdog = watchdog();
    for lists in [vec![vec![usize::MAX]], vec![own(), vec![1023, 1 << 40]]] {
        let error = Pool::builder()
            .workers(1)
            .pin_to(lists)
            .start()
            .unwrap_err();
        assert!(matches!(error, PoolError::NoProcessor { .. }), "{error}");
    }
    let none: [Vec<usize>; 0] = [];
    let pool = Pool::builder().workers(1).pin_to(none).start().unwrap();
    assert_eq!(pool.apply(own, ()).unwrap(), own());
}
