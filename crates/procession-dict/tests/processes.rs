//! Several processes that use one dict at a time.

#![expect(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "a task fails by panicking, like a test, and owns its arguments"
)]

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procession_dict::{Dict, DictError, Set};
use procession_process::Process;
use procession_queue::Queue;
use procession_testkit::watchdog;
use std::time::Duration;

procession_process::enable_in_tests!();

const LONG: Duration = Duration::from_mins(1);

fn spread(dict: Dict<(u64, u64), u64>, me: u64) {
    for number in 0..2000 {
        dict.insert((me, number), me * number).unwrap();
        assert_eq!(dict.get((me, number)).unwrap(), Some(me * number));
    }
    for number in (0..2000).step_by(2) {
        assert_eq!(dict.remove((me, number)).unwrap(), Some(me * number));
    }
}

// DCT-005
#[test]
fn processes_that_use_different_keys_have_each_their_own() {
    let _watchdog = watchdog();
    let dict = Dict::new().unwrap();
    let spawn = |me| Process::spawn(spread, (dict.clone(), me)).unwrap();
    let children: Vec<_> = (0..4).map(spawn).collect();
    for child in children {
        child.join().unwrap();
    }
    assert_eq!(dict.len().unwrap(), 4000);
    let sum: u64 = dict.values().unwrap().iter().sum();
    let odd: u64 = (1..2000).step_by(2).sum();
    assert_eq!(sum, odd * (1 + 2 + 3));
}

fn count(dict: Dict<String, u64>, rounds: u64) {
    for round in 0..rounds {
        let key = ["a", "b", "c"][round as usize % 3];
        dict.alter(key, |count| *count.get_or_insert(0) += 1)
            .unwrap();
        loop {
            let now = dict.get_or_insert("swapped", 0_u64).unwrap();
            if dict
                .compare_and_swap("swapped", Some(now), Some(now + 1))
                .unwrap()
            {
                break;
            }
        }
    }
}

// DCT-005
#[test]
fn processes_that_change_the_same_keys_lose_no_change() {
    let _watchdog = watchdog();
    let dict = Dict::new().unwrap();
    let spawn = |_| Process::spawn(count, (dict.clone(), 3000)).unwrap();
    let children: Vec<_> = (0..4).map(spawn).collect();
    for child in children {
        child.join().unwrap();
    }
    for key in ["a", "b", "c"] {
        assert_eq!(dict.get(key).unwrap(), Some(4000));
    }
    assert_eq!(dict.get("swapped").unwrap(), Some(12_000));
}

fn take(dict: Dict<u64, u64>, taken: Set<u64>) -> u64 {
    let mut sum = 0;
    for key in 0..2000_u64 {
        if let Some(value) = dict.pop_if(key, |value| value % 2 == 0).unwrap() {
            assert!(taken.add(key).unwrap(), "another has taken it too");
            sum += value;
        }
    }
    sum
}

// DCT-005
#[test]
fn what_several_would_take_is_taken_once() {
    let _watchdog = watchdog();
    let dict = Dict::from_items((0..2000).map(|key| (key, key))).unwrap();
    let taken = Set::new().unwrap();
    let spawn = |_| Process::spawn(take, (dict.clone(), taken.clone())).unwrap();
    let children: Vec<_> = (0..3).map(spawn).collect();
    let sum: u64 = children
        .into_iter()
        .map(|child| child.join().unwrap())
        .sum();
    assert_eq!(sum, (0..2000).step_by(2).sum::<u64>());
    assert_eq!((taken.len().unwrap(), dict.len().unwrap()), (1000, 1000));
}

/// Moves a unit from one key to another, so that both together have the same before and after.
fn shift(dict: Dict<u64, u64>, go_on: Set<()>) {
    let mut round = 0;
    while go_on.contains(&()).unwrap() {
        round += 1;
        let [one, other] = [round, 1000 - round];
        dict.extend([(0, one), (1, other), (round % 500 + 2, 0)])
            .unwrap();
        round %= 1000;
    }
}

// DCT-002
#[test]
fn copies_are_of_one_moment_and_extend_is_one_step() {
    let _watchdog = watchdog();
    let dict = Dict::from_items([(0, 500), (1, 500)]).unwrap();
    let go_on = Set::from_items([()]).unwrap();
    let child = Process::spawn(shift, (dict.clone(), go_on.clone())).unwrap();
    dict.wait_for_timeout(2_u64, LONG).unwrap().unwrap();
    for _ in 0..300 {
        let items = dict.items().unwrap();
        assert_eq!(items.iter().map(|(_, value)| value).sum::<u64>(), 1000);
        assert!(items.starts_with(&[(0, items[0].1), (1, items[1].1)]));
    }
    go_on.clear().unwrap();
    child.join().unwrap();
}

