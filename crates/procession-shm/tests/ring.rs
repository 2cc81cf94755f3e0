//! The rings of bytes between two processes.

#![expect(
    clippy::unwrap_used,
    reason = "a helper process fails by panicking, like a test"
)]

use procession_os::wait::Deadline;
use procession_shm::ring::{End, RingError, RingReader, RingWriter, Rings};
use procession_testkit::helper::{Helper, arrive, roundtrip, say, wait_for_end};
use procession_testkit::watchdog;
use proptest::prelude::*;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::{Duration, Instant};

procession_testkit::helpers!(echo, write_and_wait, write_for_ever, take_and_wait);

const NEVER: Deadline = Deadline::NEVER;

fn soon() -> Deadline {
    Deadline::after(Duration::from_millis(20))
}

/// One direction: who writes, who reads, and what keeps the other direction open.
fn one_way(capacity: usize) -> (RingWriter, RingReader, (RingReader, RingWriter), Rings) {
    let rings = Rings::create(capacity).unwrap();
    let (writer, unused) = rings.take(End::Near).unwrap();
    let (also_unused, reader) = rings.take(End::Far).unwrap();
    (writer, reader, (unused, also_unused), rings)
}

#[test]
fn messages_of_any_length_go_through() {
    let _watchdog = watchdog();
    let (mut writer, mut reader, _keep, _rings) = one_way(256);
    let lengths = [0, 1, 7, 247, 248, 249, 256, 257, 1000, 100_000];
    thread::scope(|scope| {
        scope.spawn(move || {
            for (index, len) in lengths.into_iter().enumerate() {
                writer.send(&vec![index as u8; len], NEVER).unwrap();
            }
        });
        for (index, len) in lengths.into_iter().enumerate() {
            let message = reader.recv(usize::MAX, NEVER).unwrap();
            assert_eq!(message, vec![index as u8; len]);
        }
        assert!(matches!(reader.recv(9, NEVER), Err(RingError::Closed)));
    });
}

#[test]
fn another_process_answers() {
    let _watchdog = watchdog();
    let rings = Rings::create(4096).unwrap();
    let (mut out, mut back) = rings.take(End::Near).unwrap();
    let helper = Helper::with("echo", &rings);
    for number in 0..2000_u32 {
        let message = vec![number as u8; number as usize * 5];
        out.send(&message, NEVER).unwrap();
        assert_eq!(back.recv(20_000, NEVER).unwrap(), message);
    }
    drop(out);
    assert!(matches!(back.recv(9, NEVER), Err(RingError::Closed)));
    assert!(helper.end().success());
}

fn echo() {
    let Some(rings) = arrive::<Rings>() else {
        return;
    };
    let (mut out, mut back) = rings.take(End::Far).unwrap();
    while let Ok(message) = back.recv(20_000, NEVER) {
        out.send(&message, NEVER).unwrap();
    }
}

#[test]
fn what_a_dead_writer_wrote_is_read_first() {
    let _watchdog = watchdog();
    let rings = Rings::create(4096).unwrap();
    let (mut out, mut back) = rings.take(End::Near).unwrap();
    let mut helper = Helper::with("write_and_wait", &rings);
    assert_eq!(helper.hear(), "written");
    helper.kill9();
    assert_eq!(back.recv(100, NEVER).unwrap(), b"last words");
    assert!(matches!(back.recv(100, NEVER), Err(RingError::PeerDied)));
    // A writer notices when there is no room.
    let sent = (0..).find_map(|_| out.send(&[0; 100], NEVER).err());
    assert!(matches!(sent, Some(RingError::PeerDied)));
}

fn write_and_wait() {
    let Some(rings) = arrive::<Rings>() else {
        return;
    };
    let (mut out, _back) = rings.take(End::Far).unwrap();
    out.send(b"last words", NEVER).unwrap();
    say("written");
    wait_for_end();
}

#[test]
fn a_sleeping_reader_notices_the_writers_death() {
    let _watchdog = watchdog();
    let rings = Rings::create(4096).unwrap();
    let (_out, mut back) = rings.take(End::Near).unwrap();
    let mut helper = Helper::with("take_and_wait", &rings);
    assert_eq!(helper.hear(), "taken");
    let reading = thread::spawn(move || back.recv(100, NEVER));
    helper.kill9();
    assert!(matches!(reading.join().unwrap(), Err(RingError::PeerDied)));
}

fn take_and_wait() {
    let Some(rings) = arrive::<Rings>() else {
        return;
    };
    let _ends = rings.take(End::Far).unwrap();
    say("taken");
    wait_for_end();
}

#[test]
fn a_writer_killed_at_any_moment_leaves_whole_messages() {
    let _watchdog = watchdog();
    for round in 0..20_u64 {
        let rings = Rings::create(512).unwrap();
        let (_out, mut back) = rings.take(End::Near).unwrap();
        let mut helper = Helper::with("write_for_ever", &rings);
        let mut count = 0_u64;
        let error = loop {
            match back.recv(1000, NEVER) {
                Ok(message) => {
                    assert_eq!(message, vec![count as u8; (count % 900) as usize]);
                    count += 1;
                }
                Err(error) => break error,
            }
            if count == 1 + round * 37 {
                helper.kill9();
            }
        };
        assert!(matches!(error, RingError::PeerDied), "{error}");
    }
}

