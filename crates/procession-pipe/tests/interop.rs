//! Real Python programs as listeners and clients.

#![expect(
    clippy::unwrap_used,
    reason = "what tests share fails by panicking, like a test"
)]

#[path = "common/addresses.rs"]
mod addresses;

use addresses::{Place, everywhere};
use procession_pipe::auth::AuthenticationError;
use procession_pipe::{Address, Client, ConnectError, Connection, Listener, RecvError, SendError};
use procession_testkit::python::{Python, Running, all};
use procession_testkit::watchdog;
use std::ffi::OsStr;
use std::sync::mpsc::{Receiver, channel};

const PRELUDE: &str = include_str!("python/prelude.py");
const TALK: &str = include_str!("python/talk.py");
const REFUSED: &str = include_str!("python/refused.py");
const LEAVE: &str = include_str!("python/leave.py");
const HUGE: &str = include_str!("python/huge.py");
const MUTE: &str = include_str!("python/mute.py");

type Bytes = Connection<(), ()>;

/// Where the form of a frame changes, and far beyond.
const SIZES: [usize; 6] = [0, 1, 16_384, 16_385, 1 << 20, 64 << 20];

/// What asks for an empty key, in the prelude too; nothing asks for none.
const EMPTY: &str = "(empty)";

/// With a handshake and without one.
const KEYS: [&str; 2] = ["a key", ""];

fn pythons() -> Vec<Python> {
    all(PRELUDE)
}

/// Returns the path, and another place, a different one for each index.
fn two_of(mut places: Vec<Place>, index: usize) -> impl Iterator<Item = Place> {
    let path = places.remove(0);
    let other = places.swap_remove(index % places.len());
    [path, other].into_iter()
}

fn pattern(size: usize) -> Vec<u8> {
    let block: Vec<u8> = (0..251).collect();
    let mut blocks = block.repeat(size / block.len() + 1);
    blocks.truncate(size);
    blocks
}

fn bind(place: &Place, key: &str) -> (Listener, Receiver<AuthenticationError>) {
    let (tell, told) = channel();
    let builder = Listener::builder().on_refused(move |_, error| tell.send(error).unwrap());
    let builder = match key {
        "" => builder,
        EMPTY => builder.empty_key(),
        key => builder.key(key),
    };
    (builder.bind(&place.address).unwrap(), told)
}

fn connect(address: &Address, key: &str) -> Result<Bytes, ConnectError> {
    let client = Client::builder();
    let client = match key {
        "" => client,
        EMPTY => client.empty_key(),
        key => client.key(key),
    };
    client.connect(address)
}

/// Starts a listener in Python and returns where it listens.
fn listening(python: &Python, script: &str, args: &[impl AsRef<OsStr>]) -> (Running, Address) {
    let mut running = python.start(script, args);
    let address = running.hear().parse().unwrap();
    (running, address)
}

/// Sends frames and checks their echo, then echoes.
fn talk(connection: &Bytes, sizes: &[usize]) {
    let frames: Vec<Vec<u8>> = sizes.iter().map(|&size| pattern(size)).collect();
    for frame in &frames {
        connection.send_bytes(frame).unwrap();
        let echo = connection.recv_bytes().unwrap();
        assert!(echo == *frame, "{}", frame.len());
    }
    for frame in &frames {
        let received = connection.recv_bytes().unwrap();
        assert!(received == *frame, "{}", frame.len());
        connection.send_bytes(&received).unwrap();
    }
    assert!(matches!(connection.recv_bytes(), Err(RecvError::Closed)));
}

/// The sizes that are sent over a place: the largest over one kind of them only, and behind one
/// kind of beginning, for no frame depends on how the connection began.
fn sizes(place: &Place, key: &str) -> &'static [usize] {
    match place.address {
        Address::Path(_) if key == KEYS[0] => &SIZES,
        _ => &SIZES[..5],
    }
}

/// The arguments of [`TALK`].
fn talk_args(role: &str, address: &Address, key: &str, sizes: &[usize]) -> Vec<String> {
    let first = [role.to_owned(), address.to_string(), key.to_owned()];
    let sizes = sizes.iter().map(ToString::to_string);
    first.into_iter().chain(sizes).collect()
}

