//! The server process itself: what it hosts, and for whom.

use super::caller::{self, Caller};
use super::session::Session;
use super::table::Table;
use super::undertaker::{self, Object};
use crate::address::Address;
use crate::error::ManagerError;
use crate::protocol::{Call, Fault, HOME, ObjectId, RingsFor, SERVER, SessionId};
use crate::remote::Remote;
use crate::reply::is_replying;
use crate::threads::this_thread;
use crossbeam_channel::Sender;
use procession_call::failed;
use procession_os::pidfd::Pidfd;
use procession_pipe::Channel;
use procession_wire::{DecodeError, Fd, Kind, Message, Packet};
use std::any::Any;
use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

static THIS: OnceLock<Home> = OnceLock::new();

/// Returns this process's server if it is the one at `address`.
pub(crate) fn home_at(address: &Address) -> Option<&'static Home> {
    THIS.get().filter(|home| home.address == *address)
}

/// A server, seen from within.
pub(crate) struct Home {
    address: Address,
    rings: RingsFor,
    table: Table,
    sessions: Mutex<HashMap<SessionId, Arc<Session>>>,
    last_session: AtomicU64,
    /// The session of the server's own threads.
    own: Arc<Session>,
    /// This process, for those who wait for it; without a descriptor they do without.
    process: Option<Pidfd>,
    dropped: Sender<Object>,
    end: Sender<()>,
}

impl Home {
    /// Makes this process the server at `address`; `end` is told when it shall end.
    pub(super) fn settle(
        address: Address,
        rings: RingsFor,
        end: Sender<()>,
    ) -> io::Result<&'static Self> {
        let home = Self {
            address,
            rings,
            table: Table::default(),
            sessions: Mutex::default(),
            last_session: AtomicU64::new(HOME),
            own: Arc::new(Session::new(HOME, None)),
            process: Pidfd::open(std::process::id()).ok(),
            dropped: undertaker::start()?,
            end,
        };
        THIS.set(home)
            .map_err(|_| io::Error::other("a process is one server"))?;
        THIS.get().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Returns which connections get rings.
    pub(super) fn rings(&self) -> RingsFor {
        self.rings
    }

    /// Hosts an object and returns the first handle of it.
    pub(crate) fn adopt(&'static self, object: Object) -> Remote {
        Remote::at_home(self, self.table.insert(object))
    }

    /// Returns a descriptor of this process to send, if there is room for one.
    pub(super) fn pidfd(&self) -> Option<Fd> {
        let fd = self.process.as_ref()?.as_fd();
        fd.try_clone_to_owned().ok().map(Fd)
    }

    pub(crate) fn count(&self) -> u64 {
        self.table.count()
    }

    /// Secures an object for a message; returns the session that is its receiver, if that is known.
    pub(crate) fn depart(&self, id: ObjectId) -> Option<SessionId> {
        let caller = caller::current().filter(|caller| caller.is_answered && is_replying());
        if let Some(caller) = caller {
            self.table.grant(id, caller.session.id());
            return Some(caller.session.id());
        }
        self.transit(id, 1);
        None
    }

    /// Counts a handle to its receiver; false if there is no such object.
    pub(crate) fn arrive(&self, id: ObjectId, session: SessionId) -> bool {
        self.table.arrive(id, session)
    }

    /// Counts a handle that was not sent after all.
    pub(crate) fn take_back(&self, id: ObjectId) {
        self.transit(id, -1);
    }

    /// Counts a handle that is gone.
    pub(crate) fn release(&self, id: ObjectId, session: SessionId) {
        self.drop_later(self.table.release(id, session));
    }

    /// Counts a handle in a message, or one less.
    pub(super) fn transit(&self, id: ObjectId, change: i64) {
        self.drop_later(self.table.transit(id, change));
    }

    fn drop_later(&self, objects: impl IntoIterator<Item = Object>) {
        for object in objects {
            // The undertaker lasts as long as this sender.
            let _ = self.dropped.send(object);
        }
    }

    /// Begins the session of the client at the other end of `presence`.
    pub(super) fn begin(&self, presence: Arc<Channel>) -> Arc<Session> {
        let id = self.last_session.fetch_add(1, Ordering::Relaxed) + 1;
        let session = Arc::new(Session::new(id, Some(presence)));
        self.table.begin(id);
        self.sessions().insert(id, Arc::clone(&session));
        session
    }

    pub(super) fn session(&self, id: SessionId) -> Option<Arc<Session>> {
        self.sessions().get(&id).cloned()
    }

    /// Ends a session: its waits, its locks, its handles.
    pub(super) fn end(&self, session: &Session) {
        self.sessions().remove(&session.id());
        session.end();
        self.drop_later(self.table.end(session.id()));
    }

    /// Does what a client asks and returns the answer.
    pub(super) fn answer(&'static self, session: Arc<Session>, mut request: Packet) -> Message {
        let call = match request.take::<Call>() {
            Ok(call) => call,
            Err(error) => return unreadable(&error),
        };
        let caller = Caller {
            session,
            thread: call.thread,
            is_answered: true,
        };
        self.run(caller, &call, request)
    }

    /// Does what a hosted object asks of this or another one, on the same thread.
    pub(crate) fn call(&'static self, request: Message) -> Result<Packet, ManagerError> {
        let (bytes, fds) = request.deliver();
        let mut request = Packet::parse(bytes, fds)?;
        let call = request.take::<Call>()?;
        let own = || Caller {
            session: Arc::clone(&self.own),
            thread: this_thread(),
            is_answered: false,
        };
        let caller = caller::current().unwrap_or_else(own);
        let caller = Caller {
            is_answered: false,
            ..caller
        };
        let (bytes, fds) = self.run(caller, &call, request).deliver();
        Ok(Packet::parse(bytes, fds)?)
    }

    fn run(&'static self, caller: Caller, call: &Call, mut request: Packet) -> Message {
        let Ok(run) = call.routine.resolve() else {
            return fault(&Fault::UnknownRoutine);
        };
        let _entered = caller::enter(caller);
        if call.object == SERVER {
            return run(&self as &dyn Any, &mut request).message;
        }
        match self.table.get(call.object) {
            Some(object) => run(&*object, &mut request).message,
            None => fault(&Fault::NoSuchObject),
        }
    }

    /// Has the server end.
    pub(super) fn shut_down(&self) {
        // A second request changes nothing.
        let _ = self.end.try_send(());
    }

    /// Drops all objects.
    pub(super) fn clear(&self) {
        self.table.clear().into_iter().for_each(undertaker::bury);
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fault(fault: &Fault) -> Message {
    let encoded = Message::encode(Kind::REPLY, fault);
    encoded.unwrap_or_else(|error| failed(anyhow::Error::from(error).into()).message)
}

fn unreadable(error: &DecodeError) -> Message {
    failed(procession_call::Failure::Arguments(error.to_string())).message
}
