//! What the fork server loads before it makes children.

#![expect(
    clippy::items_after_statements,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "setups stand in their tests, and one is to print"
)]

use procession_process::{Process, StartError, StartMethod, Stdio, inherit, preload};
use procession_shm::Value;
use procession_testkit::{fork_server, hush, kill9, watchdog};
use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::io::Read;
use std::sync::OnceLock;
use std::thread;

procession_process::enable_in_tests!();

static LOADED: OnceLock<(u32, u32)> = OnceLock::new();

/// Loads a word, and the process in which it was loaded.
fn load(word: u32) {
    LOADED.set((word, std::process::id())).unwrap();
}

fn loaded() -> Option<(u32, u32)> {
    Process::spawn(|| LOADED.get().copied(), ())
        .unwrap()
        .join()
        .unwrap()
}

/// Runs `task` in a process of its own, whose fork server is nobody else's.
fn alone<R>(task: impl Fn() -> R + Copy + Send + 'static) -> R
where
    R: serde::Serialize + serde::de::DeserializeOwned,
{
    Process::spawn(task, ()).unwrap().join().unwrap()
}

// PRC-028
#[test]
fn what_is_preloaded_is_in_each_child_and_loaded_once() {
    let _watchdog = watchdog();
    alone(|| {
        assert_eq!(loaded(), None);
        preload(load, 7).unwrap();
        let (word, place) = loaded().unwrap();
        assert_eq!(word, 7);
        assert_eq!(Some(place), fork_server(std::process::id()));
        assert_eq!(loaded(), Some((word, place)));
        assert_eq!(LOADED.get(), None);
    });
}

#[test]
fn a_new_server_preloads_again() {
    let _watchdog = watchdog();
    alone(|| {
        preload(load, 7).unwrap();
        let (_, first) = loaded().unwrap();
        kill9(first);
        let (word, second) = loaded().unwrap();
        assert_eq!(word, 7);
        assert_ne!(first, second);
    });
}

// PRC-036
#[test]
fn what_is_printed_while_preloading_is_printed_once() {
    let _watchdog = watchdog();
    fn print(word: String) {
        print!("{word}");
    }
    let start_three = || {
        preload(print, "loaded;".to_owned()).unwrap();
        for _ in 0..3 {
            Process::spawn(|| print!("ran;"), ())
                .unwrap()
                .join()
                .unwrap();
        }
    };
    let mut parent = Process::builder()
        .stdout(Stdio::piped())
        .spawn(start_three, ())
        .unwrap();
    let mut output = String::new();
    parent
        .take_stdout()
        .unwrap()
        .read_to_string(&mut output)
        .unwrap();
    assert_eq!(output, "loaded;ran;ran;ran;");
    parent.join().unwrap();
}

#[test]
fn a_preload_that_fails_is_an_error_of_each_start() {
    let _watchdog = watchdog();
    let words = alone(|| {
        let fails = |(): ()| -> () {
            hush();
            panic!("no table")
        };
        preload(fails, ()).unwrap();
        let refused = [(), ()].map(|()| Process::spawn(|| (), ()).unwrap_err());
        assert!(
            refused
                .iter()
                .all(|error| matches!(error, StartError::Preload(_)))
        );
        refused[0].to_string()
    });
    assert!(words.contains("no table"), "{words}");
    assert!(words.contains("tests/preload.rs:"), "{words}");
}

// PRC-085
#[test]
fn what_is_preloaded_shares_nothing_and_is_told_so() {
    let _watchdog = watchdog();
    static SHARED: OnceLock<Value<u32>> = OnceLock::new();
    let words = alone(|| {
        let share = |n| SHARED.set(Value::new(n).unwrap()).unwrap();
        preload(share, 7).unwrap();
        let refused = [(), ()].map(|()| Process::spawn(|| (), ()).unwrap_err());
        assert!(matches!(
            refused,
            [StartError::Preload(_), StartError::Preload(_)]
        ));
        // What is advised works.
        let value = Value::new(1_u32).unwrap();
        inherit(|value| SHARED.set(value).unwrap(), value.clone()).unwrap();
        let add = || SHARED.get().unwrap().update(|n| *n += 1);
        let builder = Process::builder().start_method(StartMethod::Spawn);
        builder.spawn(add, ()).unwrap().join().unwrap();
        assert_eq!(value.get(), 2);
        refused[0].to_string()
    });
    assert!(words.contains("`inherit`"), "{words}");
}

#[test]
fn a_panic_while_preloading_is_reported_as_the_servers() {
    let _watchdog = watchdog();
    let fails = || {
        preload(|(): ()| -> () { panic!("no table") }, ()).unwrap();
        assert!(Process::spawn(|| (), ()).is_err());
    };
    let builder = Process::builder().stderr(Stdio::piped());
    let mut parent = builder.spawn(fails, ()).unwrap();
    let mut report = String::new();
    let mut stderr = parent.take_stderr().unwrap();
    stderr.read_to_string(&mut report).unwrap();
    parent.join().unwrap();
    assert!(
        report.starts_with("process `fork server` (pid "),
        "{report}"
    );
    assert_eq!(report.matches("no table").count(), 1, "{report}");
}

/// The random state of the first map that a thread makes.
fn random() -> u64 {
    RandomState::new().hash_one(7)
}

// PRC-062
#[test]
fn random_state_is_not_shared_by_children() {
    let _watchdog = watchdog();
    static MAP: OnceLock<HashMap<u32, u32>> = OnceLock::new();
    fn make(len: u32) {
        MAP.set((0..len).map(|n| (n, n * n)).collect()).unwrap();
    }
    fn differs() -> bool {
        let states = [(); 4].map(|()| Process::spawn(random, ()).unwrap().join().unwrap());
        BTreeSet::from(states).len() == states.len()
    }
    assert!(alone(differs));
    assert!(alone(|| {
        preload(make, 10).unwrap();
        let there = Process::spawn(|| MAP.get().map(HashMap::len), ());
        assert_eq!(there.unwrap().join().unwrap(), Some(10));
        differs()
    }));
}

#[test]
fn a_preload_that_leaves_threads_is_an_error() {
    let _watchdog = watchdog();
    let words = alone(|| {
        let linger = |(): ()| {
            thread::spawn(thread::park);
        };
        preload(linger, ()).unwrap();
        Process::spawn(|| (), ()).unwrap_err().to_string()
    });
    assert!(words.contains("threads"), "{words}");
}
