//! Waiting for many descriptors at once: connections, pipes, sockets, listeners.
//!
//! Nothing is started here: between `fork` and `exec` a child would hold copies of all ends, and
//! what was closed would look open.

mod common;

use common::start;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use procession_pipe::{
    Address, Channel, Client, Connection, Listener, Pipe, RecvError, Waitable, pipe, wait,
};
use procession_testkit::watchdog;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

type Ends = Vec<Connection<u32, u32>>;

fn pairs(count: usize) -> (Ends, Ends) {
    let pair = |_| Pipe::duplex::<u32, u32>().expect("there are descriptors enough");
    (0..count).map(pair).unzip()
}

// CON-021
#[test]
fn sockets_until_each_is_at_its_end() {
    let _watchdog = watchdog();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let talk = move |who: usize| {
        let mut stream = TcpStream::connect(address).unwrap();
        for line in 0..10 {
            writeln!(stream, "{who} {line}").unwrap();
        }
    };
    let clients: Vec<_> = (0..4).map(|who| thread::spawn(move || talk(who))).collect();
    let mut sockets: Vec<_> = clients.iter().map(|_| accepted(&listener)).collect();
    let mut heard = String::new();
    while !sockets.is_empty() {
        let ready = wait(&sockets, None).unwrap();
        assert_ne!(ready, []);
        for index in ready.into_iter().rev() {
            let mut bytes = [0; 16];
            match sockets[index].read(&mut bytes).unwrap() {
                0 => drop(sockets.remove(index)),
                len => heard.extend(bytes[..len].iter().map(|&byte| char::from(byte))),
            }
        }
    }
    assert_eq!(heard.lines().count(), 40);
    for client in clients {
        client.join().unwrap();
    }
}

fn accepted(listener: &TcpListener) -> TcpStream {
    assert_eq!(wait(&[listener], None).ok(), Some(vec![0]));
    listener.accept().expect("a listener that is ready").0
}

// CON-023
#[test]
fn nothing_is_ready_until_the_timeout_and_then_only_what_is() {
    let _watchdog = watchdog();
    let (here, there) = pairs(2);
    let timeout = Duration::from_millis(30);
    let start = Instant::now();
    assert_eq!(wait(&here, timeout).unwrap(), []);
    assert!(start.elapsed() >= timeout);
    there[1].send(&7).unwrap();
    assert_eq!(wait(&here, Duration::from_secs(100)).unwrap(), [1]);
    assert_eq!(here[1].recv().unwrap(), 7);
    assert_eq!(wait(&here, Duration::ZERO).unwrap(), []);
}

// CON-025
#[test]
fn a_timeout_of_zero_looks_only() {
    let _watchdog = watchdog();
    let (here, there) = pairs(3);
    assert_eq!(wait(&here, Duration::ZERO).unwrap(), []);
    there[0].send(&1).unwrap();
    there[2].send(&1).unwrap();
    assert_eq!(wait(&here, Duration::ZERO).unwrap(), [0, 2]);
    assert_eq!(wait(&here, Duration::ZERO).unwrap(), [0, 2]);
}

#[test]
fn a_timeout_beyond_the_clock_is_for_ever() {
    let _watchdog = watchdog();
    let (here, there) = pairs(2);
    for timeout in [
        None,
        Some(Duration::MAX),
        Some(Duration::from_secs(1 << 40)),
    ] {
        thread::scope(|scope| {
            let waiter = start(scope, || wait(&here, timeout));
            waiter.blocks();
            there[1].send(&3).unwrap();
            assert_eq!(waiter.handle.join().unwrap().unwrap(), [1]);
        });
        here[1].recv().unwrap();
    }
}

#[test]
fn an_empty_list_is_waited_for_until_the_timeout_and_never_for_ever() {
    let _watchdog = watchdog();
    let none: [UnixStream; 0] = [];
    let start = Instant::now();
    let timeout = Duration::from_millis(20);
    assert_eq!(wait(&none, timeout).unwrap(), []);
    assert!(start.elapsed() >= timeout);
    let refused = wait(&none, None).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
}

#[test]
fn the_ready_ones_of_thousands_come_in_order() {
    let _watchdog = watchdog();
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    let room = (hard.max(soft) as usize - 500) / 2;
    let (here, there) = pairs(room.min(2000));
    let last = here.len() - 1;
    for index in [last, last / 2, 77, 78, 0] {
        there[index].send(&(index as u32)).unwrap();
    }
    let ready = wait(&here, None).unwrap();
    assert_eq!(ready, [0, 77, 78, last / 2, last]);
    for index in ready {
        assert_eq!(here[index].recv().unwrap(), index as u32);
    }
    assert_eq!(wait(&here, Duration::ZERO).unwrap(), []);

    // Each of them is noticed, and all at once.
    let mut open: BTreeMap<usize, _> = there.into_iter().enumerate().collect();
    for index in (0..=last).step_by(97) {
        open.remove(&index);
        assert_eq!(wait(&here, None).unwrap().last(), Some(&index));
    }
    drop(open);
    assert_eq!(wait(&here, None).unwrap(), (0..=last).collect::<Vec<_>>());
}

