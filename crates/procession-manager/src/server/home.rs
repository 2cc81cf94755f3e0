//! The server process itself: what it hosts, and for whom.

use super::caller::{self, Caller};
use super::names::Names;
use super::session::{Peer, Session};
use super::table::Table;
use super::undertaker::{self, Object};
use crate::address::Address;
use crate::error::ManagerError;
use crate::protocol::{Call, Fault, HOME, NamedCall, ObjectId, RingsFor, SERVER, SessionId};
use crate::remote::Remote;
use crate::reply::is_replying;
use crate::route::is_bytes_alone;
use crate::stats::{ClientStats, ObjectStats, Stats};
use crate::threads::this_thread;
use crossbeam_channel::Sender;
use procession_call::failed;
use procession_os::pidfd::Pidfd;
use procession_os::socket::peer_credentials;
use procession_pipe::{Channel, Listener};
use procession_wire::{DecodeError, Fd, Kind, Message, Packet};
use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

static THIS: OnceLock<Home> = OnceLock::new();

/// Returns this process's server if it is the one at `address`.
pub(crate) fn home_at(address: &Address) -> Option<&'static Home> {
    THIS.get().filter(|home| home.address == *address)
}

/// Returns this process's server, if it is one.
pub(crate) fn this() -> Option<&'static Home> {
    THIS.get()
}

/// A server, seen from within.
pub(crate) struct Home {
    address: Address,
    rings: RingsFor,
    table: Table,
    sessions: Mutex<HashMap<SessionId, Arc<Session>>>,
    /// The session of the server's own threads.
    own: Arc<Session>,
    /// This process, for those who wait for it; without a descriptor they do without.
    process: Option<Pidfd>,
    dropped: Sender<Object>,
    end: Sender<()>,
    names: Names,
    /// Where programs with another executable connect.
    public: Mutex<Option<Arc<Listener>>>,
    /// How many calls there were.
    calls: AtomicU64,
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
            own: Arc::new(Session::new(HOME, Peer::default(), None)),
            process: Pidfd::open(std::process::id()).ok(),
            dropped: undertaker::start()?,
            end,
            names: Names::default(),
            public: Mutex::default(),
            calls: AtomicU64::new(0),
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
    pub(crate) fn adopt(&'static self, object: Object, type_name: &'static str) -> Remote {
        Remote::at_home(self, self.table.insert(object, type_name))
    }

    /// Returns what is registered under names.
    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    /// Keeps the listener at which programs with another executable connect.
    pub(crate) fn set_public(&self, listener: Arc<Listener>) {
        *lock(&self.public) = Some(listener);
    }

    pub(crate) fn public(&self) -> Option<Arc<Listener>> {
        lock(&self.public).clone()
    }

