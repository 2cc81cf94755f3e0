//! How a handle to something shared travels inside a serde value.
//!
//! While a message is being encoded or decoded on a thread, that thread has a *context*. The
//! functions here use it; without one they fail, so that a handle cannot end up in a file, where
//! it would mean nothing.
//!
//! Two kinds of handle exist. A *named* handle serialises the name under which other processes
//! find the thing, and calls [`departing`] so that the thing stays alive while only the message
//! knows it. A *descriptor* is duplicated by [`serialize_fd`] and goes beside the bytes.
//!
//! What keeps a named thing alive on the way is the message's [`Parcel`], one descriptor more beside
//! the bytes: the kernel closes it with a message that is lost.
//!
//! ```
//! use procession_wire::{Encoder, Kind, Packet, handle};
//! use serde::{Deserialize, Deserializer, Serialize, Serializer};
//! use std::os::fd::{AsFd, OwnedFd};
//!
//! struct Log(OwnedFd);
//!
//! impl Serialize for Log {
//!     fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
//!         handle::serialize_fd(self.0.as_fd(), serializer)
//!     }
//! }
//!
//! impl<'de> Deserialize<'de> for Log {
//!     fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
//!         handle::deserialize_fd(deserializer).map(Self)
//!     }
//! }
//!
//! let log = Log(std::fs::File::open("/dev/null")?.into());
//! let mut encoder = Encoder::new(Kind::VALUE);
//! encoder.push(&log)?;
//! let (bytes, fds) = encoder.finish().deliver();
//! let log: Log = Packet::parse(bytes, fds)?.decode()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::context::{Contexts, Depths, Stack};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

/// The most file descriptors that one message carries, the kernel's limit for `SCM_RIGHTS`.
pub const MAX_FDS: usize = 253;

/// The claim that a handle on its way has on the thing it names.
///
/// Made when the handle is encoded and held by the [`Message`](crate::Message). Dropping it takes
/// the claim back, because the message was not sent; [`delivered`](Self::delivered) passes it on
/// to the process that decodes the handle.
pub trait Claim: Send {
    /// The message is on its way: the receiver owns the claim from here on.
    fn delivered(self: Box<Self>);

    /// Has the message's parcel hold the thing from here on, if that is how it is held.
    ///
    /// # Errors
    ///
    /// What the system reports; the message cannot be encoded then.
    fn enclose(&self, parcel: &mut Parcel) -> io::Result<()> {
        let _ = parcel;
        Ok(())
    }

    /// Makes another claim on the same thing, for a copy of the message that goes to another receiver; `None` if
    /// that takes more than a moment, or cannot be.
    fn again(&self) -> Option<Box<dyn Claim>> {
        None
    }

    /// Has a place in shared memory, which has the given name, hold the thing for the message that
    /// is going to lie there. Returns under which name the receiver opens it before it decodes the
    /// message; `None` if that is not how the thing is held.
    ///
    /// # Errors
    ///
    /// What the system reports; the message cannot lie there then.
    fn leave_in(&self, place: &str) -> io::Result<Option<String>> {
        let _ = place;
        Ok(None)
    }
}

/// What holds the named things of a message for as long as the message is under way.
#[derive(Debug, Default)]
pub enum Parcel {
    /// Nothing in the message is held by it yet.
    #[default]
    Empty,
    /// A descriptor that goes with the message, and that the receiver keeps until it has decoded it.
    Open(OwnedFd),
    /// The things are counted, because this process can open no parcel. The receiver takes each count
    /// over; those of a message that is lost stay.
    Counted,
}

#[derive(Default)]
pub(crate) struct Outgoing {
    pub(crate) fds: Vec<OwnedFd>,
    pub(crate) claims: Vec<Box<dyn Claim>>,
    /// How many of the claims are enclosed in the parcel.
    pub(crate) enclosed: usize,
    pub(crate) parcel: Parcel,
}

impl Outgoing {
    /// Encloses what was claimed since the last time.
    pub(crate) fn enclose(&mut self) -> io::Result<()> {
        for claim in &self.claims[self.enclosed..] {
            claim.enclose(&mut self.parcel)?;
            self.enclosed += 1;
        }
        if matches!(self.parcel, Parcel::Open(_)) && self.fds.len() >= MAX_FDS {
            return Err(io::Error::other(format!(
                "a message carries at most {MAX_FDS} file descriptors, one of which is for this"
            )));
        }
        Ok(())
    }
}

#[derive(Default)]
pub(crate) struct Incoming {
    pub(crate) fds: Vec<Option<OwnedFd>>,
    /// Whether the receiver takes over what the handles have counted.
    pub(crate) is_counted: bool,
    /// What is lacking, if something is.
    pub(crate) shortage: Option<String>,
}

impl Incoming {
    pub(crate) fn with(fds: Vec<OwnedFd>, is_counted: bool) -> Self {
        Self {
            fds: fds.into_iter().map(Some).collect(),
            is_counted,
            shortage: None,
        }
    }
}

const OUTGOING: Contexts<Outgoing> = {
    thread_local! {
        static DEPTHS: Depths = const { Depths::new() };
        static STACK: Stack<Outgoing> = const { RefCell::new(Vec::new()) };
    }
    Contexts {
        depths: &DEPTHS,
        stack: &STACK,
    }
};

