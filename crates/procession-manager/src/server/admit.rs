//! Finding out who connects.

use super::home::Home;
use super::serve::{keep_presence, keep_visit, serve_calls};
use super::session::Session;
use crate::keepalive::watch_machine;
use crate::protocol::{Admission, HELLO, Hello, Purpose, Visit, WELCOME};
use procession_os::image::image;
use procession_pipe::{Channel, DEFAULT_MAX_LEN, Deadline};
use procession_shm::family;
use procession_wire::{EncodeError, Encoder, Message, Packet};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

/// How long a client has to say who it is.
const PATIENCE: Duration = Duration::from_secs(5);

/// More than a client says before it is known.
const HELLO_LEN: u64 = 256;

/// Admits the client at the other end and serves it until it goes.
///
/// A client that is silent, or says anything but who it is, loses the connection.
pub(super) fn admit(home: &'static Home, channel: &Arc<Channel>) {
    channel.set_max_len(HELLO_LEN);
    let Ok(packet) = channel.recv_by(Deadline::after(PATIENCE)) else {
        return;
    };
    match known(packet) {
        Ok(purpose) => serve(home, channel, &purpose, false),
        Err(Some(refusal)) => send(channel, &refusal),
        Err(None) => {}
    }
}

/// Admits a program with another executable, with which the key has been compared already.
pub(super) fn admit_visitor(home: &'static Home, channel: &Arc<Channel>) {
    channel.set_max_len(HELLO_LEN);
    watch_machine(channel);
    let Ok(packet) = channel.recv_by(Deadline::after(PATIENCE)) else {
        return;
    };
    let visit = packet.expect(HELLO).and_then(Packet::decode::<Visit>);
    match visit.map(|visit| visit.purpose) {
        Ok(Purpose::Presence) => {
            let session = home.begin(channel, true);
            welcome(home, channel, &session);
            keep_visit(home, &session, channel);
            home.end(&session);
        }
        Ok(Purpose::Calls(id)) => serve(home, channel, &Purpose::Calls(id), true),
        Err(_) => {}
    }
}

/// Welcomes a visitor to its session, with the address that the handles have which it will get.
fn welcome(home: &Home, channel: &Channel, session: &Session) {
    let encoded = || -> Result<_, EncodeError> {
        let mut encoder = Encoder::new(WELCOME);
        encoder.push(&Admission::Welcome(session.id()))?;
        encoder.push(home.address())?;
        Ok(encoder.finish())
    };
    if let Ok(message) = encoded() {
        // A client that has gone meanwhile needs no answer.
        let _ = channel.send(message);
    }
}

/// Returns what a client of this family and this executable wants, or what to tell another one.
fn known(packet: Packet) -> Result<Purpose, Option<Admission>> {
    let mut packet = packet.expect(HELLO).map_err(|_| None)?;
    let key = packet.take::<[u8; 32]>().map_err(|_| None)?;
    let (family, _) = family::identity().map_err(|_| Some(Admission::WrongKey))?;
    if !is_equal(&key, family.key()) {
        return Err(Some(Admission::WrongKey));
    }
    let hello = packet
        .decode::<Hello>()
        .map_err(|_| Some(Admission::WrongImage))?;
    if hello.image != image().identity() {
        return Err(Some(Admission::WrongImage));
    }
    Ok(hello.purpose)
}

/// Compares in a time that does not tell where the keys differ.
fn is_equal(one: &[u8; 32], other: &[u8; 32]) -> bool {
    let differing = one
        .iter()
        .zip(other)
        .fold(0, |bits, (a, b)| black_box(bits | (a ^ b)));
    differing == 0
}

fn serve(home: &'static Home, channel: &Arc<Channel>, purpose: &Purpose, is_visitor: bool) {
    match purpose {
        Purpose::Presence => {
            let session = home.begin(channel, false);
            begin(home, channel, &session);
            keep_presence(home, &session, channel);
            home.end(&session);
        }
        Purpose::Calls(id) => {
            let session = home.session(*id);
            let Some(session) = session.filter(|session| session.is_visitor() == is_visitor) else {
                return send(channel, &Admission::NoSession);
            };
            channel.set_max_len(DEFAULT_MAX_LEN);
            send(channel, &Admission::Welcome(session.id()));
            serve_calls(home, &session, channel);
        }
    }
}

/// Welcomes a client to a session, with a descriptor by which it notices this process's
/// end.
fn begin(home: &Home, channel: &Channel, session: &Session) {
    let encoded = || -> Result<_, EncodeError> {
        let mut encoder = Encoder::new(WELCOME);
        encoder.push(&Admission::Welcome(session.id()))?;
        encoder.push(&home.pidfd())?;
        encoder.push(&home.rings().after)?;
        Ok(encoder.finish())
    };
    if let Ok(message) = encoded() {
        // A client that has gone meanwhile needs no answer.
        let _ = channel.send(message);
    }
}

/// Answers a client that has not been answered yet, which therefore has room for the answer.
pub(super) fn send(channel: &Channel, admission: &Admission) {
    if let Ok(message) = Message::encode(WELCOME, admission) {
        // A client that has gone meanwhile needs no answer.
        let _ = channel.send(message);
    }
}
