//! Connections: values whole, in order, or an error that says what happened.

use nix::fcntl::{FcntlArg, fcntl};
use procession_pipe::{
    Channel, Connection, Deadline, Pipe, PipeReader, PipeWriter, RecvError, RecvIntoError,
    SendError,
};
use procession_testkit::watchdog;
use procession_wire::{DecodeError, Kind, Message};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Point {
    name: String,
    at: (f64, Option<i8>),
}

fn point() -> Point {
    Point {
        name: "corner".into(),
        at: (0.5, Some(-1)),
    }
}

fn duplex<S, R>() -> (Connection<S, R>, Connection<R, S>) {
    Pipe::duplex().expect("a pair of sockets")
}

/// The plain socket under a connection, to send what no connection sends.
fn plain(end: impl Into<OwnedFd>) -> UnixStream {
    end.into().into()
}

#[test]
fn threads_can_share_a_connection_whatever_it_carries() {
    fn shared<T: Send + Sync>(_: &T) {}
    let _watchdog = watchdog();
    let (here, _there) = duplex::<std::rc::Rc<u8>, *const u8>();
    shared(&here);
}

// CON-001
#[test]
fn values_go_both_ways() {
    let _watchdog = watchdog();
    let (here, there) = duplex::<Point, Vec<String>>();
    here.send(&point()).unwrap();
    assert_eq!(there.recv().unwrap(), point());
    there.send(&vec!["one".into(), String::new()]).unwrap();
    assert_eq!(here.recv().unwrap(), ["one", ""]);
}

// CON-001
#[test]
fn every_length_arrives_whole() {
    let _watchdog = watchdog();
    let lengths = [
        0,
        1,
        3,
        4,
        16_379,
        16_380,
        16_384,
        16_385,
        65_536,
        65_537,
        300_000,
        16 << 20,
    ];
    let (here, there) = duplex::<String, ()>();
    thread::scope(|scope| {
        scope.spawn(|| {
            for len in lengths {
                here.send_bytes(&vec![7; len]).unwrap();
                here.send(&"x".repeat(len)).unwrap();
            }
        });
        for len in lengths {
            let bytes = there.recv_bytes().unwrap();
            assert!(bytes.len() == len && bytes.iter().all(|&byte| byte == 7));
            assert_eq!(there.recv().unwrap().len(), len);
        }
    });
}

// CON-001
#[test]
fn a_wait_without_a_message_ends_in_time() {
    let _watchdog = watchdog();
    let (here, there) = duplex::<u8, u8>();
    assert!(!here.poll(Duration::ZERO).unwrap());
    assert!(!here.poll(Duration::from_millis(2)).unwrap());
    assert_eq!(here.try_recv().unwrap(), None);
    let late = here.recv_timeout(Duration::from_millis(2));
    assert!(matches!(late, Err(RecvError::TimedOut)));
    let late = here.recv_bytes_timeout(Duration::ZERO);
    assert!(matches!(late, Err(RecvError::TimedOut)));

    there.send(&1).unwrap();
    assert!(here.poll(None).unwrap());
    assert_eq!(here.try_recv().unwrap(), Some(1));
}

// CON-001, CON-006
#[test]
fn a_closed_end_is_the_end_of_file() {
    let _watchdog = watchdog();
    let (here, there) = duplex::<u8, u8>();
    there.send(&1).unwrap();
    there.close();
    assert_eq!(here.recv().unwrap(), 1);
    assert!(here.poll(None).unwrap());
    for _ in 0..2 {
        assert!(matches!(here.recv(), Err(RecvError::Closed)));
        assert!(matches!(here.try_recv(), Err(RecvError::Closed)));
        assert!(matches!(here.send(&2), Err(SendError::Closed)));
        assert!(matches!(here.send_bytes(b"2"), Err(SendError::Closed)));
    }
}

#[test]
fn an_end_inside_a_message_is_told_apart() {
    let _watchdog = watchdog();
    for part in [
        &[0, 0][..],
        &[0, 0, 0, 2],
        &[0, 0, 0, 2, 1],
        &[0xff, 0xff, 0xff, 0xff, 0],
    ] {
        let (here, there) = duplex::<u8, u8>();
        plain(there).write_all(part).unwrap();
        assert!(matches!(here.recv(), Err(RecvError::Truncated)));
        assert!(matches!(here.recv_bytes(), Err(RecvError::Truncated)));
    }
}

