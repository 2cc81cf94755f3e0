//! A kernel that does not have `futex_waitv`, played by a filter on system calls.

use super::queues;
use nix::errno::Errno;
use procession::{Pipe, Waitable, wait};
use procession_testkit::sandbox::refuse;
use procession_testkit::watchdog;
use std::io::{ErrorKind, Result};
use std::thread;
use std::time::Duration;

fn is_unsupported(result: &Result<Vec<usize>>) -> bool {
    result
        .as_ref()
        .is_err_and(|error| error.kind() == ErrorKind::Unsupported)
}

fn use_an_old_kernel() {
    refuse(libc::SYS_futex_waitv, Errno::ENOSYS);
    let short = Duration::from_millis(1);
    let queues = queues(2);
    let (here, there) = Pipe::duplex::<(), ()>().unwrap();
    let mixed: [&dyn Waitable; 3] = [&queues[0], &queues[1], &here];
    // One queue alone needs nothing of it, and connections alone neither.
    assert_eq!(wait(&mixed[..1], short).unwrap(), []);
    assert_eq!(wait(&mixed[2..], short).unwrap(), []);
    for objects in [&mixed[..2], &mixed[1..], &mixed[..]] {
        assert!(is_unsupported(&wait(objects, short)));
        assert!(is_unsupported(&wait(objects, None)));
    }
    // What need not sleep does not ask for it.
    assert_eq!(wait(&mixed, Duration::ZERO).unwrap(), []);
    there.send(&()).unwrap();
    queues[1].put(&1).unwrap();
    assert_eq!(wait(&mixed, None).unwrap(), [1, 2]);
}

#[test]
fn without_futex_waitv_some_mixes_are_refused() {
    let _watchdog = watchdog();
    thread::spawn(use_an_old_kernel).join().unwrap();
}
