//! What pool and worker say to each other.
//!
//! | who | kind | content |
//! |---|---|---|
//! | worker, once | `READY` | nothing: it can be asked |
//! | pool | `CALLS` | a function and the arguments of some calls: a [`row`](crate::row) |
//! | pool | `REQUEST` | a function and the arguments of one call, which have a message of their own |
//! | worker | `OUTCOMES` | what came of some calls |
//! | worker | `OUTCOME` | what came of one call, in a message of its own, with the request's number and its place |
//! | worker, instead | `REFUSED` | why it cannot read the request, of which it ran nothing, and the request's number |
//! | worker, behind its outcomes | `STOPPED` | that it does not run the rest of a request, as the ledger told it |
//!
//! The requests to a worker are numbered from 0 in the order in which they are sent, so that the worker knows the
//! number of one that it cannot read; and it answers them in their order. It runs a request only if it
//! can [take](crate::ledger) it. Outcomes come in the order of the calls; one that comes out of its order was
//! written by something else than the worker.

use procession_call::Routine;
use procession_wire::handle::{deserialize_fd, serialize_fd};
use procession_wire::{DecodeError, EncodeError, Encoder, Kind, Message, Packet};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A function, and the arguments of a call to it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request<'a> {
    pub(crate) routine: Routine,
    pub(crate) number: u32,
    /// The call's item, if it is for one of a sequence.
    pub(crate) item: Option<usize>,
    pub(crate) is_timed: bool,
    pub(crate) call: Arguments<'a>,
}

/// A message inside a message: its bytes as they are, its descriptors counted anew.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Arguments<'a> {
    bytes: Bytes<'a>,
    fds: Vec<Fd<'a>>,
}

/// Encodes a request.
///
/// Bytes are copied and descriptors duplicated. The call's own message keeps what it claims, in case it
/// is sent again.
///
/// # Errors
///
/// If a descriptor cannot be duplicated.
pub(crate) fn request(
    routine: Routine,
    number: u32,
    item: Option<usize>,
    is_timed: bool,
    call: &Message,
) -> Result<Message, EncodeError> {
    let request = Request {
        routine,
        number,
        item,
        is_timed,
        call: Arguments::of(call),
    };
    Message::encode(Kind::REQUEST, &request)
}

/// Encodes that the worker has started.
pub(crate) fn ready() -> Message {
    Encoder::new(Kind::READY).finish()
}

/// Encodes that a request cannot be read.
pub(crate) fn refused(request: u32, words: &str) -> Result<Message, EncodeError> {
    let message = Message::encode(Kind::REFUSED, &words.to_owned())?;
    Ok(message.with_number(request.into()))
}

/// Encodes that the rest of a request is not run.
pub(crate) fn stopped(request: u32) -> Message {
    Encoder::new(Kind::STOPPED)
        .finish()
        .with_number(u64::from(request))
}

impl<'a> Arguments<'a> {
    /// Lends the parts of a message.
    fn of(message: &'a Message) -> Self {
        let fds = message.fds().iter().map(|fd| Fd::Lent(fd.as_fd()));
        Self {
            bytes: Bytes(Cow::Borrowed(message.bytes())),
            fds: fds.collect(),
        }
    }
}

impl Arguments<'static> {
    /// Takes the parts of a message that was delivered.
    pub(crate) fn owned(bytes: Vec<u8>, fds: Vec<OwnedFd>) -> Self {
        Self {
            bytes: Bytes(Cow::Owned(bytes)),
            fds: fds.into_iter().map(Fd::Owned).collect(),
        }
    }

    /// Returns the message as it was before it was put into the request.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub(crate) fn into_packet(self) -> Result<Packet, DecodeError> {
        let fds = self.fds.into_iter().filter_map(Fd::into_owned).collect();
        Packet::parse(self.bytes.0.into_owned(), fds)
    }
}

/// Bytes that are copied in one go; serde takes a list of bytes one by one.
#[derive(Debug)]
struct Bytes<'a>(Cow<'a, [u8]>);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_byte_buf(BytesVisitor)
            .map(|bytes| Self(Cow::Owned(bytes)))
    }
}

struct BytesVisitor;

impl Visitor<'_> for BytesVisitor {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
        Ok(bytes)
    }
}

/// A descriptor, lent to be sent or received to be kept.
#[derive(Debug)]
enum Fd<'a> {
    Lent(BorrowedFd<'a>),
    Owned(OwnedFd),
}

impl Fd<'_> {
    /// Returns a descriptor that was received; the sender's are not its to give away.
    fn into_owned(self) -> Option<OwnedFd> {
        match self {
            Self::Lent(_) => None,
            Self::Owned(fd) => Some(fd),
        }
    }
}

impl AsFd for Fd<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Lent(fd) => *fd,
            Self::Owned(fd) => fd.as_fd(),
        }
    }
}

impl Serialize for Fd<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_fd(self.as_fd(), serializer)
    }
}

impl<'de> Deserialize<'de> for Fd<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_fd(deserializer).map(Self::Owned)
    }
}
