//! Connections that nobody uses at the moment cost no processor.
//!
//! Alone in its program, whose processor time it measures. What is asserted is not how fast something
//! was, but that nothing was done.

#![expect(
    clippy::unwrap_used,
    reason = "what the tests share fails by panicking, like a test"
)]

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::time::TimeValLike;
use procession_pipe::{Connection, Pipe, wait};
use procession_process::Process;
use procession_testkit::watchdog;
use std::thread;
use std::time::Duration;

procession_process::enable_in_tests!();

const LINKS: usize = 1000;

type End = Connection<u32, u32>;

fn links(count: usize) -> (Vec<End>, Vec<End>) {
    let pipe = Pipe::builder().rings(1024);
    (0..count).map(|_| pipe.duplex().unwrap()).unzip()
}

/// The processor time of this process, and how often it has gone to sleep.
fn used() -> (Duration, i64) {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let time = usage.user_time() + usage.system_time();
    let micros = time.num_microseconds().cast_unsigned();
    (
        Duration::from_micros(micros),
        usage.voluntary_context_switches(),
    )
}

/// Asserts that this process sleeps for as long as `span`.
fn sleeps(span: Duration) {
    let before = used();
    thread::sleep(span);
    let after = used();
    let (time, switches) = (after.0.saturating_sub(before.0), after.1 - before.1);
    assert!(time < span / 100, "{time:?} of {span:?}");
    // The threads that wait are not woken at all: these are the test's own, and the watchdog's.
    assert!(switches < 100, "{switches} times asleep");
}

/// Waits for a thousand in one thread, and for each of some in a thread of its own.
fn many_sleep() {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(10_000), hard).unwrap();
    let (mine, theirs) = links(LINKS);
    let (alone, others) = links(20);
    thread::scope(|scope| {
        let all = scope.spawn(|| wait(&mine, None).unwrap());
        let each: Vec<_> = alone
            .iter()
            .map(|end| scope.spawn(|| end.recv().unwrap()))
            .collect();
        // What they look before they sleep is over soon.
        thread::sleep(Duration::from_millis(200));
        sleeps(Duration::from_secs(2));
        theirs[700].send(&1).unwrap();
        assert_eq!(all.join().unwrap(), [700]);
        for (end, thread) in others.iter().zip(each) {
            end.send(&7).unwrap();
            assert_eq!(thread.join().unwrap(), 7);
        }
    });
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
}

// CON-035
#[test]
fn sleeping_links_cost_no_processor() {
    let _watchdog = watchdog();
    Process::spawn(many_sleep, ()).unwrap().join().unwrap();
}

/// An idle server and its idle client, both asleep.
fn idle_in_two_processes() {
    let (here, there) = Pipe::builder().rings(4096).duplex::<u32, u32>().unwrap();
    let serve = |there: End| {
        there.send(&there.recv().unwrap()).unwrap();
        sleeps(Duration::from_secs(3));
        there.send(&there.recv().unwrap()).unwrap();
    };
    let child = Process::spawn(serve, (there,)).unwrap();
    here.send(&1).unwrap();
    assert_eq!(here.recv().unwrap(), 1);
    here.send(&2).unwrap();
    thread::scope(|scope| {
        // Waits for the answer, which comes when the child has slept.
        let waiting = scope.spawn(|| here.recv().unwrap());
        thread::sleep(Duration::from_millis(200));
        sleeps(Duration::from_secs(2));
        assert_eq!(waiting.join().unwrap(), 2);
    });
    child.join().unwrap();
}

// CON-035
#[test]
fn an_idle_link_costs_no_processor() {
    let _watchdog = watchdog();
    let alone = Process::spawn(idle_in_two_processes, ()).unwrap();
    alone.join().unwrap();
}
