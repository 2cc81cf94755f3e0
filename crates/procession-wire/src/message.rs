//! Building a message.

use crate::handle::{self, Claim, Outgoing};
use crate::writer::write;
use crate::{EncodeError, Kind, schema};
use serde::Serialize;
use std::fmt;
use std::os::fd::OwnedFd;

pub(crate) const HEADER_LEN: usize = 3;

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
pub struct Encoder {
    bytes: Vec<u8>,
    /// What goes beside the bytes, if anything does.
    outgoing: Option<Box<Outgoing>>,
}

impl Encoder {
    /// Starts a message of the given kind.
    #[inline]
    pub fn new(kind: Kind) -> Self {
        // Most messages are small; growing to their size step by step would cost more than they do.
        Self::with_buffer(kind, Vec::with_capacity(256))
    }

    /// Starts a message of the given kind whose bytes go into the memory of `buffer`.
    ///
    /// What is in the buffer is lost. [`Message::deliver`] gives it back.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_wire::{Encoder, Kind};
    ///
    /// let buffer = Vec::with_capacity(100);
    /// let at = buffer.as_ptr();
    /// let mut encoder = Encoder::with_buffer(Kind::VALUE, buffer);
    /// encoder.push(&1_u8)?;
    /// let (bytes, _) = encoder.finish().deliver();
    /// assert_eq!(bytes.as_ptr(), at);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn with_buffer(kind: Kind, mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        buffer.extend_from_slice(&[kind.0, 0, 0]);
        Self {
            bytes: buffer,
            outgoing: None,
        }
    }

    /// Adds a value.
    ///
    /// # Errors
    ///
    /// [`EncodeError::Value`] with the value's own words; the encoder can be dropped only, since
    /// a part of the value may have been written.
    #[inline]
    pub fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.bytes.extend_from_slice(&schema::<T>().to_le_bytes());
        let encoded = handle::with_outgoing(&mut self.outgoing, || write(value, &mut self.bytes));
        encoded.map_err(|problem| EncodeError::Value(problem.into_words()))
    }

    /// Ends the message.
    #[inline]
    pub fn finish(mut self) -> Message {
        let fds = self
            .outgoing
            .as_ref()
            .map_or(0, |context| context.fds.len());
        self.bytes[1..HEADER_LEN].copy_from_slice(&(fds as u16).to_le_bytes());
        Message {
            bytes: self.bytes,
            outgoing: self.outgoing,
        }
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder")
            .field("len", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// An encoded message that has not been sent.
///
/// Dropping it gives back what the handles inside it claimed. After the bytes and the descriptors
/// were handed to the kernel, call [`deliver`](Self::deliver).
pub struct Message {
    bytes: Vec<u8>,
    outgoing: Option<Box<Outgoing>>,
}

impl Message {
    /// Encodes one value.
    ///
    /// # Errors
    ///
    /// As [`Encoder::push`].
    #[inline]
    pub fn encode<T: Serialize + ?Sized>(kind: Kind, value: &T) -> Result<Self, EncodeError> {
        let mut encoder = Encoder::new(kind);
        encoder.push(value)?;
        Ok(encoder.finish())
    }

    /// Returns the bytes to send.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the descriptors to send beside the bytes.
    #[inline]
    pub fn fds(&self) -> &[OwnedFd] {
        self.outgoing.as_ref().map_or(&[], |context| &context.fds)
    }

    /// Returns the names of what the handles inside stand for, where it can be opened before the
    /// message is decoded ([`Claim::name`]).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_wire::{Kind, Message};
    ///
    /// let message = Message::encode(Kind::VALUE, "no handle")?;
    /// assert!(message.names().is_empty());
    /// # Ok::<(), procession_wire::EncodeError>(())
    /// ```
    #[inline]
    pub fn names(&self) -> Vec<String> {
        match &self.outgoing {
            None => Vec::new(),
            Some(context) => context
                .claims
                .iter()
                .filter_map(|claim| claim.name())
                .collect(),
        }
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

    /// Passes the claims of the handles inside on to the receiver; the parts are given back.
    #[inline]
    pub fn deliver(self) -> (Vec<u8>, Vec<OwnedFd>) {
        let fds = self
            .outgoing
            .map_or_else(Vec::new, |context| deliver_beside(*context));
        (self.bytes, fds)
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
