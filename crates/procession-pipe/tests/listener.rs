//! Listeners and their clients, over every kind of address.
//!
//! Nothing is started here: between `fork` and `exec` a child would hold copies of all sockets, and
//! what was closed would look open.

#![expect(
    clippy::unwrap_used,
    reason = "what tests share fails by panicking, like a test"
)]

#[path = "common/addresses.rs"]
mod addresses;
mod common;

use addresses::{Place, everywhere};
use common::start;
use nix::sys::pthread::{pthread_kill, pthread_self};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use procession_pipe::{
    AcceptError, Address, Client, ClientBuilder, ConnectError, Connection, Listener,
    ListenerBuilder, RecvError, wait,
};
use procession_testkit::{eventually, watchdog};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

type Talk = Connection<String, String>;

fn in_use(result: std::io::Result<Listener>) -> bool {
    result.is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
}

fn connect(listener: &Listener) -> Talk {
    Client::connect(listener.local_addr()).unwrap()
}

fn path_of(listener: &Listener) -> &Path {
    match listener.local_addr() {
        Address::Path(path) => path,
        other => panic!("{other} is no path"),
    }
}

fn at_path() -> (Place, Listener) {
    let place = Place::path();
    let listener = Listener::bind(&place.address).unwrap();
    (place, listener)
}

// CON-007
#[test]
fn a_second_listener_is_refused() {
    let _watchdog = watchdog();
    for place in everywhere() {
        let listener = Listener::bind(&place.address).unwrap();
        assert!(
            in_use(Listener::bind(listener.local_addr())),
            "{listener:?}"
        );
        let client = connect(&listener);
        listener
            .accept::<String, String>()
            .unwrap()
            .send(&"x".into())
            .unwrap();
        assert_eq!(client.recv().unwrap(), "x");
    }
}

// CON-008
#[test]
fn the_end_of_a_scope_closes() {
    let _watchdog = watchdog();
    for place in everywhere() {
        let address = {
            let listener = Listener::bind(&place.address).unwrap();
            let client = connect(&listener);
            {
                let _accepted: Talk = listener.accept().unwrap();
            }
            assert!(matches!(client.recv(), Err(RecvError::Closed)));
            listener.close();
            let closed = listener.accept::<(), ()>();
            assert!(matches!(closed, Err(AcceptError::Closed)));
            assert!(listener.incoming::<(), ()>().next().is_none());
            listener.local_addr().clone()
        };
        let nobody = Client::connect::<(), ()>(&address);
        assert!(matches!(nobody, Err(ConnectError::Io(_))), "{address}");
        drop(Listener::bind(address).unwrap());
    }
}

// CON-010
#[test]
fn who_has_gone_again_is_still_accepted() {
    let _watchdog = watchdog();
    for place in everywhere() {
        for key in [None, Some("key")] {
            let mut builder = Listener::builder();
            let mut client = Client::builder();
            if let Some(key) = key {
                (builder, client) = (builder.key(key), client.key(key));
            }
            let listener = builder.bind(&place.address).unwrap();
            let talk: Talk = client.connect(listener.local_addr()).unwrap();
            talk.send(&"hello".into()).unwrap();
            drop(talk);
            let talk: Talk = listener.accept().unwrap();
            assert_eq!(talk.recv().unwrap(), "hello");
            assert!(matches!(talk.recv(), Err(RecvError::Closed)));
        }
    }
}

// CON-011
#[test]
fn a_client_is_told_of_what_comes() {
    let _watchdog = watchdog();
    for place in everywhere() {
        let listener = Listener::bind(&place.address).unwrap();
        let client = connect(&listener);
        let accepted: Talk = listener.accept().unwrap();
        assert!(!client.poll(Duration::ZERO).unwrap());
        accepted.send(&"hello".into()).unwrap();
        assert!(client.poll(Duration::from_secs(100)).unwrap());
        assert_eq!(client.recv().unwrap(), "hello");
    }
}

