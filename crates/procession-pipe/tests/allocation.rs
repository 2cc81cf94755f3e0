//! What a message costs in memory of the process: nothing, once the first is through.

use procession_pipe::{Connection, Pipe};
use procession_testkit::allocation::{Counting, in_ten_runs};
use procession_testkit::watchdog;
use std::thread;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

type Value = (u64, [u8; 30], f64);
type End<T> = Connection<T, T>;

fn both<T>(check: impl Fn(End<T>, End<T>)) {
    let (here, there) = Pipe::duplex().expect("it is made");
    check(here, there);
    let (here, there) = Pipe::builder()
        .rings(64 << 10)
        .duplex()
        .expect("it is made");
    check(here, there);
}

// QUE-053
#[test]
fn a_message_that_is_sent_and_received_takes_no_memory() {
    let _watchdog = watchdog();
    both(|here: End<Value>, there| {
        let value = (7, [1; 30], 0.5);
        let trip = || {
            here.send(&value).unwrap();
            assert_eq!(there.recv().unwrap(), value);
            there.send(&value).unwrap();
            assert_eq!(here.try_recv().unwrap(), Some(value));
        };
        assert_eq!(in_ten_runs(trip), 0);
    });
}

// QUE-053
#[test]
fn a_message_that_is_slept_for_takes_no_memory() {
    let _watchdog = watchdog();
    both(|here: End<Value>, there| {
        let value = (7, [1; 30], 0.5);
        let number_of_trips = 12 + 3;
        thread::scope(|scope| {
            let answers = scope.spawn(|| {
                // Allocations are counted for each thread.
                let trip = || {
                    assert_eq!(there.recv().unwrap(), value);
                    thread::sleep(Duration::from_millis(1));
                    there.send(&value).unwrap();
                };
                let taken = in_ten_runs(trip);
                for _ in 12..number_of_trips {
                    trip();
                }
                taken
            });
            let trip = || {
                here.send(&value).unwrap();
                assert_eq!(here.recv_timeout(Duration::MAX).unwrap(), value);
                assert!(!here.poll(Duration::from_micros(1)).unwrap());
            };
            let asked = in_ten_runs(trip);
            for _ in 12..number_of_trips {
                trip();
            }
            assert_eq!((asked, answers.join().unwrap()), (0, 0));
        });
    });
}

#[test]
fn a_long_message_takes_the_memory_that_its_receiver_gets() {
    let _watchdog = watchdog();
    both(|here: End<Vec<u8>>, there| {
        // As much as a socket holds without a reader.
        let value = vec![7; 100 << 10];
        let trip = || {
            here.send(&value).unwrap();
            assert_eq!(there.recv().unwrap(), value);
        };
        assert_eq!(in_ten_runs(trip), 10);
    });
}
