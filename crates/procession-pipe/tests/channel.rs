//! Channels: what threads, signals, deadlines and claims do to whole messages.

mod common;

use common::start;
use nix::sys::socket::{setsockopt, sockopt};
use procession_os::socket;
use procession_pipe::{Channel, Deadline, PipeReader, PipeWriter, RecvError, SendError};
use procession_testkit::{eventually, watchdog};
use procession_wire::handle::{self, Claim};
use procession_wire::{Kind, Message, Packet};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;
use std::time::Duration;

fn pair() -> (Channel, Channel) {
    Channel::pair().expect("a pair of sockets")
}

fn message<T: Serialize + DeserializeOwned>(value: &T) -> Message {
    Message::encode(Kind::VALUE, value).expect("the value can be encoded")
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_millis(2))
}

/// A pair whose sockets hold little, so that a message needs many writes.
fn narrow_pair() -> (Channel, Channel) {
    let (one, other) = socket::pair().expect("a pair of sockets");
    setsockopt(&one, sockopt::SndBuf, &2048).expect("the size can be set");
    (one.into(), other.into())
}

#[test]
fn a_message_larger_than_the_socket_arrives_whole() {
    let _watchdog = watchdog();
    let (here, there) = narrow_pair();
    let numbers: Vec<u32> = (0..200_000).collect();
    thread::scope(|scope| {
        scope.spawn(|| here.send(message(&numbers)).unwrap());
        assert_eq!(there.recv().unwrap().decode::<Vec<u32>>().unwrap(), numbers);
    });
}

#[test]
fn many_senders_and_receivers_never_mix_messages() {
    let _watchdog = watchdog();
    let (here, there) = narrow_pair();
    let make = |sender: usize, number: usize| vec![(sender, number); 1 + number % 7 * 300];
    let receive = || -> Vec<_> {
        let packets = std::iter::from_fn(|| there.recv().ok());
        packets
            .map(|packet| packet.decode::<Vec<(usize, usize)>>().expect("a whole one"))
            .collect()
    };
    let send = |sender, number| {
        let message = message(&make(sender, number));
        here.send(message).unwrap();
    };
    let received = thread::scope(|scope| {
        let receivers = [scope.spawn(receive), scope.spawn(receive)];
        let send = &send;
        thread::scope(|scope| {
            for sender in 0..4 {
                scope.spawn(move || (0..100).for_each(|number| send(sender, number)));
            }
        });
        here.shutdown().unwrap();
        receivers.map(|receiver| receiver.join().unwrap()).concat()
    });
    let identities: BTreeSet<_> = received.iter().map(|message| message[0]).collect();
    assert_eq!((received.len(), identities.len()), (400, 400));
    for message in received {
        let (sender, number) = message[0];
        assert_eq!(message, make(sender, number));
    }
}

#[test]
fn a_deadline_holds_while_another_thread_receives() {
    let _watchdog = watchdog();
    let (here, there) = pair();
    thread::scope(|scope| {
        let receiver = start(scope, || there.recv().map(Packet::decode::<u8>));
        receiver.blocks();
        assert!(matches!(there.recv_by(soon()), Err(RecvError::TimedOut)));
        assert!(!there.poll(soon()).unwrap());
        here.send(message(&7_u8)).unwrap();
        assert_eq!(receiver.handle.join().unwrap().unwrap(), Ok(7));
    });
}

#[test]
fn a_deadline_holds_while_another_thread_sends() {
    let _watchdog = watchdog();
    let (here, there) = pair();
    thread::scope(|scope| {
        let sender = start(scope, || {
            here.send_bytes_by(&vec![0; 4 << 20], Deadline::NEVER)
        });
        sender.blocks();
        assert!(matches!(
            here.send_by(message(&1), soon()),
            Err(SendError::TimedOut)
        ));
        assert!(matches!(here.flush_by(soon()), Err(SendError::TimedOut)));
        assert_eq!(there.recv_bytes_by(Deadline::NEVER).unwrap().len(), 4 << 20);
        sender.handle.join().unwrap().unwrap();
    });
}

