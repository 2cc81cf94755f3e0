//! Signals whose handler interrupts system calls: no wait notices.

use super::{LONG, asleep, queues};
use nix::sys::pthread::{Pthread, pthread_kill, pthread_self};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use procession::{Pipe, Waitable, wait};
use procession_testkit::{eventually, watchdog};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

/// How often a handled signal interrupted a thread.
static SIGNALS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: i32) {
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

fn disturb(thread: Pthread) {
    for _ in 0..20 {
        let before = SIGNALS.load(Ordering::Relaxed);
        pthread_kill(thread, Signal::SIGUSR1).unwrap();
        eventually("the signal comes", || {
            SIGNALS.load(Ordering::Relaxed) > before
        });
    }
}

#[test]
fn signals_end_no_wait() {
    let _watchdog = watchdog();
    let action = SigAction::new(
        SigHandler::Handler(count),
        SaFlags::empty(),
        SigSet::empty(),
    );
    // SAFETY: the handler adds to an atomic, which is safe in a signal handler.
    unsafe { sigaction(Signal::SIGUSR1, &action) }.unwrap();
    let queues = queues(3);
    let (here, _there) = Pipe::duplex::<(), ()>().unwrap();
    let mixed: [&(dyn Waitable + Sync); 3] = [&queues[0], &queues[1], &here];
    for objects in [&mixed[..1], &mixed[..2], &mixed[..]] {
        for timeout in [None, Some(LONG)] {
            let (tell, told) = mpsc::channel();
            thread::scope(|scope| {
                let waiter = asleep(scope, move || {
                    tell.send(pthread_self()).unwrap();
                    wait(objects, timeout).unwrap()
                });
                disturb(told.recv().unwrap());
                queues[0].put(&1).unwrap();
                assert_eq!(waiter.join().unwrap(), [0]);
            });
            queues[0].get().unwrap();
        }
    }
}