fn answer(questions: Queue<Dict<String, u64>>) {
    let dict = questions.get().unwrap();
    let question = dict.wait_for("question").unwrap();
    dict.insert("answer", question * 2).unwrap();
}

// DCT-006
#[test]
fn a_dict_goes_through_queues_and_wakes_who_waits_in_another_process() {
    let _watchdog = watchdog();
    let questions = Queue::new().unwrap();
    let child = Process::spawn(answer, (questions.clone(),)).unwrap();
    let dict = Dict::<String, u64>::new().unwrap();
    questions.put(&dict).unwrap();
    dict.insert("question", 21_u64).unwrap();
    assert_eq!(dict.wait_for_timeout("answer", LONG).unwrap(), Some(42));
    child.join().unwrap();
}

fn make_one() -> Dict<u8, String> {
    let dict = Dict::new().unwrap();
    dict.insert(1, "left behind").unwrap();
    dict
}

#[test]
fn a_dict_outlives_the_process_that_made_it() {
    let _watchdog = watchdog();
    let dict = Process::spawn(make_one, ()).unwrap().join().unwrap();
    assert_eq!(dict.get(1).unwrap().as_deref(), Some("left behind"));
}

fn change_for_ever(dict: Dict<u64, u64>) {
    loop {
        dict.alter(1_u64, |value| *value.get_or_insert(0) += 1)
            .unwrap();
    }
}

/// Has all locks for most of the time.
fn copy_for_ever(dict: Dict<u64, u64>) {
    dict.insert(u64::MAX, 0_u64).unwrap();
    loop {
        dict.keys().unwrap();
    }
}

// DCT-009
#[test]
fn calls_with_a_timeout_end_though_a_stopped_process_holds_the_lock() {
    let _watchdog = watchdog();
    let dict = Dict::from_items((0..5000).map(|key| (key, key))).unwrap();
    let child = Process::spawn(copy_for_ever, (dict.clone(),)).unwrap();
    let pid = Pid::from_raw(child.pid().cast_signed());
    dict.wait_for_timeout(u64::MAX, LONG).unwrap().unwrap();
    let hurried = dict.clone().with_timeout(Duration::from_millis(1));
    let mut held = 0;
    for _ in 0..2000 {
        std::thread::sleep(Duration::from_millis(1));
        kill(pid, Signal::SIGSTOP).unwrap();
        match hurried.get(1_u64) {
            Err(DictError::Held { thread }) => {
                held += 1;
                assert_eq!(thread, Some(child.pid()));
                assert!(hurried.insert(1_u64, 0_u64).is_err());
                assert_eq!(dict.wait_for_timeout(1_u64, Duration::ZERO).unwrap(), None);
                assert!(hurried.items().is_err() && hurried.len().is_err());
            }
            value => assert!(value.unwrap().is_some()),
        }
        kill(pid, Signal::SIGCONT).unwrap();
        if held == 3 {
            break;
        }
    }
    assert!(held > 0, "it was never stopped within");
    procession_testkit::kill9(child.pid());
    child.join().unwrap_err();
    dict.insert(1_u64, 7_u64).unwrap();
    assert_eq!(dict.get(1_u64).unwrap(), Some(7));
}

fn slowly(dict: Dict<u64, u64>) {
    for _ in 0..3 {
        dict.alter(1_u64, |value| {
            std::thread::sleep(Duration::from_millis(3));
            *value.get_or_insert(0) += 1_000_000;
        })
        .unwrap();
    }
}

// Without a turn of its own it would be overtaken thousands of times each time.
// DCT-009
#[test]
fn a_slow_change_is_not_overtaken_for_ever() {
    let _watchdog = watchdog();
    let dict = Dict::<u64, u64>::new().unwrap();
    let quick = Process::spawn(change_for_ever, (dict.clone(),)).unwrap();
    dict.wait_for_timeout(1_u64, LONG).unwrap().unwrap();
    Process::spawn(slowly, (dict.clone(),))
        .unwrap()
        .join()
        .unwrap();
    procession_testkit::kill9(quick.pid());
    quick.join().unwrap_err();
    assert!(dict.get(1_u64).unwrap().unwrap() >= 3_000_000);
}
