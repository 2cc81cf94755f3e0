//! The fork server: a helper process that makes children for this one.
//!
//! # Who does what
//!
//! The first start of a child starts the server by exec, from the same executable, with a control
//! socket that nobody else has and that has no address anybody could connect to. Each request bears
//! the family's key all the same, should the socket ever get into other hands. The server stops
//! inside `init`, where it has one thread and nothing of the program's. For each child:
//!
//! | step | who | does |
//! |---|---|---|
//! | 1 | owner | makes a pair of control sockets and sends the server one of them |
//! | 2 | server | makes a copy of itself *whose parent is the owner*, and closes the socket |
//! | 3 | child | closes the server's socket, keeps its own, and waits there to be told what to become |
//! | 4 | server | answers with the child's number and pidfd |
//! | 5 | owner | tells the child what to become, which needs none of its arguments |
//! | 6 | owner | looks whether it still has what the server has inherited, while the child does as it was told; ends the child and the server if not, and starts again |
//! | 7 | owner | enters the child into its list, then sends it its work, over a socket that came with step 5 |
//!
//! From its second child on, the owner asks for the next one in advance, when one has its work: while
//! that one works, the server makes another, which goes once through what it will have to do, and
//! then waits at step 3 for as long as it takes. So a start costs neither the copying nor the first
//! touch of the copied memory. The owner reads the answer when it needs the child; until then it does
//! not know of it.
//!
//! Because the owner is the parent, the kernel tells *it* how the child ended, and ends the child
//! when *it* dies. The server keeps no books, so its death loses nothing.
//!
//! # Who may die when
//!
//! - *The server, at any moment.* The owner sees the socket's end, starts another server, and asks
//!   again with a new pair of sockets.
//! - *The server between 2 and 4.* The child is the owner's, which does not know of it. It has
//!   received nothing yet, so it did nothing. The same goes for the one that was asked for in
//!   advance, when the server is ended. It is in the server's process group, which a child
//!   leaves only when it is told what to become, and nobody else is ever in that group. The
//!   owner ends and reaps the children it finds there and does not know. A child that was told and
//!   gets no work is ended by its number.
//! - *The child, at any moment.* Its status is the owner's to take, as any child's. One that died
//!   while it waited is replaced.
//! - *The owner.* Its children end by the kernel's hand; one that has not come to
//!   ask the kernel for that yet, by the end of its socket. The server sees the owner's end, also when it
//!   was stopped. If the owner has no ancestor in the family, the server then keeps the family's memory from
//!   staying: it waits for a second at the longest until it has the lease alone, and removes what the
//!   family has in `/dev/shm`. The next family that starts does so if the server was killed too.
//!
//! # What it shares with its owner
//!
//! The server is in a process group of its own and blocks SIGINT, SIGTERM, SIGHUP and SIGQUIT, so that
//! what ends its owner, sent by a terminal or to all processes of a service, does not end it first. A
//! child goes back to the owner's group and lets them in again: one that
//! was sent to it before, right after its start, is not lost.

mod owner;
mod server;

use crate::rights::Rights;
use procession_call::Routine;
use procession_wire::Fd;
use procession_wire::Kind;
use serde::{Deserialize, Serialize};

#[cfg(test)]
pub(crate) use owner::first_message;
pub(crate) use owner::{ask_ahead, end, forget, renew, start};
pub(crate) use server::serve;

/// The first message of a process that is to be a server.
pub(crate) const SERVE: Kind = Kind::SERVE;
/// The server has reached `init` and knows how to serve.
const BEGUN: Kind = Kind::BEGUN;
/// The owner wants a child.
const REQUEST: Kind = Kind::FORK;
/// The server has made it, or cannot.
const ANSWER: Kind = Kind::FORKED;

/// What a server is told at its start.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Serve {
    image: u64,
    owner: u32,
    /// The owner's family. Each request has to bear its key.
    family: (String, [u8; 32]),
    /// Whether it removes the family's memory if that dies with the owner.
    keeps: bool,
    /// What its children may do.
    rights: Rights,
    preloaded: Vec<Routine>,
}

/// The wish for a child that has this control socket.
#[derive(Debug, Serialize, Deserialize)]
struct Request {
    key: [u8; 32],
    control: Fd,
}

/// What comes of a request.
type Answer = Result<Born, Refused>;

/// A child that was made.
#[derive(Debug, Serialize, Deserialize)]
struct Born {
    pid: u32,
    pidfd: Fd,
}

/// Why none was.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Refused {
    /// The system has no room for another process at this moment.
    NoRoom(i32),
    /// The system or the C library does not allow such copies.
    Unsupported(String),
    /// The request does not bear the key.
    Stranger,
    /// What was to be preloaded failed.
    Preload(String),
    /// The process that was to be a server cannot be one.
    Useless(String),
}
