//! A segment that is mapped before the handle to it is decoded.

use crate::OpenError;
use crate::mapping::{Entry, Mapping};
use crate::name::Name;
use std::fmt;
use std::sync::Arc;

/// Keeps a segment mapped, so that decoding a handle to it needs no file descriptor.
///
/// Who takes a message out of shared memory opens what [`Message::names`] told first, and takes
/// the message when it has everything: a message that was taken and cannot be decoded is lost.
///
/// [`Message::names`]: procession_wire::Message::names
///
/// # Examples
///
/// ```
/// use procession_shm::{Opened, Value};
///
/// let value = Value::new(5)?;
/// let opened = Opened::open(&value.segment().name())?;
/// assert_eq!(value.segment().holders(), 1, "a process maps a segment once");
/// # drop(opened);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Opened {
    mapping: Arc<Mapping>,
}

impl Opened {
    /// Maps a segment of this process's family, of whatever format it is.
    ///
    /// # Errors
    ///
    /// An [`OpenError`] that says what is wrong with the name or with the segment.
    ///
    /// # When the other side is gone
    ///
    /// [`OpenError::Gone`] if all its holders have dropped it.
    pub fn open(name: &str) -> Result<Self, OpenError> {
        let name = Name::parse(name).ok_or_else(|| OpenError::BadName(name.to_owned()))?;
        let mapping = Mapping::find(name, Entry::Count)?;
        Ok(Self { mapping })
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Opened").field(&self.mapping.name).finish()
    }
}
