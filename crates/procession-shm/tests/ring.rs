//! The rings of messages between two processes.

#![expect(
    clippy::unwrap_used,
    reason = "a helper process fails by panicking, like a test"
)]

use procession_os::wait::Deadline;
use procession_shm::ring::{Next, RingEnd, RingError, RingReader, RingWriter, Rings, Sleeper};
use procession_testkit::helper::{Helper, arrive, roundtrip, say, wait_for_end};
use procession_testkit::watchdog;
use procession_wire::{Encoder, Kind};
use proptest::prelude::*;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::Duration;

procession_testkit::helpers!(write_for_ever, write_and_hold, write_in_part);

const NEVER: Deadline = Deadline::NEVER;

fn soon() -> Deadline {
    Deadline::after(Duration::from_millis(20))
}

fn push(end: &RingEnd, message: &[u8]) -> Result<bool, RingError> {
    end.write(NEVER, |writer| writer.push(message))?
}

fn pop(end: &RingEnd) -> Result<Option<Vec<u8>>, RingError> {
    end.read(NEVER, |reader| match reader.next()? {
        Some(Next::InRing(len)) => {
            let mut message = Vec::new();
            reader.pop(len, &mut message);
            Ok(Some(message))
        }
        Some(Next::Beside) | None => Ok(None),
    })?
}

/// Waits for a message without sleeping.
fn await_one(end: &RingEnd) -> Vec<u8> {
    loop {
        match pop(end).unwrap() {
            Some(message) => return message,
            None => thread::yield_now(),
        }
    }
}

#[test]
fn what_fits_goes_through_and_the_rest_has_to_wait() {
    let _watchdog = watchdog();
    let (here, there) = Rings::create(100).unwrap();
    assert_eq!(here.capacity(), 128);
    for len in [0, 1, 7, 60, 120] {
        assert!(push(&here, &vec![len; len.into()]).unwrap());
        assert_eq!(pop(&there).unwrap(), Some(vec![len; len.into()]));
    }
    assert!(!push(&here, &[0; 121]).unwrap());
    assert!(push(&here, &[1; 60]).unwrap());
    assert!(!push(&here, &[2; 60]).unwrap());
    assert_eq!(pop(&there).unwrap().unwrap(), [1; 60]);
    assert!(push(&here, &[2; 60]).unwrap());
    // The other direction has nothing to do with it.
    assert!(push(&there, &[3; 120]).unwrap());
    assert_eq!(pop(&here).unwrap().unwrap(), [3; 120]);
    assert_eq!(pop(&there).unwrap().unwrap(), [2; 60]);
    assert!(here.was_all_read() && there.was_all_read());
    assert!(Rings::create(usize::MAX).is_err());
}

#[test]
fn a_message_goes_into_a_buffer_over_the_end_of_the_ring() {
    let (here, there) = Rings::create(128).unwrap();
    for round in 0..50_u8 {
        assert!(push(&here, &[round; 33]).unwrap());
        let mut buf = [0; 33];
        let pop_into = |reader: &mut RingReader<'_>| {
            assert_eq!(reader.next().unwrap(), Some(Next::InRing(33)));
            reader.pop_into(&mut buf);
        };
        there.read(NEVER, pop_into).unwrap();
        assert_eq!(buf, [round; 33]);
    }
}

