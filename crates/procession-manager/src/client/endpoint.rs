//! This process's presence at a server.

use super::connect::{Begun, Door, begin, connect};
use super::server::ServerProcess;
use crate::address::Address;
use crate::error::ManagerError;
use crate::protocol::{NOTE, Note, RINGS, SessionId};
use procession_os::own_pid;
use procession_pipe::{Channel, Deadline, RecvError};
use procession_wire::{Kind, Message, Packet};
use serde::de::DeserializeOwned;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// How many connections are kept when no call needs them.
const IDLE: usize = 8;

/// A connection for calls.
struct Calls {
    channel: Channel,
    /// How many it has served.
    calls: u32,
}

/// The number of the next call of this process.
static NUMBERS: AtomicU64 = AtomicU64::new(0);

/// The connections of this process to one server.
///
/// As long as it exists the server counts this process among its clients. A call takes an idle
/// connection or opens another, so that a call that blocks holds up its caller only.
pub(crate) struct Endpoint {
    /// How the server is reached.
    door: Door,
    address: Address,
    /// The process that opened it. One that was forked from it must not use its connections.
    pid: u32,
    session: SessionId,
    server: ServerProcess,
    presence: Channel,
    /// After how many calls a connection gets rings.
    rings_after: Option<u32>,
    /// Held by the one thread that waits for an answer on `presence`.
    asking: Mutex<()>,
    idle: Mutex<Vec<Calls>>,
    /// Idle connections that never have rings.
    unrung: Mutex<Vec<Channel>>,
    /// Whether this process could not use rings that the server had made.
    without_rings: AtomicBool,
    /// In a forked copy of the process that opened it: the copy's own.
    ///
    /// The handles that the copy inherited hold no other, and its session must last from one call
    /// to the next, because the server drops what it counts to a session that has ended.
    heir: OnceLock<Arc<Self>>,
}

impl Endpoint {
    pub(crate) fn open(door: Door) -> Result<Self, ManagerError> {
        let Begun {
            address,
            presence,
            session,
            server,
            rings_after,
        } = begin(&door)?;
        Ok(Self {
            door,
            address,
            pid: own_pid(),
            session,
            server,
            presence,
            rings_after,
            asking: Mutex::new(()),
            idle: Mutex::new(Vec::new()),
            unrung: Mutex::new(Vec::new()),
            without_rings: AtomicBool::new(false),
            heir: OnceLock::new(),
        })
    }

    /// Tells whether this process opened it.
    pub(crate) fn is_ours(&self) -> bool {
        self.pid == own_pid()
    }

    /// Opens another one to the same server.
    pub(super) fn reopen(&self) -> Result<Self, ManagerError> {
        Self::open(self.door.clone())
    }

    /// Tells whether the server has another executable, or is to be treated so.
    pub(crate) fn is_elsewhere(&self) -> bool {
        matches!(self.door, Door::Visit(_))
    }

    /// Returns where the server was connected to, if it has another executable.
    pub(crate) fn visited(&self) -> Option<&procession_pipe::Address> {
        match &self.door {
            Door::Family(_) => None,
            Door::Visit(visit) => Some(&visit.address),
        }
    }

    /// Returns what a copy of the process has in place of it, if that was opened.
    pub(super) fn heir(&self) -> Option<&Arc<Self>> {
        self.heir.get()
    }