/// Talks with a client in Python.
fn talk_with_client(python: &Python, place: &Place, key: &str) {
    let (listener, _) = bind(place, key);
    let sizes = sizes(place, key);
    let args = talk_args("client", listener.local_addr(), key, sizes);
    let mut running = python.start(TALK, &args);
    talk(&listener.accept().unwrap(), sizes);
    assert_eq!(running.hear(), "done", "{:?}", python.version);
    running.end();
}

/// Talks with a listener in Python.
fn talk_with_listener(python: &Python, place: &Place, key: &str) {
    let sizes = sizes(place, key);
    let args = talk_args("listener", &place.address, key, sizes);
    let (mut running, address) = listening(python, TALK, &args);
    talk(&connect(&address, key).unwrap(), sizes);
    assert_eq!(running.hear(), "done", "{:?}", python.version);
    running.end();
}

/// Talks with each Python, at places of each talk's own: a program that another thread is just
/// starting may still have a copy of the last listener.
fn with_all_pythons(talk: fn(&Python, &Place, &str)) {
    for (index, python) in pythons().iter().enumerate() {
        for key in KEYS {
            for place in two_of(everywhere(), index) {
                talk(python, &place, key);
            }
        }
    }
}

// CON-028, CON-029, CON-030
#[test]
fn a_python_client_sends_and_receives_every_size() {
    let _watchdog = watchdog();
    with_all_pythons(talk_with_client);
}

// CON-028, CON-029
#[test]
fn a_python_client_connects_over_ipv6() {
    let _watchdog = watchdog();
    let is_v6 = |place: &Place| matches!(place.address, Address::Tcp(it) if it.is_ipv6());
    for python in pythons() {
        for place in everywhere().into_iter().filter(is_v6) {
            for key in KEYS {
                talk_with_client(&python, &place, key);
            }
        }
    }
}

// CON-028, CON-029, CON-030
#[test]
fn a_python_listener_sends_and_receives_every_size() {
    let _watchdog = watchdog();
    with_all_pythons(talk_with_listener);
}

// CON-028, CON-029
#[test]
fn a_python_client_with_another_key_is_refused() {
    let _watchdog = watchdog();
    for python in pythons() {
        let places = everywhere();
        let bound: Vec<_> = places.iter().map(|place| bind(place, "the key")).collect();
        let addresses = bound.iter().map(|(it, _)| it.local_addr().to_string());
        let mut running = python.start(REFUSED, &refused_args("client", addresses));
        for (listener, told) in &bound {
            assert_eq!(running.hear(), "refused", "{:?}", python.version);
            assert!(matches!(
                told.recv().unwrap(),
                AuthenticationError::WrongKey
            ));
            assert!(listener.try_accept::<(), ()>().unwrap().is_none());
            connect(listener.local_addr(), "the key").unwrap();
        }
        running.end();
    }
}

// CON-031
#[test]
fn a_python_client_has_an_empty_key() {
    let _watchdog = watchdog();
    for python in pythons() {
        talk_with_client(&python, &Place::path(), EMPTY);
    }
}

// CON-031
#[test]
fn a_python_listener_has_an_empty_key_since_3_13() {
    let _watchdog = watchdog();
    for python in pythons() {
        let place = Place::path();
        if python.version >= (3, 13) {
            talk_with_listener(&python, &place, EMPTY);
            continue;
        }
        // Before, it takes the key for none, and begins no handshake.
        let args = [place.address.to_string(), EMPTY.to_owned()];
        let (mut running, address) = listening(&python, MUTE, &args);
        assert!(matches!(
            connect(&address, EMPTY),
            Err(ConnectError::Authentication(
                AuthenticationError::NoChallenge
            ))
        ));
        running.go_on();
        running.end();
    }
}

/// The arguments of [`REFUSED`].
fn refused_args(role: &str, addresses: impl Iterator<Item = String>) -> Vec<String> {
    let first = [role, "another key"].map(str::to_owned);
    first.into_iter().chain(addresses).collect()
}

// CON-028, CON-029
#[test]
fn a_python_listener_with_another_key_refuses() {
    let _watchdog = watchdog();
    for python in pythons() {
        let places = everywhere();
        let addresses = places.iter().map(|place| place.address.to_string());
        let mut running = python.start(REFUSED, &refused_args("listener", addresses));
        for _ in &places {
            let address = running.hear().parse().unwrap();
            let refused = connect(&address, "the key");
            assert!(matches!(
                refused,
                Err(ConnectError::Authentication(AuthenticationError::Rejected))
            ));
            assert_eq!(running.hear(), "refused", "{:?}", python.version);
        }
        running.end();
    }
}

