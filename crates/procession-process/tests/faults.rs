//! A system that refuses what a start needs, one call after the other.
//!
//! A filter makes one system call fail in a process of its own, as it does when a limit is reached
//! or memory is short. The start is an error or the child is, or all goes well without that call;
//! nothing hangs, and no child is left.

#![expect(
    clippy::exit,
    reason = "a process that can return nothing tells by its code"
)]
#![expect(clippy::unwrap_used, reason = "tasks fail by panicking, like tests")]

use nix::errno::Errno;
use procession_process::{ExitStatus, Process, StartMethod, active_children, set_start_method};
use procession_testkit::sandbox::refuse;
use procession_testkit::{eventually, watchdog};
use std::process::exit;
use std::time::Duration;

procession_process::enable_in_tests!();

/// What a start may call, and how that fails.
const FAULTS: [(libc::c_long, Errno); 25] = [
    (libc::SYS_socketpair, Errno::EMFILE),
    (libc::SYS_socketpair, Errno::ENOMEM),
    (libc::SYS_clone, Errno::EAGAIN),
    (libc::SYS_clone, Errno::ENOMEM),
    (libc::SYS_clone3, Errno::EAGAIN),
    (libc::SYS_clone3, Errno::ENOMEM),
    (libc::SYS_execve, Errno::ENOMEM),
    (libc::SYS_pidfd_open, Errno::EMFILE),
    (libc::SYS_openat, Errno::EMFILE),
    (libc::SYS_openat, Errno::ENFILE),
    (libc::SYS_pipe2, Errno::EMFILE),
    (libc::SYS_fcntl, Errno::EMFILE),
    (libc::SYS_sendmsg, Errno::ENOMEM),
    (libc::SYS_recvmsg, Errno::ENOMEM),
    (libc::SYS_prctl, Errno::ENOMEM),
    (libc::SYS_flock, Errno::ENOLCK),
    (libc::SYS_statx, Errno::ENOMEM),
    (libc::SYS_getdents64, Errno::ENOMEM),
    (libc::SYS_setpgid, Errno::EPERM),
    (libc::SYS_fchdir, Errno::EACCES),
    (libc::SYS_dup3, Errno::EMFILE),
    (libc::SYS_memfd_create, Errno::EMFILE),
    (libc::SYS_readlinkat, Errno::ENOMEM),
    (libc::SYS_getresuid, Errno::EPERM),
    (libc::SYS_capget, Errno::EPERM),
];

/// Starts a child, small arguments or large; whatever comes of it comes without a wait for ever.
fn start(len: usize) {
    let task = |bytes: Vec<u8>| bytes.len();
    match Process::spawn(task, (vec![7; len],)).map(Process::join) {
        Ok(Ok(returned)) => assert_eq!(returned, len),
        // Which of them fails depends on who makes the call.
        Ok(Err(error)) => assert!(!error.to_string().is_empty()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn start_without(method: StartMethod, warm: bool, number: usize) {
    set_start_method(method);
    if warm {
        start(0);
        start(0);
    }
    let (call, errno) = FAULTS[number];
    refuse(call, errno);
    [0, 1 << 20, 0].into_iter().for_each(start);
    // One that was started in vain is killed, and may take a moment to be gone.
    eventually("nobody is left", || active_children().is_empty());
    // What this process returns might be refused as well.
    exit(0)
}

/// Plays all faults, with a method that has started children before, or has not.
fn play(method: StartMethod, warm: bool) {
    let _watchdog = watchdog();
    for (number, fault) in FAULTS.iter().enumerate() {
        let alone = Process::builder().start_method(StartMethod::Spawn);
        let process = alone.spawn(start_without, (method, warm, number)).unwrap();
        let status = process.wait_timeout(Duration::MAX).unwrap();
        assert_eq!(status, Some(ExitStatus::Code(0)), "{fault:?}");
    }
}

#[test]
fn a_first_start_with_a_fork_server() {
    play(StartMethod::ForkServer, false);
}

#[test]
fn a_later_start_with_a_fork_server() {
    play(StartMethod::ForkServer, true);
}

#[test]
fn a_start_with_spawn() {
    play(StartMethod::Spawn, true);
}

#[test]
fn a_start_with_fork() {
    play(StartMethod::Fork, true);
}