    /// Keeps what a copy of the process has in place of it for as long as the copy has this one.
    pub(super) fn keep_heir(&self, heir: &Arc<Self>) {
        // Another thread can only have left the same one.
        let _ = self.heir.set(Arc::clone(heir));
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Sends a request and waits for the reply.
    pub(crate) fn call(&self, request: Message) -> Result<Packet, ManagerError> {
        let (connection, number) = self.send(request)?;
        let reply = self.reply(&connection, number)?;
        self.keep(connection);
        Ok(reply)
    }

    /// Sends a request and gives the replies to `take` until it has had enough.
    pub(crate) fn call_many(
        &self,
        request: Message,
        mut take: impl FnMut(Packet) -> Result<bool, ManagerError>,
    ) -> Result<(), ManagerError> {
        let (connection, number) = self.send(request)?;
        while !take(self.reply(&connection, number)?)? {}
        self.keep(connection);
        Ok(())
    }

    fn send(&self, request: Message) -> Result<(Calls, u64), ManagerError> {
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let mut connection = self.connection()?;
        connection.calls = connection.calls.saturating_add(1);
        connection.channel.send(request.with_number(number))?;
        Ok((connection, number))
    }

    fn reply(&self, connection: &Calls, number: u64) -> Result<Packet, ManagerError> {
        let mut reply = self.server.receive(&connection.channel)?;
        if reply.take_number()? != number {
            return Err(stray());
        }
        Ok(reply)
    }

    /// Sends a request over a connection without rings, on which [`Sent`] is told of the reply.
    pub(crate) fn send_unrung(self: &Arc<Self>, request: Message) -> Result<Sent, ManagerError> {
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let unrung = lock(&self.unrung).pop();
        let channel = unrung.map_or_else(|| self.connect().map(|calls| calls.channel), Ok)?;
        channel.send(request.with_number(number))?;
        Ok(Sent {
            endpoint: Arc::clone(self),
            channel,
            number,
        })
    }

    /// Tells the server something; there is no answer.
    pub(crate) fn note(&self, note: &Note) -> Result<(), ManagerError> {
        Ok(self.presence.send(Message::encode(NOTE, note)?)?)
    }

    /// Tells the server something and waits for the answer, which comes after all that this process
    /// has told it before.
    pub(crate) fn ask<R: DeserializeOwned>(&self, note: &Note) -> Result<R, ManagerError> {
        let _asking = lock(&self.asking);
        self.note(note)?;
        let answer = self.server.receive(&self.presence)?;
        Ok(answer.expect(Kind::REPLY)?.decode()?)
    }

    fn connection(&self) -> Result<Calls, ManagerError> {
        let idle = lock(&self.idle).pop();
        let connection = idle.map_or_else(|| self.connect(), Ok)?;
        match self.with_rings(connection)? {
            Some(connection) => Ok(connection),
            // Without rings from now on.
            None => self.connect(),
        }
    }

    fn connect(&self) -> Result<Calls, ManagerError> {
        let channel = connect(&self.door, self.session, &self.server)?;
        Ok(Calls { channel, calls: 0 })
    }

    /// Asks for rings when a connection has shown that it is worth their making; returns `None` if
    /// the server made some that this process cannot use.
    fn with_rings(&self, connection: Calls) -> Result<Option<Calls>, ManagerError> {
        if self.rings_after != Some(connection.calls) || self.without_rings.load(Ordering::Relaxed)
        {
            return Ok(Some(connection));
        }
        let channel = &connection.channel;
        channel.send(Message::encode(RINGS, &())?)?;
        let answer = match self.server.receive(channel) {
            Err(ManagerError::Gone) => return Err(ManagerError::Gone),
            answer => answer.and_then(|answer| Ok(answer.expect(RINGS)?.decode()?)),
        };
        match answer {
            Ok(Some(end)) => {
                channel.add_rings(end);
                // The server has made them, so that both have them now.
                channel.unlink_rings();
            }
            Ok(None) => {}
            // Above all that there is no room for the memory, or for the descriptors.
            Err(_) => {
                self.without_rings.store(true, Ordering::Relaxed);
                return Ok(None);
            }
        }
        Ok(Some(connection))
    }

    fn keep(&self, connection: Calls) {
        let mut idle = lock(&self.idle);
        if idle.len() < IDLE {
            idle.push(connection);
        }
    }
}

/// A request that was sent, and has not been answered.
pub(crate) struct Sent {
    endpoint: Arc<Endpoint>,
    channel: Channel,
    number: u64,
}

impl Sent {
    /// Returns what can be read when there is an answer or none will come: the connection, and the server's
    /// end.
    pub(crate) fn watched(&self) -> (BorrowedFd<'_>, Option<BorrowedFd<'_>>) {
        (self.channel.as_fd(), self.endpoint.server.as_fd())
    }

    /// Takes the answer, if there is one; `is_over` says that no other will come.
    pub(crate) fn take(&self, is_over: bool) -> Option<Result<Packet, ManagerError>> {
        match self.channel.recv_by(Deadline::PASSED) {
            Err(RecvError::TimedOut) if is_over => Some(Err(ManagerError::Gone)),
            Err(RecvError::TimedOut) => None,
            Err(error) => Some(Err(error.into())),
            Ok(mut reply) => Some(match reply.take_number() {
                Ok(number) if number == self.number => Ok(reply),
                Ok(_) => Err(stray()),
                Err(error) => Err(error.into()),
            }),
        }
    }

    /// Has the connection used again, after its answer.
    pub(crate) fn give_back(self) {
        let mut unrung = lock(&self.endpoint.unrung);
        if unrung.len() < IDLE {
            unrung.push(self.channel);
        }
    }
}

fn stray() -> ManagerError {
    io::Error::new(ErrorKind::InvalidData, "it sent the reply to another call").into()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