// CON-026
#[test]
fn a_signal_does_not_interrupt_accepting() {
    static SIGNALS: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn count(_: i32) {
        SIGNALS.fetch_add(1, Ordering::Relaxed);
    }
    let _watchdog = watchdog();
    let handler = SigHandler::Handler(count);
    let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler adds to an atomic, which is safe in a signal handler.
    unsafe { sigaction(Signal::SIGUSR1, &action) }.unwrap();
    for place in everywhere() {
        let listener = Listener::bind(&place.address).unwrap();
        let (tell, told) = mpsc::channel();
        thread::scope(|scope| {
            let watched = start(scope, || {
                tell.send(pthread_self()).unwrap();
                listener.accept::<String, String>()
            });
            let thread = told.recv().unwrap();
            for _ in 0..10 {
                watched.blocks();
                let before = SIGNALS.load(Ordering::Relaxed);
                pthread_kill(thread, Signal::SIGUSR1).unwrap();
                eventually("the signal comes", || {
                    SIGNALS.load(Ordering::Relaxed) > before
                });
            }
            let client = connect(&listener);
            watched.handle.join().unwrap().unwrap();
            drop(client);
        });
    }
}

#[test]
fn accepting_ends_with_the_time_and_with_the_listener() {
    let _watchdog = watchdog();
    for place in everywhere() {
        let listener = Listener::bind(&place.address).unwrap();
        let late = listener.accept_timeout::<(), ()>(Duration::from_millis(2));
        assert!(matches!(late, Err(AcceptError::TimedOut)));
        assert!(listener.try_accept::<(), ()>().unwrap().is_none());
        assert!(listener.last_accepted().is_none());
        thread::scope(|scope| {
            let waiting: Vec<_> = (0..3)
                .map(|_| start(scope, || listener.accept::<(), ()>()))
                .collect();
            waiting.iter().for_each(common::Watched::blocks);
            listener.close();
            for thread in waiting {
                let ended = thread.handle.join().unwrap();
                assert!(matches!(ended, Err(AcceptError::Closed)));
            }
        });
        assert_eq!(wait(&[&listener], Some(Duration::ZERO)).unwrap(), [0]);
    }
}

#[test]
fn a_listener_can_be_waited_for() {
    let _watchdog = watchdog();
    for place in everywhere() {
        let listener = Listener::builder().key("k").bind(&place.address).unwrap();
        assert_eq!(wait(&[&listener], Some(Duration::ZERO)).unwrap(), []);
        let client = Client::builder().key("k");
        let first: Talk = client.connect(listener.local_addr()).unwrap();
        let second: Talk = client.connect(listener.local_addr()).unwrap();
        assert_eq!(wait(&[&listener], None).unwrap(), [0]);
        let _accepted: Talk = listener.accept().unwrap();
        assert_eq!(wait(&[&listener], None).unwrap(), [0]);
        let _accepted: Talk = listener.accept().unwrap();
        assert_eq!(wait(&[&listener], Some(Duration::ZERO)).unwrap(), []);
        drop((first, second));
    }
}

#[test]
fn small_messages_over_tcp_do_not_wait_for_each_other() {
    let _watchdog = watchdog();
    for place in everywhere() {
        let listener = Listener::bind(&place.address).unwrap();
        let client = connect(&listener);
        let accepted: Talk = listener.accept().unwrap();
        for end in [client, accepted] {
            let Address::Tcp(_) = listener.local_addr() else {
                continue;
            };
            let stream = std::net::TcpStream::from(std::os::fd::OwnedFd::from(end));
            assert!(stream.nodelay().unwrap());
        }
    }
}

#[test]
fn many_clients_at_once_are_all_let_in() {
    let _watchdog = watchdog();
    for place in everywhere() {
        // Without a handshake there is nobody who could lose a place.
        let few_places = Listener::builder().max_waiting(2);
        ask_from_many(few_places, &Client::builder(), &place.address);
        let with_key = Listener::builder().key("k");
        ask_from_many(with_key, &Client::builder().key("k"), &place.address);
    }
}

