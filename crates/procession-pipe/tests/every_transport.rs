//! Connections over each transport: the same messages, the same ends.

#![expect(
    clippy::unwrap_used,
    reason = "what the tests of all transports share fails by panicking, like a test"
)]

mod transports;

use nix::sys::socket::{UnixAddr, getsockname};
use procession_pipe::{Connection, Deadline, PipeReader, RecvError, SendError};
use procession_process::Process;
use procession_testkit::{eventually, kill9};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::thread;
use std::time::Duration;
use transports::Connect;

procession_process::enable_in_tests!();

/// Makes a test of each function for each transport.
macro_rules! over_each_transport {
    ($($test:ident),* $(,)?) => {
        over! { everywhere: [rings, pair, unix_path, abstract_name, tcp_v4, tcp_v6] [$($test)*] }
    };
}

/// Makes a test of each function for each transport on which another program may write.
macro_rules! over_each_socket {
    ($($test:ident),* $(,)?) => {
        over! { over_sockets: [pair, unix_path, abstract_name, tcp_v4, tcp_v6] [$($test)*] }
    };
}

macro_rules! over {
    ($group:ident: [$($transport:ident),*] $tests:tt) => {
        mod $group {
            $(over!(@ $transport $tests);)*
        }
    };
    (@ $transport:ident [$($test:ident)*]) => {
        mod $transport {
            $(
                #[test]
                fn $test() {
                    let _watchdog = procession_testkit::watchdog();
                    crate::$test(crate::transports::$transport);
                }
            )*
        }
    };
}

over_each_transport! {
    every_length_goes_both_ways,
    values_go_both_ways,
    what_did_not_go_in_time_goes_later,
    a_poll_sees_messages_and_the_end,
    a_poll_in_another_process_takes_nothing,
    many_threads_share_an_end,
    the_end_between_messages,
    an_end_that_did_not_read_all,
    an_end_in_the_middle_of_a_send,
    an_end_that_only_finished_sending,
    a_shutdown_wakes_who_is_blocked,
    a_peer_killed_while_idle,
    a_peer_killed_while_it_is_sent_to,
    descriptors_pass_or_are_refused,
}

over_each_socket! {
    bytes_may_come_one_by_one,
    what_did_not_come_in_time_comes_later,
    the_end_inside_a_message,
    a_peer_killed_inside_a_message,
}

type Bytes = Connection<(), ()>;

fn ends<S, R>(connect: Connect) -> (Connection<S, R>, Connection<R, S>) {
    let (here, there) = connect();
    (here.into(), there.into())
}

/// One end as a connection, the other as it is.
fn plain(connect: Connect) -> (File, Bytes) {
    let (far, near) = connect();
    (OwnedFd::from(far).into(), near.into())
}

// CON-001
fn every_length_goes_both_ways(connect: Connect) {
    let lengths = [0, 1, 3, 4, 16_384, 16_385, 65_537, 1 << 20];
    for swap in [false, true] {
        let (one, other): (Bytes, Bytes) = ends(connect);
        let (here, there) = if swap { (other, one) } else { (one, other) };
        thread::scope(|scope| {
            scope.spawn(move || {
                for len in lengths {
                    here.send_bytes(&vec![7; len]).unwrap();
                }
            });
            let mut buf = vec![0; 1 << 20];
            for len in lengths {
                assert_eq!(there.recv_into(&mut buf).unwrap(), len);
                assert!(buf[..len].iter().all(|&byte| byte == 7));
            }
            assert!(matches!(there.recv_bytes(), Err(RecvError::Closed)));
        });
    }
}

// CON-001
fn values_go_both_ways(connect: Connect) {
    let (here, there) = ends::<String, Vec<Option<u64>>>(connect);
    for round in 0..100 {
        here.send(&"x".repeat(round)).unwrap();
        assert_eq!(there.recv().unwrap().len(), round);
        there.send(&vec![Some(1 << 40), None]).unwrap();
        assert_eq!(here.recv().unwrap(), [Some(1 << 40), None]);
    }
}

fn bytes_may_come_one_by_one(connect: Connect) {
    let (mut far, near) = plain(connect);
    let long_form = [&[0xff; 4][..], &3_u64.to_be_bytes(), b"abc"].concat();
    let mut buf = [0; 3];
    for frame in [&[0, 0, 0, 3, b'a', b'b', b'c'][..], &long_form] {
        for byte in frame {
            let early = near.recv_into_timeout(&mut buf, Duration::ZERO);
            assert!(early.is_err());
            far.write_all(&[*byte]).unwrap();
        }
        assert_eq!(near.recv_into(&mut buf).unwrap(), 3);
        assert_eq!(&buf, b"abc");
    }
}

