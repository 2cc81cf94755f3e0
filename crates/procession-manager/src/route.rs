//! The way to a server from this process.

use crate::address::Address;
use crate::client::endpoint::Endpoint;
use crate::client::{endpoint_at, own_endpoint};
use crate::error::ManagerError;
use crate::protocol::{Call, Fault, NamedCall, Note, ObjectId};
use crate::remote::Remote;
use crate::reply::Reply;
use crate::server::home::{Home, home_at};
use crate::threads::this_thread;
use crate::visit;
use procession_call::{Routine, consume};
use procession_wire::{Body, EncodeError, Encoder, Kind, Message, Packet};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// What is called.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// A function of this executable.
    Routine(Routine),
    /// A method, by the key with which another executable knows it.
    Key(u64),
}

/// A call that has not been sent.
pub(crate) struct Request {
    pub(crate) message: Message,
    /// The handles among its arguments that must be there until it has ended.
    pub(crate) kept: Vec<Remote>,
}

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

    /// Calls something on an object and waits for what comes of it.
    pub(crate) fn call<R: DeserializeOwned>(
        &self,
        object: ObjectId,
        target: Target,
        push: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>,
    ) -> Result<R, ManagerError> {
        // The handles among the arguments must be there until the call has ended.
        let Request {
            message,
            kept: _kept,
        } = self.request(object, target, push)?;
        let reply = self.exchange(message)?;
        self.read(reply)
    }

    /// Encodes a call.
    pub(crate) fn request(
        &self,
        object: ObjectId,
        target: Target,
        push: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>,
    ) -> Result<Request, ManagerError> {
        let thread = this_thread();
        let mut encoder = Encoder::new(Kind::REQUEST);
        let encode = || {
            match target {
                Target::Routine(routine) => encoder.push(&Call {
                    object,
                    routine,
                    thread,
                })?,
                Target::Key(method) => encoder.push(&NamedCall {
                    object,
                    method,
                    thread,
                })?,
            }
            push(&mut encoder)
        };
        let (done, kept) = match self {
            Self::Client(_) => visit::while_talking(&self.client()?, encode),
            Self::Home(_) | Self::Gone(_) => (encode(), Vec::new()),
        };
        done?;
        let message = encoder.finish();
        if let Target::Key(_) = target {
            check_visit(&message)?;
        }
        Ok(Request { message, kept })
    }

    /// Decodes what came of a call.
    pub(crate) fn read<R: DeserializeOwned>(
        &self,
        reply: Packet<impl Body>,
    ) -> Result<R, ManagerError> {
        match self.elsewhere() {
            None => read_reply(reply),
            Some(_) => visit::while_talking(&self.client()?, || read_reply(reply)).0,
        }
    }

    /// Tells whether both lead to one server in one way.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Client(one), Self::Client(other)) if Arc::ptr_eq(one, other) => true,
            _ => {
                self.address() == other.address()
                    && self.elsewhere().is_some() == other.elsewhere().is_some()
            }
        }
    }

    /// Returns the endpoint of a server that has another executable.
    pub(crate) fn elsewhere(&self) -> Option<&Arc<Endpoint>> {
        match self {
            Self::Client(endpoint) if endpoint.is_elsewhere() => Some(endpoint),
            _ => None,
        }
    }

    /// Sends a request and waits for the reply.
    pub(crate) fn exchange(&self, request: Message) -> Result<Packet, ManagerError> {
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

fn read_reply<R: DeserializeOwned>(reply: Packet<impl Body>) -> Result<R, ManagerError> {
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
