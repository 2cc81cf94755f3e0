//! Connections over rings, whose messages need no call of the kernel while nobody sleeps.

#![expect(clippy::unwrap_used, reason = "a task fails by panicking, like a test")]

use nix::errno::Errno;
use procession::{Connection, Pipe, wait};
use procession_testkit::sandbox::refuse;
use procession_testkit::watchdog;
use std::thread;
use std::time::Duration;

procession::enable_in_tests!();

/// Whatever a message could ask of the kernel.
const CALLS: [libc::c_long; 10] = [
    libc::SYS_sendmsg,
    libc::SYS_recvmsg,
    libc::SYS_sendto,
    libc::SYS_recvfrom,
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_poll,
    libc::SYS_ppoll,
    libc::SYS_futex,
    libc::SYS_sched_yield,
];

/// Plays both sides, so that neither has to wait for the other.
fn echo_without_the_kernel() {
    type End = Connection<String, String>;
    let (here, there): (End, End) = Pipe::builder().rings(4096).duplex().unwrap();
    let text = "a message".to_owned();
    for call in CALLS {
        refuse(call, Errno::EPERM);
    }
    for _ in 0..10_000 {
        here.send(&text).unwrap();
        assert_eq!(there.recv().unwrap(), text);
        there.send(&text).unwrap();
        assert!(here.poll(None).unwrap());
        assert_eq!(here.try_recv().unwrap(), Some(text.clone()));
    }
    // A wait asks for the ends of others now and then, but not each time.
    here.send(&text).unwrap();
    let asked = (0..160).filter(|_| wait(&[&there], None).is_err()).count();
    assert!(asked <= 10, "asked {asked} times");
    // And this is one that has to ask.
    assert!(here.recv_timeout(Duration::from_millis(1)).is_err());
}

// CON-034
#[test]
fn messages_make_no_call_of_the_kernel() {
    let _watchdog = watchdog();
    thread::spawn(echo_without_the_kernel).join().unwrap();
}
