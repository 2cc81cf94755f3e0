//! Clones of an end: whole messages for each, whoever calls, and one end of them all.

use procession_pipe::{Connection, Pipe, Receiver, RecvError, SendError, Sender};
use procession_process::Process;
use procession_testkit::{eventually, watchdog};
use procession_wire::{Kind, Message};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::thread;
use std::time::Duration;

procession_process::enable_in_tests!();

const EACH: usize = 50;
const SOON: Duration = Duration::from_millis(1);

fn duplex<S, R>() -> (Connection<S, R>, Connection<R, S>) {
    Pipe::duplex().expect("a pair of sockets")
}

/// A connection, and the plain socket at its other side.
fn plain() -> (Connection<(), ()>, File) {
    let (here, there) = duplex::<(), ()>();
    (here, OwnedFd::from(there).into())
}

/// Longer than a socket takes at once, for every tenth of them.
fn message(number: usize) -> Vec<usize> {
    vec![
        number;
        if number.is_multiple_of(10) {
            50_000
        } else {
            number
        }
    ]
}

// CON-032
#[test]
fn clones_in_threads_send_and_receive_whole_messages() {
    let _watchdog = watchdog();
    let (here, there) = duplex::<Vec<usize>, ()>();
    let mut received = thread::scope(|scope| {
        let clones = [(); 3].map(|()| there.try_clone().unwrap());
        let receivers = clones.map(|clone| {
            scope.spawn(move || clone.into_iter().collect::<Result<Vec<_>, _>>().unwrap())
        });
        for sender in 0..3 {
            let here = here.try_clone().unwrap();
            let numbers = sender * EACH..(sender + 1) * EACH;
            scope.spawn(move || numbers.for_each(|number| here.send(&message(number)).unwrap()));
        }
        drop(here);
        receivers.map(|receiver| receiver.join().unwrap()).concat()
    });
    received.sort_by_key(|message| (message.first().copied(), message.len()));
    let mut sent: Vec<_> = (0..3 * EACH).map(message).collect();
    sent.sort_by_key(|message| (message.first().copied(), message.len()));
    assert!(received == sent);
}

#[test]
fn halves_are_cloned_with_their_direction() {
    let _watchdog = watchdog();
    let (receiver, sender): (Receiver<u32>, Sender<u32>) = Pipe::simplex().unwrap();
    let (receivers, senders) = (
        [receiver.try_clone().unwrap(), receiver],
        [sender.try_clone().unwrap(), sender],
    );
    for number in 0..4 {
        senders[number as usize % 2].send(&number).unwrap();
        assert_eq!(receivers[number as usize / 2].recv().unwrap(), number);
    }
    let [first, second] = senders;
    drop(first);
    second.send(&7).unwrap();
    second.finish().unwrap();
    assert_eq!(receivers[0].recv().unwrap(), 7);
    for receiver in receivers {
        assert!(matches!(receiver.recv(), Err(RecvError::Closed)));
    }
}

#[test]
fn a_clone_is_no_half_of_the_connection() {
    let _watchdog = watchdog();
    let (here, _there) = duplex::<u8, u8>();
    let (sender, receiver) = here.split();
    let clone = sender.try_clone().unwrap();
    let refused = Connection::unsplit(clone, receiver).unwrap_err();
    Connection::unsplit(sender, refused.1).unwrap();
}

#[test]
fn what_one_received_in_part_another_goes_on_with() {
    let _watchdog = watchdog();
    let (here, mut far) = plain();
    let same = here.try_clone().unwrap();
    far.write_all(&[0, 0, 0, 5, b'a']).unwrap();
    let early = here.recv_bytes_timeout(SOON);
    assert!(matches!(early, Err(RecvError::TimedOut)));

    let refused = Message::encode(Kind::VALUE, &same);
    assert!(refused.is_err(), "it would begin in the middle");

    far.write_all(b"bcde").unwrap();
    drop(here);
    assert_eq!(same.recv_bytes().unwrap(), b"abcde");
    Message::encode(Kind::VALUE, &same).unwrap();
}

#[test]
fn what_one_sent_in_part_another_sends_the_rest_of() {
    let _watchdog = watchdog();
    let (here, there) = duplex::<(), ()>();
    let same = here.try_clone().unwrap();
    let long = vec![1; 16 << 20];
    let sent = here.send_bytes_timeout(&long, SOON);
    assert!(matches!(sent, Err(SendError::Unfinished(_))));
    assert!(Message::encode(Kind::VALUE, &same).is_err());
    drop(here);
    thread::scope(|scope| {
        scope.spawn(|| same.send_bytes(b"next").unwrap());
        assert!(there.recv_bytes().unwrap() == long);
        assert_eq!(there.recv_bytes().unwrap(), b"next");
    });
}

#[test]
fn the_end_is_when_all_clones_are_closed() {
    let _watchdog = watchdog();
    let (here, there) = duplex::<u8, u8>();
    let clones = [here.try_clone().unwrap(), here.try_clone().unwrap(), here];
    for clone in clones {
        assert!(matches!(there.try_recv(), Ok(None)), "one is left");
        clone.send(&1).unwrap();
        assert_eq!(there.recv().unwrap(), 1);
        clone.close();
    }
    // A process that another test starts has a copy of each end until it runs its program.
    eventually("nobody has the other end", || {
        matches!(there.recv_timeout(SOON), Err(RecvError::Closed))
    });
}

#[test]
fn every_clone_is_told_of_a_reset() {
    let _watchdog = watchdog();
    let (here, there) = duplex::<u8, u8>();
    let same = here.try_clone().unwrap();
    here.send(&1).unwrap();
    drop(there);
    eventually("the other end is closed", || {
        matches!(here.recv_timeout(SOON), Err(RecvError::Reset))
    });
    assert!(matches!(same.recv(), Err(RecvError::Reset)));
    assert!(matches!(here.recv(), Err(RecvError::Reset)));
}

#[test]
fn a_clone_has_a_descriptor_and_a_limit_of_its_own() {
    let _watchdog = watchdog();
    let (here, there) = duplex::<(), ()>();
    there.set_max_len(3);
    let same = there.try_clone().unwrap();
    assert_ne!(same.as_fd().as_raw_fd(), there.as_fd().as_raw_fd());
    here.send_bytes(b"four").unwrap();
    let refused = same.recv_bytes();
    assert!(matches!(
        refused,
        Err(RecvError::TooLong { len: 4, max: 3 })
    ));
    same.set_max_len(4);
    assert!(matches!(there.recv_bytes(), Err(RecvError::TooLong { .. })));
    assert_eq!(same.recv_bytes().unwrap(), b"four");
}

fn send_seven(sender: Sender<u32>) {
    sender.send(&7).expect("the receiver is there");
}

#[test]
fn a_clone_is_an_argument() {
    let _watchdog = watchdog();
    let (receiver, sender) = Pipe::simplex::<u32>().unwrap();
    let clone = sender.try_clone().unwrap();
    Process::spawn(send_seven, (clone,))
        .unwrap()
        .join()
        .unwrap();
    sender.send(&8).unwrap();
    assert_eq!(receiver.recv().unwrap() + receiver.recv().unwrap(), 15);
}
