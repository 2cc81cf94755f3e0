//! Messages beyond what the short form of a length can say.

use procession_pipe::{Channel, Deadline, Pipe, RecvError};
use procession_testkit::watchdog;
use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::thread;

/// One more than the short form can say, and the marks.
const LONG: usize = 0x8000_0000 + 1;
const PIECE: usize = 1 << 20;

/// A channel, and its other end as it is.
fn plain() -> (UnixStream, Channel) {
    let (far, near) = UnixStream::pair().expect("a pair of sockets");
    (far, OwnedFd::from(near).into())
}

/// Whether so many bytes can be used without putting other programs at risk.
fn memory_for(bytes: usize) -> bool {
    let info = fs::read_to_string("/proc/meminfo").expect("it is always there");
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<usize>().ok());
    kib.expect("it is always there") * 1024 > bytes * 2
}

#[test]
fn a_sender_writes_the_long_form() {
    let _watchdog = watchdog();
    let (mut far, near) = plain();
    thread::scope(|scope| {
        scope.spawn(|| {
            // Memory that is only read costs none.
            near.send_bytes_by(&vec![0; LONG], Deadline::NEVER).unwrap();
            near.send_bytes_by(b"next", Deadline::NEVER).unwrap();
        });
        let mut head = [0; 12];
        far.read_exact(&mut head).unwrap();
        assert_eq!(head[..4], [0xff; 4]);
        assert_eq!(head[4..], (LONG as u64).to_be_bytes());
        let mut body = Read::by_ref(&mut far).take(LONG as u64);
        let mut piece = vec![0; PIECE];
        while body.limit() > 0 {
            let len = body.read(&mut piece).unwrap();
            assert_ne!(len, 0);
        }
        let mut next = [0; 8];
        far.read_exact(&mut next).unwrap();
        assert_eq!(&next, b"\0\0\0\x04next");
    });
}

#[test]
fn a_receiver_reads_the_long_form() {
    let _watchdog = watchdog();
    if !memory_for(LONG) {
        return;
    }
    let (mut far, near) = plain();
    thread::scope(|scope| {
        scope.spawn(move || {
            far.write_all(&[0xff; 4]).unwrap();
            far.write_all(&(LONG as u64).to_be_bytes()).unwrap();
            let piece: Vec<u8> = (0..PIECE).map(|at| at as u8).collect();
            for _ in 0..LONG / PIECE {
                far.write_all(&piece).unwrap();
            }
            far.write_all(b"!\0\0\0\x04next").unwrap();
        });
        let message = near.recv_bytes_by(Deadline::NEVER).unwrap();
        assert_eq!(message.len(), LONG);
        let (last, pieces) = message.split_last().unwrap();
        let right = |(at, byte): (usize, &u8)| *byte == at as u8;
        assert!(pieces.iter().enumerate().step_by(4093).all(right));
        assert_eq!(*last, b'!');
        assert_eq!(near.recv_bytes_by(Deadline::NEVER).unwrap(), b"next");
    });
}

#[test]
fn the_long_form_of_any_length_is_accepted_and_no_other_negative_one() {
    let _watchdog = watchdog();
    for len in [0_u64, 1, 16_384, 65_536] {
        let (mut far, near) = plain();
        far.write_all(&[0xff; 4]).unwrap();
        far.write_all(&len.to_be_bytes()).unwrap();
        far.write_all(&vec![7; len as usize]).unwrap();
        let message = near.recv_bytes_by(Deadline::NEVER).unwrap();
        assert_eq!(message.len() as u64, len);
    }
    for len in [-2_i32, i32::MIN] {
        let (mut far, near) = plain();
        far.write_all(&len.to_be_bytes()).unwrap();
        let refused = near.recv_bytes_by(Deadline::NEVER);
        assert!(matches!(refused, Err(RecvError::BadLength(_))));
    }
}

#[test]
fn a_length_beyond_the_limit_is_refused_before_memory_is_taken() {
    let _watchdog = watchdog();
    let (mut far, near) = plain();
    far.write_all(&[0xff; 12]).unwrap();
    for _ in 0..2 {
        let refused = near.recv_bytes_by(Deadline::NEVER);
        assert!(matches!(
            refused,
            Err(RecvError::TooLong { len: u64::MAX, .. })
        ));
    }
    near.set_max_len(u64::MAX);
    drop(far);
    let truncated = near.recv_bytes_by(Deadline::NEVER);
    assert!(matches!(truncated, Err(RecvError::Truncated)));
}

#[test]
fn a_message_of_many_pieces_goes_straight_into_the_buffer() {
    let _watchdog = watchdog();
    let (receiver, sender) = Pipe::simplex::<()>().unwrap();
    let long: Vec<u8> = (0..10 * PIECE).map(|at| (at / 7) as u8).collect();
    let mut buf = vec![0; long.len() + 1];
    thread::scope(|scope| {
        scope.spawn(|| sender.send_bytes(&long).unwrap());
        assert_eq!(receiver.recv_into(&mut buf).unwrap(), long.len());
    });
    assert!(buf[..long.len()] == long);
}