fn write_for_ever() {
    let Some(rings) = arrive::<Rings>() else {
        return;
    };
    let (mut out, _back) = rings.take(End::Far).unwrap();
    for count in 0_u64.. {
        out.send(&vec![count as u8; (count % 900) as usize], NEVER)
            .unwrap();
    }
}

#[test]
fn closing_wakes_both_ends() {
    let _watchdog = watchdog();
    let rings = Rings::create(128).unwrap();
    let (mut out, mut back) = rings.take(End::Near).unwrap();
    thread::scope(|scope| {
        let writing = scope.spawn(move || out.send(&[0; 1000], NEVER));
        let reading = scope.spawn(move || back.recv(9, NEVER));
        rings.close();
        assert!(matches!(writing.join().unwrap(), Err(RingError::Closed)));
        assert!(matches!(reading.join().unwrap(), Err(RingError::Closed)));
    });
}

#[test]
fn a_dropped_reader_is_noticed() {
    let _watchdog = watchdog();
    let (mut writer, reader, _keep, _rings) = one_way(128);
    drop(reader);
    assert!(matches!(writer.send(b"a", NEVER), Err(RingError::Closed)));
    assert!(matches!(writer.try_write(b"a"), Err(RingError::Closed)));
}

#[test]
fn timeouts_end_waiting() {
    let _watchdog = watchdog();
    let (mut writer, mut reader, _keep, _rings) = one_way(128);
    let start = Instant::now();
    assert!(matches!(reader.recv(9, soon()), Err(RingError::TimedOut)));
    assert!(start.elapsed() >= Duration::from_millis(20));
    writer.send(&[1; 120], NEVER).unwrap();
    // Nothing of it fits, so nothing is lost.
    assert!(matches!(
        writer.send(b"a", soon()),
        Err(RingError::TimedOut)
    ));
    assert_eq!(reader.recv(200, NEVER).unwrap(), [1; 120]);
    writer.send(b"b", NEVER).unwrap();
    assert_eq!(reader.recv(200, NEVER).unwrap(), b"b");
    // A part of it fits.
    assert!(matches!(
        writer.send(&[2; 300], soon()),
        Err(RingError::TimedOut)
    ));
    assert!(matches!(writer.send(b"c", NEVER), Err(RingError::CutShort)));
    assert!(matches!(reader.recv(900, soon()), Err(RingError::TimedOut)));
}

#[test]
fn a_message_that_is_half_there_is_gone_on_with() {
    let _watchdog = watchdog();
    let (mut writer, mut reader, _keep, _rings) = one_way(128);
    let message = [7_u8; 20];
    let mut bytes = 20_u64.to_le_bytes().to_vec();
    bytes.extend(message);
    for part in bytes.chunks(5) {
        assert!(matches!(reader.recv(99, soon()), Err(RingError::TimedOut)));
        assert_eq!(writer.try_write(part).unwrap(), part.len());
    }
    assert_eq!(reader.recv(99, NEVER).unwrap(), message);
}

#[test]
fn a_length_beyond_the_limit_is_refused_for_ever() {
    let _watchdog = watchdog();
    let (mut writer, mut reader, _keep, _rings) = one_way(128);
    writer.try_write(&u64::MAX.to_le_bytes()).unwrap();
    for _ in 0..2 {
        let refused = reader.recv(1000, NEVER).unwrap_err();
        assert!(matches!(
            refused,
            RingError::TooLong {
                len: u64::MAX,
                limit: 1000
            }
        ));
    }
    // And within an enormous limit nothing is allocated in advance.
    let (mut writer, mut reader, _keep, _rings) = one_way(128);
    writer.try_write(&(1_u64 << 62).to_le_bytes()).unwrap();
    assert!(matches!(
        reader.recv(usize::MAX, soon()),
        Err(RingError::TimedOut)
    ));
}

#[test]
fn an_end_is_taken_once() {
    let _watchdog = watchdog();
    let rings = Rings::create(1).unwrap();
    let same = roundtrip(&rings);
    assert_eq!(same.capacity(), 128);
    drop(rings.take(End::Far).unwrap());
    assert!(matches!(same.take(End::Far), Err(RingError::Taken)));
    assert!(same.take(End::Near).is_ok());
    assert!(Rings::create(usize::MAX).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn garbage_in_the_memory_is_an_error(
        bytes in proptest::collection::vec(any::<u8>(), 1..700),
        at in 128_u64..896,
        sent in 0_usize..100,
    ) {
        let _watchdog = watchdog();
        let (mut writer, mut reader, _keep, rings) = one_way(128);
        writer.send(&vec![1; sent], NEVER).unwrap();
        let name = format!("{rings:?}");
        let name = name.split('"').nth(1).unwrap();
        let file = OpenOptions::new().write(true).open(format!("/dev/shm{name}")).unwrap();
        let room = (128 + 2 * (256 + 128) - at as usize).min(bytes.len());
        file.write_all_at(&bytes[..room], at).unwrap();
        for _ in 0..5 {
            let _ = writer.send(b"hello", Deadline::after(Duration::ZERO));
            let _ = reader.recv(1000, Deadline::after(Duration::ZERO));
            let _ = writer.try_write(&[0; 300]);
            let _ = reader.try_read(300, &mut Vec::new());
        }
    }
}
