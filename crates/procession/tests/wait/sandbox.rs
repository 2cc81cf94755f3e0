//! A kernel that does not have `futex_waitv`, played by a filter on system calls.

use super::queues;
use procession::{Pipe, Waitable, wait};
use procession_testkit::watchdog;
use std::io::{ErrorKind, Result};
use std::thread;
use std::time::Duration;

/// Refuses `futex_waitv` to this thread and to those that it starts.
fn refuse_futex_waitv() {
    let operation = |code: u32, jt, jf, k: u32| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let number = libc::SYS_futex_waitv as u32;
    let refusal = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
    let mut filter = [
        // The number of the system call is the first word of what the filter is given.
        operation(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        operation(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, number),
        operation(libc::BPF_RET | libc::BPF_K, 0, 0, refusal),
        operation(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: this takes numbers only.
    let result = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(result, 0);
    // SAFETY: the kernel copies the program, which lives until the call returns.
    let result = unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
        )
    };
    assert_eq!(result, 0);
}

fn is_unsupported(result: &Result<Vec<usize>>) -> bool {
    result
        .as_ref()
        .is_err_and(|error| error.kind() == ErrorKind::Unsupported)
}

fn use_an_old_kernel() {
    refuse_futex_waitv();
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
