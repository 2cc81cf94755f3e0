//! What memory a dict takes and gives back; its holders.

#![expect(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "a task fails by panicking, like a test, and owns its arguments"
)]

use procession_call::Task;
use procession_dict::{Dict, DictError};
use procession_process::Process;
use procession_queue::Queue;
use procession_shm::family;
use procession_testkit::{eventually, kill9, shared_memory, watchdog};
use std::collections::BTreeSet;
use std::fs;

procession_process::enable_in_tests!();

/// Runs the task in a process whose segments are no other test's.
fn alone<F: Task<(), M, Output = ()>, M>(task: F) {
    let _watchdog = watchdog();
    Process::spawn(task, ()).unwrap().join().unwrap();
}

/// The segments that this process has made.
fn mine() -> BTreeSet<String> {
    let mine = format!("-{:x}-", std::process::id());
    let all = shared_memory(family::current().unwrap().id());
    all.into_iter()
        .filter(|name| name.contains(&mine))
        .collect()
}

/// How many bytes they take.
fn bytes() -> u64 {
    let sizes = mine()
        .into_iter()
        .map(|name| fs::metadata(format!("/dev/shm/{name}")));
    sizes.map(|size| size.map_or(0, |size| size.len())).sum()
}

// DCT-008
#[test]
fn a_dict_has_the_room_that_it_is_made_with() {
    alone(|| {
        let dict = Dict::builder().capacity(5000).bytes_each(80).stripes(5);
        let dict = dict.create::<u64, u64>().unwrap();
        for key in 0..5000_u64 {
            dict.insert(key, key).unwrap();
        }
        assert_eq!(dict.len().unwrap(), 5000);
        assert_eq!(mine().len(), 1);
    });
}

// DCT-008
#[test]
fn it_grows_to_many_entries_and_gives_the_memory_back() {
    alone(|| {
        let dict = Dict::<u64, Vec<u8>>::new().unwrap();
        let at_first = bytes();
        let value = |key: u64| vec![key as u8; 64];
        for key in 0..100_000 {
            assert_eq!(dict.insert(key, value(key)).unwrap(), None);
        }
        assert_eq!(dict.len().unwrap(), 100_000);
        let grown = bytes();
        assert!(grown < 100_000 * 600, "{grown}");
        for key in 0..100_000 {
            assert_eq!(dict.get(key).unwrap(), Some(value(key)));
        }
        for key in 0..99_000 {
            assert_eq!(dict.remove(key).unwrap(), Some(value(key)));
        }
        assert!(bytes() < grown / 8, "{} of {grown}", bytes());
        for key in 99_000..100_000 {
            assert_eq!(dict.remove(key).unwrap(), Some(value(key)));
        }
        assert_eq!(bytes(), at_first);
        dict.extend((0..10_000).map(|key| (key, value(key))))
            .unwrap();
        assert!(bytes() > at_first);
        dict.clear().unwrap();
        assert_eq!(bytes(), at_first);
        drop(dict);
        assert_eq!(mine(), BTreeSet::new());
    });
}

// DCT-008
#[test]
fn replacing_values_takes_no_more_memory() {
    alone(|| {
        let dict = Dict::<u64, Vec<u8>>::new().unwrap();
        for key in 0..100_u64 {
            dict.insert(key, vec![0; 100]).unwrap();
        }
        let mut most = 0;
        for round in 0..50_000 {
            dict.insert(round % 100, vec![0; 60 + round as usize % 80])
                .unwrap();
            most = most.max(bytes_sometimes(round));
        }
        assert!(most < 400_000, "{most}");
    });
}

fn bytes_sometimes(round: u64) -> u64 {
    if round.is_multiple_of(1000) {
        bytes()
    } else {
        0
    }
}

// DCT-008
#[test]
fn a_large_value_goes_when_it_is_replaced_removed_or_cleared() {
    alone(|| {
        let dict = Dict::<u8, Vec<u8>>::new().unwrap();
        let large = || vec![7; 1 << 20];
        for key in 0..3 {
            dict.insert(key, large()).unwrap();
        }
        assert_eq!(mine().len(), 4);
        dict.insert(0, large()).unwrap();
        assert_eq!(mine().len(), 4);
        dict.insert(0, vec![]).unwrap();
        assert_eq!(mine().len(), 3);
        dict.remove(1).unwrap();
        assert_eq!(mine().len(), 2);
        dict.clear().unwrap();
        assert_eq!(mine().len(), 1);
        dict.insert(0, large()).unwrap();
        drop(dict);
        assert_eq!(mine().len(), 0);
    });
}

// DCT-008
#[test]
fn what_handles_stand_for_goes_with_the_value() {
    alone(|| {
        let dict = Dict::<u8, Dict<u8, u8>>::new().unwrap();
        for key in 0..4 {
            dict.insert(key, Dict::new().unwrap()).unwrap();
        }
        dict.get(0).unwrap().unwrap().insert(1, 1).unwrap();
        dict.insert(1, Dict::new().unwrap()).unwrap();
        dict.remove(2).unwrap();
        let segments = || {
            mine()
                .into_iter()
                .filter(|name| !name.contains("-in-"))
                .count()
        };
        assert_eq!(segments(), 4);
        drop(dict);
        assert_eq!(mine(), BTreeSet::new());
    });
}

fn keep(dict: Dict<u64, u64>, ready: Queue<()>) {
    ready.put(&()).unwrap();
    dict.wait_for(u64::MAX).unwrap();
}

// DCT-008
#[test]
fn the_memory_goes_with_the_last_holder_killed_or_not() {
    alone(|| {
        let ready = Queue::new().unwrap();
        let before = mine();
        let dict = Dict::<u64, u64>::new().unwrap();
        dict.extend((0..2000).map(|key| (key, key))).unwrap();
        let children =
            [(); 2].map(|()| Process::spawn(keep, (dict.clone(), ready.clone())).unwrap());
        for _ in &children {
            ready.get().unwrap();
        }
        let [killed, ended] = children;
        kill9(killed.pid());
        killed.join().unwrap_err();
        dict.insert(u64::MAX, 0_u64).unwrap();
        drop(dict);
        ended.join().unwrap();
        eventually("nothing of the dict is left", || mine() == before);
    });
}

// DCT-008
#[test]
fn when_memory_runs_out_nothing_is_changed_and_the_dict_goes_on() {
    alone(|| {
        use nix::sys::resource::{Resource, getrlimit, setrlimit};
        let dict = Dict::builder().stripes(1).create::<u64, Vec<u8>>().unwrap();
        // Above this size, making a segment is the error that a full `/dev/shm` gives.
        let (_, hard) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
        setrlimit(Resource::RLIMIT_FSIZE, 200_000, hard).unwrap();
        let value = || vec![7; 1000];
        let full = (0..10_000)
            .find(|&key| dict.insert(key, value()).is_err())
            .unwrap();
        let refused = dict.insert(full, value()).unwrap_err();
        assert!(matches!(refused, DictError::Memory(_)), "{refused}");
        assert!(matches!(
            dict.insert(0_u64, vec![1; 300_000]),
            Err(DictError::Memory(_))
        ));
        assert_eq!(dict.len().unwrap() as u64, full);
        assert_eq!(dict.insert(0_u64, vec![1]).unwrap(), Some(value()));
        for key in 1..full {
            assert_eq!(dict.remove(key).unwrap(), Some(value()));
        }
        setrlimit(Resource::RLIMIT_FSIZE, hard, hard).unwrap();
        for key in 0..2 * full {
            dict.insert(key, value()).unwrap();
        }
        assert_eq!(dict.len().unwrap() as u64, 2 * full);
    });
}