#[test]
fn a_python_listener_without_a_key_is_noticed() {
    let _watchdog = watchdog();
    for python in pythons() {
        let place = Place::path();
        let (mut running, address) = listening(&python, MUTE, &[&*place.address.to_string(), ""]);
        let refused = connect(&address, "a key");
        assert!(matches!(
            refused,
            Err(ConnectError::Authentication(
                AuthenticationError::NoChallenge
            ))
        ));
        running.go_on();
        running.end();
    }
}

/// After how many frames Python leaves the handshake, or, at last, the connection.
const MOMENTS: [&str; 7] = ["0", "1", "2", "3", "4", "5", "6"];

/// How it leaves: by closing the connection, or by the death of its process.
const MANNERS: [&str; 2] = ["kill", "close"];

/// The arguments of [`LEAVE`].
fn leave_args(role: &str, address: &Address, manner: &str) -> Vec<String> {
    let first = [role, &address.to_string(), "key", manner].map(str::to_owned);
    first
        .into_iter()
        .chain(MOMENTS.map(str::to_owned))
        .collect()
}

#[test]
fn a_python_client_may_leave_at_any_moment() {
    let _watchdog = watchdog();
    for (index, python) in pythons().iter().enumerate() {
        let mut places = everywhere();
        let place = places.swap_remove(index % places.len());
        let (listener, told) = bind(&place, "key");
        for manner in MANNERS {
            let args = leave_args("client", listener.local_addr(), manner);
            let running = python.start(LEAVE, &args);
            for moment in MOMENTS {
                client_left(moment, &listener, &told);
            }
            running.end();
        }
        assert!(listener.try_accept::<(), ()>().unwrap().is_none());
        connect(listener.local_addr(), "key").unwrap();
    }
}

fn client_left(moment: &str, listener: &Listener, told: &Receiver<AuthenticationError>) {
    if moment == "6" {
        let talk: Bytes = listener.accept().unwrap();
        assert!(matches!(talk.recv_bytes(), Err(RecvError::Truncated)));
    } else {
        let error = told.recv().unwrap();
        assert!(
            matches!(error, AuthenticationError::Closed),
            "{moment}: {error}"
        );
    }
}

#[test]
fn a_python_listener_may_leave_at_any_moment() {
    let _watchdog = watchdog();
    for (index, python) in pythons().iter().enumerate() {
        for manner in MANNERS {
            let mut places = everywhere();
            let place = places.swap_remove(index % places.len());
            let args = leave_args("listener", &place.address, manner);
            let (running, address) = listening(python, LEAVE, &args);
            for moment in MOMENTS {
                listener_left(moment, connect(&address, "key"));
            }
            running.end();
        }
    }
}

fn listener_left(moment: &str, outcome: Result<Bytes, ConnectError>) {
    match (moment, outcome) {
        ("6", Ok(talk)) => {
            assert!(matches!(talk.recv_bytes(), Err(RecvError::Truncated)));
        }
        // All that it had not read is the welcome.
        ("5", Ok(talk)) => {
            let ended = talk.recv_bytes();
            assert!(matches!(ended, Err(RecvError::Closed | RecvError::Reset)));
        }
        (_, Err(ConnectError::Authentication(AuthenticationError::Closed))) => {}
        (_, other) => panic!("{moment}: {other:?}"),
    }
}

// CON-030
#[test]
fn lengths_beyond_2_gib_are_announced_as_python_does() {
    let _watchdog = watchdog();
    let size = 1 << 31;
    // Never written to, so it takes no memory.
    let zeros = vec![0; size];
    for python in pythons() {
        let (listener, _) = bind(&Place::from(Address::unique().unwrap()), "");
        let address = listener.local_addr().to_string();
        let mut running = python.start(HUGE, &[&address, &size.to_string()]);
        let talk: Bytes = listener.accept().unwrap();
        assert!(matches!(talk.send_bytes(&zeros), Err(SendError::Closed)));

        let talk: Bytes = listener.accept().unwrap();
        talk.set_max_len(size as u64 - 1);
        assert_eq!(talk.recv_bytes().unwrap(), b"short");
        let refused = talk.recv_bytes();
        assert!(matches!(refused, Err(RecvError::TooLong { len, .. }) if len == size as u64));
        assert_eq!(running.hear(), "done", "{:?}", python.version);
        running.end();
    }
}