#[test]
fn a_shutdown_wakes_who_is_blocked() {
    let _watchdog = watchdog();
    let (here, _there) = pair();
    thread::scope(|scope| {
        let receiver = start(scope, || here.recv().map(drop));
        let second = start(scope, || here.recv().map(drop));
        let sender = start(scope, || {
            here.send_bytes_by(&vec![0; 4 << 20], Deadline::NEVER)
        });
        sender.blocks();
        here.shutdown().unwrap();
        assert!(matches!(
            sender.handle.join().unwrap(),
            Err(SendError::Closed)
        ));
        for receiver in [receiver, second] {
            assert!(receiver.handle.join().unwrap().is_err());
        }
    });
}

/// A handle whose claims are counted, with a body that makes the message as long as asked for.
struct Claimed(Arc<AtomicI32>, usize);
struct Counted(Arc<AtomicI32>);

impl Claim for Counted {
    fn delivered(self: Box<Self>) {
        self.0.fetch_add(100, Ordering::Relaxed);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Serialize for Claimed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.fetch_add(1, Ordering::Relaxed);
        handle::departing::<S::Error>(Counted(Arc::clone(&self.0)))?;
        serializer.serialize_str(&"x".repeat(self.1))
    }
}

impl<'de> Deserialize<'de> for Claimed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?;
        Err(serde::de::Error::custom("it is sent only"))
    }
}

const DELIVERED: i32 = 100;
const TAKEN_BACK: i32 = 0;
const OUTSTANDING: i32 = 1;

#[test]
fn claims_pass_on_with_the_last_byte() {
    let _watchdog = watchdog();
    let claims = Arc::new(AtomicI32::new(0));
    let (here, there) = pair();
    let long = || message(&Claimed(Arc::clone(&claims), 3 << 20));

    let sent = here.send_by(long(), soon());
    assert!(matches!(sent, Err(SendError::Unfinished(_))));
    assert_eq!(claims.load(Ordering::Relaxed), OUTSTANDING);
    thread::scope(|scope| {
        scope.spawn(|| here.flush_by(Deadline::NEVER).unwrap());
        there.recv().unwrap();
    });
    assert_eq!(claims.swap(0, Ordering::Relaxed), DELIVERED);
}

#[test]
fn claims_come_back_if_the_message_cannot_go() {
    let _watchdog = watchdog();
    let claims = Arc::new(AtomicI32::new(0));
    let (here, there) = pair();
    let long = || message(&Claimed(Arc::clone(&claims), 3 << 20));

    let sent = here.send_by(long(), soon());
    assert!(matches!(sent, Err(SendError::Unfinished(_))));
    assert!(matches!(
        here.send_by(long(), soon()),
        Err(SendError::TimedOut)
    ));
    assert_eq!(claims.load(Ordering::Relaxed), OUTSTANDING);
    drop(there);
    assert!(matches!(here.flush_by(soon()), Err(SendError::Closed)));
    assert_eq!(claims.load(Ordering::Relaxed), TAKEN_BACK);
    assert!(matches!(here.send(long()), Err(SendError::Closed)));
    assert_eq!(claims.load(Ordering::Relaxed), TAKEN_BACK);
}

/// Sends, in part, a message with the reader of a pipe; returns the pipe's writer.
fn send_a_reader_in_part(here: &Channel) -> PipeWriter {
    let (reader, writer) = procession_pipe::pipe().expect("there is room for two files");
    let sent = here.send_by(message(&(reader, "x".repeat(3 << 20))), soon());
    assert!(matches!(sent, Err(SendError::Unfinished(_))));
    writer
}

#[test]
fn descriptors_pass_with_a_message_that_goes_in_part() {
    let _watchdog = watchdog();
    let (here, there) = pair();
    let mut writer = send_a_reader_in_part(&here);
    assert!(matches!(there.recv_by(soon()), Err(RecvError::TimedOut)));
    let (mut reader, text) = thread::scope(|scope| {
        scope.spawn(|| here.flush_by(Deadline::NEVER).unwrap());
        let received = there.recv().unwrap();
        received.decode::<(PipeReader, String)>().unwrap()
    });
    assert_eq!(text.len(), 3 << 20);
    writer.write_all(b"!").unwrap();
    let mut byte = [0];
    reader.read_exact(&mut byte).unwrap();
    assert_eq!(&byte, b"!");
}

