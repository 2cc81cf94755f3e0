//! Programs that connect to the address of a manager and are not what they should be: each costs only itself.

use procession_manager::{List, Manager, ManagerError, ManagerHandle};
use procession_pipe::{Address, Channel, Client, Connection, Deadline};
use procession_testkit::{eventually, watchdog};
use procession_wire::{Kind, schema_of_name};
use proptest::prelude::*;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

procession_process::enable_in_tests!();

const KEY: &str = "the key";

fn server() -> (Manager, Address) {
    let address: Address = "127.0.0.1:0".parse().expect("an address");
    let builder = Manager::builder().address(address).key(KEY);
    let manager = builder.start().expect("a manager starts");
    let kept = manager.list_from([1, 2]).expect("the server works");
    manager.register("kept", &kept).expect("the server works");
    let address = manager.public_address().expect("the server works");
    (manager, address.expect("it has one"))
}

/// Looks whether the server serves good clients, and nothing has changed.
fn works(address: &Address) -> ManagerHandle {
    let client = Manager::connect(address, KEY).expect("the server works");
    let kept: List<i32> = client.get("kept").expect("the server works");
    assert_eq!(kept.to_vec().expect("the server works"), [1, 2]);
    client
}

/// Connects with the key, as a channel on which anything can be said.
fn authenticated(address: &Address) -> Channel {
    let connection: Connection<(), ()> = Client::builder()
        .key(KEY)
        .connect(address)
        .expect("the server listens");
    connection.into()
}

fn raw(address: &Address) -> TcpStream {
    let Address::Tcp(address) = address else {
        panic!("it is of the network")
    };
    TcpStream::connect(address).expect("the server listens")
}

fn encode<T: serde::Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("it encodes")
}

/// A message of the server's protocol that is written by hand.
fn message(kind: u8, values: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut body = vec![kind, 0, 0];
    for (name, bytes) in values {
        let name = format!("procession_manager::protocol::{name}");
        body.extend(schema_of_name(&name).to_le_bytes());
        body.extend(bytes);
    }
    body
}

/// Begins a session, or makes calls in one.
fn admitted(address: &Address, purpose: &[u8]) -> Option<(Channel, u64)> {
    let channel = authenticated(address);
    let hello = message(0x22, &[("Visit", purpose.to_vec())]);
    channel.send_bytes_by(&hello, Deadline::NEVER).ok()?;
    let answer = channel.recv_bytes_by(Deadline::NEVER).ok()?;
    let (tag, session): (u8, u64) = postcard::from_bytes(answer.get(11..)?).ok()?;
    (tag == 0).then_some((channel, session))
}

fn calls_in(session: u64) -> Vec<u8> {
    [&[1], &encode(&session)[..]].concat()
}

fn ends(channel: &Channel) {
    eventually("the connection is closed", || {
        channel.recv_bytes_by(Deadline::NEVER).is_err()
    });
}

fn count(manager: &Manager, what: &str) -> usize {
    let entries = std::fs::read_dir(format!("/proc/{}/{what}", manager.pid()));
    entries.expect("the server is there").count()
}

// MGR-049
#[test]
fn nothing_that_is_said_before_the_handshake_harms() {
    let _watchdog = watchdog();
    let (_manager, address) = server();
    for said in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0xff; 64],
        &[0x7f, 0xff, 0xff, 0xff, 1],
        &[0, 0],
        b"\0\0\0\x20#WELCOME#",
    ] {
        let mut stream = raw(&address);
        stream.write_all(said).unwrap();
        // The server may have hung up already.
        let _ = stream.shutdown(Shutdown::Write);
        // The challenge, and the end.
        let _ = stream.read_to_end(&mut Vec::new());
        works(&address);
    }
    let wrong = Manager::connect(&address, "another key");
    assert!(matches!(wrong, Err(ManagerError::Connect(_))));
}

// MGR-050
#[test]
fn a_handshake_that_is_played_again_is_refused() {
    let _watchdog = watchdog();
    let (_manager, address) = server();
    // Between a good client and the server, all that the client says is written down.
    let between = TcpListener::bind("127.0.0.1:0").unwrap();
    let middle = Address::from(between.local_addr().unwrap());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (written, target) = (Arc::clone(&heard), address.clone());
    let middleman = thread::spawn(move || {
        let (mut client, _) = between.accept().unwrap();
        let mut server = raw(&target);
        let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        let back = thread::spawn(move || std::io::copy(&mut from, &mut to));
        let mut bytes = [0; 4096];
        while let Ok(len @ 1..) = client.read(&mut bytes) {
            written.lock().unwrap().extend_from_slice(&bytes[..len]);
            if server.write_all(&bytes[..len]).is_err() {
                break;
            }
        }
        let _ = server.shutdown(Shutdown::Both);
        let _ = back.join();
    });
    drop(Manager::connect(middle, KEY).unwrap());
    middleman.join().unwrap();
    let heard = heard.lock().unwrap();
    assert!(heard.len() > 64, "it was a whole handshake");
    let mut again = raw(&address);
    let _ = again.write_all(&heard);
    let mut answer = Vec::new();
    let _ = again.read_to_end(&mut answer);
    let says = |what: &[u8]| answer.windows(what.len()).any(|part| part == what);
    assert!(says(b"#CHALLENGE#") && !says(b"#WELCOME#"), "{answer:?}");
    works(&address);
}