#[test]
fn a_peer_that_went_without_reading_is_told_apart() {
    let _watchdog = watchdog();
    let (here, there) = duplex::<u8, u8>();
    here.send(&1).unwrap();
    there.send(&2).unwrap();
    drop(there);
    assert_eq!(here.recv().unwrap(), 2, "the last words come first");
    assert!(matches!(here.recv(), Err(RecvError::Reset)));
    assert!(
        matches!(here.recv(), Err(RecvError::Reset)),
        "the kernel says it once only"
    );
}

#[test]
fn a_reset_is_not_lost_to_a_sender() {
    let _watchdog = watchdog();
    let (here, there) = duplex::<Vec<u8>, ()>();
    thread::scope(|scope| {
        let sent = scope.spawn(|| here.send(&vec![0; 4 << 20]));
        assert!(there.poll(None).unwrap());
        drop(there);
        assert!(matches!(sent.join().unwrap(), Err(SendError::Closed)));
    });
    assert!(matches!(here.recv(), Err(RecvError::Reset)));
}

// CON-012, CON-013, CON-015
#[test]
fn messages_are_not_merged() {
    let _watchdog = watchdog();
    let (here, there) = duplex::<(), ()>();
    let messages: [&[u8]; 6] = [b"", b"late", b"", b"", b"nodding", b"off"];
    for message in messages {
        here.send_bytes(message).unwrap();
    }
    for message in messages {
        assert!(there.poll(Duration::ZERO).unwrap());
        assert!(there.poll(Duration::ZERO).unwrap(), "poll took something");
        assert_eq!(there.recv_bytes().unwrap(), message);
    }
    assert!(!there.poll(Duration::ZERO).unwrap());
}

// CON-014
#[test]
fn a_poll_beside_takes_nothing() {
    let _watchdog = watchdog();
    let (here, there) = duplex::<(), ()>();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                there.poll(Duration::from_millis(1)).unwrap();
            }
        });
        for round in 0..500_u32 {
            here.send_bytes(&round.to_le_bytes()).unwrap();
            assert_eq!(there.recv_bytes().unwrap(), round.to_le_bytes());
        }
        over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_message_that_cannot_be_decoded_is_the_only_one_lost() {
    let _watchdog = watchdog();
    let (here, there) = duplex::<u64, u64>();
    let other: Channel = OwnedFd::from(here).into();
    other.send_bytes_by(b"no message", Deadline::NEVER).unwrap();
    other.send_bytes_by(b"", Deadline::NEVER).unwrap();
    other
        .send(Message::encode(Kind::REPLY, &1_u64).unwrap())
        .unwrap();
    other
        .send(Message::encode(Kind::VALUE, &(1_u8, 2_u8)).unwrap())
        .unwrap();
    other
        .send(Message::encode(Kind::VALUE, &5_u64).unwrap())
        .unwrap();

    let problem = || match there.recv() {
        Err(RecvError::Decode(problem)) => problem,
        other => panic!("{other:?}"),
    };
    assert!(matches!(problem(), DecodeError::Descriptors { .. }));
    assert_eq!(problem(), DecodeError::Truncated);
    assert_eq!(problem(), DecodeError::UnexpectedKind(Kind::REPLY.0));
    assert_eq!(problem(), DecodeError::WrongType { expected: "u64" });
    assert_eq!(there.recv().unwrap(), 5);
}

#[test]
fn a_value_that_cannot_be_encoded_sends_nothing() {
    let _watchdog = watchdog();
    let (here, there) = duplex::<Vec<PipeReader>, ()>();
    let refused = here.send(&(0..254).map(|_| null()).collect());
    assert!(matches!(refused, Err(SendError::Encode(_))));
    let words = refused.unwrap_err().to_string();
    assert!(words.contains("253"), "{words}");
    assert!(!there.poll(Duration::ZERO).unwrap());

    here.send(&(0..253).map(|_| null()).collect()).unwrap();
    assert_eq!(there.recv().unwrap().len(), 253);
}

fn null() -> PipeReader {
    OwnedFd::from(File::open("/dev/null").expect("it is always there")).into()
}

