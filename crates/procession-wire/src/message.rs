//! Building a message.

use crate::buffer::Buffer;
use crate::described::{self, describe};
use crate::form::{self, Form, describe_from_now_on, form_of};
use crate::handle::{self, Claim, Outgoing, Parcel};
use crate::probe::probe;
use crate::problem::Problem;
use crate::writer::{Unwritten, write};
use crate::{EncodeError, Kind, familiar};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::io;
use std::mem;
use std::os::fd::OwnedFd;

/// The kind, and what goes beside the bytes: the number of descriptors, [`PARCEL`] and [`COUNTED`].
pub(crate) const HEADER_LEN: usize = 3;
/// Behind the descriptors goes that of the parcel.
pub(crate) const PARCEL: u16 = 1 << 15;
/// The named handles are counted.
pub(crate) const COUNTED: u16 = 1 << 14;

/// Most messages are not longer; growing to their size step by step would cost more than they do.
const USUAL: usize = 256;

/// How a message begins that has no descriptors.
fn header(kind: Kind) -> [u8; HEADER_LEN] {
    [kind.0, 0, 0]
}

/// Encodes values, one after the other, into one message.
///
/// # Examples
///
/// ```
/// use procession_wire::{Encoder, Kind, Packet};
///
/// let mut encoder = Encoder::new(Kind::VALUE);
/// encoder.push(&1_u8)?;
/// encoder.push(&String::from("one"))?;
/// let (bytes, fds) = encoder.finish().deliver();
///
/// let mut packet = Packet::parse(bytes, fds)?;
/// assert_eq!(packet.take::<u8>()?, 1);
/// assert_eq!(packet.decode::<String>()?, "one");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Encoder(Message);

impl Encoder {
    /// Starts a message of the given kind, in memory that [is used again](crate::buffer).
    #[inline]
    pub fn new(kind: Kind) -> Self {
        let mut bytes = Buffer::new();
        bytes.reserve(USUAL);
        bytes.extend_from_slice(&header(kind));
        Self(Message {
            bytes,
            outgoing: None,
        })
    }

    /// Adds a value.
    ///
    /// # Errors
    ///
    /// [`EncodeError::Value`] with the value's own words; the encoder can be dropped only, since
    /// a part of the value may have been written.
    #[inline]
    pub fn push<T: Serialize + DeserializeOwned>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.push_as::<T, T>(value)
    }

    /// Adds a value that is taken out as a `T` and serializes as one: a reference to it, or a tuple of
    /// references for a tuple of values.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_wire::{Encoder, Kind, Packet};
    ///
    /// let mut encoder = Encoder::new(Kind::VALUE);
    /// encoder.push_as::<(String, u8), _>(&("one", &1_u8))?;
    /// let (bytes, fds) = encoder.finish().deliver();
    /// let pair: (String, u8) = Packet::parse(bytes, fds)?.decode()?;
    /// assert_eq!(pair, ("one".to_owned(), 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn push_as<T, S>(&mut self, value: &S) -> Result<(), EncodeError>
    where
        T: DeserializeOwned,
        S: Serialize,
    {
        let Message { bytes, outgoing } = &mut self.0;
        Parts { bytes, outgoing }.push::<T, S>(value)?;
        match outgoing {
            Some(outgoing) => enclose(outgoing),
            None => Ok(()),
        }
    }

    /// Ends the message.
    #[inline]
    pub fn finish(mut self) -> Message {
        let beside = self.0.outgoing.as_mut();
        let beside = beside.map_or(0, |context| finish(context));
        self.0.bytes[1..HEADER_LEN].copy_from_slice(&beside.to_le_bytes());
        self.0
    }
}

#[cold]
fn enclose(outgoing: &mut Outgoing) -> Result<(), EncodeError> {
    outgoing.enclose().map_err(|error| {
        EncodeError::Value(format!("what a handle stands for cannot be kept: {error}"))
    })
}

