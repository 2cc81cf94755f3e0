//! Channels that one thread watches, without a call of the kernel while it is awake.

#![expect(
    clippy::unwrap_used,
    reason = "what the tests share fails by panicking, like a test"
)]

use nix::poll::{PollFd, PollFlags};
use procession_os::wait::{self, Deadline};
use procession_pipe::{Channel, PipeReader, RecvError, pipe};
use procession_process::Process;
use procession_testkit::{kill9, watchdog};
use procession_wire::{Kind, Message};
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

procession_process::enable_in_tests!();

fn pair() -> (Channel, Channel) {
    Channel::pair().unwrap()
}

fn rings() -> (Channel, Channel) {
    Channel::pair_with_rings(4096).unwrap()
}

fn now() -> Deadline {
    Deadline::after(Duration::ZERO)
}

fn send(channel: &Channel, number: u32) {
    let message = Message::encode(Kind::VALUE, &number).unwrap();
    channel.send(message).unwrap();
}

/// Receives what is there.
fn received(channel: &Channel) -> Option<u32> {
    let packet = channel.try_recv().unwrap()?;
    Some(packet.decode().unwrap())
}

/// Whether the descriptor can be read at this moment.
fn is_readable(channel: &Channel) -> bool {
    wait::readable(channel.as_fd(), now()).unwrap()
}

// CON-038
#[test]
fn a_bell_rings_for_the_armed_only_and_once() {
    let _watchdog = watchdog();
    let (here, there) = rings();
    send(&there, 0);
    assert!(!is_readable(&here));
    assert!(here.arm().unwrap());
    here.disarm();
    assert_eq!(received(&here), Some(0));
    send(&there, 1);
    assert!(!is_readable(&here), "a bell for one that is awake");
    assert_eq!(received(&here), Some(1));

    assert!(!here.arm().unwrap());
    send(&there, 2);
    send(&there, 3);
    assert!(is_readable(&here));
    here.disarm();
    assert!(here.take_bell().unwrap());
    assert!(!is_readable(&here), "two bells for two messages");
    assert_eq!([received(&here), received(&here)], [Some(2), Some(3)]);
    send(&there, 3);
    assert!(!is_readable(&here), "a bell for one that is awake again");
    assert_eq!(received(&here), Some(3));
    assert_eq!(received(&here), None);
    // A bell that rang for nothing says nothing.
    assert!(!here.arm().unwrap());
    send(&there, 4);
    assert_eq!(received(&here), Some(4));
    assert!(is_readable(&here));
    assert!(!here.take_bell().unwrap());
    assert!(!is_readable(&here));
}

/// Takes part in what is counted: sends as many numbers as it is told.
fn count(channel: Channel, numbers: u32) {
    for number in 0..numbers {
        send(&channel, number);
    }
    // The owner has them all before the end.
    channel.recv().unwrap();
}

/// What the owner of many channels does: looks at all, arms all, sleeps, disarms all.
fn gather(connect: fn() -> (Channel, Channel)) {
    let numbers = 500;
    let (channels, children): (Vec<_>, Vec<_>) = (0..4)
        .map(|_| {
            let (here, there) = connect();
            (here, Process::spawn(count, (there, numbers)).unwrap())
        })
        .unzip();
    let mut next = [0; 4];
    while next.iter().any(|&next| next < numbers) {
        let mut found = false;
        for (channel, next) in channels.iter().zip(&mut next) {
            while let Some(number) = received(channel) {
                assert_eq!(number, *next);
                *next += 1;
                found = true;
            }
        }
        let ready = |channel: &Channel| channel.arm().unwrap();
        if found || channels.iter().any(ready) {
            continue;
        }
        let mut fds: Vec<_> = channels
            .iter()
            .map(|channel| PollFd::new(channel.as_fd(), PollFlags::POLLIN))
            .collect();
        wait::poll(&mut fds, Deadline::NEVER).unwrap();
        for (channel, fd) in channels.iter().zip(&fds) {
            channel.disarm();
            if fd.any().unwrap() {
                channel.take_bell().unwrap();
            }
        }
    }
    for channel in &channels {
        send(channel, 0);
    }
    for child in children {
        child.join().unwrap();
    }
}

// CON-038
#[test]
fn one_thread_receives_all_messages_of_many() {
    let _watchdog = watchdog();
    gather(rings);
    gather(pair);
}

#[test]
fn what_comes_beside_the_rings_is_received_in_its_order() {
    let _watchdog = watchdog();
    let (here, there) = rings();
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..50_u32 {
                let reader = number.is_multiple_of(5).then(|| pipe().unwrap().0);
                let body = vec![number; [1, 2000, 100_000][number as usize % 3]];
                let message = Message::encode(Kind::VALUE, &(body, reader)).unwrap();
                there.send(message).unwrap();
            }
        });
        for number in 0..50_u32 {
            let packet = loop {
                match here.try_recv().unwrap() {
                    Some(packet) => break packet,
                    None => thread::yield_now(),
                }
            };
            let (body, reader): (Vec<u32>, Option<PipeReader>) = packet.decode().unwrap();
            assert!(body[0] == number && body.len() == [1, 2000, 100_000][number as usize % 3]);
            assert_eq!(reader.is_some(), number.is_multiple_of(5));
        }
    });
}

#[test]
fn the_descriptor_tells_of_the_end() {
    let _watchdog = watchdog();
    for connect in [rings as fn() -> _, pair] {
        let (here, there) = connect();
        let say_and_stay = |there: Channel| {
            send(&there, 7);
            thread::sleep(Duration::MAX);
        };
        let child = Process::spawn(say_and_stay, (there,)).unwrap();
        assert!(here.arm().unwrap() || wait::readable(here.as_fd(), Deadline::NEVER).unwrap());
        kill9(child.pid());
        child.join().unwrap_err();
        assert_eq!(received(&here), Some(7));
        assert!(wait::readable(here.as_fd(), Deadline::NEVER).unwrap());
        while !here.take_bell().unwrap() {
            assert!(wait::readable(here.as_fd(), Deadline::NEVER).unwrap());
        }
        let end = here.recv_by(now());
        assert!(matches!(end, Err(RecvError::Closed)), "{end:?}");
    }
}
