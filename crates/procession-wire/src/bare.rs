//! Values without a message of their own, for many of one type, one behind the other.
//!
//! What stands in front of each value in a message, the hash of its type, is left to whoever lays the
//! values out; so is where each ends. Not every value can travel so: one with a handle in it needs the
//! message that its descriptors and claims go with, and one that has to describe itself needs to say so.

use crate::form::form_of;
use crate::handle::{self, Incoming, Outgoing};
use crate::problem::Problem;
use crate::reader;
use crate::writer::{Unwritten, write as write_value};
use crate::{DecodeError, EncodeError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::mem;

/// Appends a value to `bytes`; false, with nothing appended, if it has to travel in a
/// [`Message`](crate::Message) of its own.
///
/// # Errors
///
/// What the value's own `Serialize` says, with nothing appended; nothing is either if it panics.
///
/// # Examples
///
/// ```
/// use procession_wire::bare;
///
/// let mut bytes = Vec::new();
/// assert!(bare::write(&7_u32, &mut bytes)?);
/// assert!(bare::write(&"seven".to_owned(), &mut bytes)?);
///
/// let (number, rest) = bare::read::<u32>(&bytes)?;
/// let (word, rest) = bare::read::<String>(rest)?;
/// assert_eq!((number, word.as_str(), rest.len()), (7, "seven", 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[inline]
pub fn write<T: Serialize + DeserializeOwned>(
    value: &T,
    bytes: &mut Vec<u8>,
) -> Result<bool, EncodeError> {
    if form_of::<T>().is_described {
        return Ok(false);
    }
    let appended = Appended {
        before: bytes.len(),
        bytes,
    };
    let mut outgoing: Option<Box<Outgoing>> = None;
    let written = handle::with_outgoing(&mut outgoing, || write_value(value, appended.bytes));
    if written.is_ok() && outgoing.is_none() {
        mem::forget(appended);
        return Ok(true);
    }
    match written {
        // The claims of its handles are taken back.
        Ok(()) | Err(Unwritten::Unfamiliar) => Ok(false),
        Err(Unwritten::Problem(problem)) => Err(EncodeError::Value(problem.into_words())),
    }
}

/// Takes back what was appended, also when a `Serialize` panics.
struct Appended<'a> {
    bytes: &'a mut Vec<u8>,
    before: usize,
}

impl Drop for Appended<'_> {
    fn drop(&mut self) {
        self.bytes.truncate(self.before);
    }
}

/// Reads a value from the beginning of `bytes`, and returns it with the bytes behind it.
///
/// # Errors
///
/// As [`Packet::take`](crate::Packet::take), except that the type is not checked.
#[inline]
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, &[u8]), DecodeError> {
    let mut incoming: Option<Box<Incoming>> = None;
    let read = handle::with_incoming(&mut incoming, || read_next(bytes));
    // Only where there is one does it cost a call.
    if let Some(incoming) = incoming {
        drop(incoming);
    }
    read
}

/// Reads values one after the other.
#[derive(Debug)]
pub struct Reading(());

impl Reading {
    /// Reads a value, as [`read`] does.
    ///
    /// # Errors
    ///
    /// As [`read`].
    #[inline]
    pub fn read<'a, T: DeserializeOwned>(
        &self,
        bytes: &'a [u8],
    ) -> Result<(T, &'a [u8]), DecodeError> {
        read_next(bytes)
    }
}

/// Runs `work`, which reads values one after the other and does nothing else that reads or writes any: what
/// each would need is there for all of them.
///
/// # Examples
///
/// ```
/// use procession_wire::bare;
///
/// let mut bytes = Vec::new();
/// assert!(bare::write(&7_u32, &mut bytes)? && bare::write(&'x', &mut bytes)?);
/// bare::reading(|values| {
///     let (number, rest) = values.read::<u32>(&bytes)?;
///     let (letter, rest) = values.read::<char>(rest)?;
///     assert_eq!((number, letter, rest.len()), (7, 'x', 0));
///     Ok(())
/// })
/// # .map_err(|error: procession_wire::DecodeError| error)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn reading<R>(work: impl FnOnce(&Reading) -> R) -> R {
    let mut incoming: Option<Box<Incoming>> = None;
    handle::with_incoming(&mut incoming, || work(&Reading(())))
}

#[inline]
fn read_next<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, &[u8]), DecodeError> {
    let mut rest = bytes;
    let value = reader::read::<T>(&mut rest).map_err(unread)?;
    Ok((value, rest))
}

#[cold]
fn unread(problem: Problem) -> DecodeError {
    DecodeError::Value(problem.into_words())
}