/// Puts the parcel behind the descriptors; returns what the header says of all.
#[cold]
fn finish(context: &mut Outgoing) -> u16 {
    let fds = context.fds.len() as u16;
    match mem::take(&mut context.parcel) {
        Parcel::Empty => fds,
        Parcel::Counted => fds | COUNTED,
        Parcel::Open(parcel) => {
            context.fds.push(parcel);
            fds | PARCEL
        }
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder")
            .field("len", &self.0.bytes.len())
            .finish_non_exhaustive()
    }
}

/// The parts of a message, which values are added to.
struct Parts<'a> {
    bytes: &'a mut Vec<u8>,
    outgoing: &'a mut Option<Box<Outgoing>>,
}

impl Parts<'_> {
    #[inline]
    fn push<T: DeserializeOwned, S: Serialize>(&mut self, value: &S) -> Result<(), EncodeError> {
        let mut form = form_of::<T>();
        let before = self.mark();
        // Postcard's bytes are written in one place, so that the compiler puts it in line.
        while !form.is_described {
            self.bytes.extend_from_slice(&form.schema.to_le_bytes());
            let written = handle::with_outgoing(self.outgoing, || write(value, self.bytes));
            match written {
                Ok(()) => return Ok(()),
                Err(Unwritten::Problem(problem)) => return Err(failed(problem)),
                Err(Unwritten::Unfamiliar) => form = self.look_closer::<T, S>(value, &before)?,
            }
        }
        self.push_described::<T, S>(value, form, &before)
    }

    /// Decides about a value that has something in it which was not seen before.
    #[cold]
    fn look_closer<T: DeserializeOwned, S: Serialize>(
        &mut self,
        value: &S,
        before: &Mark,
    ) -> Result<Form, EncodeError> {
        self.back_to(before);
        let description = handle::with_outgoing(self.outgoing, || describe(value, false));
        let description = description.map_err(failed)?;
        self.back_to(before);
        let shape = probe::<T>();
        let mut containers = description.containers.iter();
        let is_read_as_written = shape.is_whole
            && description.left_out.is_empty()
            && !description.is_open
            && containers.all(|container| shape.admits(container));
        // A value that is written in another way each time has nothing new at last.
        if !is_read_as_written || !familiar::add(description.marks) {
            describe_from_now_on::<T>();
        }
        Ok(form_of::<T>())
    }

    #[cold]
    fn push_described<T: DeserializeOwned, S: Serialize>(
        &mut self,
        value: &S,
        form: Form,
        before: &Mark,
    ) -> Result<(), EncodeError> {
        self.back_to(before);
        let description = handle::with_outgoing(self.outgoing, || describe(value, true));
        let description = description.map_err(failed)?;
        let schema = form::described(form.schema);
        self.bytes.extend_from_slice(&schema.to_le_bytes());
        let start = self.bytes.len();
        description.append(self.bytes).map_err(failed)?;
        let kind = description.kind::<T>();
        // What a handle has claimed is the receiver's alone.
        let is_sent_only = self.mark().beside != before.beside;
        if is_sent_only || form::was_tried(&kind) {
            return Ok(());
        }
        if description.may_lack_something(&probe::<T>()) {
            let read = described::read::<T>(&mut &self.bytes[start..]);
            read.map_err(|problem| unreadable::<T>(problem))?;
        }
        form::tried(kind);
        Ok(())
    }

    /// How much of the message there is.
    #[inline]
    fn mark(&self) -> Mark {
        let outgoing = self.outgoing.as_ref();
        Mark {
            bytes: self.bytes.len(),
            beside: outgoing.map_or((0, 0), |context| (context.fds.len(), context.claims.len())),
        }
    }

    /// Takes back what was written since.
    fn back_to(&mut self, mark: &Mark) {
        self.bytes.truncate(mark.bytes);
        if let Some(context) = self.outgoing {
            context.fds.truncate(mark.beside.0);
            context.claims.truncate(mark.beside.1);
        }
    }
}

/// How much of a message there was at some moment.
struct Mark {
    bytes: usize,
    /// The descriptors and the claims.
    beside: (usize, usize),
}

