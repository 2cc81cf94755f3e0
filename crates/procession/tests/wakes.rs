//! What a call wakes: one thread on each side, and no thread that would only pass it on.

#![expect(clippy::unwrap_used, reason = "a task fails by panicking, like a test")]

use procession::{Connection, Manager, Pipe, Pool, Process};
use procession_testkit::watchdog;
use std::collections::BTreeMap;
use std::fs;
use std::thread::sleep;
use std::time::Duration;

procession::enable_in_tests!();

const CALLS: u64 = 100;

/// So long that the other side is asleep by then.
const MOMENT: Duration = Duration::from_millis(1);

/// How often each thread of this process has gone to sleep.
fn sleeps() -> BTreeMap<String, u64> {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    let count = |path: &std::path::Path| {
        let status = fs::read_to_string(path.join("status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("voluntary"))?;
        line.rsplit_once('\t')?.1.parse::<u64>().ok()
    };
    let counted = threads.filter_map(|thread| {
        let path = thread.unwrap().path();
        Some((path.display().to_string(), count(&path)?))
    });
    counted.collect()
}

/// Asserts that one thread of a process slept, and was woken, for each call, and the others for none.
fn one_was_woken(side: &str, before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) {
    let slept = after.iter().map(|(thread, count)| {
        let known = before.get(thread).copied().unwrap_or(0);
        count - known
    });
    let mut slept: Vec<_> = slept.collect();
    slept.sort_unstable();
    let most = slept.pop().unwrap();
    // Once each for the moment that it slept by itself.
    assert!(
        (CALLS..CALLS * 5 / 2).contains(&most),
        "{side}: {most}, {slept:?}"
    );
    assert!(
        slept.iter().sum::<u64>() < CALLS / 10,
        "{side}: {most}, {slept:?}"
    );
}

/// Calls again and again, with both sides asleep before each message of the other one. `look` returns what
/// [`sleeps`] says there.
fn call_often(mut call: impl FnMut(), mut look: impl FnMut() -> BTreeMap<String, u64>) {
    // What is set up at the first calls is not counted.
    for _ in 0..20 {
        sleep(MOMENT);
        call();
    }
    let before = (look(), sleeps());
    for _ in 0..CALLS {
        sleep(MOMENT);
        call();
    }
    one_was_woken("here", &before.1, &sleeps());
    one_was_woken("there", &before.0, &look());
}

fn by_pools() {
    for workers in [1, 4] {
        let pool = Pool::new(workers).unwrap();
        if workers == 1 {
            let call = || pool.apply(sleep, (MOMENT,)).unwrap();
            call_often(call, || pool.apply(sleeps, ()).unwrap());
        }
        // Which of several workers has a call is the pool's choice.
        let call = || pool.apply(sleep, (MOMENT,)).unwrap();
        let before = sleeps();
        for _ in 0..CALLS {
            sleep(MOMENT);
            call();
        }
        one_was_woken("here", &before, &sleeps());
    }
}

fn by_managers() {
    let manager = Manager::start().unwrap();
    let list = manager.list::<u8>().unwrap();
    let call = || list.with(|_: &mut Vec<u8>| sleep(MOMENT)).unwrap();
    call_often(call, || list.with(|_: &mut Vec<u8>| sleeps()).unwrap());
}

fn by_pipes() {
    type There = Connection<BTreeMap<String, u64>, bool>;
    let (here, there) = Pipe::builder().rings(4096).duplex().unwrap();
    let serve = |there: There| {
        while let Ok(look) = there.recv() {
            sleep(MOMENT);
            let said = if look { sleeps() } else { BTreeMap::new() };
            there.send(&said).unwrap();
        }
    };
    let child = Process::spawn(serve, (there,)).unwrap();
    let ask = |look: bool| {
        here.send(&look).unwrap();
        here.recv().unwrap()
    };
    call_often(|| drop(ask(false)), || ask(true));
    drop(here);
    child.join().unwrap();
}

// CON-042
#[test]
fn a_call_wakes_one_thread_on_each_side() {
    let _watchdog = watchdog();
    // Each in a program of its own, where no other test's threads are.
    Process::spawn(by_pipes, ()).unwrap().join().unwrap();
    Process::spawn(by_managers, ()).unwrap().join().unwrap();
    Process::spawn(by_pools, ()).unwrap().join().unwrap();
}
