//! A listener in a process that has no descriptors left. A file of its own, because the limit is
//! that of the process.

#![expect(
    clippy::unwrap_used,
    reason = "a helper process fails by panicking, like a test"
)]

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use procession_pipe::auth::AuthenticationError;
use procession_pipe::{AcceptError, Address, Client, Connection, Listener};
use procession_testkit::helper::{Helper, read, say, wait_for_end};
use procession_testkit::watchdog;
use std::fs::File;
use std::sync::mpsc::channel;
use std::time::Duration;

procession_testkit::helpers!(be_silent, call);

type Talk = Connection<u32, u32>;

/// Calls the address and never answers the challenge.
fn be_silent() {
    let address: Address = read().unwrap().parse().unwrap();
    let _talk: Talk = Client::connect(address).unwrap();
    say("called");
    wait_for_end();
}

/// Calls the address that it is given, with the key, and sends a number.
fn call() {
    say("ready");
    let address: Address = read().unwrap().parse().unwrap();
    let client = Client::builder().key("key");
    let talk: Talk = client.connect(address).unwrap();
    talk.send(&7).unwrap();
    assert_eq!(talk.recv().unwrap(), 8);
}

/// Leaves this process no descriptor while `work` runs.
fn without_descriptors(work: impl FnOnce()) {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 64, hard).unwrap();
    let mut held = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        held.push(file);
    }
    work();
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
}

fn serve(listener: &Listener) {
    let talk: Talk = listener.accept().unwrap();
    talk.send(&(talk.recv().unwrap() + 1)).unwrap();
}

#[test]
fn clients_wait_for_a_descriptor() {
    let _watchdog = watchdog();
    let (tell, told) = channel();
    let listener = Listener::builder()
        .key("key")
        .on_refused(move |_, error| tell.send(error).unwrap())
        .bind(Address::unique().unwrap())
        .unwrap();
    let address = listener.local_addr().to_string();

    let mut caller = Helper::start("call", &[]);
    assert_eq!(caller.hear(), "ready");
    without_descriptors(|| {
        caller.tell(&address);
        let nobody = listener.accept_timeout::<(), ()>(Duration::from_millis(100));
        assert!(matches!(nobody, Err(AcceptError::TimedOut)));
    });
    serve(&listener);
    assert!(caller.end().success());

    // Who is silent gives its descriptor to who is not.
    let mut caller = Helper::start("call", &[]);
    assert_eq!(caller.hear(), "ready");
    let mut silent = Helper::start("be_silent", std::slice::from_ref(&address));
    assert_eq!(silent.hear(), "called");
    eventually_received(&listener);
    without_descriptors(|| {
        caller.tell(&address);
        serve(&listener);
        assert!(matches!(told.recv().unwrap(), AuthenticationError::Crowded));
    });
    assert!(caller.end().success());
}

/// Waits until whoever has called so far was received: who calls next is let in after them.
fn eventually_received(listener: &Listener) {
    let client = Client::builder().key("key");
    let _talk: Talk = client.connect(listener.local_addr()).unwrap();
    let _accepted: Talk = listener.accept().unwrap();
}