// MGR-051
#[test]
fn one_with_the_key_gets_what_it_is_given_and_no_more() {
    let _watchdog = watchdog();
    let (manager, address) = server();
    let hidden = manager.list_from([7]).unwrap();
    let (presence, session) = admitted(&address, &[0]).unwrap();
    let (calls, _) = admitted(&address, &calls_in(session)).unwrap();
    // An object that it was not given, one that is not there, and the server, with keys that are none.
    for (object, key) in [(1_u64, 1_u64), (2, 5), (1 << 40, 1), (0, 99)] {
        let call = message(0x20, &[("NamedCall", encode(&(object, key, 1_u64)))]);
        let numbered = [&call[..], &7_u64.to_le_bytes()].concat();
        calls.send_bytes_by(&numbered, Deadline::NEVER).unwrap();
        assert_eq!(calls.recv().unwrap().kind(), Kind::REPLY);
    }
    // A routine of the executable is not what it can name.
    let routine = message(0x20, &[("Call", encode(&(1_u64, 4096_u64, 5_u64, 1_u64)))]);
    let numbered = [&routine[..], &7_u64.to_le_bytes()].concat();
    calls.send_bytes_by(&numbered, Deadline::NEVER).unwrap();
    assert_eq!(calls.recv().unwrap().kind(), Kind::OUTCOME);
    // Sessions of others, of the family's for example, which are not numbered in order.
    for guess in (0..5).chain([session ^ 1, session.wrapping_add(1)]) {
        assert!(admitted(&address, &calls_in(guess)).is_none());
    }
    // The rings, the end of the server and the counts of others are not for it.
    for (kind, about) in [
        (0x24, vec![7]),
        (0x24, [&[0], &encode(&2_u64)[..]].concat()),
    ] {
        let (presence, _) = admitted(&address, &[0]).unwrap();
        let note = message(kind, &[("Note", about)]);
        presence.send_bytes_by(&note, Deadline::NEVER).unwrap();
        ends(&presence);
    }
    drop(presence);
    assert_eq!(hidden.to_vec().unwrap(), [7]);
    works(&address);
}

// MGR-052
#[test]
fn silence_and_floods_cost_no_others() {
    let _watchdog = watchdog();
    let (manager, address) = server();
    drop(works(&address));
    eventually("the client is gone", || {
        manager.stats().unwrap().clients.len() == 1
    });
    let (threads, files) = (count(&manager, "task"), count(&manager, "fd"));
    let silent: Vec<TcpStream> = (0..200).map(|_| raw(&address)).collect();
    let authenticated: Vec<Channel> = (0..8).map(|_| authenticated(&address)).collect();
    drop(works(&address));
    // Those without the key have no thread, and a part of them a descriptor.
    assert!(count(&manager, "task") <= threads + authenticated.len() + 4);
    // Each that has shown the key, and says nothing, is closed when its time is over.
    authenticated.iter().for_each(ends);
    drop(silent);
    eventually("what they had is given back", || {
        count(&manager, "task") <= threads + 1 && count(&manager, "fd") <= files + 2
    });
    works(&address);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    // MGR-053
    #[test]
    fn no_message_harms_the_server(
        messages in prop::collection::vec(
            (prop::sample::select(vec![0x20_u8, 0x22, 0x24, 0x25, 0x26, 0x11, 0xff]), prop::sample::select(vec!["NamedCall", "Call", "Note", "Visit"]), prop::collection::vec(any::<u8>(), 0..48)),
            40,
        ),
    ) {
        let _watchdog = watchdog();
        let (manager, address) = server();
        for (kind, name, bytes) in &messages {
            let (presence, session) = admitted(&address, &[0]).expect("the server works");
            let (calls, _) = admitted(&address, &calls_in(session)).expect("the server works");
            let message = message(*kind, &[(name, bytes.clone())]);
            for channel in [&presence, &calls] {
                let _ = channel.send_bytes_by(&message, Deadline::NEVER);
                let _ = channel.send_bytes_by(bytes, Deadline::NEVER);
            }
        }
        works(&address);
        eventually("all are gone", || manager.stats().unwrap().clients.len() == 1);
        prop_assert_eq!(manager.object_count().unwrap(), 1);
    }
}