#[test]
fn what_went_beside_is_taken_before_the_ring_is_used_again() {
    let _watchdog = watchdog();
    let (here, there) = Rings::create(1000).unwrap();
    assert!(push(&here, b"older").unwrap());
    let beside = |writer: &mut RingWriter<'_>| {
        writer.begin_beside().unwrap();
        assert!(writer.is_partial());
        assert!(matches!(
            writer.push(b"in between"),
            Err(RingError::CutShort)
        ));
        writer.announce_beside();
        writer.end_beside();
    };
    here.write(NEVER, beside).unwrap();
    assert!(!push(&here, b"newer").unwrap());
    assert!(!here.was_all_read());
    assert_eq!(pop(&there).unwrap().unwrap(), b"older");
    assert_eq!(there.next().unwrap(), Some(Next::Beside));
    let take = |reader: &mut RingReader<'_>| {
        reader.begin_beside();
        assert!(reader.is_partial());
        reader.end_beside();
    };
    there.read(NEVER, take).unwrap();
    assert!(here.was_all_read());
    // A reader that found it before it was announced is ahead for a moment.
    here.write(NEVER, |writer| writer.begin_beside().unwrap())
        .unwrap();
    let taken = |reader: &mut RingReader<'_>| reader.end_beside();
    there.read(NEVER, taken).unwrap();
    assert_eq!(there.next().unwrap(), None);
    here.write(NEVER, |writer| {
        writer.announce_beside();
        writer.end_beside();
    })
    .unwrap();
    assert_eq!(there.next().unwrap(), None);
    assert!(push(&here, b"newer").unwrap());
    assert_eq!(pop(&there).unwrap().unwrap(), b"newer");
}

#[test]
fn whoever_sleeps_is_rung_for_and_nobody_else() {
    let (here, there) = Rings::create(1000).unwrap();
    let rings = |message: &[u8]| {
        let mut rung = Vec::new();
        here.write(NEVER, |writer| {
            assert!(writer.push(message).unwrap());
            writer.wake(|sleeper| rung.push(sleeper));
        })
        .unwrap();
        rung
    };
    let none: [Sleeper; 0] = [];
    assert_eq!(rings(b"awake"), none);
    assert!(there.arm().unwrap().is_some(), "it need not sleep");
    assert_eq!(pop(&there).unwrap().unwrap(), b"awake");
    assert!(there.is_armed());
    assert_eq!(rings(b"marked"), [Sleeper::Watchers]);
    assert!(!there.is_armed());
    assert_eq!(rings(b"the bell is on its way"), none);
    let sleep = |reader: &mut RingReader<'_>| reader.sleep(|| ()).unwrap();
    assert_eq!(there.read(NEVER, sleep).unwrap(), None, "it does not sleep");
    while pop(&there).unwrap().is_some() {}

    // Asleep in a receive, and awake again.
    let sleep = |reader: &mut RingReader<'_>| reader.sleep(|| rings(b"asleep")).unwrap();
    let rung = there.read(NEVER, sleep).unwrap();
    assert_eq!(rung.unwrap(), [Sleeper::Receiver]);
    assert_eq!(rings(b"nobody sleeps"), none);
    while pop(&there).unwrap().is_some() {}

    // Whoever receives takes the bell of those that watch: they are rung for again.
    there
        .read(NEVER, |reader| {
            assert!(reader.is_watched());
            reader.begin_taking();
        })
        .unwrap();
    assert_eq!(rings(b"others sleep still"), [Sleeper::Watchers]);
    while pop(&there).unwrap().is_some() {}

    // Both at one time.
    assert!(there.arm().unwrap().is_none());
    let sleep = |reader: &mut RingReader<'_>| reader.sleep(|| rings(b"for both")).unwrap();
    let rung = there.read(NEVER, sleep).unwrap();
    assert_eq!(rung.unwrap(), [Sleeper::Receiver, Sleeper::Watchers]);
    while pop(&there).unwrap().is_some() {}
    let watch = |reader: &mut RingReader<'_>| reader.sleep_watching(|| rings(b"watching"));
    let rung = there.read(NEVER, watch).unwrap().unwrap();
    assert_eq!(rung.unwrap(), [Sleeper::Watchers]);
    // One that is armed and watches no more.
    while pop(&there).unwrap().is_some() {}
    assert!(there.arm().unwrap().is_none());
    there.disarm();
    assert_eq!(rings(b"disarmed"), none);
}

