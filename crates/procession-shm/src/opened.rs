//! A segment that is mapped before the handle to it is decoded.

use crate::OpenError;
use crate::in_flight::IS_COUNTED;
use crate::mapping::Mapping;
use crate::name::{Link, Name};
use std::fmt;
use std::fs;
use std::sync::Arc;

/// Keeps a segment mapped, so that decoding a handle to it needs no file descriptor.
///
/// Who takes a message out of shared memory opens what [`Message::leave_in`] told first, and takes
/// the message when it has everything: a message that was taken and cannot be decoded is lost.
///
/// [`Message::leave_in`]: procession_wire::Message::leave_in
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
    kept: Kept,
}

/// What holds the segment for the message.
enum Kept {
    Nothing,
    Count,
    Link(Link),
}

impl Opened {
    /// Maps a segment of this process's family, of whatever format it is, by its own name or by that
    /// under which it is held for a message.
    ///
    /// # Errors
    ///
    /// An [`OpenError`] that says what is wrong with the name or with the segment.
    ///
    /// # When the other side is gone
    ///
    /// [`OpenError::Gone`] if all its holders have dropped it.
    pub fn open(name: &str) -> Result<Self, OpenError> {
        let (segment, kept) = match (Link::parse(name), name.strip_suffix(IS_COUNTED)) {
            (Some(link), _) => (Some(link.segment), Kept::Link(link)),
            (None, Some(name)) => (Name::parse(name), Kept::Count),
            (None, None) => (Name::parse(name), Kept::Nothing),
        };
        let segment = segment.ok_or_else(|| OpenError::BadName(name.to_owned()))?;
        let mapping = Mapping::find(segment)?;
        Ok(Self { mapping, kept })
    }

    /// Gives up what holds the segment for the message, which was taken and decoded.
    pub fn take_over(self) {
        // Only now, for from here on nobody but this process may be a holder.
        match self.kept {
            Kept::Nothing => {}
            Kept::Count => self.mapping.take_over_count(),
            Kept::Link(link) => drop(fs::remove_file(link.path())),
        }
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Opened").field(&self.mapping.name).finish()
    }
}
