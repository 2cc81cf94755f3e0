//! Going along the chain of chunks, which producers and consumers do alike.

use crate::Fault;
use crate::atomic::Ordering;
use crate::cursor::At;
use crate::home::Home;
use crate::local::{Chunk, Local};
use crate::record::{Area, FIRST};
use crate::side::{Locked, Place};

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
    ///
    /// A writer that was killed just before it published may have left the number of this chunk,
    /// with the name of another one, in the place that this walk is going to write. So the number
    /// is taken away, and the name is written anew. Whoever comes without going to another chunk
    /// needs not care: the number that it has was published, and has one name for ever.
    pub(crate) fn enter(&mut self, next: Chunk) -> Chunk {
        self.locked.place(self.end().place()).unname();
        self.offset = FIRST;
        self.local.enter(self.next_number(), next)
    }

    /// Wakes who waits for this side, and makes the side be here.
    #[inline]
    pub(crate) fn publish(&self) {
        self.locked.publish(self.end(), |place| self.note(place));
    }

    /// Returns the side's word as it is going to be.
    #[inline]
    fn end(&self) -> At {
        self.at.advanced(self.items)
    }

    /// Writes down where this is.
    #[inline]
    fn note(&self, place: &Place) {
        place.go(self.local.number, self.offset, || self.local.chunk.name);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::home::Plan;
    use crate::name::Name;
    use crate::patience::Patience;
    use crate::stored::Stored;

    fn chunk(home: &Home) -> Chunk {
        let stored = Stored::create(4096).expect("there is memory");
        stored.attach_to(home.segment());
        let handle = stored.handle().expect("it can be encoded");
        let name = Name::new(&handle).expect("it is short enough");
        Chunk::of(name, stored)
    }

    /// A walk of a process of its own.
    fn walk<R>(home: &Home, walk: impl FnOnce(Walk<'_>) -> R) -> R {
        let side = &home.control().sides.put;
        let locked = side.lock(Patience::None).expect("it is free");
        let mut local = Local::new(home);
        walk(Walk::begin(home, &locked, &mut local).expect("the place is whole"))
    }

    #[test]
    fn a_chunk_of_a_writer_that_was_killed_before_it_published_is_not_the_one_of_the_next_writer() {
        let plan = Plan {
            capacity: 0,
            joinable: false,
        };
        let home = Home::create::<u8>(plan).expect("there is memory");
        walk(&home, |mut killed| {
            killed.enter(chunk(&home));
            killed.note(killed.locked.place(killed.end().place()));
        });
        let next = chunk(&home);
        let name = next.name;
        walk(&home, |mut writer| {
            writer.enter(next);
            writer.publish();
        });
        walk(&home, |other| assert_eq!(other.local.chunk.name, name));
    }
}
