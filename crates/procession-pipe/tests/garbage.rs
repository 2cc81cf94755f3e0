//! Bytes that no channel sends: an error or a value, never a panic, a hang or much memory.

use procession_pipe::{Channel, Connection, Deadline, RecvError, RecvIntoError};
use procession_testkit::watchdog;
use procession_wire::frame::Head;
use procession_wire::{Kind, Message};
use proptest::prelude::*;
use std::fs;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

type Value = (String, Vec<Option<i32>>);

/// A connection to which exactly these bytes are sent, few enough for the socket to hold.
fn fed(bytes: &[u8]) -> Connection<(), Value> {
    let (mut far, near) = UnixStream::pair().expect("a pair of sockets");
    far.write_all(bytes).expect("there is room");
    OwnedFd::from(near).into()
}

fn framed(payload: &[u8]) -> Vec<u8> {
    [Head::new(payload.len()).as_bytes(), payload].concat()
}

/// Returns whether nothing can come after this.
fn ends(error: &RecvError) -> bool {
    !matches!(error, RecvError::Decode(_))
}

/// The most address space this process has had, in bytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("it is always there");
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:"));
    let kib = line
        .and_then(|line| line.trim().strip_suffix(" kB"))
        .expect("it is always there");
    kib.parse::<u64>().expect("a number") * 1024
}

#[test]
fn memory_is_taken_for_what_arrives_only() {
    const ANNOUNCED: u64 = 1 << 40;
    let _watchdog = watchdog();
    let before = peak();
    let head = [&[0xff; 4][..], &ANNOUNCED.to_be_bytes(), b"ten bytes."].concat();
    let near = fed(&head);
    near.set_max_len(u64::MAX);
    assert!(matches!(near.recv_bytes(), Err(RecvError::Truncated)));
    assert!(peak() - before < ANNOUNCED / 1024);

    let near = fed(&head);
    let refused = near.recv_bytes();
    assert!(matches!(
        refused,
        Err(RecvError::TooLong { len: ANNOUNCED, .. })
    ));
}

#[test]
fn a_long_form_of_a_short_length_is_accepted() {
    let _watchdog = watchdog();
    let near = fed(&[&[0xff; 4][..], &2_u64.to_be_bytes(), b"ok"].concat());
    assert_eq!(near.recv_bytes().unwrap(), b"ok");
}

#[test]
fn every_cut_of_a_message_is_truncated() {
    let _watchdog = watchdog();
    let value = (String::from("cut"), vec![Some(1), None]);
    let whole = framed(Message::encode(Kind::VALUE, &value).unwrap().bytes());
    for len in 1..whole.len() {
        assert!(
            matches!(fed(&whole[..len]).recv(), Err(RecvError::Truncated)),
            "{len}"
        );
    }
    assert_eq!(fed(&whole).recv().unwrap(), value);
}

/// Something like a frame: right, wrong, or cut, in either form.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop::collection::vec(any::<u8>(), 0..60);
    prop_oneof![
        5 => payload.clone().prop_map(|payload| framed(&payload)),
        3 => payload.clone().prop_map(|payload| {
            let len = payload.len() as u64;
            [&[0xff; 4][..], &len.to_be_bytes(), &payload].concat()
        }),
        1 => (any::<i32>(), payload.clone())
            .prop_map(|(len, payload)| [&len.to_be_bytes()[..], &payload].concat()),
        1 => payload,
    ]
}

/// What one call of a receiver comes to.
fn outcome(near: &Connection<(), Value>, into: bool) -> Result<Vec<u8>, RecvError> {
    if !into {
        return near.recv_bytes_timeout(Duration::ZERO);
    }
    let mut buf = [0; 40];
    match near.recv_into_timeout(&mut buf, Duration::ZERO) {
        Ok(len) => Ok(buf[..len].to_vec()),
        Err(RecvIntoError::TooShort(message)) => Ok(message),
        Err(RecvIntoError::Recv(error)) => Err(error),
        Err(error) => panic!("{error}"),
    }
}

