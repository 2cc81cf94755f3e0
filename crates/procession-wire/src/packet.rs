//! Reading a message.

use crate::handle::{self, Incoming};
use crate::message::{COUNTED, HEADER_LEN, PARCEL};
use crate::problem::Problem;
use crate::reader;
use crate::{DecodeError, Kind, buffer, described, form, schema};
use serde::de::DeserializeOwned;
use std::fmt;
use std::mem;
use std::os::fd::OwnedFd;

const SCHEMA_LEN: usize = 8;

/// A message that arrived, from which the values are taken in the order they were pushed.
///
/// Nothing in the bytes is trusted: whatever they are, the result is a value of the type asked
/// for or an error, and no more memory is taken than the bytes themselves justify.
///
/// The bytes are the packet's own, or borrowed.
///
/// # Examples
///
/// ```
/// use procession_wire::{Kind, Message, Packet};
///
/// let message = Message::encode(Kind::VALUE, &"owned".to_owned())?;
/// let packet = Packet::parse(message.bytes(), Vec::new())?;
/// assert_eq!(packet.expect(Kind::VALUE)?.kind(), Kind::VALUE);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Packet<B: Body = Vec<u8>> {
    bytes: B,
    at: usize,
    /// The descriptors that came with the bytes, if any did.
    incoming: Option<Box<Incoming>>,
}

/// Where the bytes of a [`Packet`] are.
pub trait Body: AsRef<[u8]> {
    /// Has [memory](buffer) that nobody reads any more used again.
    #[inline]
    fn give_back(&mut self) {}
}

impl Body for Vec<u8> {
    #[inline]
    fn give_back(&mut self) {
        buffer::give(mem::take(self));
    }
}

impl Body for &[u8] {}

impl<B: Body> Drop for Packet<B> {
    #[inline]
    fn drop(&mut self) {
        self.bytes.give_back();
    }
}

impl<B: Body> Packet<B> {
    /// Checks the header of a message that arrived with the given descriptors.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Truncated`] if the bytes are shorter than a header, and
    /// [`DecodeError::Descriptors`] if other than the announced number of descriptors arrived.
    #[inline]
    pub fn parse(bytes: B, fds: Vec<OwnedFd>) -> Result<Self, DecodeError> {
        let header = bytes.as_ref().get(..HEADER_LEN);
        let header = header.ok_or(DecodeError::Truncated)?;
        let beside = u16::from_le_bytes([header[1], header[2]]);
        if beside != 0 || !fds.is_empty() {
            return Self::with_descriptors(bytes, beside, fds);
        }
        Ok(Self {
            bytes,
            at: HEADER_LEN,
            incoming: None,
        })
    }

    #[cold]
    fn with_descriptors(bytes: B, beside: u16, fds: Vec<OwnedFd>) -> Result<Self, DecodeError> {
        let (announced, arrived) = (usize::from(beside & !(PARCEL | COUNTED)), fds.len());
        // The parcel is behind the others. Without it, which is how a message arrives that was carried
        // as bytes, somebody else holds what the handles stand for, or it is gone.
        let parcel = usize::from(beside & PARCEL != 0 && arrived > announced);
        if announced + parcel != arrived {
            return Err(DecodeError::Descriptors { announced, arrived });
        }
        Ok(Self {
            bytes,
            at: HEADER_LEN,
            incoming: Some(Box::new(Incoming::with(fds, beside & COUNTED != 0))),
        })
    }

    /// Returns what the message is for.
    #[inline]
    pub fn kind(&self) -> Kind {
        Kind(self.bytes.as_ref()[0])
    }

    /// Passes the packet on if it is of the given kind.
    ///
    /// # Errors
    ///
    /// [`DecodeError::UnexpectedKind`].
    #[inline]
    pub fn expect(self, kind: Kind) -> Result<Self, DecodeError> {
        if self.kind() != kind {
            return Err(DecodeError::UnexpectedKind(self.kind().0));
        }
        Ok(self)
    }

