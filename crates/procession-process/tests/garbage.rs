//! What arrives at a child, and what names a function, is not trusted.

use procession_pipe::Channel;
use procession_process::outcome::{Outcome, consume, produce};
use procession_process::routine::{Entry, Routine};
use procession_testkit::watchdog;
use procession_wire::{Encoder, Kind, Packet, schema};
use proptest::prelude::*;
use std::any::Any;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Command;

procession_process::enable_in_tests!();

struct Seven;

impl Entry for Seven {
    fn run(_: &dyn Any, _: &mut Packet) -> Outcome {
        produce(|| Ok(7))
    }
}

/// The bytes of a routine as they arrive from another process.
fn routine(offset: u64, hash: u64) -> Routine {
    let mut bytes = vec![Kind::VALUE.0, 0, 0];
    bytes.extend(schema::<Routine>().to_le_bytes());
    bytes.extend(postcard_u64(offset));
    bytes.extend(postcard_u64(hash));
    Packet::parse(bytes, Vec::new())
        .and_then(Packet::decode)
        .expect("two numbers are a routine")
}

fn postcard_u64(value: u64) -> Vec<u8> {
    let mut encoder = Encoder::new(Kind::VALUE);
    encoder.push(&value).expect("a number can be encoded");
    encoder.finish().bytes()[11..].to_vec()
}

#[test]
fn a_routine_is_found_again() {
    let _watchdog = watchdog();
    let run = Routine::of::<Seven>().unwrap().resolve().unwrap();
    let mut nothing = Packet::parse(vec![0, 0, 0], Vec::new()).unwrap();
    let (bytes, fds) = run(&(), &mut nothing).message.deliver();
    assert_eq!(
        consume::<i32>(Packet::parse(bytes, fds).unwrap()).unwrap(),
        Ok(7)
    );
}

#[test]
fn no_other_offset_of_the_image_is_a_routine() {
    let _watchdog = watchdog();
    let hash = schema::<Seven>();
    let found = (0..1 << 22)
        .step_by(8)
        .filter(|&offset| routine(offset, hash).resolve().is_ok());
    let found: Vec<u64> = found.collect();
    assert!(found.len() <= 1, "{found:?}");
}

#[test]
fn bytes_that_are_no_start_end_the_child() {
    let _watchdog = watchdog();
    for garbage in [&b""[..], b"x", &[0xff; 64], &[0, 0, 0, 3, 0x10, 0, 0]] {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        nix::fcntl::fcntl(&theirs, nix::fcntl::F_SETFD(nix::fcntl::FdFlag::empty())).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--procession-child", &theirs.as_raw_fd().to_string()])
            .spawn()
            .unwrap();
        drop(theirs);
        std::io::Write::write_all(&mut &ours, garbage).unwrap();
        drop(ours);
        assert_eq!(child.wait().unwrap().code(), Some(70), "{garbage:?}");
    }
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
    fn garbage_names_no_routine(offset: u64, hash: u64) {
        prop_assert!(routine(offset, hash).resolve().is_err());
    }

    #[test]
    fn garbage_is_no_outcome(bytes in prop::collection::vec(any::<u8>(), 3..100)) {
        if let Ok(packet) = Packet::parse(bytes, Vec::new()) {
            prop_assert!(consume::<Vec<String>>(packet).is_err());
        }
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
    let process = procession_process::Process::spawn(echo, (theirs,)).unwrap();
    let mut request = Encoder::new(Kind::VALUE);
    request.push(&"echo".to_owned()).unwrap();
    ours.send(request.finish()).unwrap();
    assert_eq!(ours.recv().unwrap().decode::<String>().unwrap(), "echo");
    process.join().unwrap();
    let _: OwnedFd = ours.into();
}
