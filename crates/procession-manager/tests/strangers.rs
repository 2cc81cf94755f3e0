//! Clients that send garbage, stall, or are not known: they lose their connection, and nobody
//! else notices.

mod common;

use common::{manager, start};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use procession_manager::{Address, List, Manager};
use procession_pipe::{Channel, Deadline};
use procession_shm::family;
use procession_testkit::{eventually, watchdog};
use procession_wire::{Kind, Packet, schema, schema_of_name};
use proptest::prelude::*;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};

procession_process::enable_in_tests!();

fn connect(address: &Address) -> UnixStream {
    let address = SocketAddr::from_abstract_name(address.name()).expect("a name");
    UnixStream::connect_addr(&address).expect("the server listens")
}

/// Waits until the server has closed.
fn wait_for_end(mut stream: &UnixStream) {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

/// Frames a message of the server's protocol that is written by hand.
fn frame(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32).to_be_bytes()[..], body].concat()
}

fn message(kind: u8, values: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut body = vec![kind, 0, 0];
    for (schema, bytes) in values {
        body.extend(schema.to_le_bytes());
        body.extend(bytes);
    }
    frame(&body)
}

fn encode<T: serde::Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("it encodes")
}

fn hello(key: [u8; 32], image: u64, purpose: &[u8]) -> Vec<u8> {
    let hello = [encode(&image), purpose.to_vec()].concat();
    let name = "procession_manager::protocol::Hello";
    let values = [
        (schema::<[u8; 32]>(), encode(&key)),
        (schema_of_name(name), hello),
    ];
    message(0x22, &values)
}

fn own_hello(purpose: &[u8]) -> Vec<u8> {
    let key = family::current().expect("there is a family").key();
    hello(*key, procession_os::image::image().identity(), purpose)
}

/// Connects as a client would, and returns the connection and the session.
fn admitted(address: &Address, purpose: &[u8]) -> (Channel, u64) {
    let mut stream = connect(address);
    stream
        .write_all(&own_hello(purpose))
        .expect("the server listens");
    let channel = Channel::from(OwnedFd::from(stream));
    let bytes = channel
        .recv_bytes_by(Deadline::NEVER)
        .expect("the server answers");
    let (tag, session): (u8, u64) = postcard::from_bytes(&bytes[11..]).expect("an admission");
    assert_eq!((bytes[0], tag), (0x23, 0), "welcome");
    (channel, session)
}

fn works(manager: &Manager) {
    let list = manager.list_from([1, 2]).expect("the server works");
    assert_eq!(list.len().expect("the server works"), 2);
}

#[test]
fn garbage_loses_its_connection_only() {
    let _watchdog = watchdog();
    let manager = manager();
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0xff; 64],
        &[0, 0, 0, 0],
        &frame(b"abc"),
    ] {
        let mut stream = connect(manager.address());
        stream.write_all(garbage).unwrap();
        wait_for_end(&stream);
        works(&manager);
    }
}

#[test]
fn a_wrong_key_or_program_is_turned_away() {
    let _watchdog = watchdog();
    let manager = manager();
    let image = procession_os::image::image().identity();
    let key = *family::current().unwrap().key();
    for hello in [
        hello([0; 32], image, &[0]),
        hello(key, image ^ 1, &[0]),
        own_hello(&[1, 99]),
    ] {
        let mut stream = connect(manager.address());
        stream.write_all(&hello).unwrap();
        wait_for_end(&stream);
    }
    works(&manager);
}

#[test]
fn a_silent_client_delays_nobody() {
    let _watchdog = watchdog();
    let manager = manager();
    let silent = [(); 8].map(|()| connect(manager.address()));
    let mut slow = connect(manager.address());
    slow.write_all(&own_hello(&[0])[..20]).unwrap();
    works(&manager);
    start(
        |list: List<i32>| list.len().unwrap(),
        (manager.list_from([1]).unwrap(),),
    )
    .join()
    .unwrap();
    // Each is closed when its time is over.
    for stream in &silent {
        wait_for_end(stream);
    }
    wait_for_end(&slow);
}

