//! What arrives at a child, at a server and at a parent is not trusted.

#![expect(clippy::exit, reason = "a task may end its process")]

use nix::fcntl::{F_SETFD, FdFlag, fcntl};
use procession_pipe::Channel;
use procession_process::{Cause, ExitStatus, Process};
use procession_testkit::watchdog;
use procession_wire::{Encoder, Kind};
use proptest::prelude::*;
use std::io::Write;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio, exit};
use std::{env, fs};

procession_process::enable_in_tests!();

/// Starts this program as a child whose parent sends these bytes and no more; returns its status.
fn child_that_is_told(bytes: &[u8]) -> Option<i32> {
    let (ours, theirs) = UnixStream::pair().expect("there is room for a socket");
    fcntl(&theirs, F_SETFD(FdFlag::empty())).expect("the socket is open");
    let mut child = Command::new(env::current_exe().expect("this program has a path"))
        .args(["--procession-child", &theirs.as_raw_fd().to_string()])
        .stderr(Stdio::null())
        .spawn()
        .expect("the child starts");
    drop(theirs);
    // A child that ends early closes its end.
    let _ = (&ours).write_all(bytes);
    drop(ours);
    child.wait().expect("the child ends").code()
}

/// A whole message of this kind.
fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len() + 3).expect("the body is short");
    [&len.to_be_bytes()[..], &[kind, 0, 0], body].concat()
}

#[test]
fn bytes_that_are_no_start_end_the_child() {
    let _watchdog = watchdog();
    for garbage in [&b""[..], b"x", &[0xff; 64], &[0, 0, 0, 3, 0x10, 0, 0]] {
        assert_eq!(child_that_is_told(garbage), Some(70), "{garbage:?}");
    }
}

/// Sends these bytes as its result.
fn return_garbage(bytes: Vec<u8>) {
    let sockets = (3..64).filter_map(|number| {
        let link = fs::read_link(format!("/proc/self/fd/{number}")).ok()?;
        link.to_str()?.starts_with("socket:").then_some(number)
    });
    for number in sockets {
        // SAFETY: the socket is open, and nobody closes it in this process, which has one thread.
        let socket = unsafe { BorrowedFd::borrow_raw(number) };
        let copy = socket.try_clone_to_owned().expect("there is room");
        let written = UnixStream::from(copy).write_all(&bytes);
        written.expect("the parent has the other end");
    }
    exit(0);
}

#[test]
fn a_control_socket_that_is_not_there_ends_the_child() {
    let _watchdog = watchdog();
    for number in ["99", "-1", "x", "0"] {
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--procession-child", number])
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(70), "{number}");
    }
}

proptest! {
    #[test]
    fn garbage_starts_neither_a_child_nor_a_server(
        kind in prop::sample::select(vec![0x10_u8, 0x12, 0x13, 0x14]),
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let _watchdog = watchdog();
        prop_assert_eq!(child_that_is_told(&frame(kind, &body)), Some(70));
    }

    #[test]
    fn random_bytes_start_nothing(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _watchdog = watchdog();
        prop_assert_eq!(child_that_is_told(&bytes), Some(70));
    }

    #[test]
    fn garbage_is_no_result(
        whole: bool,
        bytes in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let _watchdog = watchdog();
        let bytes = if whole { frame(0x11, &bytes) } else { bytes };
        let process = Process::spawn(return_garbage, (bytes,)).expect("it starts");
        let error = process.join().expect_err("garbage is no result");
        let cause = error.cause();
        prop_assert!(matches!(cause, Cause::ResultNotDecoded(_) | Cause::Ended(ExitStatus::Code(0))), "{}", error);
    }
}

#[test]
fn a_channel_end_is_an_argument() {
    let _watchdog = watchdog();
    let (ours, theirs) = Channel::pair().unwrap();
    let echo = |channel: Channel| {
        let text: String = channel.recv().unwrap().decode().unwrap();
        let mut reply = Encoder::new(Kind::VALUE);
        reply.push(&text).unwrap();
        channel.send(reply.finish()).unwrap();
    };
    let process = Process::spawn(echo, (theirs,)).unwrap();
    let mut request = Encoder::new(Kind::VALUE);
    request.push(&"echo".to_owned()).unwrap();
    ours.send(request.finish()).unwrap();
    assert_eq!(ours.recv().unwrap().decode::<String>().unwrap(), "echo");
    process.join().unwrap();
    let _: OwnedFd = ours.into();
}