#[test]
fn who_is_gone_is_ready() {
    let _watchdog = watchdog();
    let (here, mut there) = pairs(4);
    let (reader, writer) = pipe().unwrap();
    let (socket, peer) = UnixStream::pair().unwrap();
    let objects: [&dyn Waitable; 6] = [&here[0], &here[1], &here[2], &here[3], &reader, &socket];
    assert_eq!(wait(&objects, Duration::ZERO).unwrap(), []);
    // Left with a message unread, which is a reset.
    here[2].send(&1).unwrap();
    drop(there.remove(2));
    drop(there.remove(0));
    assert_eq!(wait(&objects, None).unwrap(), [0, 2]);
    assert!(matches!(here[0].recv(), Err(RecvError::Closed)));
    assert!(matches!(here[2].recv(), Err(RecvError::Reset)));
    // And it stays so.
    assert_eq!(wait(&objects, None).unwrap(), [0, 2]);
    drop((writer, peer));
    assert_eq!(wait(&objects, None).unwrap(), [0, 2, 4, 5]);
}

#[test]
fn all_kinds_of_descriptors_in_one_list() {
    let _watchdog = watchdog();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let unix = UnixListener::bind(&path).unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (reader, mut writer) = pipe().unwrap();
    let (channel, other) = Channel::pair().unwrap();
    let (plain, mut end) = UnixStream::pair().unwrap();
    let owned = OwnedFd::from(plain);
    let file = File::open("/proc/self/stat").unwrap();
    let borrowed = reader.as_fd();
    let objects: [Box<dyn Waitable + '_>; 6] = [
        Box::new(&unix),
        Box::new(Arc::new(&udp)),
        Box::new(Rc::new(borrowed)),
        Box::new(channel),
        Box::new(owned),
        Box::new(file),
    ];
    // A file always is.
    assert_eq!(wait(&objects, None).unwrap(), [5]);
    let _client = UnixStream::connect(&path).unwrap();
    udp.send_to(b"x", udp.local_addr().unwrap()).unwrap();
    writer.write_all(b"x").unwrap();
    other
        .send_bytes_by(b"x", procession_pipe::Deadline::NEVER)
        .unwrap();
    end.write_all(b"x").unwrap();
    assert_eq!(wait(&objects, None).unwrap(), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn a_listener_is_ready_when_a_client_is_let_in() {
    let _watchdog = watchdog();
    let listener = Listener::builder()
        .key("k")
        .bind(Address::unique().unwrap());
    let listener = listener.unwrap();
    let (idle, _idle) = pairs(1);
    let objects: [&dyn Waitable; 2] = [&idle[0], &listener];
    assert_eq!(wait(&objects, Duration::ZERO).unwrap(), []);
    let address = listener.local_addr();
    let client = Client::builder().key("k").connect::<u8, u8>(address);
    assert_eq!(wait(&objects, None).unwrap(), [1]);
    let connection = listener.accept::<u8, u8>().unwrap();
    client.unwrap().send(&9).unwrap();
    assert_eq!(
        wait(&[&connection as &dyn Waitable, &listener], None).unwrap(),
        [0]
    );
    listener.close();
    assert_eq!(wait(&objects, None).unwrap(), [1]);
}

#[test]
fn the_same_object_may_stand_there_twice() {
    let _watchdog = watchdog();
    let (here, there) = pairs(1);
    there[0].send(&1).unwrap();
    assert_eq!(wait(&[&here[0], &here[0]], None).unwrap(), [0, 1]);
}

#[test]
fn a_message_that_is_refused_is_ready_though_no_more_of_it_comes() {
    let _watchdog = watchdog();
    let (raw, fd) = UnixStream::pair().unwrap();
    let connection = Connection::<(), ()>::from(OwnedFd::from(fd));
    let (idle, _idle) = pairs(1);
    let objects: [&dyn Waitable; 2] = [&idle[0], &connection];
    connection.set_max_len(10);
    (&raw).write_all(&11_u32.to_be_bytes()).unwrap();
    let refused = |result| matches!(result, Err(RecvError::TooLong { .. }));
    assert!(refused(connection.recv_bytes()));
    // The length was read and nothing else has come.
    assert_eq!(wait(&objects, None).unwrap(), [1]);
    assert!(refused(connection.recv_bytes()));
}

#[test]
fn all_threads_that_wait_for_the_same_are_told() {
    let _watchdog = watchdog();
    let (here, there) = pairs(3);
    thread::scope(|scope| {
        let waiters: Vec<_> = (0..4).map(|_| start(scope, || wait(&here, None))).collect();
        waiters.iter().for_each(common::Watched::blocks);
        there[1].send(&5).unwrap();
        for waiter in waiters {
            assert_eq!(waiter.handle.join().unwrap().unwrap(), [1]);
        }
    });
    // One of them would have got it.
    assert_eq!(here[1].try_recv().unwrap(), Some(5));
    assert_eq!(here[1].try_recv().unwrap(), None);
}
