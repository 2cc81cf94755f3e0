//! Processes that are killed at random moments.
//!
//! `PROCESSION_STORM_SEED` repeats a storm, as far as moments can be repeated.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::needless_pass_by_value,
    reason = "a task fails by panicking, like a test, and owns its arguments; seeds are needed to repeat"
)]

use procession_dict::Dict;
use procession_process::Process;
use procession_queue::Queue;
use procession_shm::family;
use procession_testkit::{eventually, kill9, shared_memory, watchdog};
use std::env;
use std::thread;
use std::time::Duration;

procession_process::enable_in_tests!();

/// Marsaglia's xorshift64.
struct Random(u64);

impl Random {
    fn seeded() -> Self {
        let given = env::var("PROCESSION_STORM_SEED").ok();
        let seed = given.and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| u64::from(std::process::id()) << 16) | 1;
        println!("seed {seed}");
        Self(seed)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

const KEYS: usize = 200;

/// A value of which one can see that it is whole and under its key.
fn value(key: u64, random: &mut Random) -> Vec<u64> {
    let len = [1, 10, 50, 10_000][random.below(4).min(random.below(5))];
    let number = random.below(1 << 30) as u64;
    let mut value = vec![number; len];
    value.push(number ^ key);
    value
}

fn is_whole(key: u64, value: &[u64]) -> bool {
    let (check, numbers) = value.split_last().unwrap();
    numbers.iter().all(|&number| number ^ key == *check)
}

/// Changes the keys in all ways; those from `KEYS` on are this process's alone, of which it tells after
/// each change.
fn change(dict: Dict<u64, Vec<u64>>, seed: u64, own: u64, told: Queue<(u64, u64)>) {
    let mut random = Random(seed);
    for round in 1.. {
        let key = random.below(KEYS) as u64;
        match random.below(12) {
            0..5 => drop(dict.insert(key, value(key, &mut random)).unwrap()),
            5..7 => drop(dict.remove(key).unwrap()),
            7 => dict
                .alter(key, |old| {
                    assert!(old.as_ref().is_none_or(|old| is_whole(key, old)));
                    *old = Some(value(key, &mut random));
                })
                .unwrap(),
            8 => {
                let items = (0..20)
                    .map(|_| random.below(KEYS) as u64)
                    .collect::<Vec<_>>();
                let items = items.into_iter().map(|key| (key, value(key, &mut random)));
                dict.extend(items.collect::<Vec<_>>()).unwrap();
            }
            9 if random.below(30) == 0 => dict.retain(|key, _| *key >= KEYS as u64).unwrap(),
            _ => {
                let found = dict.get(key).unwrap();
                assert!(found.is_none_or(|found| is_whole(key, &found)));
            }
        }
        dict.insert(own, vec![round, round ^ own]).unwrap();
        told.put(&(own, round)).unwrap();
    }
}

fn last_told(told: &Queue<(u64, u64)>, own: u64) -> u64 {
    let all = std::iter::from_fn(|| told.try_get().ok());
    all.filter(|(of, _)| *of == own)
        .map(|(_, round)| round)
        .last()
        .unwrap_or(0)
}

// DCT-007
#[test]
fn a_storm_of_kills_leaves_every_value_whole() {
    let _watchdog = watchdog();
    let mut random = Random::seeded();
    let before = shared_memory(family::current().unwrap().id()).len();
    let dict = make();
    let patient = dict.clone().with_timeout(Duration::from_secs(20));
    for round in 0..60 {
        let children: Vec<_> = (0..3)
            .map(|number| {
                let own = (KEYS + round * 3 + number) as u64;
                let seed = random.below(1 << 40) as u64 | 1;
                let told = Queue::new().unwrap();
                let args = (dict.clone(), seed, own, told.clone());
                (Process::spawn(change, args).unwrap(), own, told)
            })
            .collect();
        thread::sleep(Duration::from_micros(random.below(30_000) as u64));
        for (child, own, told) in children {
            kill9(child.pid());
            let ended = child.join().unwrap_err();
            assert!(ended.to_string().contains("KILL"), "{ended}");
            // What was told was done before, and no more than one thing was done after that.
            let told = last_told(&told, own);
            let found = patient.remove(own).unwrap().map_or(0, |value| value[0]);
            assert!(found == told || found == told + 1, "{found} and {told}");
        }
        let items = patient.items().unwrap();
        assert!(items.iter().all(|(key, value)| is_whole(*key, value)));
        assert_eq!(patient.len().unwrap(), items.len());
    }
    patient.clear().unwrap();
    assert!(patient.is_empty().unwrap());
    drop((dict, patient));
    let left = || shared_memory(family::current().unwrap().id()).len();
    eventually("nothing is left", || left() <= before);
}

/// Few stripes, so that many meet, and those that are killed hold what others want.
fn make() -> Dict<u64, Vec<u64>> {
    Dict::builder().stripes(2).create().unwrap()
}

fn wait_for_all(dict: Dict<u64, Vec<u64>>, keys: u64) {
    for key in 0..keys {
        dict.wait_for(key).unwrap();
    }
}

fn insert_all(dict: Dict<u64, Vec<u64>>, keys: u64) {
    for key in 0..keys {
        dict.get_or_insert_with(key, || vec![key]).unwrap();
    }
}

// DCT-006
#[test]
fn nobody_oversleeps_though_inserters_are_killed() {
    let _watchdog = watchdog();
    let mut random = Random::seeded();
    let dict = make();
    let keys = 3000;
    let wait = |_| Process::spawn(wait_for_all, (dict.clone(), keys)).unwrap();
    let waiting: Vec<_> = (0..2).map(wait).collect();
    for _ in 0..40 {
        let inserter = Process::spawn(insert_all, (dict.clone(), keys)).unwrap();
        thread::sleep(Duration::from_micros(random.below(2000) as u64));
        kill9(inserter.pid());
        // It may have been done before.
        let _ = inserter.join();
    }
    insert_all(dict.clone(), keys);
    for child in waiting {
        child.join().unwrap();
    }
    assert_eq!(dict.len().unwrap(), keys as usize);
}
