//! Processes that are killed, or close, at random moments, whatever they do at that moment.
//!
//! Alone in its program: it counts the descriptors that are open. `PROCESSION_STORM_SEED` repeats a
//! storm, as far as moments can be repeated; `PROCESSION_STORM_KILLS` says how many processes end.

#![expect(
    clippy::unwrap_used,
    reason = "a child process fails by panicking, like a test"
)]

mod transports;

use procession_pipe::{Connection, PipeReader, PipeWriter, RecvError, SendError, pipe};
use procession_process::Process;
use procession_testkit::{kill9, watchdog};
use std::env;
use std::fs;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use transports::{Connect, abstract_name, pair, rings, tcp_v4, tcp_v6, unix_path};

procession_process::enable_in_tests!();

/// What a message is made of: its number again and again.
type Message = Vec<u64>;
type End = Connection<Message, Message>;
type Laden = Connection<(PipeReader, PipeWriter), ()>;

/// The generator of Lehmer, which is random enough for moments.
fn next(seed: &mut u64) -> u64 {
    *seed = *seed * 48271 % 0x7fff_ffff;
    *seed
}

/// Messages of all sizes: within one call, within the socket's room, beyond it.
fn message(number: u64) -> Message {
    let len = [1, 7, 100, 3000, 60_000][number as usize % 5];
    vec![number | 1 << 40; len]
}

fn check(message: &Message, number: u64) {
    assert!(*message == self::message(number), "message {number}");
}

/// Sends for ever.
fn send(end: End) {
    for number in 0.. {
        if end.send(&message(number)).is_err() {
            return;
        }
    }
}

/// Receives for ever.
fn receive(end: End) {
    for (number, received) in (0..).zip(&end) {
        check(&received.unwrap(), number);
    }
}

/// Sends back what it receives, for ever.
fn echo(end: End) {
    while let Ok(message) = end.recv() {
        if end.send(&message).is_err() {
            return;
        }
    }
}

/// Closes the connection at some moment, which is no better than to be killed.
fn close(end: End) {
    for number in 0..7 {
        end.send(&message(number)).unwrap();
    }
}

/// Sends descriptors for ever.
fn load(end: Laden) {
    while end.send(&pipe().unwrap()).is_ok() {}
}

/// Ends `process` at a random moment.
fn doom(process: Process<()>, seed: &mut u64) -> thread::JoinHandle<()> {
    let delay = Duration::from_micros(next(seed) % 4000);
    thread::spawn(move || {
        thread::sleep(delay);
        kill9(process.pid());
        let _ = process.join();
    })
}

fn ends(connect: Connect) -> (End, End) {
    let (here, there) = connect();
    (here.into(), there.into())
}

fn is_end(error: &RecvError) -> bool {
    matches!(
        error,
        RecvError::Closed | RecvError::Truncated | RecvError::Reset
    )
}

/// Receives until the sender is gone.
fn outlive_a_sender(connect: Connect, work: fn(End) -> Process<()>, seed: &mut u64) {
    let (here, there) = ends(connect);
    let doom = doom(work(there), seed);
    let mut number = 0;
    let error = loop {
        match here.recv() {
            Ok(message) => check(&message, number),
            Err(error) => break error,
        }
        number += 1;
    };
    assert!(
        matches!(error, RecvError::Closed | RecvError::Truncated),
        "{error}"
    );
    doom.join().unwrap();
}

/// Sends until the receiver is gone.
fn outlive_a_receiver(connect: Connect, seed: &mut u64) {
    let (here, there) = ends(connect);
    let doom = doom(Process::spawn(receive, (there,)).unwrap(), seed);
    let error = (0..).find_map(|number| here.send(&message(number)).err());
    assert!(matches!(error, Some(SendError::Closed)), "{error:?}");
    let end = here.recv().unwrap_err();
    assert!(is_end(&end), "{end}");
    doom.join().unwrap();
}

/// Asks until nobody answers any more.
fn outlive_an_echo(connect: Connect, seed: &mut u64) {
    let (here, there) = ends(connect);
    let doom = doom(Process::spawn(echo, (there,)).unwrap(), seed);
    for number in 0.. {
        let sent = here.send(&message(number));
        match here.recv() {
            Ok(answer) => check(&answer, number),
            Err(end) => {
                assert!(is_end(&end), "{end}");
                break;
            }
        }
        assert!(sent.is_ok());
    }
    doom.join().unwrap();
}

/// Receives descriptors until the sender is gone; each pair is one pipe.
fn outlive_a_sender_of_descriptors(connect: Connect, seed: &mut u64) {
    let (here, there) = connect();
    let (here, there): (Connection<(), (PipeReader, PipeWriter)>, Laden) =
        (here.into(), there.into());
    let doom = doom(Process::spawn(load, (there,)).unwrap(), seed);
    for ends in &here {
        match ends {
            Ok((reader, writer)) => drop((reader, writer)),
            Err(end) => assert!(is_end(&end), "{end}"),
        }
    }
    doom.join().unwrap();
}

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap())
}

fn seed_of_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.subsec_nanos().into()
}

// CON-001, CON-004
#[test]
fn the_end_is_told_whatever_the_dead_were_doing() {
    let seed = number("PROCESSION_STORM_SEED").unwrap_or_else(seed_of_now);
    let kills = number("PROCESSION_STORM_KILLS").unwrap_or(50);
    // A panic tells the name of its thread.
    let storm = thread::Builder::new().name(format!("storm with seed {seed}"));
    storm
        .spawn(move || storm_over(seed % 0x7fff_fffe + 1, kills))
        .unwrap()
        .join()
        .unwrap();
}

fn storm_over(mut seed: u64, kills: u64) {
    let mut killed = 0;
    let mut open = None;
    while killed < kills {
        let _watchdog = watchdog();
        for connect in [
            rings as Connect,
            pair,
            unix_path,
            abstract_name,
            tcp_v4,
            tcp_v6,
        ] {
            killed += storm_on(connect, &mut seed);
        }
        for connect in [rings as Connect, pair] {
            outlive_a_sender_of_descriptors(connect, &mut seed);
            killed += 1;
        }
        // The first round opened what the program keeps.
        let known = *open.get_or_insert_with(open_descriptors);
        assert_eq!(known, open_descriptors());
    }
}

/// Lets four processes meet their end, and returns so.
fn storm_on(connect: Connect, seed: &mut u64) -> u64 {
    let sender = |end| Process::spawn(send, (end,)).unwrap();
    outlive_a_sender(connect, sender, seed);
    let closer = |end| Process::spawn(close, (end,)).unwrap();
    outlive_a_sender(connect, closer, seed);
    outlive_a_receiver(connect, seed);
    outlive_an_echo(connect, seed);
    4
}