const INCOMING: Contexts<Incoming> = {
    thread_local! {
        static DEPTHS: Depths = const { Depths::new() };
        static STACK: Stack<Incoming> = const { RefCell::new(Vec::new()) };
    }
    Contexts {
        depths: &DEPTHS,
        stack: &STACK,
    }
};

thread_local! {
    /// Whether it is being found out what a type is read from.
    static PROBES: Cell<bool> = const { Cell::new(false) };
}

/// Runs `probe`, to which handles show what they are read from.
pub(crate) fn while_probing<R>(probe: impl FnOnce() -> R) -> R {
    /// Ends it, also when the user's code panics.
    struct Over(bool);

    impl Drop for Over {
        fn drop(&mut self) {
            PROBES.set(self.0);
        }
    }

    let _over = Over(PROBES.replace(true));
    probe()
}

/// Runs `encode` with `outgoing` as this thread's context, and gives the context back.
#[inline]
pub(crate) fn with_outgoing<R>(
    outgoing: &mut Option<Box<Outgoing>>,
    encode: impl FnOnce() -> R,
) -> R {
    OUTGOING.within(outgoing, encode)
}

/// Runs `decode` with the descriptors in `incoming` as this thread's context.
#[inline]
pub(crate) fn with_incoming<R>(
    incoming: &mut Option<Box<Incoming>>,
    decode: impl FnOnce() -> R,
) -> R {
    INCOMING.within(incoming, decode)
}

/// Registers a claim that goes with the message now being encoded.
///
/// # Errors
///
/// An error that says so if no message is being encoded on this thread.
pub fn departing<E: ser::Error>(claim: impl Claim + 'static) -> Result<(), E> {
    let claim = Box::new(claim);
    let noted = OUTGOING.innermost(|context| context.claims.push(claim));
    noted.ok_or_else(|| E::custom(NO_MESSAGE))
}

/// Reports whether a message is being encoded on this thread.
///
/// A handle whose claim is costly to make asks first.
///
/// # Errors
///
/// The error that [`departing`] would give.
pub fn check_departing<E: ser::Error>() -> Result<(), E> {
    if OUTGOING.is_idle() {
        return Err(E::custom(NO_MESSAGE));
    }
    Ok(())
}

/// Reports whether a message is being decoded on this thread.
///
/// # Errors
///
/// An error that says so if none is.
pub fn check_arriving<E: de::Error>() -> Result<(), E> {
    // A probe ends before there is anything to open.
    if PROBES.get() {
        return Ok(());
    }
    if INCOMING.is_idle() {
        return Err(E::custom(NO_PACKET));
    }
    Ok(())
}

/// Serialises a duplicate of `fd` into the message now being encoded.
///
/// # Errors
///
/// If no message is being encoded on this thread, if the descriptor cannot be duplicated, or if
/// the message has [`MAX_FDS`] descriptors already.
pub fn serialize_fd<S: Serializer>(fd: BorrowedFd<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    check_departing::<S::Error>()?;
    let copy = fd.try_clone_to_owned().map_err(|error| {
        ser::Error::custom(format_args!("cannot duplicate a file descriptor: {error}"))
    })?;
    let add = |context: &mut Outgoing| {
        context.fds.push(copy);
        (context.fds.len() <= MAX_FDS).then_some(context.fds.len() as u32 - 1)
    };
    let index = OUTGOING.innermost(add);
    index
        .flatten()
        .ok_or_else(|| {
            ser::Error::custom(format_args!(
                "a message carries at most {MAX_FDS} file descriptors"
            ))
        })?
        .serialize(serializer)
}

/// Takes a descriptor out of the message now being decoded.
///
/// # Errors
///
/// If no message is being decoded on this thread, or if the message has no such descriptor, or if
/// it was taken before.
pub fn deserialize_fd<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OwnedFd, D::Error> {
    check_arriving::<D::Error>()?;
    let index = u32::deserialize(deserializer)?;
    let take = |context: &mut Incoming| context.fds.get_mut(index as usize)?.take();
    let fd = INCOMING.innermost(take);
    fd.flatten()
        .ok_or_else(|| de::Error::custom("the message has no such file descriptor"))
}

/// Returns whether the handle that is being decoded was [counted](Parcel::Counted), and its count is to
/// be taken over.
pub fn is_counted() -> bool {
    let counted = INCOMING.innermost(|context| context.is_counted);
    counted.unwrap_or(false)
}

/// Makes a deserializer's error of `problem`, for a handle that could be decoded if there were more
/// file descriptors or memory: the message's error is a
/// [`DecodeError::Shortage`](crate::DecodeError::Shortage).
pub fn decode_shortage<E: de::Error>(problem: &str) -> E {
    let keep = |context: &mut Incoming| context.shortage = Some(problem.to_owned());
    // Without a context there is nobody to read it.
    let _ = INCOMING.innermost(keep);
    E::custom(problem)
}

const NO_MESSAGE: &str = "a handle can only be encoded into a message to another process \
    (a task's argument or result, a connection, a queue, a manager), not into a file or a string";
const NO_PACKET: &str = "a handle can only be decoded from a message of another process";
