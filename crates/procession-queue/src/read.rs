//! Taking records from the chain of chunks.

use crate::Fault;
use crate::atomic::Ordering;
use crate::cursor::Seen;
use crate::home::Home;
use crate::item::Taken;
use crate::local::Local;
use crate::name::Name;
use crate::record::Kind;
use crate::side::Locked;
use crate::walk::Walk;

/// Copies records; they are taken once [`publish`](Self::publish) has run, and not before: if the
/// reader is killed, the next one finds them where they were.
pub(crate) struct Reader<'a> {
    walk: Walk<'a>,
    available: u64,
    /// The chunks that are left behind.
    left: Vec<Name>,
}

impl<'a> Reader<'a> {
    /// Begins at the first record that is not taken.
    #[inline]
    pub(crate) fn new(
        home: &'a Home,
        seen: &Seen,
        locked: &'a Locked<'a>,
        local: &'a mut Local,
    ) -> Result<Self, Fault> {
        let walk = Walk::begin(home, locked, local)?;
        let available = home.control().sides.available(walk.start(), seen);
        let available = available.ok_or(Fault::Damaged("more was taken than was put"))?;
        Ok(Self {
            walk,
            available,
            left: Vec::new(),
        })
    }

    /// Copies the next item behind what is in a buffer; `None` if there is none.
    #[inline]
    pub(crate) fn next(&mut self, bytes: &mut Vec<u8>) -> Result<Option<Taken>, Fault> {
        if self.walk.items() == self.available {
            return Ok(None);
        }
        let (mut kind, mut len) = self.walk.area().look(self.walk.offset())?;
        if kind == Kind::Next {
            self.move_on()?;
            (kind, len) = self.walk.area().look(self.walk.offset())?;
        }
        let start = bytes.len();
        self.walk.area().read(self.walk.offset(), len, bytes)?;
        // Opened now, so that the item stays where it is if this process cannot open it.
        let taken = Taken::of(kind, bytes, start)?;
        self.walk.pass(len);
        Ok(Some(taken))
    }

    /// Wakes who waits for room, and takes what was copied out of the queue.
    #[inline]
    pub(crate) fn publish(self) -> Left<'a> {
        self.walk.publish();
        Left {
            home: self.walk.home,
            local: self.walk.local,
            names: self.left,
        }
    }

    #[cold]
    fn move_on(&mut self) -> Result<(), Fault> {
        let name = self.walk.area().link()?.next.load();
        let next = self.walk.local.open(self.walk.home, name)?;
        if next.area.link()?.number.load(Ordering::Relaxed) != self.walk.next_number() {
            return Err(Fault::Damaged("the chain of chunks is broken"));
        }
        self.left.push(self.walk.enter(next).name);
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
            name.give_up();
            self.local.forget(name);
        }
    }
}