#[test]
fn one_thread_at_a_time_writes_and_one_reads() {
    let _watchdog = watchdog();
    let (here, there) = Rings::create(4096).unwrap();
    thread::scope(|scope| {
        for writer in 0..3_u8 {
            let here = here.clone();
            scope.spawn(move || {
                for number in 0..500_u16 {
                    let message = vec![writer; usize::from(number % 90)];
                    while !push(&here, &message).unwrap() {
                        thread::yield_now();
                    }
                }
            });
        }
        for _ in 0..1500 {
            let message = await_one(&there);
            assert!(message.iter().all(|byte| *byte == message[0]));
        }
    });
    let held = here.clone();
    here.write(NEVER, |_| {
        let late = thread::spawn(move || held.write(soon(), |_| ()));
        assert_eq!(late.join().unwrap(), Err(RingError::TimedOut));
    })
    .unwrap();
}

#[test]
fn a_holder_that_leaves_is_noted_once() {
    let (here, there) = Rings::create(1000).unwrap();
    assert!(!here.other_may_have_left());
    there.note_leaving();
    assert!(here.other_may_have_left());
    assert!(!here.other_may_have_left() && !there.other_may_have_left());
}

#[test]
fn a_handle_is_the_same_end_elsewhere() {
    let (here, there) = Rings::create(1000).unwrap();
    let same = roundtrip(&there);
    assert!(push(&here, b"hello").unwrap());
    assert_eq!(pop(&same).unwrap().unwrap(), b"hello");
    assert_eq!(pop(&there).unwrap(), None);
}

#[test]
fn a_writer_killed_at_any_moment_leaves_whole_messages_and_no_lock() {
    let _watchdog = watchdog();
    for round in 0..20_u64 {
        let (here, there) = Rings::create(2048).unwrap();
        let mut helper = Helper::with("write_for_ever", &there);
        let mut count = 0_u64;
        while count < 1 + round * 37 {
            assert_eq!(await_one(&here), vec![count as u8; (count % 900) as usize]);
            count += 1;
        }
        helper.kill9();
        while let Some(message) = pop(&here).unwrap() {
            assert_eq!(message, vec![count as u8; (count % 900) as usize]);
            count += 1;
        }
        assert!(push(&there, b"another holder").unwrap());
        assert_eq!(pop(&here).unwrap().unwrap(), b"another holder");
    }
}

fn write_for_ever() {
    let Some(end) = arrive::<RingEnd>() else {
        return;
    };
    for count in 0_u64.. {
        while !push(&end, &vec![count as u8; (count % 900) as usize]).unwrap() {
            thread::yield_now();
        }
    }
}

#[test]
fn a_holder_killed_with_the_lock_blocks_nobody() {
    let _watchdog = watchdog();
    let (here, there) = Rings::create(2048).unwrap();
    let mut helper = Helper::with("write_and_hold", &there);
    assert_eq!(helper.hear(), "holding");
    assert!(matches!(
        there.write(soon(), |_| ()),
        Err(RingError::TimedOut)
    ));
    helper.kill9();
    assert!(push(&there, b"next").unwrap());
    assert_eq!(pop(&here).unwrap().unwrap(), b"held");
    assert_eq!(pop(&here).unwrap().unwrap(), b"next");
}

fn write_and_hold() {
    let Some(end) = arrive::<RingEnd>() else {
        return;
    };
    end.write(NEVER, |writer| {
        assert!(writer.push(b"held").unwrap());
        say("holding");
        wait_for_end();
    })
    .unwrap();
}

#[test]
fn a_message_cut_short_beside_the_ring_ends_that_direction_only() {
    let _watchdog = watchdog();
    let (here, there) = Rings::create(2048).unwrap();
    let mut helper = Helper::with("write_in_part", &there);
    assert_eq!(helper.hear(), "in part");
    helper.kill9();
    for _ in 0..2 {
        assert_eq!(push(&there, b"next"), Err(RingError::CutShort));
    }
    assert!(push(&here, b"hello").unwrap());
    assert_eq!(pop(&there).unwrap().unwrap(), b"hello");
}

fn write_in_part() {
    let Some(end) = arrive::<RingEnd>() else {
        return;
    };
    end.write(NEVER, |writer| {
        writer.begin_beside().unwrap();
        say("in part");
        wait_for_end();
    })
    .unwrap();
}

