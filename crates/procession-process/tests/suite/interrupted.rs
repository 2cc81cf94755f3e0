//! Signals, and ends of children that somebody else takes.

use super::{alone, ended, forever};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction, signal};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use procession_pipe::{Connection, Pipe};
use procession_process::{ExitStatus, Process};
use std::ffi::c_int;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

// PRC-032, PRC-033
pub(crate) fn an_interrupt_ends_a_process() {
    let (here, there) = Pipe::duplex::<(), ()>().unwrap();
    let tell = |there: Connection<(), ()>| {
        there.send(&()).unwrap();
        forever();
    };
    let process = Process::spawn(tell, (there,)).unwrap();
    here.recv().unwrap();
    process.interrupt().unwrap();
    assert_eq!(ended(process), ExitStatus::Signal(2));
}

// PRC-033
pub(crate) fn an_interrupt_right_after_the_start_is_not_lost() {
    for _ in 0..50 {
        let process = Process::spawn(forever, ()).unwrap();
        process.interrupt().unwrap();
        assert_eq!(ended(process), ExitStatus::Signal(2));
    }
}

// PRC-032
pub(crate) fn an_interrupt_that_is_ignored_does_nothing() {
    let (here, there) = Pipe::duplex::<(), ()>().unwrap();
    let tell = |there: Connection<(), ()>| {
        there.send(&()).unwrap();
        there.recv().unwrap();
        7
    };
    let builder = Process::builder().ignore_interrupts(true);
    let process = builder.spawn(tell, (there,)).unwrap();
    here.recv().unwrap();
    process.interrupt().unwrap();
    here.send(&()).unwrap();
    assert_eq!(process.join().unwrap(), 7);
}

static SIGNALS: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_: c_int) {
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

/// Has every call that waits interrupted again and again.
fn be_interrupted() {
    let count = SigAction::new(
        SigHandler::Handler(count),
        SaFlags::empty(),
        SigSet::empty(),
    );
    // SAFETY: the handler only adds to an atomic number.
    unsafe { sigaction(Signal::SIGALRM, &count) }.unwrap();
    let often = libc::timeval {
        tv_sec: 0,
        tv_usec: 3_000,
    };
    let timer = libc::itimerval {
        it_interval: often,
        it_value: often,
    };
    // SAFETY: the kernel reads one timer and is not asked for the one before.
    let set = unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, null_mut()) };
    assert_eq!(set, 0);
}

// PRC-019
pub(crate) fn signals_do_not_disturb_starting_and_joining() {
    alone(|| {
        be_interrupted();
        for number in 0..20 {
            let sleeps = |number: u32| {
                thread::sleep(Duration::from_millis(10));
                number
            };
            let process = Process::spawn(sleeps, (number,)).unwrap();
            assert_eq!(process.join().unwrap(), number);
        }
        assert!(SIGNALS.load(Ordering::Relaxed) > 20);
    });
}

// PRC-039
pub(crate) fn a_child_that_somebody_else_reaped_is_not_alive() {
    let process = Process::spawn(forever, ()).unwrap();
    process.kill().unwrap();
    waitpid(Pid::from_raw(process.pid().cast_signed()), None).unwrap();
    assert!(!process.is_alive());
    assert_eq!(process.exit_status(), Some(ExitStatus::Unknown));
    assert_eq!(ended(process), ExitStatus::Unknown);
}

// PRC-039
pub(crate) fn children_of_a_process_that_ignores_their_ends_are_joined() {
    alone(|| {
        // SAFETY: ignoring installs no handler whose code could be unsound.
        unsafe { signal(Signal::SIGCHLD, SigHandler::SigIgn) }.unwrap();
        let returns = Process::spawn(|| 7, ()).unwrap();
        let status = returns.wait_timeout(Duration::MAX).unwrap();
        assert_eq!(status, Some(ExitStatus::Unknown));
        assert!(!returns.is_alive());
        assert_eq!(returns.join().unwrap(), 7);
        let killed = Process::spawn(forever, ()).unwrap();
        killed.kill().unwrap();
        assert_eq!(ended(killed), ExitStatus::Unknown);
    });
}
