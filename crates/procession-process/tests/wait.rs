//! Waiting for processes, beside the connections that they talk over.

#![expect(clippy::unwrap_used, reason = "a task fails by panicking, like a test")]

use procession_pipe::{Connection, Pipe, RecvError, Waitable, wait};
use procession_process::Process;
use procession_testkit::{kill9, watchdog};
use std::thread::{park, sleep};
use std::time::Duration;

procession_process::enable_in_tests!();

/// What a process says: who it is, and which message this is.
type Said = (u32, u32);

const MESSAGES: u32 = 10;

fn say_ten(connection: Connection<Said, ()>, who: u32, pauses: Vec<u64>) {
    for message in 0..MESSAGES {
        let pause = pauses.get(message as usize).copied().unwrap_or(0);
        sleep(Duration::from_millis(pause));
        connection.send(&(who, message)).unwrap();
    }
}

/// Hears four processes until each is at its end.
fn hear_four(pauses: impl Fn(u32) -> Vec<u64>) {
    let (mut children, mut open) = (Vec::new(), Vec::new());
    for who in 0..4 {
        let (here, there) = Pipe::duplex::<(), Said>().unwrap();
        children.push(Process::spawn(say_ten, (there, who, pauses(who))).unwrap());
        open.push(here);
    }
    let mut next = [0; 4];
    while !open.is_empty() {
        let ready = wait(&open, None).unwrap();
        assert_ne!(ready, []);
        for index in ready.into_iter().rev() {
            match open[index].recv() {
                Ok((who, message)) => {
                    assert_eq!(message, next[who as usize]);
                    next[who as usize] += 1;
                }
                Err(RecvError::Closed) => drop(open.remove(index)),
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert_eq!(next, [MESSAGES; 4]);
    for child in children {
        child.join().unwrap();
    }
}

// CON-020
#[test]
fn four_processes_until_each_is_at_its_end() {
    let _watchdog = watchdog();
    hear_four(|_| Vec::new());
}

// CON-022
#[test]
fn four_processes_that_take_their_time() {
    let _watchdog = watchdog();
    let seed = u64::from(std::process::id());
    hear_four(|who| {
        let numbers = (0..u64::from(MESSAGES)).map(|n| seed * (7 + n) + 31 * u64::from(who));
        numbers.map(|number| number % 13).collect()
    });
}

fn end_when_told(told: Connection<(), ()>) {
    let _ = told.recv();
}

// CON-024
#[test]
fn a_process_and_connections_are_ready_together() {
    let _watchdog = watchdog();
    let (tell, told) = Pipe::duplex::<(), ()>().unwrap();
    let child = Process::spawn(end_when_told, (told,)).unwrap();
    let sentinel = child.sentinel();
    let (a, x) = Pipe::duplex::<(), ()>().unwrap();
    let (b, y) = Pipe::duplex::<(), ()>().unwrap();
    let objects: [&dyn Waitable; 3] = [&a, &sentinel, &b];
    assert_eq!(wait(&objects, Duration::from_millis(5)).unwrap(), []);
    tell.send(&()).unwrap();
    assert_eq!(wait(&objects, None).unwrap(), [1]);
    x.send(&()).unwrap();
    assert_eq!(wait(&objects, None).unwrap(), [0, 1]);
    y.send(&()).unwrap();
    assert_eq!(wait(&objects, None).unwrap(), [0, 1, 2]);
    // Neither is it forgotten when it was reaped.
    assert!(child.exit_status().unwrap().success());
    assert_eq!(wait(&[&child], None).unwrap(), [0]);
}

fn idle() {
    loop {
        park();
    }
}

#[test]
fn killed_processes_are_ready_whatever_they_did() {
    let _watchdog = watchdog();
    let children: Vec<_> = (0..6).map(|_| Process::spawn(idle, ()).unwrap()).collect();
    assert_eq!(wait(&children, Duration::ZERO).unwrap(), []);
    let mut dead = Vec::new();
    for index in [3, 0, 5] {
        kill9(children[index].pid());
        dead.push(index);
        dead.sort_unstable();
        // Whoever was killed before is there still.
        while wait(&children, None).unwrap() != dead {}
    }
    for child in children {
        child.kill().unwrap();
        assert!(child.join().is_err());
    }
}

#[test]
fn a_writer_killed_in_a_message_is_ready() {
    let _watchdog = watchdog();
    let flood = |connection: Connection<Vec<u64>, ()>| {
        while connection.send(&vec![1 << 60; 100_000]).is_ok() {}
    };
    let (here, there) = Pipe::duplex::<(), Vec<u64>>().unwrap();
    let child = Process::spawn(flood, (there,)).unwrap();
    here.recv().unwrap();
    kill9(child.pid());
    loop {
        let ready = wait(&[&here as &dyn Waitable, &child], None).unwrap();
        assert_ne!(ready, []);
        match here.recv() {
            Ok(_) => {}
            Err(RecvError::Closed | RecvError::Truncated) => break,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(wait(&[&child], None).unwrap(), [0]);
    assert!(child.join().is_err());
}