// CON-004, CON-016
#[test]
fn the_ends_of_a_pipe_travel_and_keep_their_direction() {
    let _watchdog = watchdog();
    let (here, there) = duplex::<(PipeReader, PipeWriter), ()>();
    here.send(&procession_pipe::pipe().unwrap()).unwrap();
    let (mut reader, mut writer) = there.recv().unwrap();
    writer.write_all(b"through").unwrap();
    drop(writer);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "through");
}

// CON-005
#[test]
fn a_descriptor_with_a_large_number_travels() {
    let _watchdog = watchdog();
    let (here, there) = duplex::<PipeReader, ()>();
    let (reader, mut writer) = procession_pipe::pipe().unwrap();
    let number = fcntl(&reader, FcntlArg::F_DUPFD_CLOEXEC(300)).unwrap();
    assert!(number >= 300);
    // SAFETY: the number was made by the call above, for nobody else.
    let large = PipeReader::from(unsafe { OwnedFd::from_raw_fd(number) });
    here.send(&large).unwrap();
    writer.write_all(b"!").unwrap();
    let mut byte = [0];
    there.recv().unwrap().read_exact(&mut byte).unwrap();
    assert_eq!(&byte, b"!");
}

#[test]
fn a_connection_travels_inside_the_users_own_type() {
    #[derive(Serialize, Deserialize)]
    struct Call {
        what: String,
        reply: Connection<u32, ()>,
    }
    let _watchdog = watchdog();
    let (here, there) = duplex::<Call, ()>();
    let (answer, reply) = duplex::<(), u32>();
    here.send(&Call {
        what: "count".into(),
        reply,
    })
    .unwrap();
    let call = there.recv().unwrap();
    call.reply.send(&(call.what.len() as u32)).unwrap();
    assert_eq!(answer.recv().unwrap(), 5);

    drop(call);
    assert!(
        matches!(answer.recv(), Err(RecvError::Closed)),
        "a duplicate was left open"
    );
}

#[test]
fn descriptors_of_a_message_taken_as_bytes_are_closed() {
    let _watchdog = watchdog();
    let (here, there) = duplex::<PipeWriter, ()>();
    let (mut reader, writer) = procession_pipe::pipe().unwrap();
    here.send(&writer).unwrap();
    drop(writer);
    assert!(!there.recv_bytes().unwrap().is_empty());
    assert_eq!(
        reader.read(&mut [0]).unwrap(),
        0,
        "a duplicate was left open"
    );
}

#[test]
fn a_connection_in_the_middle_of_a_message_is_not_handed_on() {
    let _watchdog = watchdog();
    let (mut far, near) = UnixStream::pair().unwrap();
    let near: Connection<u8, u8> = OwnedFd::from(near).into();
    let (here, _there) = duplex::<Connection<u8, u8>, ()>();
    far.write_all(&[0, 0, 0, 1]).unwrap();
    assert_eq!(near.try_recv().unwrap(), None);
    assert!(matches!(here.send(&near), Err(SendError::Encode(_))));

    far.write_all(&[7]).unwrap();
    assert_eq!(near.recv_bytes().unwrap(), [7]);
    here.send(&near).unwrap();
}

// CON-001
#[test]
fn a_message_beyond_the_limit_stays_until_the_limit_is_raised() {
    let _watchdog = watchdog();
    let (here, there) = duplex::<(), ()>();
    there.set_max_len(5);
    here.send_bytes(b"short").unwrap();
    here.send_bytes(b"longer").unwrap();
    assert_eq!(there.recv_bytes().unwrap(), b"short");
    for _ in 0..2 {
        let refused = there.recv_bytes_timeout(Duration::ZERO);
        assert!(matches!(
            refused,
            Err(RecvError::TooLong { len: 6, max: 5 })
        ));
    }
    there.set_max_len(6);
    assert_eq!(there.recv_bytes().unwrap(), b"longer");
}

