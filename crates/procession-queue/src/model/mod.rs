//! A queue on a model of shared memory, for the tests under loom.
//!
//! Locks, words and sleeping are loom's, threads can be [killed](live), and a chunk holds one item,
//! so that each item but the first crosses the border of a chunk. Everything else is the code that
//! runs in shared memory: the two sides, and walking, writing and reading along the chain.
#![expect(
    missing_debug_implementations,
    reason = "what it is made of has no state that could be shown without the lock"
)]

pub(crate) mod home;
pub(crate) mod life;
pub(crate) mod memory;
pub(crate) mod mutex;

use crate::cursor::Seen;
use crate::item::Taken;
use crate::local::Local;
use crate::patience::Patience;
use crate::read::Reader;
use crate::record::Kind;
use crate::sides::Sides;
use crate::write::Writer;
use crate::{Fault, GetError, PutError, StateError};
use home::Home;
pub use life::live;
use loom::sync::atomic::{AtomicU32, Ordering};
use procession_os::wait::Deadline;
use std::cell::RefCell;

/// A queue of numbers. There can be one in each run of a model.
pub struct Queue {
    home: Home,
    capacity: u64,
    /// How many producers the kernel counts; no step of anybody's, for it counts the dead out too.
    present: AtomicU32,
}

/// A process's own view of a queue.
pub struct Handle<'a> {
    queue: &'a Queue,
    put: RefCell<Local>,
    get: RefCell<Local>,
    seen_put: Seen,
    seen_got: Seen,
}

impl Queue {
    /// Makes an empty one.
    pub fn new(capacity: u64) -> Self {
        Self {
            home: Home::new(capacity),
            capacity,
            present: AtomicU32::new(0),
        }
    }

    /// Makes the view of another process.
    pub fn handle(&self) -> Handle<'_> {
        Handle {
            queue: self,
            put: RefCell::new(Local::new(&self.home)),
            get: RefCell::new(Local::new(&self.home)),
            seen_put: Seen::new(),
            seen_got: Seen::new(),
        }
    }

    /// Closes it.
    pub fn close(&self) -> Result<(), Fault> {
        self.sides().close(Patience::None)
    }

    /// Ends the putting.
    pub fn shutdown(&self) -> Result<(), Fault> {
        self.sides().shutdown(Patience::None)
    }

    /// Counts a producer; false if the queue has ended.
    pub fn produce(&self) -> bool {
        self.present.fetch_add(1, Ordering::SeqCst);
        let counted = &self.home.control().counted;
        let noted = self.sides().count(counted, Patience::None).is_ok();
        if !noted {
            self.leave();
        }
        noted
    }

    /// Returns how many producers the kernel counts.
    pub fn present(&self) -> u32 {
        self.present.load(Ordering::SeqCst)
    }

    /// Sleeps as a consumer that finds nothing, until it has to look for producers.
    pub fn wait_until_counted(&self) {
        let is_counted = || self.home.control().is_counted();
        while !is_counted() {
            self.sides()
                .put
                .sleep(Deadline::NEVER, is_counted)
                .expect("it can sleep");
        }
    }

    /// Does what the kernel does for a producer that is dropped or has died.
    pub fn leave(&self) {
        self.present.fetch_sub(1, Ordering::SeqCst);
    }

    /// Ends the putting if producers are counted and none is left, as a consumer does that looks,
    /// and a producer that is dropped.
    pub fn end_if_deserted(&self) -> bool {
        let is_deserted = || self.present.load(Ordering::SeqCst) == 0;
        let counted = self.home.control().is_counted();
        let ended = counted && is_deserted();
        ended
            && self
                .sides()
                .shutdown_if(Patience::None, is_deserted)
                .is_ok_and(|it| it)
    }

    /// Returns how many items are in it.
    pub fn len(&self) -> Result<u64, StateError> {
        self.sides().len()
    }

    /// Returns whether nothing is in it.
    pub fn is_empty(&self) -> Result<bool, StateError> {
        Ok(self.len()? == 0)
    }

    /// Returns how many chunks but the home chunk somebody holds: a process, or the queue.
    pub fn chunks_held(&self) -> usize {
        memory::chunks_held()
    }

    fn sides(&self) -> &Sides {
        &self.home.control().sides
    }
}

impl Handle<'_> {
    /// Puts an item, waiting for room.
    pub fn put(&self, item: u64) -> Result<(), PutError> {
        while !self.try_put(item)? {
            let may_put = || self.room() != 0 || self.queue.sides().is_shut();
            self.queue.sides().get.sleep(Deadline::NEVER, may_put)?;
        }
        Ok(())
    }

    /// Takes an item, waiting until there is one, if it is to wait.
    pub fn get(&self, patient: bool) -> Result<u64, GetError> {
        let deadline = match patient {
            true => Deadline::NEVER,
            false => Deadline::PASSED,
        };
        loop {
            if let Some(item) = self.try_get()? {
                return Ok(item);
            }
            let may_get = || self.queue.sides().may_get(&self.seen_put);
            if !self.queue.sides().put.sleep(deadline, may_get)? {
                return Err(GetError::Empty);
            }
        }
    }

    fn room(&self) -> u64 {
        self.queue.sides().room(self.queue.capacity, &self.seen_got)
    }

    fn try_put(&self, item: u64) -> Result<bool, PutError> {
        if self.room() == 0 {
            self.queue.sides().check_shut()?;
            return Ok(false);
        }
        let locked = self.queue.sides().put.lock(Patience::FOREVER)?;
        self.queue.sides().check_shut()?;
        if self.room() == 0 {
            return Ok(false);
        }
        let mut local = self.put.borrow_mut();
        let mut writer = Writer::new(&self.queue.home, &locked, &mut local)?;
        writer.push(Kind::Item, &item.to_le_bytes())?;
        writer.publish();
        Ok(true)
    }

    fn try_get(&self) -> Result<Option<u64>, GetError> {
        let sides = self.queue.sides();
        if !sides.may_get(&self.seen_put) {
            return Ok(None);
        }
        let locked = sides.lock_get(Patience::FOREVER)?;
        let mut local = self.get.borrow_mut();
        let mut reader = Reader::new(&self.queue.home, &self.seen_put, &locked, &mut local)?;
        let mut bytes = Vec::new();
        let Some(Taken::Item(_)) = reader.next(&mut bytes)? else {
            sides.check_shut()?;
            return Ok(None);
        };
        reader.publish().retire();
        let bytes = bytes.try_into().map_err(|_| NO_NUMBER)?;
        Ok(Some(u64::from_le_bytes(bytes)))
    }
}

const NO_NUMBER: Fault = Fault::Damaged("an item is no number");
