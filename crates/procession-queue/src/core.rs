//! A queue of encoded items: what all kinds of queues are made of.

use crate::atomic::{AtomicU32, Ordering};
use crate::batch::Batch;
use crate::control::Control;
use crate::home::{Home, Plan};
use crate::item::{self, Item, Taken};
use crate::near::Near;
use crate::patience::Patience;
use crate::read::Reader;
use crate::record::Kind;
use crate::sides::Sides;
use crate::turn::Turn;
use crate::undone::Table;
use crate::write::Writer;
use crate::{Fault, GetError, PutError, PutManyError, StateError};
use procession_os::policy::wait_policy;
use procession_os::wait::Deadline;
use procession_shm::fork::{self, Counted};
use procession_shm::{Lookout, Presence, Segment, ShmError};
use procession_wire::buffer::Buffer;
use procession_wire::handle::{self, Claim};
use serde::de::DeserializeOwned;
use serde::{Deserializer, Serialize, Serializer};
use std::process;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A handle to a queue, without the type of its items.
pub(crate) struct Core {
    // Before the segment that their home chunk is in.
    put: Near,
    get: Near,
    pub(crate) home: Home,
    /// Which entry of the table was this process's.
    pub(crate) entry: AtomicU32,
    /// The process that has this handle. A child forked without the library's knowledge is not.
    process: AtomicU32,
    /// Through which this process looks for producers, once it has to.
    lookout: OnceLock<Lookout>,
    /// Decodes an item and drops it.
    discard: fn(Taken, &[u8]),
}

impl Core {
    pub(crate) fn create<T: DeserializeOwned>(plan: Plan) -> Result<Arc<Self>, ShmError> {
        let home = Home::create::<T>(plan)?;
        Ok(Self::with::<T>(home))
    }

    fn with<T: DeserializeOwned>(home: Home) -> Arc<Self> {
        let core = Arc::new(Self {
            put: Near::new(&home),
            get: Near::new(&home),
            home,
            entry: AtomicU32::new(u32::MAX),
            process: AtomicU32::new(process::id()),
            lookout: OnceLock::new(),
            discard: |item, bytes| drop(item.decode::<T>(bytes)),
        });
        let counted: Arc<dyn Counted> = core.clone();
        fork::register(&counted);
        core
    }

    fn is_ours(&self) -> bool {
        self.process.load(Ordering::Relaxed) == process::id()
    }

    /// Decodes a handle that [`serialize`](Self::serialize) encoded.
    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<Arc<Self>, D::Error>
    where
        T: DeserializeOwned,
        D: Deserializer<'de>,
    {
        let segment = Segment::deserialize(deserializer, Home::format::<T>())?;
        let home = Home::found(segment);
        let home = home.map_err(serde::de::Error::custom)?;
        Ok(Self::with::<T>(home))
    }

    /// Encodes a handle; only into a message to another process.
    pub(crate) fn serialize<S: Serializer>(
        self: &Arc<Self>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        handle::check_departing::<S::Error>()?;
        let leaving = Leaving::new(self)
            .ok_or_else(|| serde::ser::Error::custom("the queue's memory was overwritten"))?;
        handle::departing::<S::Error>(leaving)?;
        self.home.segment().serialize(serializer)
    }

    #[inline]
    fn sides(&self) -> &Sides {
        &self.control().sides
    }

    #[inline]
    pub(crate) fn control(&self) -> &Control {
        self.home.control()
    }

    /// Puts one item.
    #[inline]
    pub(crate) fn put<T: Serialize + DeserializeOwned>(
        &self,
        item: &T,
        patience: Patience,
    ) -> Result<(), PutError> {
        let mut bytes = Buffer::new();
        match item::append(item, &self.home, &mut bytes)? {
            None => self.put_some(&[(Kind::Item, &bytes)], patience).map(drop),
            Some(other) => self.put_other(other, patience),
        }
    }

    #[cold]
    fn put_other(&self, item: Item, patience: Patience) -> Result<(), PutError> {
        self.put_some(&[item.record()], patience)?;
        item.deliver();
        Ok(())
    }

