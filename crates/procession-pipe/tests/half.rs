//! Halves of connections: one direction each, in any thread or process.

use procession_pipe::{
    Channel, Connection, Deadline, Pipe, Receiver, RecvError, SendError, Sender, wait,
};
use procession_process::Process;
use procession_testkit::{eventually, watchdog};
use procession_wire::DecodeError;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

procession_process::enable_in_tests!();

fn simplex<T>() -> (Receiver<T>, Sender<T>) {
    Pipe::simplex().expect("a pair of sockets")
}

// CON-002
#[test]
fn what_one_sends_the_other_receives() {
    let _watchdog = watchdog();
    let (receiver, sender) = simplex::<String>();
    assert!(!receiver.poll(Duration::ZERO).unwrap());
    assert_eq!(receiver.try_recv().unwrap(), None);
    let late = receiver.recv_timeout(Duration::from_millis(1));
    assert!(matches!(late, Err(RecvError::TimedOut)));

    sender.send(&"typed".into()).unwrap();
    assert_eq!(wait(&[&receiver], None).unwrap(), [0]);
    assert_eq!(receiver.recv().unwrap(), "typed");
    sender.send_bytes(b"plain").unwrap();
    assert_eq!(receiver.recv_bytes().unwrap(), b"plain");
    sender
        .send_timeout(&"in time".into(), Duration::from_secs(100))
        .unwrap();
    assert_eq!(receiver.try_recv().unwrap().unwrap(), "in time");

    drop(sender);
    assert!(matches!(receiver.recv(), Err(RecvError::Closed)));
}

#[test]
fn without_a_receiver_the_sender_is_told() {
    let _watchdog = watchdog();
    let (receiver, sender) = simplex::<u8>();
    drop(receiver);
    // A process that another test starts has a copy of each end until it runs its program.
    eventually("nobody has the receiver", || {
        matches!(sender.send(&1), Err(SendError::Closed))
    });
    assert!(matches!(sender.send_bytes(b"1"), Err(SendError::Closed)));
    assert!(matches!(
        sender.send_bytes_timeout(b"1", Duration::ZERO),
        Err(SendError::Closed)
    ));
}

// CON-016
#[test]
fn a_half_that_is_sent_keeps_its_direction() {
    let _watchdog = watchdog();
    let (here, there) = Pipe::duplex::<(Receiver<u8>, Sender<u8>), ()>().unwrap();
    here.send(&simplex()).unwrap();
    let (receiver, sender) = there.recv().unwrap();
    sender.send(&7).unwrap();
    assert_eq!(receiver.recv().unwrap(), 7);
    drop(sender);
    assert!(matches!(receiver.recv(), Err(RecvError::Closed)));
}

// CON-016
#[test]
fn one_half_does_not_arrive_as_the_other() {
    let _watchdog = watchdog();
    let (here, there) = Channel::pair().unwrap();
    let here: Sender<Sender<u8>> = here.into();
    let there: Receiver<Receiver<u8>> = there.into();
    let (_receiver, sender) = simplex();
    here.send(&sender).unwrap();
    let refused = there.recv();
    assert!(
        matches!(
            refused,
            Err(RecvError::Decode(DecodeError::WrongType { .. }))
        ),
        "{refused:?}"
    );
}

// CON-003, CON-016
#[test]
fn each_half_goes_to_a_process_of_its_own() {
    let _watchdog = watchdog();
    let produce = |sender: Sender<u64>| (0..1000).for_each(|number| sender.send(&number).unwrap());
    let add = |receiver: Receiver<u64>| -> u64 { receiver.into_iter().map(Result::unwrap).sum() };
    let (receiver, sender) = simplex();
    let adder = Process::spawn(add, (receiver,)).unwrap();
    let producer = Process::spawn(produce, (sender,)).unwrap();
    producer.join().unwrap();
    assert_eq!(adder.join().unwrap(), 499_500);
}

// CON-003
#[test]
fn the_halves_of_a_connection_go_to_two_processes() {
    let _watchdog = watchdog();
    let ask = |sender: Sender<u32>| {
        (0..100).for_each(|number| sender.send(&number).unwrap());
        sender.finish().unwrap();
    };
    let listen = |receiver: Receiver<u32>| receiver.into_iter().map(Result::unwrap).sum::<u32>();
    let (here, there) = Pipe::duplex::<u32, u32>().unwrap();
    let (sender, receiver) = here.split();
    let asker = Process::spawn(ask, (sender,)).unwrap();
    let listener = Process::spawn(listen, (receiver,)).unwrap();
    for number in &there {
        there.send(&(number.unwrap() * 2)).unwrap();
    }
    drop(there);
    asker.join().unwrap();
    assert_eq!(listener.join().unwrap(), 9900);
}

