//! Doing what admitted clients ask.

use super::home::Home;
use super::session::Session;
use crate::batch::{append, cut};
use crate::protocol::{NOTE, Note, RINGS, RingsFor};
use crate::route::is_bytes_alone;
use nix::poll::{PollFd, PollFlags};
use procession_call::{Failure, failed};
use procession_os::pidfd::Pidfd;
use procession_os::socket::peer_credentials;
use procession_os::wait;
use procession_pipe::{Channel, Deadline, LinkEnd, RecvError, SendError};
use procession_wire::{Kind, Message, Packet, buffer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::os::fd::AsFd;
use std::sync::Arc;

/// Answers one request after the other, until the client goes or sends what is no request.
pub(super) fn serve_calls(home: &'static Home, session: &Arc<Session>, client: &Channel) {
    while let Ok(mut packet) = client.recv() {
        if packet.kind() == RINGS && !session.is_visitor() && give_rings(home, client).is_ok() {
            continue;
        }
        let is_batch = packet.kind() == Kind::BATCH;
        if !is_batch && packet.kind() != Kind::REQUEST || session.has_ended() {
            return;
        }
        let Ok(number) = packet.take_number() else {
            return;
        };
        if is_batch {
            match answer_batch(home, session, client, packet, number) {
                Ok(()) => continue,
                Err(_) => return,
            }
        }
        let answer = home.answer(Arc::clone(session), packet);
        if client.send(answer.with_number(number)).is_err() {
            return;
        }
    }
}

/// Answers several requests, one after the other. What came of them is sent as it becomes much, so that
/// a client that asks for more than it takes waits, and costs no memory here.
fn answer_batch(
    home: &'static Home,
    session: &Arc<Session>,
    client: &Channel,
    packet: Packet,
    number: u64,
) -> Result<(), SendError> {
    let not_read = |_| SendError::Closed;
    let requests = packet.decode::<Vec<u8>>().map_err(not_read)?;
    let mut replies = Replies::default();
    let mut rest = requests.as_slice();
    while !rest.is_empty() {
        let (is_wanted, request, behind) = cut(rest).ok_or(SendError::Closed)?;
        let mut bytes = buffer::take(request.len());
        bytes.extend_from_slice(request);
        let request = Packet::parse(bytes, Vec::new()).map_err(not_read)?;
        let reply = home.answer(Arc::clone(session), request);
        replies.add(is_wanted, reply);
        rest = behind;
        if replies.bytes.len() >= MUCH || rest.is_empty() {
            std::mem::take(&mut replies).send(client, number)?;
        }
    }
    Ok(())
}

/// So many bytes of replies are not collected any further.
const MUCH: usize = 256 << 10;

/// Replies that are not sent yet.
#[derive(Default)]
struct Replies {
    bytes: Vec<u8>,
    /// Those with handles, which are counted to the client until it is known not to get them.
    claims: Vec<Message>,
}

impl Replies {
    /// Adds a reply; one that nobody wants is empty, and what is claimed for it is given back.
    fn add(&mut self, is_wanted: bool, reply: Message) {
        if !is_wanted {
            return append(&mut self.bytes, &[]);
        }
        let reply = if is_bytes_alone(&reply) {
            reply
        } else {
            let why = "shared memory and file descriptors cannot be sent in a batch";
            failed(Failure::Result(why.to_owned())).message
        };
        append(&mut self.bytes, reply.bytes());
        if reply.has_handles() {
            self.claims.push(reply);
        }
    }

    fn send(self, client: &Channel, number: u64) -> Result<(), SendError> {
        let message = Message::encode(Kind::BATCH, &self.bytes)?;
        client.send(message.with_number(number))?;
        self.claims.into_iter().for_each(Message::delivered);
        Ok(())
    }
}

/// Has all further requests and replies go through rings, if there is memory for them.
fn give_rings(home: &Home, client: &Channel) -> Result<(), SendError> {
    let RingsFor { after, capacity } = home.rings();
    let made = after.and_then(|_| LinkEnd::pair(capacity).ok());
    let (ours, theirs) = made.unzip();
    // The answer goes the old way: the client does not have its end yet.
    client.send(Message::encode(RINGS, &theirs)?)?;
    if let Some(ours) = ours {
        client.add_rings(ours);
        // The connection is this thread's alone.
        client.keep_rings();
    }
    Ok(())
}

/// Keeps the books on a client's handles until the client goes.
///
/// All that it wrote before it was killed is still read, so that a handle that it sent on is
/// counted before its own are taken back.
pub(super) fn keep_presence(home: &'static Home, session: &Session, client: &Channel) {
    let process = ClientProcess::of(client);
    while let Some(note) = process.receive(client).and_then(read) {
        match note {
            Note::Departed(object) => home.transit(object, 1),
            Note::Returned(object) => home.take_back(object),
            Note::Arrived(object) => tell(client, &home.arrive(object, session.id())),
            Note::Released(object) => home.release(object, session.id()),
            Note::Count => tell(client, &home.count()),
            Note::Stats => tell(client, &home.stats()),
            Note::Objects => tell(client, &home.objects()),
            Note::Shutdown => home.shut_down(),
        }
    }
}

/// Keeps the books on the handles of a program with another executable until it goes, or says what only
/// processes of the family may say.
pub(super) fn keep_visit(home: &'static Home, session: &Session, client: &Channel) {
    let process = ClientProcess::of(client);
    while let Some(note) = process.receive(client).and_then(read) {
        match note {
            Note::Released(object) => home.release(object, session.id()),
            Note::Count => tell(client, &home.count()),
            Note::Stats => tell(client, &home.stats()),
            Note::Objects => tell(client, &home.objects()),
            Note::Departed(_) | Note::Returned(_) | Note::Arrived(_) | Note::Shutdown => return,
        }
    }
}

fn read(packet: Packet) -> Option<Note> {
    packet.expect(NOTE).and_then(Packet::decode).ok()
}

/// The process that has connected, if it could be opened.
struct ClientProcess(Option<Pidfd>);

impl ClientProcess {
    /// Opens the process at the other end.
    ///
    /// It has just said who it is. Should its number be another's all the same, the end of the
    /// connection tells of it as well, unless a copy of it holds that open.
    fn of(client: &Channel) -> Self {
        let peer = peer_credentials(client.as_fd());
        Self(peer.and_then(|peer| Pidfd::open(peer.pid)).ok())
    }

    /// Waits for the next message; `None` if the client is gone.
    ///
    /// A copy of the client, which the C library's `fork` has made, may hold the connection open.
    fn receive(&self, client: &Channel) -> Option<Packet> {
        let Some(process) = &self.0 else {
            return client.recv().ok();
        };
        loop {
            let mut fds = [
                PollFd::new(client.as_fd(), PollFlags::POLLIN),
                PollFd::new(process.as_fd(), PollFlags::POLLIN),
            ];
            wait::poll(&mut fds, Deadline::NEVER).ok()?;
            let ended = fds[1].any().unwrap_or(true);
            // What it wrote before its end is there.
            match client.recv_by(Deadline::PASSED) {
                Err(RecvError::TimedOut) if !ended => {}
                received => return received.ok(),
            }
        }
    }
}

fn tell<T: Serialize + DeserializeOwned>(client: &Channel, answer: &T) {
    if let Ok(message) = Message::encode(Kind::REPLY, answer) {
        // A client that has gone meanwhile is noticed when the next note is read.
        let _ = client.send(message);
    }
}
