//! The handshake: what it is made of, and what comes of everything else.

#![expect(
    clippy::unwrap_used,
    reason = "what tests share fails by panicking, like a test"
)]

#[path = "common/addresses.rs"]
mod addresses;

use addresses::everywhere;
use procession_pipe::auth::{
    AuthenticationError, Digest, MAX_FRAME, answer_challenge, deliver_challenge, respond, verify,
};
use procession_pipe::{
    AcceptError, Address, Channel, Client, ClientBuilder, ConnectError, Connection, Deadline,
    Listener, Peer,
};
use procession_testkit::helper::unhex;
use procession_testkit::watchdog;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

const KEY: &[u8] = b"the key";

type Talk = Connection<String, String>;
type Outcome = Result<(), AuthenticationError>;

/// Frames that a side of a handshake sends.
fn frames(bodies: &[&[u8]]) -> Vec<u8> {
    let frame = |body: &&[u8]| [&(body.len() as u32).to_be_bytes()[..], body].concat();
    bodies.iter().flat_map(frame).collect()
}

/// Returns what comes of a half of the handshake with somebody who sends `bytes` and no more.
fn half_with(bytes: &[u8], half: impl FnOnce(&UnixStream) -> Outcome) -> Outcome {
    let (here, mut there) = UnixStream::pair().unwrap();
    there.write_all(bytes).unwrap();
    there.shutdown(Shutdown::Write).unwrap();
    half(&here)
}

fn deliver(here: &UnixStream) -> Outcome {
    deliver_challenge(here, KEY, Deadline::NEVER)
}

fn answer(here: &UnixStream) -> Outcome {
    answer_challenge(here, KEY, Deadline::NEVER)
}

/// A listener with [`KEY`] that tells whom it refuses.
fn guarded(address: &Address) -> (Listener, Receiver<(Peer, AuthenticationError)>) {
    let (tell, told) = channel();
    let listener = Listener::builder()
        .key(KEY)
        .on_refused(move |peer, error| tell.send((peer, error)).unwrap())
        .bind(address);
    (listener.unwrap(), told)
}

/// Connects without a handshake.
fn stranger(listener: &Listener) -> Channel {
    Client::connect::<(), ()>(listener.local_addr())
        .unwrap()
        .into()
}

/// Asserts that somebody with the key is let in, now.
fn still_serves(listener: &Listener) {
    let client = Client::builder().key(KEY);
    let talk: Talk = client.connect(listener.local_addr()).unwrap();
    let accepted: Talk = listener.accept().unwrap();
    talk.send(&"hello".into()).unwrap();
    assert_eq!(accepted.recv().unwrap(), "hello");
}