    /// Counts a handle that stands in the arguments of a program with another executable, if that has the
    /// object.
    pub(crate) fn grant_what_caller_has(&self, id: ObjectId) -> bool {
        let caller = caller::current();
        caller.is_some_and(|caller| self.table.share(id, caller.session.id()))
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
    pub(super) fn begin(&self, presence: &Arc<Channel>, is_visitor: bool) -> Arc<Session> {
        let peer = Peer {
            pid: peer_credentials(presence.as_fd())
                .ok()
                .map(|peer| peer.pid)
                .filter(|pid| *pid != 0),
            is_visitor,
        };
        let mut sessions = self.sessions();
        let id = new_session(&sessions);
        let session = Arc::new(Session::new(id, peer, Some(Arc::clone(presence))));
        self.table.begin(id);
        sessions.insert(id, Arc::clone(&session));
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
    pub(super) fn answer(&'static self, session: Arc<Session>, request: Packet) -> Message {
        let _running = Running::new(&session, &self.calls);
        if session.is_visitor() {
            self.answer_visitor(Arc::clone(&session), request)
        } else {
            self.answer_family(Arc::clone(&session), request)
        }
    }

    /// Calls a method that a program with another executable names.
    fn answer_visitor(&'static self, session: Arc<Session>, mut request: Packet) -> Message {
        let call = match request.take::<NamedCall>() {
            Ok(call) => call,
            Err(error) => return unreadable(&error),
        };
        let id = session.id();
        let _entered = caller::enter(Caller {
            session,
            thread: call.thread,
            is_answered: true,
        });
        let answer = if call.object == SERVER {
            match Names::run(call.method) {
                Some(run) => run(&self as &dyn Any, &mut request).message,
                None => return fault(&Fault::NoSuchMethod),
            }
        } else {
            let Some(object) = self.table.held_by(call.object, id) else {
                return fault(&Fault::NoSuchObject);
            };
            let Some(exports) = self.names.exports((*object).type_id()) else {
                return fault(&Fault::NotExported);
            };
            match exports.run(call.method) {
                Some(run) => run(&*object, &mut request).message,
                None => return fault(&Fault::NoSuchMethod),
            }
        };
        if is_bytes_alone(&answer) {
            return answer;
        }
        let why = "shared memory and file descriptors cannot be sent to another program";
        failed(procession_call::Failure::Result(why.to_owned())).message
    }

    fn answer_family(&'static self, session: Arc<Session>, mut request: Packet) -> Message {
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
        let (bytes, fds) = self.call_packet(Packet::parse(bytes, fds)?)?.deliver();
        Ok(Packet::parse(bytes, fds)?)
    }

    fn call_packet(&'static self, mut request: Packet) -> Result<Message, ManagerError> {
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
        Ok(self.run(caller, &call, request))
    }

    /// As [`call`](Self::call), without descriptors. A reply that nobody wants is empty.
    pub(crate) fn call_bytes(
        &'static self,
        request: Vec<u8>,
        is_wanted: bool,
    ) -> Result<Vec<u8>, ManagerError> {
        let reply = self.call_packet(Packet::parse(request, Vec::new())?)?;
        Ok(if is_wanted {
            reply.deliver().0
        } else {
            Vec::new()
        })
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
    pub(crate) fn shut_down(&self) {
        // A second request changes nothing.
        let _ = self.end.try_send(());
    }

    /// Drops all objects.
    pub(super) fn clear(&self) {
        if let Some(listener) = lock(&self.public).take() {
            listener.close();
        }
        self.names.clear();
        self.table.clear().into_iter().for_each(undertaker::bury);
    }

    /// Counts what is there.
    pub(crate) fn stats(&self) -> Stats {
        let listed = self.table.list();
        let mut objects = BTreeMap::<&str, ObjectStats>::new();
        let mut held = HashMap::<SessionId, u64>::new();
        for one in &listed {
            let stats = objects.entry(one.type_name).or_default();
            stats.count += 1;
            stats.handles += one.handles;
            stats.in_messages += u64::try_from(one.in_messages).unwrap_or(0);
            for (session, handles) in &one.holders {
                *held.entry(*session).or_default() += handles;
            }
        }
        let mut clients: Vec<ClientStats> = self
            .sessions()
            .values()
            .map(|session| ClientStats {
                pid: session.peer().pid,
                is_another_program: session.is_visitor(),
                handles: held.get(&session.id()).copied().unwrap_or(0),
                calls: session.calls.load(Ordering::Relaxed),
                running: session.running.load(Ordering::Relaxed),
            })
            .collect();
        clients.sort_by_key(|client| (client.is_another_program, client.pid));
        let named = |(type_name, stats): (&str, ObjectStats)| ObjectStats {
            type_name: type_name.to_owned(),
            ..stats
        };
        Stats {
            objects: objects.into_iter().map(named).collect(),
            names: self.names.list(),
            calls: self.calls.load(Ordering::Relaxed),
            own_handles: held.get(&HOME).copied().unwrap_or(0),
            clients,
        }
    }

    /// Writes a line about each object.
    pub(crate) fn objects(&self) -> String {
        let listed = self.table.list();
        let sessions = self.sessions();
        let mut text = String::new();
        for one in listed {
            let mut holders: Vec<String> = one
                .holders
                .iter()
                .map(|(session, handles)| {
                    let pid = sessions.get(session).map(|session| session.peer().pid);
                    match pid {
                        None => format!("the server {handles}"),
                        Some(None) => format!("another machine {handles}"),
                        Some(Some(pid)) => format!("process {pid} {handles}"),
                    }
                })
                .collect();
            holders.sort();
            let holders = holders.join(", ");
            let (id, type_name, in_messages) = (one.id, one.type_name, one.in_messages);
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "{id}: {type_name}, handles: {holders}, in messages: {in_messages}"
            );
        }
        text
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<Session>>> {
        lock(&self.sessions)
    }
}

/// A call that is being answered.
struct Running<'a>(&'a Session);

impl<'a> Running<'a> {
    fn new(session: &'a Session, calls: &AtomicU64) -> Self {
        calls.fetch_add(1, Ordering::Relaxed);
        session.calls.fetch_add(1, Ordering::Relaxed);
        session.running.fetch_add(1, Ordering::Relaxed);
        Self(session)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Chooses a number that no client can guess: a program that has the key must not be able to make calls in
/// the session of another one.
fn new_session(sessions: &HashMap<SessionId, Arc<Session>>) -> SessionId {
    static LAST: AtomicU64 = AtomicU64::new(HOME);
    loop {
        let next = LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let id = getrandom::u64().unwrap_or(next);
        if id != HOME && !sessions.contains_key(&id) {
            return id;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn fault(fault: &Fault) -> Message {
    let encoded = Message::encode(Kind::REPLY, fault);
    encoded.unwrap_or_else(|error| failed(anyhow::Error::from(error).into()).message)
}

fn unreadable(error: &DecodeError) -> Message {
    failed(procession_call::Failure::Arguments(error.to_string())).message
}