#[cold]
fn unreadable<T>(problem: Problem) -> EncodeError {
    EncodeError::Value(format!(
        "what is written of {} could not be read again: {} (a field that may be left out needs \
         `#[serde(default)]`, and names that differ for writing and reading cannot be matched)",
        std::any::type_name::<T>(),
        problem.into_words(),
    ))
}

#[cold]
fn failed(problem: Problem) -> EncodeError {
    EncodeError::Value(problem.into_words())
}

/// An encoded message that has not been sent.
///
/// Dropping it gives back what the handles inside it claimed. After the bytes and the descriptors
/// were handed to the kernel, call [`deliver`](Self::deliver).
pub struct Message {
    bytes: Buffer,
    /// What goes beside the bytes, if anything does.
    outgoing: Option<Box<Outgoing>>,
}

impl Message {
    /// Encodes one value.
    ///
    /// # Errors
    ///
    /// As [`Encoder::push`].
    #[inline]
    pub fn encode<T: Serialize + DeserializeOwned>(
        kind: Kind,
        value: &T,
    ) -> Result<Self, EncodeError> {
        let mut encoder = Encoder::new(kind);
        encoder.push(value)?;
        Ok(encoder.finish())
    }

    /// Encodes one value for a place in shared memory, where no descriptor can lie: before the message
    /// lies there, [`leave_in`](Self::leave_in) has the place hold what its handles stand for.
    ///
    /// # Errors
    ///
    /// As [`Encoder::push`].
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_wire::{Kind, Message};
    ///
    /// let message = Message::encode_to_lie(Kind::VALUE, &"no handle".to_owned())?;
    /// assert!(message.leave_in("/name").is_ok_and(|names| names.is_empty()));
    /// # Ok::<(), procession_wire::EncodeError>(())
    /// ```
    pub fn encode_to_lie<T: Serialize + DeserializeOwned>(
        kind: Kind,
        value: &T,
    ) -> Result<Self, EncodeError> {
        let mut encoder = Encoder::new(kind);
        let Self { bytes, outgoing } = &mut encoder.0;
        Parts { bytes, outgoing }.push::<T, T>(value)?;
        Ok(encoder.finish())
    }

    /// Appends a message of one value to `bytes`, if it has no handles and is not longer than `most`.
    /// Otherwise it is returned, as [`encode_to_lie`](Self::encode_to_lie) makes it, and `bytes` is as before.
    ///
    /// # Errors
    ///
    /// As [`Encoder::push`]; `bytes` is as before.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_wire::{Kind, Message};
    ///
    /// let mut bytes = Vec::new();
    /// for number in [1_u8, 2] {
    ///     let other = Message::append(Kind::VALUE, &number, 1000, &mut bytes)?;
    ///     assert!(other.is_none());
    /// }
    /// let (one, two) = bytes.split_at(bytes.len() / 2);
    /// assert_eq!(one, Message::encode(Kind::VALUE, &1_u8)?.bytes());
    /// assert_eq!(two, Message::encode(Kind::VALUE, &2_u8)?.bytes());
    /// # Ok::<(), procession_wire::EncodeError>(())
    /// ```
    #[inline]
    pub fn append<T: Serialize + DeserializeOwned>(
        kind: Kind,
        value: &T,
        most: usize,
        bytes: &mut Vec<u8>,
    ) -> Result<Option<Self>, EncodeError> {
        let start = bytes.len();
        // What most messages need.
        bytes.reserve(USUAL);
        bytes.extend_from_slice(&header(kind));
        let mut outgoing = None;
        let pushed = Parts {
            bytes,
            outgoing: &mut outgoing,
        }
        .push::<T, T>(value);
        if pushed.is_ok() && outgoing.is_none() && bytes.len() - start <= most {
            return Ok(None);
        }
        // A message that stands alone, which may be a large one, is not copied.
        let own = match start {
            0 => std::mem::take(bytes),
            _ => bytes.split_off(start),
        };
        let other = Self {
            bytes: own.into(),
            outgoing,
        };
        pushed.map(|()| Some(Encoder(other).finish()))
    }

    /// Returns the bytes to send.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the descriptors to send beside the bytes, with that of the parcel.
    #[inline]
    pub fn fds(&self) -> &[OwnedFd] {
        self.outgoing.as_ref().map_or(&[], |context| &context.fds)
    }

