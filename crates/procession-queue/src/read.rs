//! Taking records from the chain of chunks.

use crate::Fault;
use crate::control::Home;
use crate::cursor::At;
use crate::local::Local;
use crate::record::{Area, FIRST, Kind};
use crate::side::Locked;
use crate::stored::Name;
use std::sync::atomic::Ordering;

/// No queue has so many items at a time; a difference that is larger is garbage.
const MOST: u64 = 1 << 48;

/// Copies records; they are taken once [`publish`](Self::publish) has run, and not before: if the
/// reader is killed, the next one finds them where they were.
pub(crate) struct Reader<'a> {
    home: &'a Home,
    locked: &'a Locked<'a>,
    local: &'a mut Local,
    at: At,
    offset: u64,
    available: u64,
    read: u64,
    /// The chunks that are left behind.
    left: Vec<Name>,
}

impl<'a> Reader<'a> {
    /// Begins at the first record that is not taken.
    #[inline]
    pub(crate) fn new(
        home: &'a Home,
        locked: &'a Locked<'a>,
        local: &'a mut Local,
    ) -> Result<Self, Fault> {
        let at = locked.cursor().load();
        let available = home.control().put().cursor.load().ahead_of(at);
        if available > MOST {
            return Err(Fault::Damaged("more was taken than was put"));
        }
        let place = locked.place(at.place());
        let number = place.chunk.load(Ordering::Relaxed);
        let offset = place.offset.load(Ordering::Relaxed);
        local.go_to(home, number, || place.name.load())?;
        Ok(Self {
            home,
            locked,
            local,
            at,
            offset,
            available,
            read: 0,
            left: Vec::new(),
        })
    }

    /// Copies the next record; `None` if there is none.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<(Kind, Vec<u8>)>, Fault> {
        if self.read == self.available {
            return Ok(None);
        }
        let mut record = self.local.chunk.area.read(self.offset)?;
        if record.0 == Kind::Next {
            self.move_on()?;
            record = self.local.chunk.area.read(self.offset)?;
        }
        if record.0 == Kind::Next {
            return Err(Fault::Damaged("a chunk is empty"));
        }
        self.offset += Area::needed(record.1.len());
        self.read += 1;
        Ok(Some(record))
    }

    /// Wakes who waits for room, and takes what was copied out of the queue.
    #[inline]
    pub(crate) fn publish(self) -> Left<'a> {
        let next = self.at.advanced(self.read);
        let place = self.locked.place(next.place());
        place.go(self.local.number, self.offset, || self.local.chunk.name);
        self.locked.announce();
        self.locked.cursor().publish(next);
        Left {
            home: self.home,
            local: self.local,
            names: self.left,
        }
    }

    #[cold]
    fn move_on(&mut self) -> Result<(), Fault> {
        let name = self.local.chunk.area.link()?.next.load();
        let next = self.local.open(self.home, name)?;
        let number = self.local.number.wrapping_add(1);
        if next.area.link()?.number.load(Ordering::Relaxed) != number {
            return Err(Fault::Damaged("the chain of chunks is broken"));
        }
        self.left.push(self.local.enter(number, next).name);
        self.offset = FIRST;
        Ok(())
    }
}

/// The chunks that nobody reads any more, and only the caller, which holds the lock, knows of.
#[must_use]
pub(crate) struct Left<'a> {
    home: &'a Home,
    local: &'a mut Local,
    names: Vec<Name>,
}

impl Left<'_> {
    /// Keeps the home chunk and one other for the producers, and gives back the rest.
    #[inline]
    pub(crate) fn retire(mut self) {
        while let Some(name) = self.names.pop() {
            self.retire_one(name);
        }
    }

    #[cold]
    fn retire_one(&mut self, name: Name) {
        let control = self.home.control();
        if name == Name::HOME {
            control.home_free.store(1, Ordering::Release);
        } else if control.spare_full.load(Ordering::Acquire) == 0 {
            control.spare.store(name);
            control.spare_full.store(1, Ordering::Release);
        } else {
            // What cannot be opened cannot be given back, and goes with the family.
            drop(name.collect());
            self.local.forget(name);
        }
    }
}
