//! Appending records to the chain of chunks.

use crate::atomic::Ordering;
use crate::home::Home;
use crate::local::{Chunk, Local};
use crate::name::Name;
use crate::record::{Area, FIRST, Kind};
use crate::side::Locked;
use crate::stored::Stored;
use crate::walk::Walk;
use crate::{Fault, PutError};

/// The longest content that goes into a chunk; longer ones get a segment of their own.
pub(crate) const INLINE: usize = 2 << 20;
/// The bytes of the smallest chunk that is made.
const SMALLEST: u64 = 256 << 10;
/// The bytes of the largest chunk that is made for records of which many are in it.
const LARGEST: u64 = 1 << 20;
/// A larger one is made for so many records as the first that goes into it, if they are no more than
/// this.
const FEW: u64 = 8;
const MOST: u64 = 9 << 20;
const _: () = assert!(MOST > INLINE as u64 + 4 * FIRST);

/// Appends records; they are there once [`publish`](Self::publish) has run.
///
/// Until then all that was written is behind the end of the chain that the word names, so whoever
/// comes after a writer that was killed writes over it. A chunk that a killed writer made, or took
/// from those that are free, is lost until the queue is gone.
pub(crate) struct Writer<'a> {
    walk: Walk<'a>,
}

impl<'a> Writer<'a> {
    /// Begins behind the last record that was published.
    #[inline]
    pub(crate) fn new(
        home: &'a Home,
        locked: &'a Locked<'a>,
        local: &'a mut Local,
    ) -> Result<Self, Fault> {
        let walk = Walk::begin(home, locked, local)?;
        Ok(Self { walk })
    }

    /// Appends a record of an item.
    #[inline]
    pub(crate) fn push(&mut self, kind: Kind, content: &[u8]) -> Result<(), PutError> {
        let needed = Area::needed(content.len());
        if !self.walk.area().fits(self.walk.offset(), needed) {
            self.move_on(needed)?;
        }
        self.walk.area().write(self.walk.offset(), kind, content)?;
        self.walk.pass(content.len());
        Ok(())
    }

    /// Returns how many items were appended.
    #[inline]
    pub(crate) fn written(&self) -> u64 {
        self.walk.items()
    }

    /// Leaves the queue as it was.
    #[cold]
    pub(crate) fn abandon(self) {
        // The chunk it is in may never become the one of that number.
        self.walk.local.lose();
    }

    /// Wakes who waits for items, and makes the records part of the queue; returns how many.
    #[inline]
    pub(crate) fn publish(self) -> u64 {
        self.walk.publish();
        self.walk.items()
    }

    #[cold]
    fn move_on(&mut self, needed: u64) -> Result<(), PutError> {
        let next = self.next_chunk(needed)?;
        let link = next.area.link()?;
        link.number
            .store(self.walk.next_number(), Ordering::Relaxed);
        let (name, end) = (next.name, self.walk.offset());
        let left = self.walk.enter(next);
        left.area.link()?.next.store(name);
        left.area.write(end, Kind::Next, &[])?;
        Ok(())
    }

    /// Takes a chunk that is free and large enough, or makes one.
    fn next_chunk(&mut self, needed: u64) -> Result<Chunk, PutError> {
        let fits = |chunk: &Chunk| chunk.area.room() >= needed;
        if let Some(chunk) = self.free_home().filter(fits) {
            // Not free from here on, lest two use it: it is rather lost than used twice.
            let control = self.walk.home.control();
            control.home_free.store(0, Ordering::Release);
            return Ok(chunk);
        }
        match self.take_spare(needed)? {
            Some(chunk) => Ok(chunk),
            None => self.make_chunk(needed),
        }
    }

    fn free_home(&self) -> Option<Chunk> {
        let home = self.walk.home;
        let free = home.control().home_free.load(Ordering::Acquire) != 0;
        free.then(|| Chunk::home(home))
    }

    fn take_spare(&mut self, needed: u64) -> Result<Option<Chunk>, Fault> {
        let control = self.walk.home.control();
        if control.spare_full.load(Ordering::Acquire) == 0 {
            return Ok(None);
        }
        let name = control.spare.load();
        let chunk = self.walk.local.open(self.walk.home, name)?;
        // First: it is rather lost than used twice.
        control.spare_full.store(0, Ordering::Release);
        if chunk.area.room() >= needed {
            return Ok(Some(chunk));
        }
        // It makes place for a larger one.
        name.give_up();
        self.walk.local.forget(name);
        Ok(None)
    }

    fn make_chunk(&mut self, needed: u64) -> Result<Chunk, PutError> {
        let len = (self.walk.area().room() * 2).clamp(SMALLEST, LARGEST);
        let len = len.max((needed * FEW + 2 * FIRST).min(MOST));
        let stored = Stored::create(len as usize)?;
        let name = Name::new(&stored.handle()?);
        let name = name.ok_or(Fault::Damaged("the name of a new chunk is too long"))?;
        stored.attach_to(self.walk.home.segment());
        Ok(self.walk.local.keep(name, stored))
    }
}
