//! Clients that do not get what they want, or have to wait for it.

#[path = "common/addresses.rs"]
mod addresses;

use addresses::{Place, everywhere};
use nix::sys::socket::{Backlog, listen};
use procession_pipe::auth::AuthenticationError;
use procession_pipe::{Address, Client, ConnectError, Connection, Listener, RecvError};
use procession_testkit::watchdog;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::thread;
use std::time::Duration;

type Refused = Result<Connection<(), ()>, ConnectError>;

fn kind(refused: Refused) -> Option<ErrorKind> {
    match refused {
        Err(ConnectError::Io(error)) => Some(error.kind()),
        _ => None,
    }
}

fn connect_soon(address: &Address) -> Refused {
    let client = Client::builder().connect_timeout(Duration::from_millis(5));
    client.connect(address)
}

/// Connects until there is no room for more.
fn fill(address: &Address) -> Vec<Connection<(), ()>> {
    let mut held = Vec::new();
    loop {
        match connect_soon(address) {
            Ok(connection) => held.push(connection),
            Err(ConnectError::TimedOut) => return held,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn nobody_listens() {
    let _watchdog = watchdog();
    let refused = Some(ErrorKind::ConnectionRefused);
    for place in everywhere() {
        let listener = Listener::bind(&place.address).unwrap();
        let address = listener.local_addr().clone();
        drop(listener);
        let outcome = kind(Client::connect(&address));
        match address {
            Address::Path(_) => assert_eq!(outcome, Some(ErrorKind::NotFound)),
            _ => assert_eq!(outcome, refused, "{address}"),
        }
    }
    let place = Place::path();
    drop(UnixListener::bind(place.address.to_string()).unwrap());
    assert_eq!(kind(Client::connect(&place.address)), refused);
    let file = tempfile::NamedTempFile::new().unwrap();
    assert_eq!(kind(Client::connect(file.path())), refused);
}

#[test]
fn a_full_queue_is_waited_for_as_long_as_allowed() {
    let _watchdog = watchdog();
    let place = Place::path();
    let listener = UnixListener::bind(place.address.to_string()).unwrap();
    listen(&listener, Backlog::new(1).unwrap()).unwrap();
    let held = fill(&place.address);
    assert!(!held.is_empty());

    thread::scope(|scope| {
        let waiting = scope.spawn(|| Client::connect::<(), ()>(&place.address));
        for _ in 0..=held.len() {
            listener.accept().unwrap();
        }
        waiting.join().unwrap().unwrap();
    });
}

#[test]
fn a_full_queue_of_the_network_is_waited_for_as_long_as_allowed() {
    let _watchdog = watchdog();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listen(&listener, Backlog::new(1).unwrap()).unwrap();
    let address = Address::from(listener.local_addr().unwrap());
    assert!(!fill(&address).is_empty());
}

#[test]
fn a_listener_that_says_nothing_is_given_up() {
    let _watchdog = watchdog();
    for place in everywhere() {
        let listener = Listener::bind(&place.address).unwrap();
        let client = Client::builder()
            .key("key")
            .handshake_timeout(Duration::from_millis(2));
        let refused: Refused = client.connect(listener.local_addr());
        assert!(matches!(
            refused,
            Err(ConnectError::Authentication(AuthenticationError::TimedOut))
        ));
        let accepted = listener.accept::<(), ()>().unwrap();
        assert!(matches!(accepted.recv(), Err(RecvError::Closed)));
    }
}

#[test]
fn a_listener_that_speaks_first_does_not_expect_a_handshake() {
    let _watchdog = watchdog();
    for place in everywhere() {
        let listener = Listener::bind(&place.address).unwrap();
        let client = Client::builder().key("key");
        thread::scope(|scope| {
            let refused = scope.spawn(|| -> Refused { client.connect(listener.local_addr()) });
            let talk = listener.accept::<u8, ()>().unwrap();
            talk.send(&1).unwrap();
            assert!(matches!(
                refused.join().unwrap(),
                Err(ConnectError::Authentication(
                    AuthenticationError::NoChallenge
                ))
            ));
        });
    }
}

#[test]
fn who_has_no_key_hears_the_challenge() {
    let _watchdog = watchdog();
    for place in everywhere() {
        let listener = Listener::builder().key("key").bind(&place.address).unwrap();
        let client: Connection<(), ()> = Client::connect(listener.local_addr()).unwrap();
        assert!(client.recv_bytes().unwrap().starts_with(b"#CHALLENGE#"));
    }
}
