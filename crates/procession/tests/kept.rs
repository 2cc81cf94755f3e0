//! A program that has started processes leaves nothing in `/dev/shm`, by whatever signal it ends.

#![expect(
    clippy::unwrap_used,
    reason = "a helper process fails by panicking, like a test"
)]

use nix::sys::signal::{SigHandler, Signal, kill, signal};
use nix::unistd::Pid;
use procession::{Array, Process};
use procession_testkit::helper::{Helper, say, wait_for_end};
use procession_testkit::{alive, eventually, fork_server, shared_memory, watchdog};
use std::thread::park;

procession::enable_in_tests!();
procession_testkit::helpers!(hold_memory);

/// Has much memory, and a child that has it too, and then waits to be killed.
fn hold_memory() {
    procession::init();
    // What started this program may ignore them, as `nohup` and a shell's background do.
    for ends in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT] {
        // SAFETY: no handler of anybody's is called.
        unsafe { signal(ends, SigHandler::SigDfl) }.unwrap();
    }
    let array = Array::<u8>::zeroed(16 << 20).unwrap();
    let parked = |array: Array<u8>| -> () {
        loop {
            assert_eq!(array.len(), 16 << 20);
            park();
        }
    };
    // At its normal end, which a test that is given up brings about, the program waits for no daemon.
    let daemon = Process::builder().daemon(true);
    let _child = daemon.spawn(parked, (array.clone(),)).unwrap();
    say(array.segment().name().split('-').nth(1).unwrap());
    wait_for_end();
}

fn leaves_nothing(end: Signal, server: Option<Signal>) {
    let mut program = Helper::start("hold_memory", &[]);
    let family = program.hear();
    let keeper = fork_server(program.pid()).unwrap();
    assert!(!shared_memory(&family).is_empty());
    let send = |pid: u32, signal| kill(Pid::from_raw(pid.cast_signed()), signal).unwrap();
    if let Some(signal) = server {
        send(keeper, signal);
    }
    send(program.pid(), end);
    program.end();
    eventually("its memory is gone", || shared_memory(&family).is_empty());
    eventually("and so is what removed it", || !alive(keeper));
}

#[test]
fn nothing_is_left_by_whatever_signal_a_program_ends() {
    let _watchdog = watchdog();
    for signal in [
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGABRT,
        Signal::SIGKILL,
    ] {
        leaves_nothing(signal, None);
    }
}

#[test]
fn nothing_is_left_when_all_processes_of_a_service_are_told_to_end() {
    let _watchdog = watchdog();
    leaves_nothing(Signal::SIGTERM, Some(Signal::SIGTERM));
    leaves_nothing(Signal::SIGHUP, Some(Signal::SIGHUP));
}

#[test]
fn a_keeper_that_was_stopped_goes_on() {
    let _watchdog = watchdog();
    leaves_nothing(Signal::SIGKILL, Some(Signal::SIGSTOP));
}