/// All messages, and how they end, in words.
fn outcomes(near: &Connection<(), Value>, into: bool) -> (Vec<Vec<u8>>, String) {
    near.set_max_len(100);
    let mut messages = Vec::new();
    loop {
        match outcome(near, into) {
            Ok(message) => messages.push(message),
            Err(error) => return (messages, error.to_string()),
        }
    }
}

/// The same of bytes that come in chunks, each of which is looked at before the next one comes.
fn in_chunks(bytes: &[u8], cuts: &[usize], into: bool) -> (Vec<Vec<u8>>, String) {
    let (mut far, near) = UnixStream::pair().expect("a pair of sockets");
    let near = OwnedFd::from(near).into();
    let (mut rest, mut messages) = (bytes, Vec::new());
    for cut in cuts.iter().cycle() {
        let (chunk, left) = rest.split_at(rest.len().min(*cut));
        far.write_all(chunk).expect("there is room");
        let (arrived, why) = outcomes(&near, into);
        messages.extend(arrived);
        rest = left;
        // After a refusal nothing is read any more, and many small chunks fill the socket.
        if rest.is_empty() || why != RecvError::TimedOut.to_string() {
            break;
        }
    }
    drop(far);
    let (arrived, end) = outcomes(&near, into);
    messages.extend(arrived);
    (messages, end)
}

proptest! {
    #[test]
    fn random_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..4000)) {
        let near = fed(&bytes);
        while near.recv().as_ref().err().is_none_or(|error| !ends(error)) {}
        let near = fed(&bytes);
        while near.recv_bytes().is_ok() {}
    }

    #[test]
    fn random_bytes_end_under_a_limit(
        lengths in prop::collection::vec(-3..20_i32, 0..50),
        bytes in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let frames: Vec<_> = lengths.iter().map(|len| [&len.to_be_bytes()[..], &bytes].concat()).collect();
        let near = fed(&frames.concat());
        near.set_max_len(16);
        while near.recv().as_ref().err().is_none_or(|error| !ends(error)) {}
    }

    #[test]
    fn a_bad_message_is_the_only_one_lost(
        messages in prop::collection::vec(
            prop_oneof![
                any::<Vec<u8>>().prop_map(Err),
                any::<Value>().prop_map(Ok),
            ],
            0..20,
        ),
    ) {
        let (here, near) = Channel::pair().unwrap();
        let near: Connection<(), Value> = near.into();
        for message in &messages {
            match message {
                Ok(value) => here.send(Message::encode(Kind::VALUE, value).unwrap()).unwrap(),
                Err(bytes) => here.send_bytes_by(bytes, Deadline::NEVER).unwrap(),
            }
        }
        drop(here);
        for message in messages {
            match message {
                Ok(value) => prop_assert_eq!(near.recv().unwrap(), value),
                Err(_) => prop_assert!(matches!(near.recv(), Err(RecvError::Decode(_)))),
            }
        }
        prop_assert!(matches!(near.recv(), Err(RecvError::Closed)));
    }

    #[test]
    fn chunks_make_no_difference(
        frames in prop::collection::vec(frame(), 0..12),
        cuts in prop::collection::vec(1..40_usize, 1..30),
        into in any::<bool>(),
    ) {
        let bytes = frames.concat();
        let whole = outcomes(&fed(&bytes), into);
        prop_assert_eq!(in_chunks(&bytes, &cuts, into), whole);
    }

    #[test]
    fn bytes_come_back(messages in prop::collection::vec(any::<Vec<u8>>(), 0..20)) {
        let (here, near) = Channel::pair().unwrap();
        for message in &messages {
            here.send_bytes_by(message, Deadline::NEVER).unwrap();
        }
        for message in messages {
            prop_assert_eq!(near.recv_bytes_by(Deadline::NEVER).unwrap(), message);
        }
    }
}
