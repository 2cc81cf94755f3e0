//! Operations on a dict, cut short at any of their instructions: a child is traced, executes a number
//! of single instructions, and is killed there.
//!
//! The suite spreads some kills over each operation; with `PROCESSION_TEST_EVERY_STEP=1` there is one
//! at each instruction.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::needless_pass_by_value,
    reason = "a task fails by panicking, like a test, and owns its arguments; the steps are needed to repeat"
)]

use procession_call::Task;
use procession_dict::Dict;
use procession_process::Process;
use procession_shm::family;
use procession_sync::Event;
use procession_testkit::steps::{self, Reached, Traced};
use procession_testkit::{eventually, shared_memory, watchdog};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::env;
use std::sync::Mutex;
use std::time::Duration;

procession_process::enable_in_tests!();

/// Longer than anything takes that does not wait for a dead process.
const LONG: Duration = Duration::from_secs(20);

/// How many kills are spread over an operation.
fn kills(instructions: usize) -> usize {
    match env::var_os("PROCESSION_TEST_EVERY_STEP") {
        Some(_) => instructions,
        // A step of a traced child takes up to a tenth of a millisecond, and growing has 190,000 in a debug build.
        None => (60_000 / instructions).clamp(1, 20),
    }
}

type Map = BTreeMap<u64, Vec<u8>>;
type Bytes = Dict<u64, Vec<u8>>;

/// One stripe, so that all keys meet.
fn dict_of(map: &Map) -> Bytes {
    let dict = Dict::builder().stripes(1).create().unwrap();
    dict.extend(map.clone()).unwrap();
    dict.with_timeout(LONG)
}

fn map_of(dict: &Bytes) -> Map {
    dict.items().unwrap().into_iter().collect()
}

/// In the child: warms up on a dict of its own, so that nothing is loaded on the way, then works.
fn stepped(dict: Bytes, map: Map, go: Event, work: impl Fn(&Bytes)) {
    work(&dict_of(&map));
    // Mapped, and nothing else, before the operation.
    assert_eq!(map_of(&dict), map);
    go.wait();
    steps::begin();
    work(&dict);
    steps::end();
}

/// Kills children within their work, each at another instruction, and one behind it. Afterwards the dict
/// must be as before, as `done` says, or one of the `outcomes`; go on; and have left nothing.
fn cut_short<F, M>(child: F, map: &Map, done: &Map, outcomes: impl Fn(&Map) -> bool)
where
    F: Task<(Bytes, Map, Event), M, Output = ()>,
{
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock();
    let before = RefCell::new(None);
    let kill_after = |steps| {
        // For each kill, for there can be thousands.
        let _watchdog = watchdog();
        let dict = dict_of(map);
        let go = Event::new().unwrap();
        let child = Process::spawn(child, (dict.clone(), map.clone(), go.clone())).unwrap();
        let traced = Traced::new(child.pid());
        go.set();
        let reached = traced.kill_after(steps);
        child.join().unwrap_err();
        drop(go);
        check(&dict, reached, &outcomes, map, done);
        drop(dict);
        let left = || shared_memory(family::current().unwrap().id()).len();
        let at_first = *before.borrow_mut().get_or_insert_with(left);
        eventually("nothing is left", || left() <= at_first);
        reached
    };
    let Reached::End(instructions) = kill_after(usize::MAX) else {
        panic!("the work has no end");
    };
    let kills = kills(instructions);
    // Others each time.
    let phase = std::process::id() as usize * 7919 % (instructions / kills).max(1);
    println!("{kills} kills in {instructions} instructions, the first one after {phase}");
    for kill in 0..kills {
        kill_after(phase + kill * instructions / kills);
    }
}

fn check(dict: &Bytes, reached: Reached, outcomes: impl Fn(&Map) -> bool, map: &Map, done: &Map) {
    let found = map_of(dict);
    match reached {
        Reached::End(_) => assert_eq!(&found, done),
        Reached::Inside => assert!(
            &found == map || &found == done || outcomes(&found),
            "{found:?}"
        ),
    }
    assert_eq!(dict.len().unwrap(), found.len());
    for (key, value) in &found {
        assert_eq!(dict.get(*key).unwrap().as_ref(), Some(value));
    }
    // It goes on: in the blocks that are free, and in new ones.
    for key in 1000..1100_u64 {
        assert_eq!(dict.insert(key, vec![key as u8; 40]).unwrap(), None);
    }
    for (key, value) in &found {
        assert_eq!(
            dict.insert(*key, value.clone()).unwrap().as_ref(),
            Some(value)
        );
        assert_eq!(dict.remove(*key).unwrap().as_ref(), Some(value));
    }
    dict.retain(|key, value| *value == vec![*key as u8; 40])
        .unwrap();
    assert_eq!(dict.len().unwrap(), 100);
}