#[test]
fn descriptors_of_a_message_that_never_ends_are_closed() {
    let _watchdog = watchdog();
    for is_begun in [false, true] {
        let (here, there) = pair();
        let mut writer = send_a_reader_in_part(&here);
        if is_begun {
            assert!(matches!(there.recv_by(soon()), Err(RecvError::TimedOut)));
        }
        drop(here);
        assert!(matches!(there.recv(), Err(RecvError::Truncated)));
        assert!(matches!(there.recv(), Err(RecvError::Truncated)));
        drop(there);
        // A process that another test starts has a copy of it until it runs its program.
        eventually("nobody has the reader", || {
            let written = writer.write_all(b"!");
            written.is_err_and(|error| error.kind() == ErrorKind::BrokenPipe)
        });
    }
}

#[test]
fn a_pipe_carries_messages_one_way() {
    let _watchdog = watchdog();
    let (reader, writer) = procession_pipe::pipe().unwrap();
    let reader = Channel::from(OwnedFd::from(reader));
    let writer = Channel::from(OwnedFd::from(writer));
    assert!(matches!(reader.recv_by(soon()), Err(RecvError::TimedOut)));
    writer.send_by(message(&7_u8), soon()).unwrap();
    assert_eq!(reader.recv_by(soon()).unwrap().decode::<u8>().unwrap(), 7);

    let long = vec![1; 100_000];
    let sent = writer.send_bytes_by(&long, soon());
    assert!(matches!(sent, Err(SendError::Unfinished(_))));
    thread::scope(|scope| {
        scope.spawn(|| writer.flush_by(Deadline::NEVER).unwrap());
        assert_eq!(reader.recv_bytes_by(Deadline::NEVER).unwrap(), long);
    });

    let with_descriptor = Message::encode(Kind::VALUE, &procession_pipe::pipe().unwrap().0);
    assert!(matches!(
        writer.send(with_descriptor.unwrap()),
        Err(SendError::Io(_))
    ));
    drop(writer);
    assert!(matches!(reader.recv(), Err(RecvError::Closed)));
    assert!(matches!(reader.send(message(&1)), Err(SendError::Io(_))));
}

#[test]
fn a_pipe_without_a_reader_is_closed() {
    let _watchdog = watchdog();
    let (reader, writer) = procession_pipe::pipe().unwrap();
    drop(reader);
    let writer = Channel::from(OwnedFd::from(writer));
    assert!(matches!(writer.send(message(&1)), Err(SendError::Closed)));
    assert!(matches!(
        writer.send_by(message(&1), soon()),
        Err(SendError::Closed)
    ));
}

#[test]
fn a_flag_that_another_process_set_changes_nothing() {
    let _watchdog = watchdog();
    let (one, other) = UnixStream::pair().unwrap();
    one.set_nonblocking(true).unwrap();
    other.set_nonblocking(true).unwrap();
    let (here, there) = (
        Channel::from(OwnedFd::from(one)),
        Channel::from(OwnedFd::from(other)),
    );
    thread::scope(|scope| {
        let receiver = start(scope, || there.recv_bytes_by(Deadline::NEVER));
        receiver.blocks();
        let sender = scope.spawn(|| here.send_bytes_by(&vec![1; 3 << 20], Deadline::NEVER));
        assert_eq!(receiver.handle.join().unwrap().unwrap().len(), 3 << 20);
        sender.join().unwrap().unwrap();
    });
}

#[test]
fn a_negative_length_is_refused_at_each_call() {
    let _watchdog = watchdog();
    let (mut far, near) = UnixStream::pair().unwrap();
    let near = Channel::from(OwnedFd::from(near));
    far.write_all(&(-2_i32).to_be_bytes()).unwrap();
    for _ in 0..2 {
        assert!(matches!(near.recv(), Err(RecvError::BadLength(_))));
        assert!(near.poll(soon()).unwrap());
    }
}

// CON-017: a number that is no descriptor cannot be written down; one of another kind can.
#[test]
fn what_is_no_descriptor_of_a_connection_is_an_error() {
    let _watchdog = watchdog();
    let directory = Channel::from(OwnedFd::from(std::fs::File::open("/").unwrap()));
    assert!(matches!(directory.recv(), Err(RecvError::Io(_))));
    assert!(matches!(directory.send(message(&1)), Err(SendError::Io(_))));
    assert!(directory.poll(soon()).is_ok());
    assert!(directory.shutdown().is_err());
    assert!(socket::peer_credentials(directory.as_fd()).is_err());
}
