//! What holds a segment for a handle that is in a message.

use crate::OpenError;
use crate::family;
use crate::family::holders::{Holder, enclose};
use crate::header::{LINKED, SENT};
use crate::mapping::Mapping;
use crate::name::{Link, Name};
use crate::registry;
use procession_wire::handle::{Claim, Parcel};
use std::cell::Cell;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::process;
use std::sync::Arc;

/// A handle in a message that has not been sent.
pub(crate) struct InFlight {
    /// While this exists, this process is a holder.
    mapping: Arc<Mapping>,
    /// Who gives it back if the message is dropped. A copy that a fork made of the message does not.
    process: u32,
    /// What is given back then.
    kept: Cell<Kept>,
}

/// What holds the segment when this process does not any more.
#[derive(Clone, Copy)]
enum Kept {
    /// Nothing yet; or the parcel, which the kernel closes.
    Parcel,
    /// A count.
    Count,
    /// A link.
    Link(Link),
}

impl InFlight {
    pub(crate) fn new(mapping: &Arc<Mapping>) -> Self {
        Self {
            mapping: Arc::clone(mapping),
            process: process::id(),
            kept: Cell::new(Kept::Parcel),
        }
    }

    /// What a process has of its parent, of a fork that the library does not know of, may be gone.
    fn check(&self) -> io::Result<()> {
        if self.mapping.is_gone() {
            return Err(io::Error::other(OpenError::Gone));
        }
        Ok(())
    }

    fn mark(&self, mark: u32) -> io::Result<()> {
        if self.mapping.mark(mark) {
            return Ok(());
        }
        Err(io::Error::other(OpenError::Gone))
    }

    /// Sees to it that there is a file to which names can be given.
    fn make_anchor(&self) -> io::Result<()> {
        if self.mapping.name.cell.is_none() {
            return Ok(());
        }
        let mut options = OpenOptions::new();
        let made =
            (options.write(true).create_new(true).mode(0o600)).open(self.mapping.name.path());
        match made {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    fn count(&self) -> io::Result<()> {
        if !self.mapping.admit(Holder::Counted) {
            return Err(io::Error::other(OpenError::Gone));
        }
        self.kept.set(Kept::Count);
        Ok(())
    }
}

/// Stands behind the name of a segment that is counted for a message in shared memory.
pub(crate) const IS_COUNTED: &str = "+";

impl Claim for InFlight {
    fn delivered(mut self: Box<Self>) {
        self.process = 0;
    }

    fn again(&self) -> Option<Box<dyn Claim>> {
        let again = Self::new(&self.mapping);
        match self.kept.get() {
            // A copy of the parcel's descriptor goes with the copy of the message.
            Kept::Parcel => {}
            Kept::Count => again.count().ok()?,
            Kept::Link(_) => return None,
        }
        Some(Box::new(again))
    }

    fn enclose(&self, parcel: &mut Parcel) -> io::Result<()> {
        if let Parcel::Empty = parcel {
            let stay = family::stay().map_err(io::Error::other)?;
            if stay.family.number() != self.mapping.name.family {
                return Err(io::Error::other(OpenError::OtherFamily));
            }
            *parcel = stay.parcel()?.map_or(Parcel::Counted, Parcel::Open);
        }
        let Parcel::Open(file) = parcel else {
            return self.count();
        };
        self.check()?;
        // First: whoever closes the segment looks for parcels from here on.
        self.mark(SENT)?;
        enclose(file, self.mapping.name)
    }

    fn leave_in(&self, place: &str) -> io::Result<Option<String>> {
        self.check()?;
        let place = Name::parse(place).ok_or(io::ErrorKind::InvalidInput)?;
        let mapped = registry::find(place).ok_or(io::ErrorKind::NotFound)?;
        let header = mapped.header().ok_or(io::ErrorKind::InvalidInput)?;
        let link = Link::fresh(self.mapping.name, place);
        // In this order, lest the place goes without looking for what lies in it.
        header.mark_as_place();
        // First: whoever closes the segment looks for links from here on.
        self.mark(LINKED)?;
        self.make_anchor()?;
        match fs::hard_link(self.mapping.name.path(), link.path()) {
            Ok(()) => {
                self.kept.set(Kept::Link(link));
                Ok(Some(link.to_string()))
            }
            // It is another user's.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.count()?;
                Ok(Some(format!("{}{IS_COUNTED}", self.mapping.name)))
            }
            Err(error) => Err(error),
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.process != process::id() {
            return;
        }
        match self.kept.get() {
            Kept::Parcel => {}
            Kept::Count => self.mapping.give_up_for(Holder::Counted),
            Kept::Link(link) => drop(fs::remove_file(link.path())),
        }
    }
}