fn some(keys: std::ops::Range<u64>) -> Map {
    keys.map(|key| (key, vec![key as u8; 40])).collect()
}

fn with(mut map: Map, key: u64, value: Vec<u8>) -> Map {
    map.insert(key, value);
    map
}

fn without(mut map: Map, key: u64) -> Map {
    map.remove(&key);
    map
}

// DCT-007
#[test]
fn an_insertion_is_done_or_not() {
    fn child(dict: Bytes, map: Map, go: Event) {
        stepped(dict, map, go, |dict| {
            dict.insert(7_u64, vec![1; 64]).unwrap();
        });
    }
    let map = some(0..5);
    let done = with(map.clone(), 7, vec![1; 64]);
    cut_short(child, &map, &done, |_| false);
}

// DCT-007
#[test]
fn a_replacement_is_done_or_not() {
    fn child(dict: Bytes, map: Map, go: Event) {
        stepped(dict, map, go, |dict| {
            dict.insert(3_u64, vec![1; 64]).unwrap();
        });
    }
    let map = some(0..5);
    let done = with(map.clone(), 3, vec![1; 64]);
    cut_short(child, &map, &done, |_| false);
}

// DCT-007
#[test]
fn a_removal_is_done_or_not() {
    fn child(dict: Bytes, map: Map, go: Event) {
        stepped(dict, map, go, |dict| {
            dict.remove(3_u64).unwrap();
        });
    }
    let map = some(0..5);
    let done = without(map.clone(), 3);
    cut_short(child, &map, &done, |_| false);
}

// DCT-007
#[test]
fn an_update_is_done_or_not() {
    fn child(dict: Bytes, map: Map, go: Event) {
        stepped(dict, map, go, |dict| {
            dict.alter(3_u64, |value| {
                let value = value.as_mut().unwrap();
                value.fill(9);
                value.push(9);
            })
            .unwrap();
        });
    }
    let map = some(0..5);
    let done = with(map.clone(), 3, vec![9; 41]);
    cut_short(child, &map, &done, |_| false);
}

// DCT-007
#[test]
fn an_insertion_of_a_large_value_is_done_or_not_and_leaves_no_memory() {
    fn child(dict: Bytes, map: Map, go: Event) {
        stepped(
            dict,
            map,
            go, // This does not decode what was there,which would be many instructions and nothing of the dict's.
            |dict| dict.extend([(1, vec![6; 80_000])]).unwrap(),
        );
    }
    let map = with(some(0..3), 1, vec![5; 70_000]);
    let done = with(map.clone(), 1, vec![6; 80_000]);
    cut_short(child, &map, &done, |_| false);
}

// The table in the dict's own segment has 16 slots, of which twelve are filled.
// DCT-007
#[test]
fn growing_is_done_or_not_and_leaves_no_memory() {
    fn child(dict: Bytes, map: Map, go: Event) {
        stepped(dict, map, go, |dict| {
            dict.insert(12_u64, vec![1; 64]).unwrap();
        });
    }
    let map = some(0..12);
    let done = with(map.clone(), 12, vec![1; 64]);
    cut_short(child, &map, &done, |_| false);
}

// From one segment of its own to another.
// DCT-007
#[test]
fn growing_further_is_done_or_not_and_leaves_no_memory() {
    fn child(dict: Bytes, map: Map, go: Event) {
        stepped(dict, map, go, |dict| {
            dict.insert(24_u64, vec![1; 64]).unwrap();
        });
    }
    let map = some(0..24);
    let done = with(map.clone(), 24, vec![1; 64]);
    cut_short(child, &map, &done, |_| false);
}

// DCT-007
#[test]
fn clearing_takes_out_all_or_some_and_gives_the_memory_back() {
    fn child(dict: Bytes, map: Map, go: Event) {
        stepped(dict, map, go, |dict| dict.clear().unwrap());
    }
    let map = with(some(0..30), 1, vec![5; 70_000]);
    let done = Map::new();
    cut_short(child, &map, &done, |found| {
        let all = with(some(0..30), 1, vec![5; 70_000]);
        found.iter().all(|(key, value)| all.get(key) == Some(value))
    });
}

// DCT-007
#[test]
fn several_insertions_are_done_one_after_the_other() {
    fn child(dict: Bytes, map: Map, go: Event) {
        stepped(dict, map, go, |dict| {
            dict.extend([(7, vec![1; 64]), (3, vec![2; 64])]).unwrap();
        });
    }
    let map = some(0..5);
    let done = with(with(map.clone(), 7, vec![1; 64]), 3, vec![2; 64]);
    cut_short(child, &map, &done, |found| {
        *found == with(some(0..5), 7, vec![1; 64])
    });
}