    /// Takes the next value.
    ///
    /// # Errors
    ///
    /// [`DecodeError::WrongType`] if another type was pushed, [`DecodeError::Truncated`] if there
    /// is nothing left, [`DecodeError::Value`] if the bytes are no encoding of the type,
    /// [`DecodeError::Shortage`] if a handle inside cannot be opened at this moment.
    #[inline]
    pub fn take<T: DeserializeOwned>(&mut self) -> Result<T, DecodeError> {
        let rest = &self.bytes.as_ref()[self.at..];
        let (hash, mut rest) = rest
            .split_first_chunk::<SCHEMA_LEN>()
            .ok_or(DecodeError::Truncated)?;
        let (found, expected) = (u64::from_le_bytes(*hash), schema::<T>());
        let decoded = if found == expected {
            handle::with_incoming(&mut self.incoming, || reader::read::<T>(&mut rest))
        } else if found == form::described(expected) {
            handle::with_incoming(&mut self.incoming, || described::read::<T>(&mut rest))
        } else {
            return Err(wrong_type::<T>());
        };
        let at = self.bytes.as_ref().len() - rest.len();
        match decoded {
            Ok(value) => {
                if rest.is_empty() {
                    // The values hold what their handles stand for, however long the packet is kept.
                    self.incoming = None;
                }
                self.at = at;
                Ok(value)
            }
            Err(problem) => Err(self.failed(problem)),
        }
    }

    #[cold]
    fn failed(&mut self, problem: Problem) -> DecodeError {
        let incoming = self.incoming.as_mut();
        match incoming.and_then(|context| context.shortage.take()) {
            Some(shortage) => DecodeError::Shortage(shortage),
            None => DecodeError::Value(problem.into_words()),
        }
    }

    /// Takes the last value.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take), and [`DecodeError::LeftOver`] if bytes follow the value.
    #[inline]
    pub fn decode<T: DeserializeOwned>(mut self) -> Result<T, DecodeError> {
        let value = self.take()?;
        self.finish()?;
        Ok(value)
    }

    /// Returns the bytes from the next value on, without the hash of its type.
    pub fn body(&self) -> &[u8] {
        self.rest().get(SCHEMA_LEN..).unwrap_or(&[])
    }

    /// Returns the bytes behind the values that were taken.
    #[inline]
    pub fn rest(&self) -> &[u8] {
        &self.bytes.as_ref()[self.at..]
    }

    /// Checks that nothing follows the values that were taken.
    ///
    /// # Errors
    ///
    /// [`DecodeError::LeftOver`].
    #[inline]
    pub fn finish(&self) -> Result<(), DecodeError> {
        match self.bytes.as_ref().len() - self.at {
            0 => Ok(()),
            left => Err(DecodeError::LeftOver(left)),
        }
    }
}

impl Packet {
    /// Returns the packet with its bytes as another kind of body, of which there may be several kinds.
    pub fn with_body<B: Body + From<Vec<u8>>>(mut self) -> Packet<B> {
        Packet {
            bytes: mem::take(&mut self.bytes).into(),
            at: self.at,
            incoming: self.incoming.take(),
        }
    }

    /// Takes off the number that [`Message::with_number`](crate::Message::with_number) put behind
    /// the values. The values are read after that.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Truncated`] if there is no room for one.
    #[inline]
    pub fn take_number(&mut self) -> Result<u64, DecodeError> {
        let rest = &self.bytes[self.at..];
        let number = rest.last_chunk().ok_or(DecodeError::Truncated)?;
        let number = u64::from_le_bytes(*number);
        self.bytes.truncate(self.bytes.len() - size_of::<u64>());
        Ok(number)
    }
}

#[cold]
fn wrong_type<T>() -> DecodeError {
    DecodeError::WrongType {
        expected: std::any::type_name::<T>(),
    }
}

impl<B: Body> fmt::Debug for Packet<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packet")
            .field("kind", &self.kind())
            .field("len", &self.bytes.as_ref().len())
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}