fn what_did_not_come_in_time_comes_later(connect: Connect) {
    let (mut far, near) = plain(connect);
    let early = near.recv_bytes_timeout(Duration::from_millis(1));
    assert!(matches!(early, Err(RecvError::TimedOut)));
    far.write_all(&[0, 0, 0, 5, b'a']).unwrap();
    let early = near.recv_bytes_timeout(Duration::from_millis(1));
    assert!(matches!(early, Err(RecvError::TimedOut)));
    far.write_all(b"bcde").unwrap();
    assert_eq!(near.recv_bytes().unwrap(), b"abcde");
}

fn what_did_not_go_in_time_goes_later(connect: Connect) {
    let (here, there): (Bytes, Bytes) = ends(connect);
    let long = vec![1; 16 << 20];
    let sent = here.send_bytes_timeout(&long, Duration::from_millis(1));
    assert!(matches!(sent, Err(SendError::Unfinished(_))));
    let sent = here.send_bytes_timeout(b"next", Duration::from_millis(1));
    assert!(matches!(sent, Err(SendError::TimedOut)));
    thread::scope(|scope| {
        scope.spawn(|| here.flush(Duration::MAX).unwrap());
        assert!(there.recv_bytes().unwrap() == long);
    });
    here.send_bytes(b"last").unwrap();
    assert_eq!(there.recv_bytes().unwrap(), b"last");
}

// CON-001, CON-012, CON-015
fn a_poll_sees_messages_and_the_end(connect: Connect) {
    let (here, there): (Bytes, Bytes) = ends(connect);
    assert!(!there.poll(Duration::from_millis(1)).unwrap());
    for message in [&b""[..], b"a", b""] {
        here.send_bytes(message).unwrap();
    }
    for len in [0, 1, 0] {
        assert!(there.poll(None).unwrap());
        assert!(there.poll(None).unwrap());
        assert_eq!(there.recv_bytes().unwrap().len(), len);
    }
    assert!(!there.poll(Duration::ZERO).unwrap());
    drop(here);
    assert!(there.poll(None).unwrap());
    assert!(matches!(there.recv_bytes(), Err(RecvError::Closed)));
}

// CON-014
fn a_poll_in_another_process_takes_nothing(connect: Connect) {
    let (here, there): (Bytes, Bytes) = ends(connect);
    let same = there.try_clone().unwrap();
    let (over, keep) = procession_pipe::pipe().unwrap();
    let watch = |same: Bytes, over: PipeReader| {
        while !over.poll(Duration::ZERO).unwrap() {
            same.poll(Duration::from_micros(100)).unwrap();
        }
    };
    let watcher = Process::spawn(watch, (same, over)).unwrap();
    for round in 0..300_u32 {
        here.send_bytes(&round.to_le_bytes()).unwrap();
        assert_eq!(there.recv_bytes().unwrap(), round.to_le_bytes());
    }
    drop(keep);
    watcher.join().unwrap();
}

fn many_threads_share_an_end(connect: Connect) {
    const EACH: usize = 50;
    let (here, there) = ends::<Vec<usize>, ()>(connect);
    let received: Vec<Vec<usize>> = thread::scope(|scope| {
        let receive = || there.iter().collect::<Result<Vec<_>, _>>().unwrap();
        let receivers = [scope.spawn(receive), scope.spawn(receive)];
        thread::scope(|scope| {
            for sender in 0..3 {
                let here = &here;
                scope.spawn(move || {
                    for number in 0..EACH {
                        here.send(&vec![sender * EACH + number; number * 200])
                            .unwrap();
                    }
                });
            }
        });
        drop(here);
        receivers.map(|receiver| receiver.join().unwrap()).concat()
    });
    assert_eq!(received.len(), 3 * EACH);
    for message in received {
        assert!(message.iter().all(|&number| number == message[0]));
        assert!(message.is_empty() || message.len() == message[0] % EACH * 200);
    }
}

// CON-001, CON-006
fn the_end_between_messages(connect: Connect) {
    let (here, there) = ends::<u8, u8>(connect);
    there.send(&1).unwrap();
    there.close();
    assert_eq!(here.recv().unwrap(), 1);
    for _ in 0..2 {
        assert!(matches!(here.recv(), Err(RecvError::Closed)));
        assert!(matches!(here.try_recv(), Err(RecvError::Closed)));
        assert!(matches!(here.recv_bytes(), Err(RecvError::Closed)));
    }
    // Over a network the kernel knows it from the answer to the first message only.
    eventually("the end is known to the sender", || {
        matches!(here.send(&2), Err(SendError::Closed))
    });
}

fn the_end_inside_a_message(connect: Connect) {
    for part in [
        &[0, 0][..],
        &[0, 0, 0, 2],
        &[0, 0, 0, 2, 1],
        &[0xff, 0xff, 0xff, 0xff, 0],
    ] {
        let (mut far, near) = plain(connect);
        far.write_all(part).unwrap();
        drop(far);
        for _ in 0..2 {
            assert!(matches!(near.recv(), Err(RecvError::Truncated)));
            assert!(matches!(near.recv_bytes(), Err(RecvError::Truncated)));
        }
    }
}

