//! Listeners and clients in processes that are killed.

#![expect(
    clippy::unwrap_used,
    reason = "a helper process fails by panicking, like a test"
)]

#[path = "common/addresses.rs"]
mod addresses;

use addresses::{Place, everywhere};
use procession_pipe::auth::{AuthenticationError, MAX_FRAME};
use procession_pipe::{Address, Client, ConnectError, Connection, Listener};
use procession_testkit::helper::{Helper, read, say, wait_for_end};
use procession_testkit::watchdog;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::mpsc;
use std::thread;

procession_testkit::helpers!(call, listen, stop_in_the_handshake, listen_without_a_word);

type Talk = Connection<String, String>;

/// Calls the address with the key that it was given, says so, and sends what it hears back.
fn call() {
    let address: Address = read().unwrap().parse().unwrap();
    let talk: Talk = Client::builder()
        .key(read().unwrap())
        .connect(address)
        .unwrap();
    talk.send(&"hello".into()).unwrap();
    say("called");
    while let Ok(text) = talk.recv() {
        talk.send(&text).unwrap();
    }
}

/// Listens at the path that it was given until it is killed.
fn listen() {
    let address: Address = read().unwrap().parse().unwrap();
    let listener = Listener::bind(address);
    say(if listener.is_ok() {
        "listens"
    } else {
        "does not"
    });
    wait_for_end();
}

/// Calls the address without a key, takes the challenge, and goes no further.
fn stop_in_the_handshake() {
    let talk: Talk = Client::connect(read().unwrap().parse::<Address>().unwrap()).unwrap();
    talk.set_max_len(MAX_FRAME as u64);
    assert!(talk.recv_bytes().unwrap().starts_with(b"#CHALLENGE#"));
    say("challenged");
    wait_for_end();
}

/// Listens without a key, and says when somebody has come.
fn listen_without_a_word() {
    let listener = Listener::bind(read().unwrap().parse::<Address>().unwrap()).unwrap();
    say(&listener.local_addr().to_string());
    let _talk: Talk = listener.accept().unwrap();
    say("called");
    wait_for_end();
}

fn in_use(result: std::io::Result<Listener>) -> bool {
    result.is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
}

/// Leaves a socket's file at the place, as a listener that is killed does.
fn leave_a_file_behind(place: &Place) {
    let mut helper = Helper::start("listen", &[place.address.to_string()]);
    assert_eq!(helper.hear(), "listens");
    assert!(in_use(Listener::bind(&place.address)));
    helper.kill9();
}

// CON-009
#[test]
fn a_client_in_another_process_sends() {
    let _watchdog = watchdog();
    for key in ["a key", "another"] {
        for place in everywhere() {
            let listener = Listener::builder().key(key).bind(&place.address).unwrap();
            let lines = [listener.local_addr().to_string(), key.to_owned()];
            let client = Helper::start("call", &lines);
            let talk: Talk = listener.accept().unwrap();
            assert_eq!(talk.recv().unwrap(), "hello");
            talk.send(&"echo".into()).unwrap();
            assert_eq!(talk.recv().unwrap(), "echo");
            let peer = listener.last_accepted().unwrap();
            match listener.local_addr() {
                Address::Tcp(_) => assert!(peer.address().is_some()),
                _ => assert_eq!(peer.credentials().unwrap().pid, client.pid()),
            }
            talk.close();
            assert!(client.end().success());
        }
    }
}

#[test]
fn a_client_killed_in_the_handshake_loses_its_connection_only() {
    let _watchdog = watchdog();
    for place in everywhere() {
        let (tell, told) = mpsc::channel();
        let listener = Listener::builder()
            .key("key")
            .on_refused(move |_, error| tell.send(error).unwrap())
            .bind(&place.address)
            .unwrap();
        let address = [listener.local_addr().to_string()];
        let mut helper = Helper::start("stop_in_the_handshake", &address);
        assert_eq!(helper.hear(), "challenged");
        let client = Client::builder().key("key");
        let good: Talk = client.connect(listener.local_addr()).unwrap();
        helper.kill9();
        assert!(matches!(told.recv().unwrap(), AuthenticationError::Closed));
        good.send(&"still here".into()).unwrap();
        let accepted: Talk = listener.accept().unwrap();
        assert_eq!(accepted.recv().unwrap(), "still here");
    }
}

#[test]
fn a_listener_killed_in_the_handshake_is_noticed() {
    let _watchdog = watchdog();
    for place in everywhere() {
        let mut helper = Helper::start("listen_without_a_word", &[place.address.to_string()]);
        let address: Address = helper.hear().parse().unwrap();
        thread::scope(|scope| {
            let client = scope.spawn(|| {
                let client = Client::builder().key("key");
                client.connect::<(), ()>(address)
            });
            assert_eq!(helper.hear(), "called");
            helper.kill9();
            assert!(matches!(
                client.join().unwrap(),
                Err(ConnectError::Authentication(AuthenticationError::Closed))
            ));
        });
    }
}

#[test]
fn the_file_of_a_killed_listener_is_replaced() {
    let _watchdog = watchdog();
    let place = Place::path();
    let address = &place.address;
    for _ in 0..3 {
        leave_a_file_behind(&place);
        let nobody = Client::connect::<(), ()>(address);
        assert!(matches!(nobody, Err(ConnectError::Io(error))
            if error.kind() == ErrorKind::ConnectionRefused));
    }
    let listener = Listener::bind(address).unwrap();
    Client::connect::<(), ()>(address).unwrap();
    drop(listener);
    assert!(!Path::new(&address.to_string()).exists());
}

#[test]
fn processes_that_start_at_once_agree_on_one() {
    let _watchdog = watchdog();
    let place = Place::path();
    let address = place.address.to_string();
    leave_a_file_behind(&place);
    let start = |_| Helper::start("listen", std::slice::from_ref(&address));
    let mut helpers: Vec<_> = (0..4).map(start).collect();
    let said = helpers.iter_mut().map(Helper::hear);
    let winners = said.filter(|said| said == "listens").count();
    assert_eq!(winners, 1);
    for helper in helpers {
        helper.end();
    }
    assert!(!Path::new(&address).exists());
}
