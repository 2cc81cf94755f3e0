//! Reading a message.

use crate::handle::{self, Incoming};
use crate::message::{COUNTED, HEADER_LEN, PARCEL};
use crate::problem::Problem;
use crate::reader;
use crate::{DecodeError, Kind, buffer, described, form, schema};
use procession_os::sealed::Sealed;
use serde::de::DeserializeOwned;
use std::fmt;
use std::mem;
use std::os::fd::OwnedFd;

const SCHEMA_LEN: usize = 8;

/// A message of so many bytes is worth giving up before its packet is dropped.
const LARGE: usize = 64 << 10;

/// A message that arrived, from which the values are taken in the order they were pushed.
///
/// Nothing in the bytes is trusted: whatever they are, the result is a value of the type asked
/// for or an error, and no more memory is taken than the bytes themselves justify.
///
/// The bytes are the packet's own, or borrowed, or lie in [sealed](Packet::parse_sealed) memory.
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
    /// Where the bytes are instead, if they are read where the sender has put them.
    elsewhere: Option<Box<Sealed>>,
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
            elsewhere: None,
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
            elsewhere: None,
            at: HEADER_LEN,
            incoming: Some(Box::new(Incoming::with(fds, beside & COUNTED != 0))),
        })
    }

    /// Returns all bytes of the message.
    #[inline]
    fn all(&self) -> &[u8] {
        all(&self.bytes, self.elsewhere.as_deref())
    }

    /// Returns what the message is for.
    #[inline]
    pub fn kind(&self) -> Kind {
        Kind(self.all()[0])
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
        let rest = &all(&self.bytes, self.elsewhere.as_deref())[self.at..];
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
        let left = rest.len();
        match decoded {
            Ok(value) => {
                if rest.is_empty() {
                    // The values hold what their handles stand for, however long the packet is kept.
                    self.incoming = None;
                }
                self.at = self.all().len() - left;
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
        &self.all()[self.at..]
    }

    /// Checks that nothing follows the values that were taken.
    ///
    /// # Errors
    ///
    /// [`DecodeError::LeftOver`].
    #[inline]
    pub fn finish(&self) -> Result<(), DecodeError> {
        match self.all().len() - self.at {
            0 => Ok(()),
            left => Err(DecodeError::LeftOver(left)),
        }
    }
}

impl Packet {
    /// Checks the header of a message that lies in memory which nobody can change any more; its values are
    /// decoded from there.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    ///
    /// # Examples
    ///
    /// ```
    /// use nix::sys::memfd::{MFdFlags, memfd_create};
    /// use procession_os::sealed::{Sealed, seal};
    /// use procession_wire::{Kind, Message, Packet};
    /// use std::fs::File;
    /// use std::io::Write;
    ///
    /// let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    /// let mut file = File::from(memfd_create(c"message", flags)?);
    /// file.write_all(Message::encode(Kind::VALUE, &7_u32)?.bytes())?;
    /// seal(&file)?;
    ///
    /// let sealed = Sealed::of(&file)?.expect("it is sealed");
    /// assert_eq!(Packet::parse_sealed(sealed, Vec::new())?.decode::<u32>()?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn parse_sealed(sealed: Sealed, fds: Vec<OwnedFd>) -> Result<Self, DecodeError> {
        let (at, incoming) = {
            let mut lent = Packet::parse(sealed.as_ref(), fds)?;
            (lent.at, lent.incoming.take())
        };
        Ok(Self {
            bytes: Vec::new(),
            elsewhere: Some(Box::new(sealed)),
            at,
            incoming,
        })
    }

    /// Takes the last value, after which the packet holds no memory to speak of: whoever goes on with the value for
    /// a long time need not drop the packet first.
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_wire::{Kind, Message, Packet};
    ///
    /// let (bytes, fds) = Message::encode(Kind::VALUE, &vec![7_u8; 1 << 20])?.deliver();
    /// let mut packet = Packet::parse(bytes, fds)?;
    /// assert_eq!(packet.take_last::<Vec<u8>>()?.len(), 1 << 20);
    /// assert_eq!((packet.kind(), packet.rest().len()), (Kind::VALUE, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn take_last<T: DeserializeOwned>(&mut self) -> Result<T, DecodeError> {
        let value = self.take()?;
        self.finish()?;
        if self.at >= LARGE {
            self.release();
        }
        Ok(value)
    }

    /// Gives up all but the header.
    #[cold]
    fn release(&mut self) {
        let header = self.all()[..HEADER_LEN].to_vec();
        mem::replace(&mut self.bytes, header).give_back();
        self.elsewhere = None;
        self.at = HEADER_LEN;
    }

    /// Takes off the number that [`Message::with_number`](crate::Message::with_number) put behind
    /// the values. The values are read after that.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Truncated`] if there is no room for one.
    #[inline]
    pub fn take_number(&mut self) -> Result<u64, DecodeError> {
        if let Some(sealed) = self.elsewhere.take() {
            self.bytes = (*sealed).as_ref().to_vec();
        }
        let rest = &self.bytes[self.at..];
        let number = rest.last_chunk().ok_or(DecodeError::Truncated)?;
        let number = u64::from_le_bytes(*number);
        self.bytes.truncate(self.bytes.len() - size_of::<u64>());
        Ok(number)
    }
}

#[inline]
fn all<'a>(bytes: &'a impl Body, elsewhere: Option<&'a Sealed>) -> &'a [u8] {
    match elsewhere {
        None => bytes.as_ref(),
        Some(sealed) => sealed.as_ref(),
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
            .field("len", &self.all().len())
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}