// CON-001
#[test]
fn a_message_goes_into_a_buffer_or_comes_with_the_error() {
    let _watchdog = watchdog();
    let (here, there) = duplex::<(), ()>();
    let mut buf = [0; 10];
    let late = there.recv_into_timeout(&mut buf, Duration::from_millis(1));
    assert!(matches!(
        late,
        Err(RecvIntoError::Recv(RecvError::TimedOut))
    ));
    for message in [&b"hello"[..], b"", b"0123456789", b"0123456789a", b"", b"x"] {
        here.send_bytes(message).unwrap();
    }
    assert_eq!(there.recv_into(&mut buf[3..]).unwrap(), 5);
    assert_eq!(&buf, b"\0\0\0hello\0\0");
    assert_eq!(there.recv_into(&mut buf).unwrap(), 0);
    assert_eq!(there.recv_into(&mut buf).unwrap(), 10);
    assert_eq!(&buf, b"0123456789");
    match there.recv_into(&mut buf) {
        Err(RecvIntoError::TooShort(message)) => assert_eq!(message, b"0123456789a"),
        other => panic!("{other:?}"),
    }
    assert_eq!(there.recv_into(&mut []).unwrap(), 0);
    let short = there.recv_into(&mut []).unwrap_err();
    assert_eq!(
        short.to_string(),
        "the message of 1 bytes is longer than the buffer"
    );
    drop(here);
    let end = there.recv_into(&mut buf);
    assert!(matches!(end, Err(RecvIntoError::Recv(RecvError::Closed))));
}

#[test]
fn what_came_into_a_buffer_in_part_is_kept() {
    let _watchdog = watchdog();
    let (mut far, near) = UnixStream::pair().unwrap();
    let near: Connection<(), ()> = OwnedFd::from(near).into();
    far.write_all(b"\0\0\0\x06abc").unwrap();
    let early = near.recv_into_timeout(&mut [0; 6], Duration::ZERO);
    assert!(early.is_err());
    far.write_all(b"d").unwrap();
    let early = near.recv_into_timeout(&mut [0; 9], Duration::ZERO);
    assert!(early.is_err());
    far.write_all(b"ef").unwrap();
    match near.recv_into(&mut [0; 5]) {
        Err(RecvIntoError::TooShort(message)) => assert_eq!(message, b"abcdef"),
        other => panic!("{other:?}"),
    }

    far.write_all(b"\0\0\0\x06abc").unwrap();
    let early = near.recv_into_timeout(&mut [0; 6], Duration::ZERO);
    assert!(early.is_err());
    far.write_all(b"def").unwrap();
    assert_eq!(near.recv_bytes().unwrap(), b"abcdef");
}

#[test]
fn a_refused_message_is_seen_by_poll() {
    let _watchdog = watchdog();
    let (mut far, near) = UnixStream::pair().unwrap();
    let near: Connection<u8, u8> = OwnedFd::from(near).into();
    near.set_max_len(0);
    far.write_all(&[0, 0, 0, 9]).unwrap();
    assert!(matches!(near.recv(), Err(RecvError::TooLong { .. })));
    assert!(near.poll(Duration::ZERO).unwrap());
}

#[test]
fn what_was_read_in_part_is_kept_for_the_next_call() {
    let _watchdog = watchdog();
    let (mut far, near) = UnixStream::pair().unwrap();
    let near: Connection<(), ()> = OwnedFd::from(near).into();
    let long_form = [&[0xff; 4][..], &3_u64.to_be_bytes(), b"abc"].concat();
    for frame in [&[0, 0, 0, 3, b'a', b'b', b'c'][..], &long_form] {
        for byte in frame {
            assert!(matches!(
                near.recv_bytes_timeout(Duration::ZERO),
                Err(RecvError::TimedOut)
            ));
            far.write_all(&[*byte]).unwrap();
        }
        assert_eq!(near.recv_bytes_timeout(Duration::ZERO).unwrap(), b"abc");
    }
}

#[test]
fn what_was_sent_in_part_is_finished_before_the_next_message() {
    let _watchdog = watchdog();
    let (here, there) = duplex::<(), ()>();
    let long = vec![1; 3 << 20];
    let sent = here.send_bytes_timeout(&long, Duration::ZERO);
    assert!(matches!(sent, Err(SendError::Unfinished(_))));
    let blocked = here.send_bytes_timeout(b"next", Duration::from_millis(1));
    assert!(matches!(blocked, Err(SendError::TimedOut)));
    thread::scope(|scope| {
        scope.spawn(|| here.send_bytes(b"last").unwrap());
        assert_eq!(there.recv_bytes().unwrap(), long);
        assert_eq!(there.recv_bytes().unwrap(), b"last");
    });
}
