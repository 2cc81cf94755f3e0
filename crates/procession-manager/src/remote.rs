//! The untyped handle of a hosted object, which the server counts.
//!
//! The server keeps an object while anybody has a handle. What it counts:
//!
//! | who | counted | from | until |
//! |---|---|---|---|
//! | a process | each handle, clones of one as one | it arrived | it is dropped, or the process ends |
//! | a message | each handle inside | it is encoded | the receiver says that it arrived, or the message was not sent |
//!
//! A handle among the arguments of a call to its own server is in no message: the caller keeps it until the
//! call has ended, and the server takes one of its own.
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
use crate::collected;
use crate::error::ManagerError;
use crate::protocol::{HOME, Note, ObjectId, SERVER, Secured, SessionId};
use crate::reply::is_replying;
use crate::returns::Returns;
use crate::route::{Route, Target};
use crate::server::caller;
use crate::server::home::{Home, home_at};
use crate::visit;
use procession_os::own_pid;
use procession_wire::handle::{self, Claim};
use procession_wire::{EncodeError, Encoder};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A handle of one object; clones share the server's count.
#[derive(Clone)]
pub struct Remote(Arc<Counted>);

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Remote").field(&self.object()).finish()
    }
}

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

    /// Calls something on the object; a thread that [collects](crate::collected) calls does so later.
    pub(crate) fn call<A, R, M>(&self, target: Target, args: &A) -> Result<R::Output, ManagerError>
    where
        A: Serialize + DeserializeOwned,
        R: Returns<M>,
    {
        self.call_as::<A, A, R, M>(target, args)
    }

    /// As [`call`](Self::call), for arguments that are sent by reference and arrive as `A`.
    pub(crate) fn call_as<A, S, R, M>(
        &self,
        target: Target,
        args: &S,
    ) -> Result<R::Output, ManagerError>
    where
        A: DeserializeOwned,
        S: Serialize,
        R: Returns<M>,
    {
        let Counted { route, object, .. } = &*self.0;
        let push = |encoder: &mut Encoder| encoder.push_as::<A, S>(args);
        R::receive(if collected::is_usual() {
            route.call(*object, target, push)?
        } else {
            collected::leave_or_take(route, || route.request(*object, target, push))?
        })
    }

    /// Has the server itself do something, with arguments that come one after the other.
    pub(crate) fn order<R: DeserializeOwned>(
        &self,
        target: Target,
        push: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>,
    ) -> Result<R, ManagerError> {
        self.0.route.call(self.0.object, target, push)
    }

    /// Tells whether the server has another executable.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.0.route.elsewhere().is_some()
    }

    /// Refuses to send a function to another executable.
    pub(crate) fn check_functions(&self) -> Result<(), ManagerError> {
        if self.is_elsewhere() {
            return Err(ManagerError::Elsewhere(
                "a function cannot be sent to a manager in another program, which does not have it: \
                 only methods can be called, and only constructors that the manager has registered",
            ));
        }
        Ok(())
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
            process: own_pid(),
            is_delivered: false,
        })
    }

    /// Takes over what the sender secured.
    fn arrive(route: Route, object: ObjectId, secured: Secured) -> Result<Self, ManagerError> {
        let counts = match (&route, secured) {
            _ if object == SERVER => false,
            (Route::Home(home), secured) if secured == Secured::Held || visit::are_arguments() => {
                home.grant_what_caller_has(object)
            }
            (Route::Client(_), Secured::Granted) => true,
            (Route::Client(_), Secured::InTransit) => route.ask(&Note::Arrived(object))?,
            (Route::Home(home), Secured::InTransit) => home.arrive(object, HOME),
            (Route::Home(_), Secured::Granted) | (Route::Gone(_), _) | (_, Secured::Held) => false,
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
        let is_ours = self.process == own_pid();
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
        if self.stays_with_caller()? {
            visit::keep(self.clone());
            return (self.route().address(), self.object(), Secured::Held).serialize(serializer);
        }
        let departure = self.depart().map_err(serde::ser::Error::custom)?;
        let sent = (self.route().address(), self.object(), departure.secured());
        handle::departing::<S::Error>(departure)?;
        sent.serialize(serializer)
    }
}

impl Remote {
    /// Tells whether the handle stands in the arguments of a call to its own server, which takes one of its own
    /// from the caller's; a caller that is killed before it has sent the call then leaves nothing counted.
    ///
    /// With a server of another executable no other handles can be exchanged.
    fn stays_with_caller<E: serde::ser::Error>(&self) -> Result<bool, E> {
        let route = &self.0.route;
        match (visit::talking_with(), route.elsewhere()) {
            (Some(with), Some(server))
                if with.is_elsewhere() && with.address() == server.address() =>
            {
                Ok(true)
            }
            (Some(with), _) if with.is_elsewhere() => Err(E::custom(OTHER_MANAGER)),
            (_, Some(_)) => Err(E::custom(
                "a handle of a manager in another program can be sent to that manager only: connect to it in \
                 the process that is to have one",
            )),
            (None, None) if is_answering_visitor() && !matches!(route, Route::Home(_)) => {
                Err(E::custom(OTHER_MANAGER))
            }
            // In a forked copy of the process that has the handle the server counts none.
            (Some(with), None) => Ok(self.0.counts
                && matches!(route, Route::Client(own) if own.is_ours() && Arc::ptr_eq(own, &with))),
            (None, None) => Ok(false),
        }
    }
}

const OTHER_MANAGER: &str = "between programs with different executables no handles can be sent but \
                             those of the manager that is called";

fn is_answering_visitor() -> bool {
    is_replying() && caller::is_visitor()
}

/// Finds the server of a handle that is being decoded.
fn route_to(address: &Address) -> Result<Route, ManagerError> {
    let route = match visit::talking_with() {
        Some(with) if !with.is_elsewhere() => return Route::to(address),
        Some(with) if with.address() == address => Some(Route::Client(with)),
        Some(_) => None,
        None if visit::are_arguments() => home_at(address).map(Route::Home),
        None => return Route::to(address),
    };
    route.ok_or(ManagerError::Elsewhere(OTHER_MANAGER))
}

impl<'de> Deserialize<'de> for Remote {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        handle::check_arriving::<D::Error>()?;
        let (address, object, secured) = <(Address, _, _)>::deserialize(deserializer)?;
        let route = route_to(&address);
        let remote = route.and_then(|route| Self::arrive(route, object, secured));
        remote.map_err(serde::de::Error::custom)
    }
}
