//! Signals that come faster than a call of the system is done do not keep it from being done.

#![expect(clippy::unwrap_used, reason = "a task fails by panicking, like a test")]

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use procession::{Array, Process, Queue, StartMethod};
use procession_testkit::watchdog;
use std::sync::atomic::{AtomicU32, Ordering};

procession::enable_in_tests!();

static SIGNALS: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_: libc::c_int) {
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

/// Has a signal interrupt this process, over and over, as a profiler does.
fn interrupt_every(micros: i64) {
    let handler = SigHandler::Handler(count);
    let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler only adds to an atomic number.
    unsafe { sigaction(Signal::SIGALRM, &action) }.unwrap();
    let every = libc::timeval {
        tv_sec: 0,
        tv_usec: micros,
    };
    let timer = libc::itimerval {
        it_interval: every,
        it_value: every,
    };
    // SAFETY: the timer is a valid one, and the old one is not asked for.
    let set = unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) };
    assert_eq!(set, 0);
}

/// Far more than is reserved between two signals.
const LARGE: usize = 96 << 20;

fn make_a_large_array() -> usize {
    interrupt_every(300);
    let array = Array::<u8>::zeroed(LARGE).unwrap();
    assert!(SIGNALS.load(Ordering::Relaxed) > 0);
    array.len()
}

// SHM-042
#[test]
fn a_large_array_is_made_under_a_timer() {
    let _watchdog = watchdog();
    let child = Process::spawn(make_a_large_array, ()).unwrap();
    assert_eq!(child.join().unwrap(), LARGE);
}

fn send_a_large_item(queue: Queue<Vec<u8>>) -> usize {
    interrupt_every(300);
    queue.put(&vec![7; LARGE / 4]).unwrap();
    queue.get().unwrap().len()
}

// SHM-042
#[test]
fn a_large_item_is_put_and_got_under_a_timer() {
    let _watchdog = watchdog();
    let queue = Queue::new().unwrap();
    let child = Process::spawn(send_a_large_item, (queue,)).unwrap();
    assert_eq!(child.join().unwrap(), LARGE / 4);
}

fn start_children() -> usize {
    interrupt_every(500);
    let echo = |bytes: Vec<u8>| bytes;
    let methods = [StartMethod::ForkServer, StartMethod::Spawn];
    let sent = methods.map(|method| {
        let builder = Process::builder().start_method(method);
        let child = builder.spawn(echo, (vec![1_u8; LARGE / 4],)).unwrap();
        child.join().unwrap().len()
    });
    sent.into_iter().sum()
}

// SHM-042
#[test]
fn large_arguments_and_results_come_under_a_timer() {
    let _watchdog = watchdog();
    let child = Process::spawn(start_children, ()).unwrap();
    assert_eq!(child.join().unwrap(), LARGE / 2);
}
