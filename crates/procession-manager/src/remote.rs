//! The untyped handle of a hosted object, which the server counts.
//!
//! The server keeps an object while anybody has a handle. What it counts:
//!
//! | who | counted | from | until |
//! |---|---|---|---|
//! | a process | each handle, clones of one as one | it arrived | it is dropped, or the process ends |
//! | a message | each handle inside | it is encoded | the receiver says that it arrived, or the message was not sent |
//!
//! What a process says about its handles goes over one connection, in order. Only an arrival is
//! answered, and the process waits for that. So the server counts every handle that a process has,
//! and when a process sends a handle on, its own is counted until the server has heard of that.
//!
//! The receiver of a message may be heard before its sender. The count of messages is then too
//! small, even negative, but the sender's own handle is still counted. Once no process has a
//! handle, everything about messages has been heard, and their count is exact: the object goes if
//! it is zero.
//!
//! A message that was sent and never decoded, because its receiver was killed, keeps its objects
//! until the manager ends.

use crate::address::Address;
use crate::error::ManagerError;
use crate::protocol::{HOME, Note, ObjectId, SERVER, Secured, SessionId};
use crate::route::Route;
use crate::server::home::Home;
use procession_call::Routine;
use procession_wire::handle::{self, Claim};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A handle of one object; clones share the server's count.
#[derive(Clone)]
pub(crate) struct Remote(Arc<Counted>);

struct Counted {
    route: Route,
    object: ObjectId,
    /// Whether the server counts this handle.
    counts: bool,
}

impl Remote {
    /// Makes the handle of the server itself, which is not counted.
    pub(crate) fn server(route: Route) -> Self {
        Self::new(route, SERVER, false)
    }

    /// Makes the handle of an object that this server process has just counted.
    pub(crate) fn at_home(home: &'static Home, object: ObjectId) -> Self {
        Self::new(Route::Home(home), object, true)
    }

    fn new(route: Route, object: ObjectId, counts: bool) -> Self {
        Self(Arc::new(Counted {
            route,
            object,
            counts,
        }))
    }

    pub(crate) fn object(&self) -> ObjectId {
        self.0.object
    }

    pub(crate) fn route(&self) -> &Route {
        &self.0.route
    }

    /// Calls a routine on the object.
    pub(crate) fn call<A, R>(&self, routine: Routine, args: &A) -> Result<R, ManagerError>
    where
        A: Serialize + DeserializeOwned,
        R: DeserializeOwned,
    {
        self.0.route.call(self.0.object, routine, args)
    }

    /// Has the object live until the receiver of the message now being encoded has its handle.
    fn depart(&self) -> Result<Departure, ManagerError> {
        let (route, object) = (self.0.route.clone(), self.0.object);
        let granted_to = match &route {
            _ if object == SERVER => None,
            Route::Home(home) => home.depart(object),
            Route::Client(_) => {
                route.note(&Note::Departed(object))?;
                None
            }
            Route::Gone(_) => None,
        };
        Ok(Departure {
            route,
            object,
            granted_to,
            process: std::process::id(),
            is_delivered: false,
        })
    }

    /// Takes over what the sender secured.
    fn arrive(route: Route, object: ObjectId, secured: Secured) -> Result<Self, ManagerError> {
        let counts = match (&route, secured) {
            _ if object == SERVER => false,
            (Route::Client(_), Secured::Granted) => true,
            (Route::Client(_), Secured::InTransit) => route.ask(&Note::Arrived(object))?,
            (Route::Home(home), Secured::InTransit) => home.arrive(object, HOME),
            (Route::Home(_), Secured::Granted) | (Route::Gone(_), _) => false,
        };
        Ok(Self::new(route, object, counts))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        match &self.route {
            Route::Home(home) if self.counts => home.release(self.object, HOME),
            Route::Client(endpoint) if self.counts && endpoint.is_ours() => {
                // Without a connection the server has noticed that this process is gone.
                let _ = endpoint.note(&Note::Released(self.object));
            }
            _ => {}
        }
    }
}

/// An object that is secured for a message.
struct Departure {
    route: Route,
    object: ObjectId,
    /// Whom the server has counted the handle to already.
    granted_to: Option<SessionId>,
    /// The process that said so, and may take it back; a copy of it may not.
    process: u32,
    is_delivered: bool,
}

impl Departure {
    fn secured(&self) -> Secured {
        self.granted_to
            .map_or(Secured::InTransit, |_| Secured::Granted)
    }
}

impl Claim for Departure {
    fn delivered(mut self: Box<Self>) {
        self.is_delivered = true;
    }
}

impl Drop for Departure {
    fn drop(&mut self) {
        let is_ours = self.process == std::process::id();
        if self.is_delivered || self.object == SERVER || !is_ours {
            return;
        }
        match (&self.route, self.granted_to) {
            (Route::Home(home), Some(session)) => home.release(self.object, session),
            (Route::Home(home), None) => home.take_back(self.object),
            (Route::Client(_), _) => {
                // Without a connection the server has noticed that this process is gone.
                let _ = self.route.note(&Note::Returned(self.object));
            }
            (Route::Gone(_), _) => {}
        }
    }
}

impl PartialEq for Remote {
    fn eq(&self, other: &Self) -> bool {
        self.object() == other.object() && self.route().address() == other.route().address()
    }
}

impl Hash for Remote {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.route().address().hash(state);
        self.object().hash(state);
    }
}

impl Serialize for Remote {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        handle::check_departing::<S::Error>()?;
        let departure = self.depart().map_err(serde::ser::Error::custom)?;
        let sent = (self.route().address(), self.object(), departure.secured());
        handle::departing::<S::Error>(departure)?;
        sent.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Remote {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        handle::check_arriving::<D::Error>()?;
        let (address, object, secured) = <(Address, _, _)>::deserialize(deserializer)?;
        let route = Route::to(&address);
        let remote = route.and_then(|route| Self::arrive(route, object, secured));
        remote.map_err(serde::de::Error::custom)
    }
}