    /// Has a place in shared memory, which has the given name, hold what the handles inside stand for;
    /// returns under which names the receiver opens it. The place gives it up again if the message is
    /// dropped, and [`deliver`](Self::deliver) leaves it there.
    ///
    /// # Errors
    ///
    /// What the system reports.
    #[inline]
    pub fn leave_in(&self, place: &str) -> io::Result<Vec<String>> {
        match &self.outgoing {
            None => Ok(Vec::new()),
            Some(context) => {
                let left = context.claims.iter().map(|claim| claim.leave_in(place));
                left.filter_map(Result::transpose).collect()
            }
        }
    }

    /// Makes a copy with claims and descriptors of its own, for another receiver; `None` if that cannot be: the
    /// system has no descriptor left, or a handle inside is sent [once only](Claim::again).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_wire::{Kind, Message, Packet};
    ///
    /// let message = Message::encode(Kind::VALUE, &7_u8)?;
    /// let copy = message.again().expect("there is no handle inside");
    /// for message in [message, copy] {
    ///     let (bytes, fds) = message.deliver();
    ///     assert_eq!(Packet::parse(bytes, fds)?.decode::<u8>()?, 7);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn again(&self) -> Option<Self> {
        let again = |context: &Outgoing| {
            let fds = context.fds.iter().map(OwnedFd::try_clone);
            let claims = context.claims.iter().map(|claim| claim.again());
            Some(Box::new(Outgoing {
                fds: fds.collect::<Result<_, _>>().ok()?,
                claims: claims.collect::<Option<_>>()?,
                ..Outgoing::default()
            }))
        };
        let outgoing = match &self.outgoing {
            Some(context) => Some(again(context)?),
            None => None,
        };
        Some(Self {
            bytes: self.bytes.to_vec().into(),
            outgoing,
        })
    }

    /// Puts a number behind the values, by which the receiver tells what the message belongs to.
    ///
    /// [`Packet::take_number`](crate::Packet::take_number) takes it off again.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_wire::{Kind, Message, Packet};
    ///
    /// let message = Message::encode(Kind::REPLY, &"seven".to_owned())?.with_number(7);
    /// let (bytes, fds) = message.deliver();
    ///
    /// let mut packet = Packet::parse(bytes, fds)?;
    /// assert_eq!(packet.take_number()?, 7);
    /// assert_eq!(packet.decode::<String>()?, "seven");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn with_number(mut self, number: u64) -> Self {
        self.bytes.extend_from_slice(&number.to_le_bytes());
        self
    }

    /// Returns whether there are handles inside, which have descriptors or claims.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_wire::{Kind, Message};
    ///
    /// assert!(!Message::encode(Kind::VALUE, &"no handle".to_owned())?.has_handles());
    /// # Ok::<(), procession_wire::EncodeError>(())
    /// ```
    #[inline]
    pub fn has_handles(&self) -> bool {
        self.outgoing.is_some()
    }

    /// Passes the claims of the handles inside on to the receiver; the parts are given back.
    #[inline]
    pub fn deliver(mut self) -> (Vec<u8>, Vec<OwnedFd>) {
        let outgoing = self.outgoing.take();
        let fds = outgoing.map_or_else(Vec::new, |context| deliver_beside(*context));
        (self.bytes.into_vec(), fds)
    }

    /// Passes the claims of the handles inside on to the receiver, which has the bytes and the
    /// descriptors.
    #[inline]
    pub fn delivered(mut self) {
        if let Some(context) = self.outgoing.take() {
            deliver_beside(*context);
        }
    }
}

#[cold]
fn deliver_beside(context: Outgoing) -> Vec<OwnedFd> {
    context.claims.into_iter().for_each(Claim::delivered);
    context.fds
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let claims = self
            .outgoing
            .as_ref()
            .map_or(0, |context| context.claims.len());
        f.debug_struct("Message")
            .field("len", &self.bytes.len())
            .field("fds", &self.fds().len())
            .field("claims", &claims)
            .finish()
    }
}