#[test]
fn two_threads_have_a_half_each() {
    let _watchdog = watchdog();
    let (here, there) = Pipe::duplex::<Vec<u8>, Vec<u8>>().unwrap();
    let (sender, receiver) = here.split();
    let message = vec![1; 1 << 16];
    thread::scope(|scope| {
        scope.spawn(|| (0..10).for_each(|_| sender.send(&message).unwrap()));
        scope.spawn(|| (0..10).for_each(|_| assert!(receiver.recv().unwrap() == message)));
        (0..10).for_each(|_| there.send(&there.recv().unwrap()).unwrap());
    });
}

#[test]
fn only_what_was_one_is_put_together() {
    let _watchdog = watchdog();
    let (here, there) = Pipe::duplex::<u8, u8>().unwrap();
    let (sender, receiver) = here.split();
    let (other_sender, other_receiver) = there.split();
    let refused = Connection::unsplit(sender, other_receiver).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the halves are not of the same connection"
    );
    let here = Connection::unsplit(refused.0, receiver).unwrap();
    let there = Connection::unsplit(other_sender, refused.1).unwrap();
    here.send(&1).unwrap();
    assert_eq!(there.recv().unwrap(), 1);
    here.close();
    assert!(matches!(there.recv(), Err(RecvError::Closed)));
}

#[test]
fn a_dropped_half_ends_nothing() {
    let _watchdog = watchdog();
    let (here, there) = Pipe::duplex::<u8, u8>().unwrap();
    let (sender, receiver) = here.split();
    drop(receiver);
    sender.send(&1).unwrap();
    assert_eq!(there.recv().unwrap(), 1);
    assert!(!there.poll(Duration::from_millis(1)).unwrap());
    drop(sender);
    assert!(matches!(there.recv(), Err(RecvError::Closed)));
}

#[test]
fn a_half_in_the_middle_of_a_message_is_not_handed_on() {
    let _watchdog = watchdog();
    let (mut far, near) = UnixStream::pair().unwrap();
    let (sender, receiver) = Connection::<(), ()>::from(OwnedFd::from(near)).split();
    let (_to, by_sender) = simplex::<Sender<()>>();
    let (_to, by_receiver) = simplex::<Receiver<()>>();
    far.write_all(&[0, 0, 0, 1]).unwrap();
    assert!(receiver.try_recv().unwrap().is_none());
    let refused = by_receiver.send(&receiver);
    assert!(matches!(refused, Err(SendError::Encode(_))));
    by_sender.send(&sender).unwrap();
}

#[test]
fn an_iteration_passes_over_what_cannot_be_decoded() {
    let _watchdog = watchdog();
    let (receiver, sender) = simplex::<u8>();
    sender.send(&1).unwrap();
    sender.send_bytes(b"no message").unwrap();
    sender.send(&2).unwrap();
    drop(sender);
    let mut items = receiver.into_iter();
    assert_eq!(items.next().unwrap().unwrap(), 1);
    assert!(matches!(items.next(), Some(Err(RecvError::Decode(_)))));
    assert_eq!(items.next().unwrap().unwrap(), 2);
    assert!(items.next().is_none());
    assert!(items.next().is_none());
}

#[test]
fn an_iteration_ends_after_an_error_that_stays() {
    let _watchdog = watchdog();
    let (here, there) = Channel::pair().unwrap();
    here.send_bytes_by(b"four", Deadline::NEVER).unwrap();
    let receiver: Receiver<u8> = there.into();
    receiver.set_max_len(3);
    let mut items = receiver.iter();
    assert!(matches!(
        items.next(),
        Some(Err(RecvError::TooLong { len: 4, max: 3 }))
    ));
    assert!(items.next().is_none());

    let mut far = UnixStream::from(OwnedFd::from(here));
    receiver.set_max_len(4);
    assert_eq!(receiver.recv_bytes().unwrap(), b"four");
    far.write_all(b"\0\0").unwrap();
    drop(far);
    let mut items = (&receiver).into_iter();
    assert!(matches!(items.next(), Some(Err(RecvError::Truncated))));
    assert!(items.next().is_none());
}
