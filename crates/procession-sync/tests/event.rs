//! The event between processes and between threads.

use procession_process::Process;
use procession_sync::Event;
use procession_testkit::helper::roundtrip;
use procession_testkit::{kill9, watchdog};
use std::thread;
use std::time::{Duration, Instant};

procession_process::enable_in_tests!();

// SYN-012
#[test]
fn it_is_set_and_cleared() {
    let _watchdog = watchdog();
    let event = Event::new().unwrap();
    assert!(!event.is_set());
    assert!(!event.wait_timeout(Duration::ZERO));
    event.set();
    event.set();
    assert!(event.is_set());
    event.wait();
    assert!(event.wait_timeout(Duration::ZERO));
    event.clear();
    event.clear();
    assert!(!event.is_set());
    assert!(!event.wait_timeout(Duration::from_millis(5)));
}

// SYN-012
#[test]
fn another_process_wakes_who_waits() {
    let _watchdog = watchdog();
    let (there, back) = (Event::new().unwrap(), Event::new().unwrap());
    let answer = |there: Event, back: Event| {
        there.wait();
        back.set();
    };
    let process = Process::spawn(answer, (there.clone(), back.clone())).unwrap();
    assert!(!back.is_set());
    there.set();
    back.wait();
    process.join().unwrap();
    assert!(roundtrip(&back).is_set());
}

// SYN-013
#[test]
fn debug_shows_whether_it_is_set() {
    let _watchdog = watchdog();
    let event = Event::new().unwrap();
    assert_eq!(format!("{event:?}"), "Event { set: false, .. }");
    event.set();
    assert_eq!(format!("{event:?}"), "Event { set: true, .. }");
}

fn wait_for_ever(there: Event, event: Event) {
    there.set();
    event.wait();
}

// SYN-027
#[test]
fn setting_does_not_wait_for_a_dead_waiter() {
    let _watchdog = watchdog();
    for _ in 0..10 {
        let (there, event) = (Event::new().unwrap(), Event::new().unwrap());
        let dead = Process::spawn(wait_for_ever, (there.clone(), event.clone())).unwrap();
        there.wait();
        there.clear();
        let living = Process::spawn(wait_for_ever, (there.clone(), event.clone())).unwrap();
        there.wait();
        kill9(dead.pid());
        assert!(dead.join().is_err());
        event.set();
        living.join().unwrap();
        assert!(event.is_set());
    }
}

/// Goes through gates: one event tells that it comes, one lets it pass, one tells that it has.
fn pass_gates(gates: Vec<[Event; 3]>) {
    for [comes, gate, passed] in gates {
        comes.set();
        gate.wait();
        passed.set();
    }
}

// SYN-028: waiting cannot return that it was not set, so what is left to miss is the set itself.
#[test]
fn a_set_that_is_cleared_at_once_is_not_missed() {
    let _watchdog = watchdog();
    let event = Event::new().unwrap();
    for _ in 0..200 {
        thread::scope(|scope| {
            let waiter = scope.spawn(|| event.wait_timeout(Duration::from_secs(100)));
            while !waiter.is_finished() {
                event.set();
                event.clear();
                thread::yield_now();
            }
            assert!(waiter.join().unwrap());
        });
    }
}

// SYN-028
#[test]
fn a_set_that_is_cleared_at_once_reaches_other_processes() {
    let _watchdog = watchdog();
    let event = || Event::new().unwrap();
    let gates: Vec<_> = (0..20).map(|_| [event(), event(), event()]).collect();
    let process = Process::spawn(pass_gates, (gates.clone(),)).unwrap();
    for [comes, gate, passed] in &gates {
        comes.wait();
        while !passed.is_set() {
            gate.set();
            gate.clear();
            thread::yield_now();
        }
    }
    process.join().unwrap();
}

// SYN-030: the machine's clock is not the test's to set; that the time is measured on the
// monotonic clock, to its full length, is what can be seen.
#[test]
fn a_timeout_lasts_its_time() {
    let _watchdog = watchdog();
    let event = Event::new().unwrap();
    for millis in [1, 20, 70] {
        let (start, timeout) = (Instant::now(), Duration::from_millis(millis));
        assert!(!event.wait_timeout(timeout));
        assert!(start.elapsed() >= timeout);
    }
    event.set();
    assert!(event.wait_timeout(Duration::MAX));
}
