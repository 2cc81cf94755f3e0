//! Signals whose handler interrupts system calls: no call notices.

mod common;

use common::start;
use nix::sys::pthread::{pthread_kill, pthread_self};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use procession_pipe::{Channel, Deadline, NamedPipe, wait};
use procession_testkit::{eventually, watchdog};
use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::Duration;

/// How often a handled signal interrupted a thread.
static SIGNALS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: i32) {
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

/// Makes `SIGUSR1` interrupt system calls, and do nothing else.
fn handle_signals() {
    let action = SigAction::new(
        SigHandler::Handler(count),
        SaFlags::empty(),
        SigSet::empty(),
    );
    // SAFETY: the handler adds to an atomic, which is safe in a signal handler.
    unsafe { sigaction(Signal::SIGUSR1, &action) }.expect("the signal can be handled");
}

/// Starts a thread and interrupts it several times while it is blocked.
fn disturbed<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> ScopedJoinHandle<'scope, T> {
    let (tell, told) = mpsc::channel();
    let watched = start(scope, move || {
        tell.send(pthread_self()).expect("the test waits for this");
        work()
    });
    let thread = told.recv().expect("the thread has started");
    for _ in 0..20 {
        watched.blocks();
        let before = SIGNALS.load(Ordering::Relaxed);
        pthread_kill(thread, Signal::SIGUSR1).expect("the thread runs");
        eventually("the signal comes", || {
            SIGNALS.load(Ordering::Relaxed) > before
        });
    }
    watched.handle
}

#[test]
fn a_message_is_not_interrupted() {
    let _watchdog = watchdog();
    handle_signals();
    let (here, there) = Channel::pair().unwrap();
    let long = vec![3; 4 << 20];
    let far = Deadline::after(Duration::from_secs(100));
    for deadline in [Deadline::NEVER, far] {
        thread::scope(|scope| {
            let receiver = disturbed(scope, || there.recv_bytes_by(deadline));
            here.send_bytes_by(b"calm", Deadline::NEVER).unwrap();
            assert_eq!(receiver.join().unwrap().unwrap(), b"calm");

            let sender = disturbed(scope, || here.send_bytes_by(&long, deadline));
            assert_eq!(there.recv_bytes_by(Deadline::NEVER).unwrap(), long);
            sender.join().unwrap().unwrap();
        });
    }
}

#[test]
fn a_meeting_at_a_named_pipe_is_not_interrupted() {
    let _watchdog = watchdog();
    handle_signals();
    let directory = tempfile::tempdir().unwrap();
    let pipe = NamedPipe::create(directory.path().join("pipe")).unwrap();
    for timeout in [None, Some(Duration::from_secs(100))] {
        thread::scope(|scope| {
            let reader = disturbed(scope, || pipe.open_reader(timeout).unwrap());
            pipe.open_writer(timeout).unwrap().write_all(b"x").unwrap();
            let mut text = String::new();
            reader.join().unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "x");

            let writer = disturbed(scope, || pipe.open_writer(timeout).unwrap());
            let reader = pipe.open_reader(timeout).unwrap();
            writer.join().unwrap().write_all(b"x").unwrap();
            assert!(reader.poll(None).unwrap());
        });
    }
}

#[test]
fn a_wait_for_several_is_not_interrupted() {
    let _watchdog = watchdog();
    handle_signals();
    let pairs = [Channel::pair().unwrap(), Channel::pair().unwrap()];
    let [(one, _one), (two, other)] = &pairs;
    for timeout in [None, Some(Duration::from_secs(100))] {
        thread::scope(|scope| {
            let waiter = disturbed(scope, move || wait(&[one, two], timeout).unwrap());
            other.send_bytes_by(b"calm", Deadline::NEVER).unwrap();
            assert_eq!(waiter.join().unwrap(), [1]);
        });
        two.recv_bytes_by(Deadline::NEVER).unwrap();
    }
}