/// Overwrites the whole of both heads, and what is in the rings, with this byte.
fn scribble(end: &RingEnd, byte: u8) {
    let name = format!("/dev/shm{}", end.segment().name());
    let file = OpenOptions::new().write(true).open(name).unwrap();
    let len = file.metadata().unwrap().len() - 256;
    file.write_all_at(&vec![byte; len as usize], 256).unwrap();
}

// CON-037
#[test]
fn scribbles_do_not_harm_whoever_is_at_an_end_that_is_kept() {
    let _watchdog = watchdog();
    for byte in [0x00, 0x01, 0x5a, 0x80, 0xff] {
        let (here, there) = Rings::create(128).unwrap();
        here.keep_here().unwrap();
        assert!(push(&there, b"hello").unwrap());
        // While it is held, at any moment: more than a lock survives that lies there.
        here.write(NEVER, |writer| {
            scribble(&there, byte);
            let _ = writer.push(b"hello");
        })
        .unwrap();
        here.read(NEVER, |reader| {
            scribble(&there, byte);
            if let Ok(Some(Next::InRing(len))) = reader.next() {
                reader.pop(len, &mut Vec::new());
            }
        })
        .unwrap();
        // This thread holds other robust locks meanwhile and afterwards.
        let (one, other) = Rings::create(128).unwrap();
        assert!(push(&one, b"sound").unwrap());
        assert_eq!(pop(&other).unwrap().unwrap(), b"sound");
    }
}

#[test]
fn an_end_that_is_kept_is_used_by_one_thread_at_a_time_and_not_handed_on() {
    let _watchdog = watchdog();
    let (here, there) = Rings::create(4096).unwrap();
    // Not while it is in use.
    let kept = here.write(NEVER, |_| {
        let same = here.clone();
        thread::spawn(move || same.keep_here()).join().unwrap()
    });
    assert_eq!(kept.unwrap(), Err(RingError::TimedOut));
    here.keep_here().unwrap();
    thread::scope(|scope| {
        for writer in 0..3_u8 {
            let here = here.clone();
            scope.spawn(move || {
                for number in 0..500_u16 {
                    while !push(&here, &vec![writer; usize::from(number % 90)]).unwrap() {
                        thread::yield_now();
                    }
                }
            });
        }
        for _ in 0..1500 {
            let message = await_one(&there);
            assert!(message.iter().all(|byte| *byte == message[0]));
        }
    });
    let mut encoder = Encoder::new(Kind::VALUE);
    let refused = encoder.push(&here).unwrap_err();
    assert!(
        refused.to_string().contains("cannot be handed on"),
        "{refused}"
    );
    roundtrip(&there);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn garbage_in_the_memory_is_an_error(
        bytes in proptest::collection::vec(any::<u8>(), 1..700),
        // Behind the writer's lock, which is not the ring's to check.
        at in 168_u64..1100,
        sent in 0_usize..100,
    ) {
        let _watchdog = watchdog();
        let (here, there) = Rings::create(128).unwrap();
        push(&here, &vec![1; sent]).unwrap();
        let name = format!("/dev/shm{}", here.segment().name());
        let file = OpenOptions::new().write(true).open(name).unwrap();
        let size = file.metadata().unwrap().len();
        let room = usize::try_from(size - at).unwrap().min(bytes.len());
        file.write_all_at(&bytes[..room], at).unwrap();
        for end in [&here, &there] {
            for _ in 0..3 {
                let now = Deadline::after(Duration::ZERO);
                let _ = end.write(now, |writer| writer.push(b"hello"));
                let _ = end.write(now, |writer| writer.push(&[0; 300]));
                let _ = end.read(now, |reader| {
                    if let Ok(Some(Next::InRing(len))) = reader.next() {
                        assert!(len <= 128);
                        reader.pop(len, &mut Vec::new());
                    }
                });
                let _ = (end.next(), end.arm(), end.was_all_read());
            }
        }
    }
}
