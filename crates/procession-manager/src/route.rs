//! The way to a server from this process.

use crate::address::Address;
use crate::client::endpoint::Endpoint;
use crate::client::{endpoint_at, own_endpoint};
use crate::error::ManagerError;
use crate::protocol::{Call, Fault, Note, ObjectId};
use crate::reply::Reply;
use crate::server::home::{Home, home_at};
use crate::threads::this_thread;
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
        let request = request(
            &Call {
                object,
                routine,
                thread: this_thread(),
            },
            args,
        )?;
        read_reply(self.exchange(request)?)
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

fn request<A: Serialize + DeserializeOwned>(call: &Call, args: &A) -> Result<Message, EncodeError> {
    let mut encoder = Encoder::new(Kind::REQUEST);
    encoder.push(call)?;
    encoder.push(args)?;
    Ok(encoder.finish())
}

fn read_reply<R: DeserializeOwned>(reply: Packet) -> Result<R, ManagerError> {
    if reply.kind() == Kind::REPLY {
        return Err(match reply.decode()? {
            Fault::NoSuchObject => ManagerError::NoSuchObject,
            Fault::UnknownRoutine => procession_call::RoutineError::Unknown.into(),
        });
    }
    let Reply(value) = consume::<Reply<R>>(reply)??;
    Ok(value)
}
