//! Anonymous pipes, named pipes and the duplex pipe of typed connections.
//!
//! ```
//! use procession_pipe::Pipe;
//!
//! let (client, server) = Pipe::duplex::<Vec<i64>, i64>()?;
//! client.send(&vec![1, 2, 3])?;
//! let numbers = server.recv()?;
//! server.send(&numbers.iter().sum())?;
//! assert_eq!(client.recv()?, 6);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Which one
//!
//! | | carries | meets by | directions |
//! |---|---|---|---|
//! | [`Pipe::duplex`] | values of a type each way, whole | handing one end to a process | two |
//! | [`Pipe::simplex`] | values of a type, whole | handing one end to a process | one |
//! | [`pipe`] | bytes | handing one end to a process | one |
//! | [`NamedPipe`] | bytes | a path | one |
//! | [`Listener`] and [`Client`] | values of a type each way, whole | an [`Address`]: a path, an abstract name, TCP | two |
//!
//! The ends of the first three are handles: they can be the argument of a task, or a part of a
//! message over another connection.
//!
//! [`Channel`] is the layer below [`Connection`], for protocols whose messages are not all of one
//! type.
//!
//! A [`Listener`] and its clients can be different programs, and programs in Python: framing and
//! handshake ([`auth`]) are those of `multiprocessing.connection`.
//!
//! [`wait`] waits for any number of them, and of other things, at once.
//!
//! # What is promised
//!
//! - A message arrives whole or not at all, in the order of sending, however many threads send.
//! - Whatever bytes arrive, the result is a value or an error, and memory is taken as bytes
//!   arrive, never because a length was announced.
//! - A signal interrupts nothing; every call that blocks has a form with a timeout, on the
//!   monotonic clock, and a message half received when the time runs out is not lost.
//! - The other side's end is told apart: between messages, inside one, or without having read
//!   what it was sent. See [`RecvError`].
#![doc(html_root_url = "https://docs.rs/procession-pipe/latest")]
#![forbid(unsafe_code)]

mod address;
mod anonymous;
pub mod auth;
mod channel;
mod client;
mod connection;
mod duplex;
mod error;
mod half;
mod inbox;
mod link;
mod link_end;
mod listener;
mod named;
mod outbox;
mod rings;
mod turn;
mod wait;

pub use address::{Address, ParseAddressError};
pub use anonymous::{PipeReader, PipeWriter, pipe};
pub use channel::{Channel, DEFAULT_MAX_LEN};
pub use client::{Client, ClientBuilder, ConnectError};
pub use connection::Connection;
pub use duplex::{Pipe, PipeBuilder};
pub use error::{RecvError, RecvIntoError, SendError};
pub use half::{IntoMessages, Messages, Receiver, Sender, UnsplitError};
pub use link_end::LinkEnd;
pub use listener::{AcceptError, Listener, ListenerBuilder, Peer, PeerCredentials};
pub use named::{NamedPipe, NamedPipeError};
pub use procession_os::wait::Deadline;
pub use procession_os::waitable::Waitable;
pub use wait::wait;
