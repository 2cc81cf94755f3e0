//! A value as it was found in a dict.

use crate::codec::{self, Raw};
use crate::entry::{Entry, Form};
use crate::locked::Locked;
use crate::{DictError, handles};
use procession_shm::Segment;
use procession_wire::DecodeError;
use procession_wire::buffer::Buffer;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A value that was read under the stripe's lock, and is decoded without it where that can be.
pub(crate) enum Found<V> {
    Nothing,
    /// Not decoded yet.
    Raw(Raw),
    /// One [with handles](crate::handles), decoded under the lock; its bytes are with it.
    Handles(Result<V, DictError>, Buffer),
}

impl<V: Serialize + DeserializeOwned> Found<V> {
    /// Reads a value that stays in the dict.
    #[inline]
    pub(crate) fn stays(locked: &Locked<'_>, entry: &Entry) -> Result<Self, DictError> {
        let found = Self::leaves(locked, entry)?;
        found.stay()?;
        Ok(found)
    }

    /// Reads a value that is about to be taken out of the dict.
    ///
    /// # Errors
    ///
    /// If it is better left there, because what its handles stand for cannot be opened at this moment.
    #[inline]
    pub(crate) fn leaves(locked: &Locked<'_>, entry: &Entry) -> Result<Self, DictError> {
        let raw = locked.read(entry)?;
        match raw.form.inside() {
            Form::HANDLES => Self::decoded(raw),
            _ => Ok(Self::Raw(raw)),
        }
    }

    #[cold]
    fn decoded(mut raw: Raw) -> Result<Self, DictError> {
        raw.fetch()?;
        match codec::decode(&raw.bytes, Form::HANDLES) {
            Err(shortage @ DictError::Decode(DecodeError::Shortage(_))) => Err(shortage),
            value => Ok(Self::Handles(value, raw.bytes)),
        }
    }

    /// It stays in the dict.
    #[inline]
    pub(crate) fn stay(&self) -> Result<(), DictError> {
        match self {
            Self::Handles(Ok(value), _) => handles::claim_again(value),
            _ => Ok(()),
        }
    }

    /// It was taken out of the dict.
    #[inline]
    pub(crate) fn left(&self) {
        if let Self::Handles(_, bytes) = self {
            handles::give_up(bytes);
        }
    }

    /// Decodes it, without the lock.
    #[inline]
    pub(crate) fn decode(self) -> Result<Option<V>, DictError> {
        match self {
            Self::Nothing => Ok(None),
            Self::Raw(raw) => raw.decode().map(Some),
            Self::Handles(value, _) => value.map(Some),
        }
    }
}

impl Locked<'_> {
    /// Copies the value of an entry, or opens the segment that it is in.
    #[inline]
    pub(crate) fn read(&self, entry: &Entry) -> Result<Raw, DictError> {
        let mut bytes = Buffer::new();
        entry.read_content(&self.area().memory, &mut bytes)?;
        let apart = if entry.form.is_apart() {
            Some(self.open_apart(entry, &bytes)?)
        } else {
            None
        };
        Ok(Raw {
            bytes,
            form: entry.form,
            apart,
        })
    }

    #[cold]
    fn open_apart(&self, entry: &Entry, bytes: &[u8]) -> Result<(Segment, usize), DictError> {
        let len = bytes.first_chunk().map(|len| u64::from_le_bytes(*len));
        let len = len.and_then(|len| usize::try_from(len).ok());
        let len = len.ok_or(DictError::Damaged("a value has no length"))?;
        Ok((self.name(entry)?.open()?, len))
    }
}