#[test]
fn an_admitted_client_that_sends_garbage_loses_what_it_had() {
    let _watchdog = watchdog();
    let manager = manager();
    let kept = manager.list_from([1]).unwrap();
    let (presence, session) = admitted(manager.address(), &[0]);
    let calls = admitted(manager.address(), &[&[1], &encode(&session)[..]].concat()).0;
    for (channel, bytes) in [(calls, &b"\x20garbage"[..]), (presence, b"\x24garbage")] {
        channel.send_bytes_by(bytes, Deadline::NEVER).unwrap();
        eventually("the connection is closed", || {
            channel.recv_bytes_by(Deadline::NEVER).is_err()
        });
    }
    assert_eq!(kept.to_vec().unwrap(), [1]);
    works(&manager);
}

#[test]
fn notes_about_others_objects_change_nothing() {
    let _watchdog = watchdog();
    let manager = manager();
    let kept = manager.list_from([1]).unwrap();
    let (presence, _) = admitted(manager.address(), &[0]);
    let name = "procession_manager::protocol::Note";
    assert_eq!(format!("{kept:?}"), "List(1)");
    for id in [0_u64, 1, 1_000_000] {
        // Released, which this client never had.
        let note = message(
            0x24,
            &[(schema_of_name(name), [vec![3], encode(&id)].concat())],
        );
        presence.send_bytes_by(&note[4..], Deadline::NEVER).unwrap();
    }
    let count = message(0x24, &[(schema_of_name(name), vec![4])]);
    presence
        .send_bytes_by(&count[4..], Deadline::NEVER)
        .unwrap();
    let packet: Packet = presence.recv().unwrap().expect(Kind::REPLY).unwrap();
    assert_eq!(packet.decode::<u64>().unwrap(), 1);
    assert_eq!(kept.to_vec().unwrap(), [1]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn no_request_harms_the_server(
        requests in prop::collection::vec((0_u64..4, any::<u64>(), any::<u64>(), any::<[u8; 16]>()), 64),
    ) {
        let _watchdog = watchdog();
        let manager = manager();
        let kept = manager.list_from([1]).unwrap();
        let (_presence, session) = admitted(manager.address(), &[0]);
        let calls = admitted(manager.address(), &[&[1], &encode(&session)[..]].concat()).0;
        let name = "procession_manager::protocol::Call";
        for (object, offset, hash, args) in requests {
            // Object, offset and hash of the routine, thread; then what should be arguments.
            let call = encode(&(object, offset % (1 << 24), hash, 1_u64));
            let request = message(0x20, &[(schema_of_name(name), call), (hash, args.to_vec())]);
            calls.send_bytes_by(&request[4..], Deadline::NEVER).unwrap();
            let reply = calls.recv().unwrap();
            prop_assert_eq!(reply.kind(), Kind::REPLY);
        }
        prop_assert_eq!(kept.to_vec().unwrap(), [1]);
    }
}

#[test]
fn a_server_without_descriptors_says_so_and_goes_on() {
    let _watchdog = watchdog();
    let manager = manager();
    let limits = manager
        .host(|| getrlimit(Resource::RLIMIT_NOFILE).unwrap(), ())
        .unwrap();
    let use_up = |&mut (_, hard): &mut (u64, u64)| {
        let lowest_free = File::open("/dev/null").unwrap().as_raw_fd();
        setrlimit(Resource::RLIMIT_NOFILE, lowest_free as u64, hard).unwrap();
    };
    limits.with(use_up).unwrap();
    let list = manager.list_from([1]).unwrap();
    let ask = |list: List<i32>| -> anyhow::Result<usize> { Ok(list.len()?) };
    for _ in 0..3 {
        let error = start(ask, (list.clone(),)).join().unwrap_err();
        assert!(
            error
                .to_string()
                .contains("it has no thread or descriptor left"),
            "{error}"
        );
    }
    let restore = |&mut (soft, hard): &mut (u64, u64)| {
        setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
    };
    limits.with(restore).unwrap();
    assert_eq!(start(ask, (list,)).join().unwrap(), 1);
}

#[test]
fn many_threads_share_the_connections() {
    let _watchdog = watchdog();
    let manager = manager();
    let (list, gate) = (manager.list().unwrap(), manager.event().unwrap());
    std::thread::scope(|scope| {
        for number in 0..32 {
            let (list, gate) = (&list, &gate);
            scope.spawn(move || {
                gate.wait().unwrap();
                list.append(number).unwrap();
                list.len().unwrap()
            });
        }
        gate.set().unwrap();
    });
    list.sort().unwrap();
    assert_eq!(list.to_vec().unwrap(), (0..32).collect::<Vec<_>>());
}
