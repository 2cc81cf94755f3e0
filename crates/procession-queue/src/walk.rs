//! Going along the chain of chunks, which producers and consumers do alike.

use crate::Fault;
use crate::atomic::Ordering;
use crate::control::Home;
use crate::cursor::At;
use crate::local::{Chunk, Local};
use crate::record::{Area, FIRST};
use crate::side::Locked;

/// Where a side is going to be.
///
/// What is passed on the way counts once [`publish`](Self::publish) has run, and not before: who
/// is killed has passed nothing, and the next one begins at the same place.
pub(crate) struct Walk<'a> {
    pub(crate) home: &'a Home,
    pub(crate) local: &'a mut Local,
    locked: &'a Locked<'a>,
    at: At,
    offset: u64,
    items: u64,
}

impl<'a> Walk<'a> {
    /// Begins where the side is.
    #[inline]
    pub(crate) fn begin(
        home: &'a Home,
        locked: &'a Locked<'a>,
        local: &'a mut Local,
    ) -> Result<Self, Fault> {
        let at = locked.cursor().load();
        let place = locked.place(at.place());
        let number = place.chunk.load(Ordering::Relaxed);
        let offset = place.offset.load(Ordering::Relaxed);
        local.go_to(home, number, || place.name.load())?;
        Ok(Self {
            home,
            local,
            locked,
            at,
            offset,
            items: 0,
        })
    }

    /// Returns the side's word as it was at the beginning.
    #[inline]
    pub(crate) fn start(&self) -> At {
        self.at
    }

    /// Returns the memory of the chunk.
    #[inline]
    pub(crate) fn area(&self) -> Area {
        self.local.chunk.area
    }

    /// Returns where in the chunk the next record is.
    #[inline]
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns how many items were passed.
    #[inline]
    pub(crate) fn items(&self) -> u64 {
        self.items
    }

    /// Passes an item with so many bytes of content.
    #[inline]
    pub(crate) fn pass(&mut self, content: usize) {
        self.offset += Area::needed(content);
        self.items += 1;
    }

    /// Returns the number that the next chunk has.
    pub(crate) fn next_number(&self) -> u64 {
        self.local.number.wrapping_add(1)
    }

    /// Goes to the beginning of the next chunk; returns the one that is left.
    pub(crate) fn enter(&mut self, next: Chunk) -> Chunk {
        self.offset = FIRST;
        self.local.enter(self.next_number(), next)
    }

    /// Wakes who waits for this side, and makes the side be here.
    #[inline]
    pub(crate) fn publish(&self) {
        let next = self.at.advanced(self.items);
        self.locked.publish(next, |place| {
            place.go(self.local.number, self.offset, || self.local.chunk.name);
        });
    }
}