fn an_end_that_did_not_read_all(connect: Connect) {
    let (here, there) = ends::<u8, u8>(connect);
    there.send(&2).unwrap();
    assert!(here.poll(None).unwrap());
    here.send(&1).unwrap();
    assert!(there.poll(None).unwrap());
    drop(there);
    assert_eq!(here.recv().unwrap(), 2, "the last words come first");
    for _ in 0..2 {
        assert!(matches!(here.recv(), Err(RecvError::Reset)));
    }
}

fn an_end_in_the_middle_of_a_send(connect: Connect) {
    let (here, there): (Bytes, Bytes) = ends(connect);
    thread::scope(|scope| {
        let sent = scope.spawn(|| here.send_bytes(&vec![0; 32 << 20]));
        assert!(there.poll(None).unwrap());
        drop(there);
        assert!(matches!(sent.join().unwrap(), Err(SendError::Closed)));
    });
    for _ in 0..2 {
        assert!(matches!(here.recv(), Err(RecvError::Reset)));
    }
}

fn an_end_that_only_finished_sending(connect: Connect) {
    let (here, there) = ends::<u8, u8>(connect);
    let (sender, receiver) = here.split();
    sender.send(&1).unwrap();
    sender.finish().unwrap();
    assert_eq!(there.recv().unwrap(), 1);
    assert!(matches!(there.recv(), Err(RecvError::Closed)));
    there.send(&2).unwrap();
    assert_eq!(receiver.recv().unwrap(), 2);
}

fn a_shutdown_wakes_who_is_blocked(connect: Connect) {
    let (channel, _there) = connect();
    thread::scope(|scope| {
        let receiver = scope.spawn(|| channel.recv_bytes_by(Deadline::NEVER));
        let sender = scope.spawn(|| channel.send_bytes_by(&vec![0; 32 << 20], Deadline::NEVER));
        channel.shutdown().unwrap();
        assert!(receiver.join().unwrap().is_err());
        assert!(matches!(sender.join().unwrap(), Err(SendError::Closed)));
    });
}

/// Starts a process that has the other end, and returns when it is what it should be.
fn peer(connect: Connect, start: fn(Bytes) -> Process<()>) -> (Bytes, Process<()>) {
    let (here, there): (Bytes, Bytes) = ends(connect);
    let process = start(there);
    assert_eq!(here.recv_bytes().unwrap(), b"ready");
    (here, process)
}

fn idle(there: Bytes) -> Process<()> {
    Process::spawn(be_idle, (there,)).unwrap()
}

fn be_idle(there: Bytes) {
    there.send_bytes(b"ready").unwrap();
    loop {
        thread::park();
    }
}

fn halted(there: Bytes) -> Process<()> {
    Process::spawn(stop_inside_a_message, (there,)).unwrap()
}

fn stop_inside_a_message(there: Bytes) {
    let mut there = File::from(OwnedFd::from(there));
    there.write_all(b"\0\0\0\x05ready\0\0\0\x05half").unwrap();
    loop {
        thread::park();
    }
}

fn end(process: Process<()>) {
    kill9(process.pid());
    assert!(process.join().is_err());
}

fn a_peer_killed_while_idle(connect: Connect) {
    let (here, process) = peer(connect, idle);
    end(process);
    assert!(matches!(here.recv_bytes(), Err(RecvError::Closed)));
}

fn a_peer_killed_inside_a_message(connect: Connect) {
    let (here, process) = peer(connect, halted);
    end(process);
    assert!(matches!(here.recv_bytes(), Err(RecvError::Truncated)));
}

fn a_peer_killed_while_it_is_sent_to(connect: Connect) {
    let (here, process) = peer(connect, idle);
    let sent = here.send_bytes_timeout(&vec![0; 32 << 20], Duration::from_millis(1));
    assert!(matches!(sent, Err(SendError::Unfinished(_))));
    end(process);
    let rest = here.flush(Duration::MAX);
    assert!(matches!(rest, Err(SendError::Closed)));
    assert!(matches!(here.recv_bytes(), Err(RecvError::Reset)));
}

// CON-004
fn descriptors_pass_or_are_refused(connect: Connect) {
    let (here, there) = ends::<PipeReader, ()>(connect);
    let (reader, mut writer) = procession_pipe::pipe().unwrap();
    if getsockname::<UnixAddr>(here.as_fd().as_raw_fd()).is_ok() {
        here.send(&reader).unwrap();
        writer.write_all(b"!").unwrap();
        let mut byte = [0];
        there.recv().unwrap().read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"!");
    } else {
        let refused = here.send(&reader);
        let Err(SendError::Io(error)) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        here.send_bytes(b"goes on").unwrap();
        assert_eq!(there.recv_bytes().unwrap(), b"goes on");
    }
}