fn ask_from_many(listener: ListenerBuilder, client: &ClientBuilder, address: &Address) {
    let listener = listener.bind(address).unwrap();
    let ask = |who: u32| {
        let talk: Connection<u32, u32> = client.connect(listener.local_addr()).unwrap();
        talk.send(&who).unwrap();
        assert_eq!(talk.recv().unwrap(), who + 1);
    };
    thread::scope(|scope| {
        let ask = &ask;
        for who in 0..64 {
            scope.spawn(move || ask(who));
        }
        for talk in listener.incoming::<u32, u32>().take(64) {
            talk.send(&(talk.recv().unwrap() + 1)).unwrap();
        }
    });
}

#[test]
fn a_listener_takes_its_own_file_with_it() {
    let _watchdog = watchdog();
    let (_place, listener) = at_path();
    let path = path_of(&listener).to_owned();
    assert!(path.exists());
    listener.close();
    assert!(!path.exists());

    let listener = Listener::bind(&*path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let other = UnixListener::bind(&path).unwrap();
    drop(listener);
    assert!(path.exists());
    drop(other);
}

#[test]
fn a_file_is_for_this_user_unless_said_otherwise() {
    let _watchdog = watchdog();
    let mode = |listener: &Listener| {
        let file = std::fs::metadata(path_of(listener)).unwrap();
        file.permissions().mode() & 0o777
    };
    let (place, listener) = at_path();
    assert_eq!(mode(&listener), 0o600);
    drop(listener);
    let listener = Listener::builder().mode(0o666).bind(&place.address);
    assert_eq!(mode(&listener.unwrap()), 0o666);
}

#[test]
fn one_of_many_replaces_a_leftover() {
    let _watchdog = watchdog();
    let place = Place::path();
    let address = &place.address;
    for _ in 0..25 {
        drop(UnixListener::bind(address.to_string()).unwrap());
        let bound: Vec<_> = thread::scope(|scope| {
            let starters: Vec<_> = (0..6)
                .map(|_| scope.spawn(|| Listener::bind(address)))
                .collect();
            let join = |starter: thread::ScopedJoinHandle<'_, _>| starter.join().unwrap();
            starters.into_iter().map(join).collect()
        });
        let (winners, losers): (Vec<_>, Vec<_>) = bound.into_iter().partition(Result::is_ok);
        assert_eq!(winners.len(), 1);
        assert!(losers.into_iter().all(in_use));
        let listener = winners.into_iter().next().unwrap().unwrap();
        connect(&listener);
        drop(listener);
        assert!(!Path::new(&address.to_string()).exists());
    }
}

#[test]
fn what_is_no_leftover_stays() {
    let _watchdog = watchdog();
    let place = Place::path();
    let path = place.address.to_string();
    std::fs::write(&path, "precious").unwrap();
    assert!(in_use(Listener::bind(&place.address)));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    std::fs::remove_file(&path).unwrap();

    std::os::unix::fs::symlink("/nowhere/at/all", &path).unwrap();
    assert!(in_use(Listener::bind(&place.address)));
    std::fs::remove_file(&path).unwrap();

    // Of any type, and of any program; and it does not notice the question.
    let datagram = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    assert!(in_use(Listener::bind(&place.address)));
    drop(datagram);
    std::fs::remove_file(&path).unwrap();
    let other = UnixListener::bind(&path).unwrap();
    assert!(in_use(Listener::bind(&place.address)));
    other.set_nonblocking(true).unwrap();
    let asked = other.accept().unwrap_err();
    assert_eq!(asked.kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_listener_can_go_while_it_is_called() {
    let _watchdog = watchdog();
    for place in everywhere() {
        let listener = Arc::new(Listener::builder().key("k").bind(&place.address).unwrap());
        let silent: Vec<Talk> = (0..4).map(|_| connect(&listener)).collect();
        drop(listener);
        for client in silent {
            // What it hears first is the challenge, if it was received at all.
            while client.recv_bytes().is_ok() {}
        }
    }
}