    /// Puts all items, in as few pieces as there is room for.
    pub(crate) fn put_all(&self, batch: Batch, patience: Patience) -> Result<(), PutManyError> {
        let records = batch.records();
        let mut put = 0;
        let mut result = Ok(());
        while put < records.len() {
            match self.put_some(&records[put..], patience) {
                Ok(more) => put += more,
                Err(error) => {
                    result = Err(PutManyError { put, error });
                    break;
                }
            }
        }
        drop(records);
        batch.deliver(put);
        result
    }

    /// Puts as many of the records as there is room for, at least one; returns how many.
    #[inline]
    fn put_some(&self, records: &[Record<'_>], patience: Patience) -> Result<usize, PutError> {
        if !self.sides().put.eldest().any() {
            let put = self.try_put(records, patience)?;
            if put != 0 {
                return Ok(put);
            }
        }
        self.put_later(records, patience)
    }

    #[cold]
    fn put_later(&self, records: &[Record<'_>], patience: Patience) -> Result<usize, PutError> {
        let turn = Turn::new(self.sides().put.eldest());
        let room = || self.room() as u64;
        let check = || {
            let most = self.most(&turn, records.len(), room)?;
            match self.try_put(&records[..most], patience) {
                Ok(0) => None,
                put => Some(put),
            }
        };
        let Patience::Until(deadline) = patience else {
            return turn
                .take_or_let_pass(room, check)
                .unwrap_or(Err(PutError::Full));
        };
        let sleep = |until| self.sides().get.sleep(until, || self.may_put());
        let park = |deadline| turn.wait(deadline, room, sleep);
        let put = wait_policy().wait(deadline, check, park)?;
        put.unwrap_or(Err(PutError::Full))
    }

    /// Puts as many of the records as there is room for at this moment.
    #[inline]
    fn try_put(&self, records: &[Record<'_>], patience: Patience) -> Result<usize, PutError> {
        if !self.may_put() {
            return Ok(0);
        }
        let locked = match self.sides().put.lock(patience) {
            Err(fault) if fault.is_timeout() => return Ok(0),
            locked => locked?,
        };
        self.sides().check_shut()?;
        let room = self.room().min(records.len());
        if room == 0 {
            return Ok(0);
        }
        let mut local = self.put.lock();
        let writer = Writer::new(&self.home, &locked, &mut local)?;
        write(writer, &records[..room])
    }

    /// Whether a producer needs not wait.
    #[inline]
    fn may_put(&self) -> bool {
        self.room() != 0 || self.sides().is_shut()
    }

    #[inline]
    fn room(&self) -> usize {
        match self.control().capacity() {
            Some(capacity) => self.sides().room(capacity, &self.put.seen) as usize,
            None => usize::MAX,
        }
    }

    /// Takes items out, at least one and at most `max`, whose bytes are put into a buffer.
    #[inline]
    pub(crate) fn get(
        &self,
        max: usize,
        patience: Patience,
        bytes: &mut Buffer,
        mut sink: impl FnMut(Taken),
    ) -> Result<(), GetError> {
        if !self.sides().get.eldest().any() && self.try_get(max, patience, bytes, &mut sink)? != 0 {
            return Ok(());
        }
        self.get_later(max, patience, bytes, &mut sink)
    }

    #[cold]
    fn get_later(
        &self,
        max: usize,
        patience: Patience,
        bytes: &mut Buffer,
        sink: &mut impl FnMut(Taken),
    ) -> Result<(), GetError> {
        let turn = Turn::new(self.sides().get.eldest());
        let items = || self.sides().items();
        let mut check = || {
            let most = self.most(&turn, max, items)?;
            match self.try_get(most, patience, bytes, sink) {
                Ok(0) => None,
                got => Some(got.map(drop)),
            }
        };
        let Patience::Until(deadline) = patience else {
            let got = turn.take_or_let_pass(items, &mut check);
            let got = got.or_else(|| self.end_if_deserted(Deadline::PASSED).then(check).flatten());
            return got.unwrap_or(Err(GetError::Empty));
        };
        let sleep = |until| self.sleep_for_item(until);
        let park = |deadline| turn.wait(deadline, items, sleep);
        let got = wait_policy().wait(deadline, check, park)?;
        got.unwrap_or(Err(GetError::Empty))
    }

    /// Takes items out that are there at this moment; returns how many.
    #[inline]
    fn try_get(
        &self,
        max: usize,
        patience: Patience,
        bytes: &mut Buffer,
        sink: &mut impl FnMut(Taken),
    ) -> Result<u64, GetError> {
        if !self.may_get() {
            return Ok(0);
        }
        let locked = match self.sides().lock_get(patience) {
            Err(StateError::Fault(fault)) if fault.is_timeout() => return Ok(0),
            locked => locked?,
        };
        let mut local = self.get.lock();
        let reader = Reader::new(&self.home, &self.get.seen, &locked, &mut local)?;
        let ours = (self.home.table(), &self.entry);
        let got = read(reader, max, ours, bytes, sink)?;
        if got == 0 {
            // Still under the lock: what is not there now will never be, once the queue is shut.
            self.sides().check_shut()?;
        }
        Ok(got)
    }

    /// Sleeps until there may be an item; returns false if the deadline passed first.
    ///
    /// Nobody tells it that the last counted producer was killed: it looks now and then.
    fn sleep_for_item(&self, deadline: Deadline) -> Result<bool, Fault> {
        let counted = self.control().is_counted();
        let ready = || self.may_get() || self.control().is_counted() != counted;
        if !counted {
            return self.sides().put.sleep(deadline, ready);
        }
        let look = Deadline::after(deadline.left().map_or(LOOK, |left| left.min(LOOK)));
        if self.end_if_deserted(look) || self.sides().put.sleep(look, ready)? {
            return Ok(true);
        }
        Ok(!deadline.passed())
    }

    /// Makes a producer that is counted.
    pub(crate) fn count_producer(&self) -> Result<Presence, StateError> {
        // First: whoever looks from here on sees it.
        let presence = Presence::in_segment(self.home.segment()).map_err(Fault::Count)?;
        let control = self.control();
        control.sides.count(&control.counted, Patience::None)?;
        Ok(presence)
    }

    /// Shuts the queue down if its producers are counted and none is left; returns whether it did.
    ///
    /// What cannot be found out by the deadline is left to the next one who looks.
    pub(crate) fn end_if_deserted(&self, deadline: Deadline) -> bool {
        if !self.control().is_counted() || self.sides().is_shut() || !self.is_deserted() {
            return false;
        }
        let patience = Patience::Until(deadline);
        let ended = self.sides().shutdown_if(patience, || self.is_deserted());
        ended.unwrap_or(false)
    }

    fn is_deserted(&self) -> bool {
        let Some(lookout) = self.lookout() else {
            return false;
        };
        lookout.sees_anybody().is_ok_and(|anybody| !anybody)
    }

    /// Opened by who has to look; `None` if it cannot be, at this moment.
    fn lookout(&self) -> Option<&Lookout> {
        if self.lookout.get().is_none() {
            // Of two that open it one is closed again.
            let _ = self.lookout.set(Lookout::open(self.home.segment()).ok()?);
        }
        self.lookout.get()
    }

    /// Whether a consumer needs not wait, nor would if it were to look for producers.
    pub(crate) fn is_ready(&self) -> bool {
        self.may_get() || self.end_if_deserted(Deadline::PASSED)
    }

    /// Whether a consumer needs not wait.
    #[inline]
    pub(crate) fn may_get(&self) -> bool {
        self.sides().may_get(&self.get.seen)
    }

    /// Returns how many of `wanted` items a caller may put or get; `None` if it is another's turn.
    fn most(&self, turn: &Turn<'_>, wanted: usize, available: impl Fn() -> u64) -> Option<usize> {
        // What is left in a queue that is shut goes to whoever comes: the other one may be dead, and
        // this the last.
        let share = if self.sides().is_shut() {
            u64::MAX
        } else {
            turn.share(available)
        };
        (share != 0).then(|| share.min(wanted as u64) as usize)
    }

    /// Gives back what is in a queue that nobody has a handle to any more.
    #[cold]
    fn empty(&self) {
        while self.discard_some().is_ok_and(|discarded| discarded) {}
        let control = self.control();
        let Ok(locked) = control.sides.get.lock(Patience::timeout(Duration::ZERO)) else {
            return;
        };
        let place = locked.place(locked.cursor().load().place());
        if control.spare_full.load(Ordering::Acquire) != 0 {
            control.spare.load().give_up();
        }
        place.name.load().give_up();
    }

    fn discard_some(&self) -> Result<bool, Fault> {
        let mut some = Vec::new();
        let mut bytes = Buffer::new();
        {
            // Nobody else has a handle; who holds the lock in spite of that is garbage.
            let locked = self.sides().get.lock(Patience::timeout(Duration::ZERO))?;
            let mut local = self.get.lock();
            let reader = Reader::new(&self.home, &self.get.seen, &locked, &mut local)?;
            let ours = (None, &self.entry);
            read(reader, 64, ours, &mut bytes, &mut |item| some.push(item))?;
        }
        let discarded = !some.is_empty();
        for item in some {
            (self.discard)(item, &bytes);
        }
        Ok(discarded)
    }
}

/// How long a consumer sleeps before it looks whether the producers live.
pub(crate) const LOOK: Duration = Duration::from_millis(100);

/// A record's kind and content.
pub(crate) type Record<'a> = (Kind, &'a [u8]);

/// Appends records, at least one, and puts them into the queue; returns how many.
#[inline]
fn write(mut writer: Writer<'_>, records: &[Record<'_>]) -> Result<usize, PutError> {
    for &(kind, content) in records {
        match writer.push(kind, content) {
            Err(error) if writer.written() == 0 => {
                writer.abandon();
                return Err(error);
            }
            // The next call tells of it.
            Err(_) => break,
            Ok(()) => {}
        }
    }
    Ok(writer.publish() as usize)
}

/// Reads up to `max` records, notes them as this process's, and takes them out of the queue.
#[inline]
fn read(
    mut reader: Reader<'_>,
    max: usize,
    (table, hint): (Option<Table<'_>>, &AtomicU32),
    bytes: &mut Vec<u8>,
    sink: &mut impl FnMut(Taken),
) -> Result<u64, Fault> {
    let entry = table.map(|table| table.ours(hint)).transpose()?;
    let mut read = 0;
    while read < max as u64 {
        match reader.next(bytes) {
            Ok(Some(taken)) => sink(taken),
            Err(fault) if read == 0 => return Err(fault),
            // Of an error after the first item the next call tells.
            Ok(None) | Err(_) => break,
        }
        read += 1;
    }
    if read == 0 {
        return Ok(0);
    }
    let left = reader.publish();
    if let Some(entry) = entry {
        entry.add(read);
    }
    left.retire();
    Ok(read)
}

impl Drop for Core {
    fn drop(&mut self) {
        if self.is_ours() && self.control().remove_handle() {
            self.empty();
        }
    }
}

/// A forked child has a handle of its own.
impl Counted for Core {
    fn count(&self) -> bool {
        self.is_ours() && self.control().add_handle()
    }

    fn uncount(&self) {
        self.control().remove_handle();
    }

    fn adopt(&self) {
        self.process.store(process::id(), Ordering::Relaxed);
    }
}

/// A handle that is on its way.
struct Leaving {
    core: Arc<Core>,
    /// Zero once it is the receiver's.
    process: u32,
}

impl Leaving {
    fn new(core: &Arc<Core>) -> Option<Self> {
        let counted = core.control().add_handle();
        counted.then(|| Self {
            core: Arc::clone(core),
            process: process::id(),
        })
    }
}

impl Claim for Leaving {
    fn delivered(mut self: Box<Self>) {
        self.process = 0;
    }

    fn again(&self) -> Option<Box<dyn Claim>> {
        Some(Box::new(Self::new(&self.core)?))
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        if self.process == process::id() {
            // The core has a handle too, so this is not the last.
            self.core.control().remove_handle();
        }
    }
}
