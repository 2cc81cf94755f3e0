//! Code of the program's that panics on a thread of the library's, or in a destructor: the others are served on.
//!
//! The program's logger is the only one of its process, so this is a program of its own.

#![expect(
    clippy::unwrap_used,
    reason = "a helper process fails by panicking, like a test"
)]

use procession::{Address, Client, Listener, Pool, Process, pipe};
use procession_testkit::watchdog;
use std::io::Read;
use std::panic;
use std::sync::Once;
use std::sync::mpsc::channel;
use std::time::Duration;

procession::enable_in_tests!();

const LONG: Duration = Duration::from_mins(1);

struct Panics;

impl log::Log for Panics {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        panic::panic_any(Worse(record.args().to_string()));
    }

    fn flush(&self) {}
}

/// What was panicked with. Its destructor panics too.
struct Worse(String);

impl Drop for Worse {
    fn drop(&mut self) {
        panic!("{}, and once more", self.0);
    }
}

/// Has the logger panic, which is not printed.
fn panic_in_logger() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        panic::set_hook(Box::new(|_| ()));
        log::set_logger(&Panics).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
    });
}

// CON-041
#[test]
fn a_listener_whose_logger_panics_lets_others_in() {
    let _watchdog = watchdog();
    panic_in_logger();
    let listener = Listener::builder()
        .key("right")
        .bind(Address::unique().unwrap())
        .unwrap();
    for _ in 0..3 {
        let wrong = Client::builder().key("wrong");
        wrong.connect::<(), ()>(listener.local_addr()).unwrap_err();
        let right = Client::builder().key("right");
        let client = right.connect::<u8, u8>(listener.local_addr()).unwrap();
        client.send(&7).unwrap();
        let served = listener.accept_timeout::<u8, u8>(LONG).unwrap();
        assert_eq!(served.recv().unwrap(), 7);
    }
}

// CON-041
#[test]
fn whoever_panics_on_being_told_of_an_end_keeps_it_from_nobody() {
    let _watchdog = watchdog();
    panic_in_logger();
    let (tell, told) = channel();
    for _ in 0..3 {
        let child = Process::spawn(|| (), ()).unwrap();
        child
            .when_ended(|_| panic::panic_any(Worse("ended".to_owned())))
            .unwrap();
        let tell = tell.clone();
        child
            .when_ended(move |status| tell.send(status).unwrap())
            .unwrap();
        assert!(told.recv_timeout(LONG).unwrap().success());
    }
}

// CON-041
#[test]
fn a_pool_that_is_dropped_while_its_logger_panics_ends_its_workers() {
    let _watchdog = watchdog();
    panic_in_logger();
    let (mut reader, writer) = pipe().unwrap();
    let pool = Pool::new(1).unwrap();
    let park = |writer: procession::PipeWriter| -> () {
        loop {
            std::thread::park();
            assert!(format!("{writer:?}").contains("Pipe"));
        }
    };
    let _lost = pool.apply_async(park, (writer,)).unwrap();
    drop(pool);
    // The worker, which had the other end, is gone.
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
}