// RFC 2202 and RFC 4231, case 2; the others with Python's hmac.
#[test]
fn digests_are_what_others_compute() {
    let _watchdog = watchdog();
    let tags = [
        (Digest::Md5, "750c783e6ab0b503eaa86e310a5db738"),
        (
            Digest::Sha256,
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (
            Digest::Sha384,
            "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e\
             8e2240ca5e69e2c78b3239ecfab21649",
        ),
        (
            Digest::Sha3_256,
            "c7d4072e788877ae3596bbb0da73b887c9171f93095b294ae857fbe2645e1ba5",
        ),
        (
            Digest::Sha3_384,
            "f1101f8cbf9766fd6764d2ed61903f21ca9b18f57cf3e1a23ca13508a93243ce\
             48c045dc007f26a21b3f5e0e9df4c20a",
        ),
    ];
    for (digest, tag) in tags {
        let computed = digest.hmac(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(computed, unhex(tag), "{digest}");
        assert_eq!(computed.len(), digest.output_len());
    }
    assert_eq!(tags.map(|(digest, _)| digest), Digest::ALL);
}

// CON-027
#[test]
fn a_reply_to_each_form_of_challenge_is_verified() {
    let _watchdog = watchdog();
    let forms: [&[u8]; 6] = [
        b"is-twenty-bytes-long",
        b"{md5}and-some-random-bytes",
        b"{sha256}and-some-random-bytes",
        b"{sha384}and-some-random-bytes",
        b"{sha3_256}and-some-random-bytes",
        b"{sha3_384}and-some-random-bytes",
    ];
    for challenge in forms {
        let reply = respond(KEY, challenge).unwrap();
        verify(KEY, challenge, &reply).unwrap();
        let other = verify(b"other", challenge, &reply);
        assert!(matches!(other, Err(AuthenticationError::WrongKey)));
        let other = verify(KEY, b"{md5}another-challenge", &reply);
        assert!(matches!(other, Err(AuthenticationError::WrongKey)));
    }
}

#[test]
fn every_allowed_reply_is_verified_and_no_other() {
    let _watchdog = watchdog();
    let challenge = b"{sha256}and-some-random-bytes";
    for digest in Digest::ALL {
        let tag = digest.hmac(KEY, challenge);
        let named = |name: &str| [format!("{{{name}}}").as_bytes(), &tag].concat();
        verify(KEY, challenge, &named(digest.name())).unwrap();
        let short = verify(KEY, challenge, &named(digest.name())[..12]);
        assert!(matches!(
            short,
            Err(AuthenticationError::WrongLength { .. })
        ));
        let unknown = verify(KEY, challenge, &named("sha1"));
        assert!(matches!(
            unknown,
            Err(AuthenticationError::UnsupportedDigest)
        ));
    }
    verify(KEY, challenge, &Digest::Md5.hmac(KEY, challenge)).unwrap();
    let bare = verify(KEY, challenge, &Digest::Sha256.hmac(KEY, challenge));
    assert!(matches!(bare, Err(AuthenticationError::UnsupportedDigest)));
    let twenty = verify(KEY, challenge, &[0; 20]);
    assert!(matches!(
        twenty,
        Err(AuthenticationError::WrongLength { len: 20, .. })
    ));
    let nothing = verify(KEY, challenge, b"");
    assert!(matches!(
        nothing,
        Err(AuthenticationError::UnsupportedDigest)
    ));
}

#[test]
fn challenges_that_are_not_worth_an_answer() {
    let _watchdog = watchdog();
    for len in 0..20 {
        let short = respond(KEY, &[b'x'; 20][..len]);
        assert!(matches!(short, Err(AuthenticationError::ShortChallenge(it)) if it == len));
    }
    for wrong in ["without-the-name-of-a-digest", "{sha1}of-no-digest-allowed"] {
        let unknown = respond(KEY, wrong.as_bytes());
        assert!(matches!(
            unknown,
            Err(AuthenticationError::UnsupportedDigest)
        ));
    }
}

// CON-018
#[test]
fn a_wrong_reply_is_an_error_and_the_other_side_is_told() {
    let _watchdog = watchdog();
    let (here, mut there) = UnixStream::pair().unwrap();
    there.write_all(&frames(&[b"something bogus"])).unwrap();
    let refused = deliver(&here);
    assert!(matches!(
        refused,
        Err(AuthenticationError::UnsupportedDigest)
    ));
    drop(here);
    let mut heard = Vec::new();
    there.read_to_end(&mut heard).unwrap();
    assert!(heard.starts_with(&[0, 0, 0, 59]), "{heard:?}");
    assert!(heard[4..].starts_with(b"#CHALLENGE#{sha256}"));
    assert_eq!(heard[4 + 59..], frames(&[b"#FAILURE#"]));
}

// CON-019
#[test]
fn any_verdict_but_a_welcome_is_an_error() {
    let _watchdog = watchdog();
    let challenge = b"#CHALLENGE#is-twenty-bytes-long";
    for verdict in [&b"#FAILURE#"[..], b"something bogus", b"", b"#WELCOME#!"] {
        let refused = half_with(&frames(&[challenge, verdict]), answer);
        assert!(matches!(refused, Err(AuthenticationError::Rejected)));
    }
    half_with(&frames(&[challenge, b"#WELCOME#"]), answer).unwrap();
}

#[test]
fn what_is_no_challenge_is_an_error() {
    let _watchdog = watchdog();
    for other in [&b"#WELCOME#"[..], b"", b"#CHALLENGE", b"GET / HTTP/1.1"] {
        let refused = half_with(&frames(&[other]), answer);
        assert!(matches!(refused, Err(AuthenticationError::NoChallenge)));
    }
}

#[test]
fn a_frame_may_be_long_in_form_but_not_in_length() {
    let _watchdog = watchdog();
    let challenge = b"#CHALLENGE#is-twenty-bytes-long";
    let long_form = |body: &[u8]| {
        let head = [&[0xff; 4][..], &(body.len() as u64).to_be_bytes()].concat();
        [&head, body].concat()
    };
    let good = [long_form(challenge), long_form(b"#WELCOME#")].concat();
    half_with(&good, answer).unwrap();

    let longest = [&b"#CHALLENGE#{md5}"[..], &[b'x'; MAX_FRAME - 16]].concat();
    half_with(&frames(&[&longest, b"#WELCOME#"]), answer).unwrap();
    let longer = [&longest[..], b"x"].concat();
    let refused: [&[u8]; 5] = [
        &frames(&[&longer]),
        &long_form(&longer),
        &[0x7f, 0xff, 0xff, 0xff],
        &[0x80, 0, 0, 0],
        &[0xff; 12],
    ];
    for bytes in refused {
        let outcome = half_with(bytes, answer);
        assert!(
            matches!(outcome, Err(AuthenticationError::BadFrame)),
            "{bytes:?}"
        );
    }
}

#[test]
fn nothing_is_read_beyond_the_handshake() {
    let _watchdog = watchdog();
    let (here, mut there) = UnixStream::pair().unwrap();
    let sent = frames(&[b"#CHALLENGE#is-twenty-bytes-long", b"#WELCOME#", b"first"]);
    there.write_all(&sent).unwrap();
    answer(&here).unwrap();
    let first = Channel::from(OwnedFd::from(here));
    assert_eq!(first.recv_bytes_by(Deadline::NEVER).unwrap(), b"first");
}

#[test]
fn a_silent_other_side_costs_the_time_that_was_given() {
    let _watchdog = watchdog();
    let (here, mut there) = UnixStream::pair().unwrap();
    let soon = || Deadline::after(Duration::from_millis(2));
    let late = answer_challenge(&here, KEY, soon());
    assert!(matches!(late, Err(AuthenticationError::TimedOut)));
    there.write_all(&[0, 0, 0, 9, b'#']).unwrap();
    let late = deliver_challenge(&here, KEY, soon());
    assert!(matches!(late, Err(AuthenticationError::TimedOut)));
    drop(there);
    assert!(matches!(deliver(&here), Err(AuthenticationError::Closed)));
}

#[test]
fn who_has_another_key_is_refused_on_both_sides() {
    let _watchdog = watchdog();
    for place in everywhere() {
        let (listener, told) = guarded(&place.address);
        for key in ["another key", "the key ", "THE KEY"] {
            let client = Client::builder().key(key);
            let refused = client.connect::<(), ()>(listener.local_addr());
            assert!(matches!(
                refused,
                Err(ConnectError::Authentication(AuthenticationError::Rejected))
            ));
            let (peer, error) = told.recv().unwrap();
            assert!(matches!(error, AuthenticationError::WrongKey));
            assert!(!peer.to_string().is_empty());
        }
        assert!(listener.try_accept::<(), ()>().unwrap().is_none());
        still_serves(&listener);
    }
}

#[test]
fn a_listener_that_does_not_have_the_key_is_refused() {
    let _watchdog = watchdog();
    for place in everywhere() {
        let listener = Listener::bind(&place.address).unwrap();
        let client = Client::builder().key(KEY);
        thread::scope(|scope| {
            let refused = scope.spawn(|| client.connect::<(), ()>(listener.local_addr()));
            let talk: Channel = listener.accept::<(), ()>().unwrap().into();
            let never = Deadline::NEVER;
            let challenge = b"#CHALLENGE#is-twenty-bytes-long";
            talk.send_bytes_by(challenge, never).unwrap();
            talk.recv_bytes_by(never).unwrap();
            talk.send_bytes_by(b"#WELCOME#", never).unwrap();
            let theirs = talk.recv_bytes_by(never).unwrap();
            let theirs = theirs.strip_prefix(b"#CHALLENGE#").unwrap();
            talk.send_bytes_by(&respond(b"another", theirs).unwrap(), never)
                .unwrap();
            assert_eq!(talk.recv_bytes_by(never).unwrap(), b"#FAILURE#");
            let refused = refused.join().unwrap();
            assert!(matches!(
                refused,
                Err(ConnectError::Authentication(AuthenticationError::WrongKey))
            ));
        });
    }
}

#[test]
fn strangers_lose_their_own_connection() {
    let _watchdog = watchdog();
    for place in everywhere() {
        let (listener, told) = guarded(&place.address);
        let next = || told.recv().unwrap().1;

        drop(stranger(&listener));
        assert!(matches!(next(), AuthenticationError::Closed));

        let talk = stranger(&listener);
        talk.send_bytes_by(b"GET / HTTP/1.1", Deadline::NEVER)
            .unwrap();
        assert!(matches!(next(), AuthenticationError::UnsupportedDigest));

        let mut talk = UnixStream::from(OwnedFd::from(stranger(&listener)));
        talk.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        assert!(matches!(next(), AuthenticationError::BadFrame));

        let mut talk = UnixStream::from(OwnedFd::from(stranger(&listener)));
        talk.write_all(&[0, 0, 1]).unwrap();
        talk.shutdown(Shutdown::Both).unwrap();
        assert!(matches!(next(), AuthenticationError::Closed));
        still_serves(&listener);
    }
}

#[test]
fn descriptors_of_a_stranger_are_dropped() {
    let _watchdog = watchdog();
    for place in everywhere().into_iter().take(2) {
        let (listener, told) = guarded(&place.address);
        let talk = stranger(&listener);
        let (ours, theirs) = UnixStream::pair().unwrap();
        let bytes = [std::io::IoSlice::new(&[0, 0])];
        let fds = [std::os::fd::AsFd::as_fd(&theirs)];
        let fd = std::os::fd::AsFd::as_fd(&talk);
        procession_os::socket::send_with_fds(fd, &bytes, &fds, Deadline::NEVER).unwrap();
        drop(theirs);
        // Once the two bytes are read nobody holds the other end of the pair.
        let mut ours = ours;
        assert_eq!(ours.read(&mut [0]).unwrap(), 0);
        still_serves(&listener);
        drop(talk);
        assert!(matches!(
            told.recv().unwrap().1,
            AuthenticationError::Closed
        ));
    }
}

#[test]
fn silent_clients_delay_nobody() {
    let _watchdog = watchdog();
    for place in everywhere() {
        let (listener, told) = guarded(&place.address);
        let silent: Vec<_> = (0..100).map(|_| stranger(&listener)).collect();
        still_serves(&listener);
        assert!(told.try_recv().is_err());
        drop(silent);
        (0..100).for_each(|_| drop(told.recv().unwrap()));
        still_serves(&listener);
    }
}

#[test]
fn silent_clients_are_sent_away_in_time() {
    let _watchdog = watchdog();
    for place in everywhere() {
        let (tell, told) = channel();
        let listener = Listener::builder()
            .key(KEY)
            .handshake_timeout(Duration::from_millis(20))
            .on_refused(move |_, error| tell.send(error).unwrap())
            .bind(&place.address)
            .unwrap();
        for _ in 0..20 {
            let silent = stranger(&listener);
            assert!(matches!(
                told.recv().unwrap(),
                AuthenticationError::TimedOut
            ));
            assert!(silent.recv_bytes_by(Deadline::NEVER).is_ok());
            assert!(silent.recv_bytes_by(Deadline::NEVER).is_err());
        }
    }
}

#[test]
fn a_flood_of_silent_clients_is_held_in_few_places() {
    let _watchdog = watchdog();
    for place in everywhere() {
        let (tell, told) = channel();
        let listener = Listener::builder()
            .key(KEY)
            .max_waiting(8)
            .on_refused(move |_, error| tell.send(error).unwrap())
            .bind(&place.address)
            .unwrap();
        let silent: Vec<_> = (0..24).map(|_| stranger(&listener)).collect();
        // The good one is behind all of them, and there is room for it when 17 of them are gone.
        still_serves(&listener);
        for _ in 0..17 {
            assert!(matches!(told.recv().unwrap(), AuthenticationError::Crowded));
        }
        assert!(told.try_recv().is_err());
        drop(silent);
    }
}

#[test]
fn those_who_were_let_in_keep_their_places() {
    let _watchdog = watchdog();
    for place in everywhere() {
        let listener = Listener::builder().key(KEY).max_waiting(2);
        let listener = listener.bind(&place.address).unwrap();
        let address = listener.local_addr();
        let connect = |who: u8| {
            let client = Client::builder().key(KEY);
            let talk: Connection<u8, u8> = client.connect(address).unwrap();
            talk.send(&who).unwrap();
            talk
        };
        let mut held = vec![connect(0), connect(1)];
        thread::scope(|scope| {
            let third = scope.spawn(|| connect(2));
            let accept = |who| {
                let talk: Connection<u8, u8> = listener.accept().unwrap();
                assert_eq!(talk.recv().unwrap(), who);
            };
            (0..3).for_each(accept);
            held.push(third.join().unwrap());
        });
    }
}

#[test]
fn a_panic_on_being_told_hurts_nobody() {
    let _watchdog = watchdog();
    let listener = Listener::builder()
        .key(KEY)
        .on_refused(|_, _| panic!("this panic is part of the test"))
        .bind(Address::unique().unwrap())
        .unwrap();
    for _ in 0..2 {
        let thief = Client::builder().key("another");
        thief.connect::<(), ()>(listener.local_addr()).unwrap_err();
        still_serves(&listener);
    }
}

#[test]
fn an_empty_key_is_a_mistake() {
    let _watchdog = watchdog();
    let listener = Listener::builder().key("").bind(Address::unique().unwrap());
    assert_eq!(
        listener.unwrap_err().kind(),
        std::io::ErrorKind::InvalidInput
    );
    let client = Client::builder().key("");
    let refused = client.connect::<(), ()>(Address::unique().unwrap());
    assert!(matches!(refused, Err(ConnectError::Io(error))
        if error.kind() == std::io::ErrorKind::InvalidInput));
    assert!(!format!("{client:?}").contains("secret"));
    let client = Client::builder().key("secret");
    assert!(!format!("{client:?}").contains("secret"));
}

// CON-031
#[test]
fn an_empty_key_that_is_asked_for_meets_an_empty_key_only() {
    let _watchdog = watchdog();
    let (tell, told) = channel();
    let listener = Listener::builder()
        .empty_key()
        .on_refused(move |_, error| tell.send(error).unwrap())
        .bind(Address::unique().unwrap())
        .unwrap();
    let connect = |client: ClientBuilder| client.connect::<(), ()>(listener.local_addr());
    let refused = connect(Client::builder().key("a key"));
    assert!(matches!(
        refused,
        Err(ConnectError::Authentication(AuthenticationError::Rejected))
    ));
    assert!(matches!(
        told.recv().unwrap(),
        AuthenticationError::WrongKey
    ));
    connect(Client::builder().empty_key()).unwrap();
    listener.accept::<(), ()>().unwrap();
    // What is said last counts.
    connect(Client::builder().empty_key().key("")).unwrap_err();
    connect(Client::builder().key("").empty_key()).unwrap();
}

fn is_refused(outcome: &Outcome) -> bool {
    outcome.is_err()
}

proptest! {
    #[test]
    fn random_bytes_are_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(is_refused(&half_with(&bytes, answer)));
        prop_assert!(is_refused(&half_with(&bytes, deliver)));
    }

    #[test]
    fn random_frames_are_an_error(
        bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..4),
    ) {
        let bodies: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
        let bytes = frames(&bodies);
        prop_assert!(is_refused(&half_with(&bytes, answer)));
        prop_assert!(is_refused(&half_with(&bytes, deliver)));
    }

    #[test]
    fn challenges_cut_off_or_changed_are_an_error(
        random in proptest::collection::vec(any::<u8>(), 20..60),
        prefix in "(\\{(md5|sha256|sha3_384|sha1|)\\}?)?",
        cut in any::<proptest::sample::Index>(),
        flip in any::<proptest::sample::Index>(),
    ) {
        let challenge = [b"#CHALLENGE#", prefix.as_bytes(), &random].concat();
        let whole = frames(&[&challenge, b"#WELCOME#"]);
        let cut = cut.index(whole.len());
        prop_assert!(is_refused(&half_with(&whole[..cut], answer)));
        let mut changed = frames(&[&challenge, b"#FAILURE#"]);
        let at = flip.index(changed.len());
        changed[at] ^= 1;
        prop_assert!(is_refused(&half_with(&changed, answer)));
    }

    #[test]
    fn random_replies_are_never_accepted(
        prefix in "(\\{(md5|sha256|sha384|sha3_256|sha3_384|sha1|)\\}?)?",
        random in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let reply = [prefix.as_bytes(), &random].concat();
        let challenge = b"{sha256}a-challenge-of-some-bytes";
        prop_assert!(verify(KEY, challenge, &reply).is_err());
        // Whatever it says about a challenge, it does not panic.
        let _ = respond(KEY, &reply);
    }
}

#[test]
fn a_listener_survives_random_clients() {
    let _watchdog = watchdog();
    let (listener, told) = guarded(&Address::unique().unwrap());
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let bytes = proptest::collection::vec(any::<u8>(), 0..600);
    for _ in 0..200 {
        let bytes = bytes.new_tree(&mut runner).unwrap().current();
        let mut talk = UnixStream::from(OwnedFd::from(stranger(&listener)));
        // It may have been refused before it has said everything.
        let _ = talk.write_all(&bytes);
        drop(talk);
        told.recv().unwrap();
    }
    still_serves(&listener);
    let nobody = listener.accept_timeout::<(), ()>(Duration::ZERO);
    assert!(matches!(nobody, Err(AcceptError::TimedOut)));
}
