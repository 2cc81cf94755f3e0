//! What wakes a receiver that sleeps on a connection over rings.

#![expect(
    clippy::unwrap_used,
    reason = "what the tests share fails by panicking, like a test"
)]

use procession_pipe::{Connection, Pipe, PipeReader, RecvError, pipe, wait};
use procession_process::Process;
use procession_testkit::{kill9, watchdog};
use std::fs;
use std::thread;
use std::time::Duration;

procession_process::enable_in_tests!();

const CAPACITY: usize = 4096;

/// Long enough for a thread to fall asleep; both before and after that, it is to be woken.
const NAP: Duration = Duration::from_millis(3);

/// A number, a body, and a descriptor perhaps.
type Item = (u32, Vec<u32>, Option<PipeReader>);

fn duplex<S, R>() -> (Connection<S, R>, Connection<R, S>) {
    Pipe::builder().rings(CAPACITY).duplex().unwrap()
}

/// Items that go through the ring, and beside it.
fn item(number: u32) -> Item {
    let len = [0, 100, 30_000][number as usize % 3];
    let reader = number.is_multiple_of(4).then(|| pipe().unwrap().0);
    (number, vec![number; len], reader)
}

/// What may have been done with an end before somebody receives there.
const BEFORE: [fn(&Connection<(), Item>); 4] = [
    |_| (),
    |there| assert!(!there.arm().unwrap()),
    |there| assert_eq!(wait(&[there], NAP).unwrap(), []),
    |there| assert!(!there.poll(NAP).unwrap()),
];

// CON-040
#[test]
fn a_sleeping_receiver_is_woken_by_whatever_comes() {
    let _watchdog = watchdog();
    for before in BEFORE {
        let (here, there) = duplex();
        before(&there);
        thread::scope(|scope| {
            let receiver = scope.spawn(|| {
                for number in 0..12 {
                    let (received, body, reader) = there.recv().unwrap();
                    assert_eq!(received, number);
                    assert_eq!(body, item(number).1);
                    assert_eq!(reader.is_some(), number.is_multiple_of(4));
                }
                there.recv().unwrap_err()
            });
            for number in 0..12 {
                thread::sleep(NAP);
                here.send(&item(number)).unwrap();
            }
            thread::sleep(NAP);
            drop(here);
            let end = receiver.join().unwrap();
            assert!(matches!(end, RecvError::Closed), "{end}");
        });
    }
}

// CON-040
#[test]
fn a_sleeping_receiver_learns_at_once_that_the_other_process_was_killed() {
    let _watchdog = watchdog();
    for before in BEFORE {
        let (here, there) = duplex();
        before(&there);
        let idle = |_here: Connection<Item, ()>| thread::sleep(Duration::MAX);
        let child = Process::spawn(idle, (here,)).unwrap();
        thread::scope(|scope| {
            let receiver = scope.spawn(|| there.recv().unwrap_err());
            thread::sleep(NAP);
            kill9(child.pid());
            let end = receiver.join().unwrap();
            // It may not have taken up its end yet.
            assert!(matches!(end, RecvError::Closed | RecvError::Reset), "{end}");
        });
        child.join().unwrap_err();
    }
}

// CON-040
#[test]
fn one_that_waits_is_told_of_what_a_receiver_leaves() {
    let _watchdog = watchdog();
    let (here, there) = duplex::<u32, u32>();
    for round in 0..20 {
        thread::scope(|scope| {
            let receiver = scope.spawn(|| there.recv().unwrap());
            thread::sleep(NAP);
            // From the first round on somebody watches beside it.
            let waits = scope.spawn(|| wait(&[&there], None).unwrap());
            let polls = scope.spawn(|| there.poll(None).unwrap());
            thread::sleep(NAP);
            here.send(&round).unwrap();
            thread::sleep(NAP);
            here.send(&(round + 1)).unwrap();
            assert_eq!(receiver.join().unwrap(), round);
            assert_eq!(waits.join().unwrap(), [0]);
            assert!(polls.join().unwrap());
            assert_eq!(there.recv().unwrap(), round + 1);
        });
        // The bell that may be left says nothing.
        let nothing = there.recv_timeout(Duration::from_millis(1));
        assert!(matches!(nothing, Err(RecvError::TimedOut)), "{nothing:?}");
    }
}

#[test]
fn a_bell_that_rang_for_a_receiver_that_gave_up_says_nothing() {
    let _watchdog = watchdog();
    let (here, there) = duplex::<u32, u32>();
    let mut received = 0;
    for number in 0..300 {
        thread::scope(|scope| {
            scope.spawn(|| here.send(&number).unwrap());
            // About as long as the sending takes.
            let soon = there.recv_timeout(Duration::from_micros(50));
            received += u32::from(soon.is_ok());
        });
        while let Some(_late) = there.try_recv().unwrap() {
            received += 1;
        }
        let nothing = there.recv_timeout(Duration::from_micros(100));
        assert!(matches!(nothing, Err(RecvError::TimedOut)), "{nothing:?}");
    }
    assert_eq!(received, 300);
}

/// Sends back what comes.
fn echo(there: Connection<u32, u32>) {
    for number in &there {
        there.send(&number.unwrap()).unwrap();
    }
}

/// Hands its end on to a child, and waits for its end.
fn hand_on(there: Connection<u32, u32>, generations: u32) {
    let child = match generations {
        0 => Process::spawn(echo, (there,)),
        _ => Process::spawn(hand_on, (there, generations - 1)),
    };
    child.unwrap().join().unwrap();
}

// CON-040
#[test]
fn an_end_that_was_handed_on_wakes_and_is_woken() {
    let _watchdog = watchdog();
    let (here, there) = duplex::<u32, u32>();
    let child = Process::spawn(hand_on, (there, 2)).unwrap();
    for number in 0..100 {
        here.send(&number).unwrap();
        assert_eq!(here.recv().unwrap(), number);
        if number.is_multiple_of(20) {
            thread::sleep(NAP);
        }
    }
    drop(here);
    child.join().unwrap();
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

// CON-040
#[test]
fn an_end_has_three_descriptors_and_its_clone_one_more() {
    let _watchdog = watchdog();
    let alone = || {
        // The family and its fork server have what they need.
        drop(duplex::<(), ()>());
        let without = Process::spawn(descriptors, ()).unwrap().join().unwrap();
        let before = descriptors();
        let (here, there) = duplex::<(), ()>();
        // In one process both ends have the bells in common.
        assert_eq!(descriptors() - before, 2 + 2);
        let same = here.try_clone().unwrap();
        assert_eq!(descriptors() - before, 5);
        let child = Process::spawn(|_: Connection<(), ()>| descriptors(), (there,)).unwrap();
        assert_eq!(child.join().unwrap() - without, 1 + 2);
        let held = descriptors();
        drop((here, same));
        assert_eq!(held - descriptors(), 2 + 2);
    };
    Process::spawn(alone, ()).unwrap().join().unwrap();
}
