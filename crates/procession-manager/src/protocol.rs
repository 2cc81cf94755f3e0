//! What clients and server say to each other.
//!
//! A process has one *presence* connection to a server as long as it has any handle of it, and a
//! *call* connection for each call that is going on. Each begins the same way:
//!
//! | from | message | values |
//! |---|---|---|
//! | client | [`HELLO`] | the family's key, a [`Hello`] |
//! | server | [`WELCOME`] | an [`Admission`]; to one that begins a session, its pidfd and when to ask for rings |
//!
//! On a call connection requests and replies follow in turn:
//!
//! | from | message | values |
//! |---|---|---|
//! | client | `Kind::REQUEST` | a [`Call`], the arguments, a number |
//! | server | `Kind::OUTCOME` | what came of it, the same number, or |
//! | server | `Kind::REPLY` | a [`Fault`]: nothing was called, the same number |
//!
//! A client that has made as many calls over a connection as [`RingsFor::after`] says asks once for rings in
//! shared memory, with a [`RINGS`] message without values. The answer is one with an `Option` of its end of them, and all
//! that follows goes through them.
//!
//! A client never uses a number twice, so that a reply that is not its call's is known for what it
//! is.
//!
//! A program with another executable connects to an address of its own kind, where both sides have shown
//! each other a key before the first message. That is a [`Visit`] instead of the family's key and a `Hello`;
//! the [`Admission`] that begins a session has the server's [`Address`](crate::Address) behind it. Its requests
//! begin with a [`NamedCall`], of a method of an object that its session has a handle of.
//!
//! On a presence connection the client sends [`NOTE`]s. [`Note::Arrived`] and [`Note::Count`] are
//! answered with a `Kind::REPLY`, the others are not. When it closes, the process is gone, and the server takes back what the
//! process had.

use procession_call::Routine;
use procession_wire::Kind;
use serde::{Deserialize, Serialize};

/// The first message of each connection.
pub(crate) const HELLO: Kind = Kind::HELLO;
/// The answer to it.
pub(crate) const WELCOME: Kind = Kind::WELCOME;
/// Something about a handle.
pub(crate) const NOTE: Kind = Kind::NOTE;
/// The wish for rings, and the answer to it.
pub(crate) const RINGS: Kind = Kind::RINGS;

/// The number of a hosted object, which is never used again; [`SERVER`] is the server itself.
pub(crate) type ObjectId = u64;

/// The object that hosts the others.
pub(crate) const SERVER: ObjectId = 0;

/// The number of a client process, which is never used again; [`HOME`] is the server's own.
pub(crate) type SessionId = u64;

/// The session of handles inside the server process.
pub(crate) const HOME: SessionId = 0;

/// Who connects, and what for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// The executable; names of routines mean nothing in another.
    pub(crate) image: u64,
    pub(crate) purpose: Purpose,
}

/// What a program with another executable connects for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Visit {
    pub(crate) purpose: Purpose,
}

/// What a connection is for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Purpose {
    /// To begin a session that lasts as long as the connection.
    Presence,
    /// To make calls in a session.
    Calls(SessionId),
}

/// The server's answer to a [`Hello`].
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Admission {
    /// Come in; this is the session.
    Welcome(SessionId),
    /// The key is another family's.
    WrongKey,
    /// The client is another program, or another build of this one.
    WrongImage,
    /// There is no such session.
    NoSession,
    /// The server has no thread or no file descriptor left for the connection.
    Busy,
}

/// Which connections for calls get rings in shared memory.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct RingsFor {
    /// Those that have served so many calls; none if there is no number.
    pub(crate) after: Option<u32>,
    /// How many bytes each of the two rings holds at least.
    pub(crate) capacity: usize,
}

/// What is to be called.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) object: ObjectId,
    pub(crate) routine: Routine,
    /// The client's thread, for locks that belong to one.
    pub(crate) thread: u64,
}

/// What a program with another executable wants to be called.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct NamedCall {
    pub(crate) object: ObjectId,
    /// The key of the method, or [`GET`] and [`MAKE`] of the server itself.
    pub(crate) method: u64,
    /// The client's thread, for locks that belong to one.
    pub(crate) thread: u64,
}

/// The server returns the object that has a name.
pub(crate) const GET: u64 = 1;

/// The server calls the constructor that has a name.
pub(crate) const MAKE: u64 = 2;

/// Why nothing was called.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Fault {
    /// The object is gone, or never was.
    NoSuchObject,
    /// The routine is not one of this executable.
    UnknownRoutine,
    /// The object's type is not one whose methods can be called by name.
    NotExported,
    /// The object has no method of this name, these arguments and this result.
    NoSuchMethod,
}

/// What happened to a handle in the client.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Note {
    /// It was encoded: the object must live until the receiver says that it arrived.
    Departed(ObjectId),
    /// It was encoded, and the message was not sent.
    Returned(ObjectId),
    /// It was decoded. The answer is whether the object is there.
    Arrived(ObjectId),
    /// It was dropped.
    Released(ObjectId),
    /// How many objects are there? The answer is the number.
    Count,
    /// What is there? The answer is a [`Stats`](crate::Stats).
    Stats,
    /// Which objects are there, and who has them? The answer is a text.
    Objects,
    /// End the server.
    Shutdown,
}

/// How the sender of a handle has secured the object for the receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Secured {
    /// By a claim that the receiver takes over with [`Note::Arrived`].
    InTransit,
    /// The server has counted the handle to the receiver's session already.
    Granted,
    /// By the handle of the sender, which is another program and keeps it until the call has ended.
    Held,
}
