//! The way to a server from this process.

use crate::address::Address;
use crate::client::endpoint::Endpoint;
use crate::client::{endpoint_at, own_endpoint};
use crate::error::ManagerError;
use crate::protocol::{Call, Fault, NamedCall, Note, ObjectId};
use crate::reply::Reply;
use crate::server::home::{Home, home_at};
use crate::threads::this_thread;
use crate::visit;
use procession_call::{Routine, consume};
use procession_wire::{EncodeError, Encoder, Kind, Message, Packet};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// How a handle reaches its server.
#[derive(Clone)]
pub(crate) enum Route {
    /// Over this process's connections.
    Client(Arc<Endpoint>),
    /// This process is the server: there is no connection, and no other thread.
    Home(&'static Home),
    /// There is no server any more.
    Gone(Address),
}

impl Route {
    /// Finds the way to the server at `address`.
    pub(crate) fn to(address: &Address) -> Result<Self, ManagerError> {
        if let Some(home) = home_at(address) {
            return Ok(Self::Home(home));
        }
        match endpoint_at(address) {
            Ok(endpoint) => Ok(Self::Client(endpoint)),
            Err(ManagerError::Gone) => Ok(Self::Gone(address.clone())),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn address(&self) -> &Address {
        match self {
            Self::Client(endpoint) => endpoint.address(),
            Self::Home(home) => home.address(),
            Self::Gone(address) => address,
        }
    }

    /// Calls a routine on an object and waits for what comes of it.
    pub(crate) fn call<A, R>(
        &self,
        object: ObjectId,
        routine: Routine,
        args: &A,
    ) -> Result<R, ManagerError>
    where
        A: Serialize + DeserializeOwned,
        R: DeserializeOwned,
    {
        let mut encoder = begin(object, routine)?;
        encoder.push(args)?;
        read_reply(self.exchange(encoder.finish())?)
    }

    /// As [`call`](Self::call), for arguments that come in two parts.
    pub(crate) fn order<O, A, R>(
        &self,
        object: ObjectId,
        routine: Routine,
        order: &O,
        args: &A,
    ) -> Result<R, ManagerError>
    where
        O: Serialize + DeserializeOwned,
        A: Serialize + DeserializeOwned,
        R: DeserializeOwned,
    {
        let mut encoder = begin(object, routine)?;
        encoder.push(order)?;
        encoder.push(args)?;
        read_reply(self.exchange(encoder.finish())?)
    }

    /// Calls a method that a server with another executable knows by its key.
    pub(crate) fn call_named<A, R>(
        &self,
        object: ObjectId,
        method: u64,
        args: &A,
    ) -> Result<R, ManagerError>
    where
        A: Serialize + DeserializeOwned,
        R: DeserializeOwned,
    {
        self.visit(object, method, |encoder| encoder.push(args))
    }

    /// As [`call_named`](Self::call_named), for arguments that come in two parts.
    pub(crate) fn order_named<O, A, R>(
        &self,
        object: ObjectId,
        method: u64,
        order: &O,
        args: &A,
    ) -> Result<R, ManagerError>
    where
        O: Serialize + DeserializeOwned,
        A: Serialize + DeserializeOwned,
        R: DeserializeOwned,
    {
        self.visit(object, method, |encoder| {
            encoder.push(order)?;
            encoder.push(args)
        })
    }

    fn visit<R: DeserializeOwned>(
        &self,
        object: ObjectId,
        method: u64,
        push: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>,
    ) -> Result<R, ManagerError> {
        let endpoint = self.client()?;
        // The handles among the arguments must be there until the call has ended.
        let (request, _sent) = visit::while_talking(&endpoint, || {
            let mut encoder = Encoder::new(Kind::REQUEST);
            encoder.push(&NamedCall {
                object,
                method,
                thread: this_thread(),
            })?;
            push(&mut encoder).map(|()| encoder.finish())
        });
        let request = request?;
        check_visit(&request)?;
        let reply = endpoint.call(request)?;
        visit::while_talking(&endpoint, || read_reply(reply)).0
    }

    /// Returns the endpoint of a server that has another executable.
    pub(crate) fn elsewhere(&self) -> Option<&Arc<Endpoint>> {
        match self {
            Self::Client(endpoint) if endpoint.is_elsewhere() => Some(endpoint),
            _ => None,
        }
    }

    fn exchange(&self, request: Message) -> Result<Packet, ManagerError> {
        match self {
            Self::Client(_) => self.client()?.call(request),
            Self::Home(home) => home.call(request),
            Self::Gone(_) => Err(ManagerError::Gone),
        }
    }

    /// Tells a server elsewhere about a handle. What a dead server would have been told is lost
    /// on nobody.
    pub(crate) fn note(&self, note: &Note) -> Result<(), ManagerError> {
        match self.client().and_then(|endpoint| endpoint.note(note)) {
            Err(ManagerError::Gone) => Ok(()),
            result => result,
        }
    }

    /// Tells a server elsewhere about a handle, and returns the answer; false if it is dead.
    pub(crate) fn ask(&self, note: &Note) -> Result<bool, ManagerError> {
        match self.client().and_then(|endpoint| endpoint.ask(note)) {
            Err(ManagerError::Gone) => Ok(false),
            result => result,
        }
    }

    /// Returns the endpoint of this process, which in a forked child is another than its parent's.
    pub(crate) fn client(&self) -> Result<Arc<Endpoint>, ManagerError> {
        match self {
            Self::Client(endpoint) => own_endpoint(endpoint),
            Self::Home(_) | Self::Gone(_) => Err(ManagerError::Gone),
        }
    }
}

/// Begins a request, to which the arguments are added.
fn begin(object: ObjectId, routine: Routine) -> Result<Encoder, EncodeError> {
    let mut encoder = Encoder::new(Kind::REQUEST);
    encoder.push(&Call {
        object,
        routine,
        thread: this_thread(),
    })?;
    Ok(encoder)
}

fn read_reply<R: DeserializeOwned>(reply: Packet) -> Result<R, ManagerError> {
    if reply.kind() == Kind::REPLY {
        return Err(match reply.decode()? {
            Fault::NoSuchObject => ManagerError::NoSuchObject,
            Fault::UnknownRoutine => procession_call::RoutineError::Unknown.into(),
            Fault::NotExported => ManagerError::Elsewhere(
                "no object of this type is registered in the manager, which therefore does not know \
                 the methods of the type by name",
            ),
            Fault::NoSuchMethod => ManagerError::Elsewhere(
                "the object has no method of this name with these arguments and this result",
            ),
        });
    }
    let Reply(value) = consume::<Reply<R>>(reply)??;
    Ok(value)
}

/// Refuses what cannot travel to another executable, or to another machine.
pub(crate) fn check_visit(message: &Message) -> Result<(), ManagerError> {
    if is_bytes_alone(message) {
        return Ok(());
    }
    Err(ManagerError::Elsewhere(
        "shared memory and file descriptors cannot be sent to a manager in another program",
    ))
}

/// Tells whether nothing goes beside a message's bytes. What does is announced behind its kind.
pub(crate) fn is_bytes_alone(message: &Message) -> bool {
    message.fds().is_empty() && message.bytes().get(1..3) == Some(&[0, 0])
}
