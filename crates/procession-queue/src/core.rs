//! A queue of encoded items: what all kinds of queues are made of.

use crate::control::{Control, Home, Plan};
use crate::item::{Item, Taken};
use crate::local::Local;
use crate::read::Reader;
use crate::undone::Table;
use crate::write::Writer;
use crate::{Fault, GetError, PutError, PutManyError, StateError};
use procession_os::policy::wait_policy;
use procession_os::wait::Deadline;
use procession_shm::{Segment, ShmError};
use procession_wire::handle::{self, Claim};
use serde::de::DeserializeOwned;
use serde::{Deserializer, Serialize, Serializer};
use std::process;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a call waits.
#[derive(Clone, Copy)]
pub(crate) enum Patience {
    /// Not at all.
    None,
    /// Until the deadline.
    Until(Deadline),
}

impl Patience {
    pub(crate) const FOREVER: Self = Self::Until(Deadline::NEVER);

    pub(crate) fn timeout(timeout: Duration) -> Self {
        Self::Until(Deadline::after(timeout))
    }

    /// Until when a lock is waited for. Those who hold it do not wait for anything else.
    fn deadline(self) -> Deadline {
        match self {
            Self::None => Deadline::NEVER,
            Self::Until(deadline) => deadline,
        }
    }
}

/// A handle to a queue, without the type of its items.
pub(crate) struct Core {
    // Before the segment that their home chunk is in.
    put: Mutex<Local>,
    get: Mutex<Local>,
    pub(crate) home: Home,
    /// Which entry of the table was this process's.
    pub(crate) entry: AtomicU32,
    /// The process that has this handle. A forked child is not.
    process: u32,
    /// Decodes an item and drops it.
    discard: fn(Taken),
}

impl Core {
    pub(crate) fn create<T: DeserializeOwned>(plan: Plan) -> Result<Arc<Self>, ShmError> {
        let home = Home::create::<T>(plan)?;
        Ok(Self::with::<T>(home))
    }

    fn with<T: DeserializeOwned>(home: Home) -> Arc<Self> {
        Arc::new(Self {
            put: Mutex::new(Local::new(&home)),
            get: Mutex::new(Local::new(&home)),
            home,
            entry: AtomicU32::new(u32::MAX),
            process: process::id(),
            discard: |item| drop(item.decode::<T>()),
        })
    }

    /// Decodes a handle that [`serialize`](Self::serialize) encoded.
    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<Arc<Self>, D::Error>
    where
        T: DeserializeOwned,
        D: Deserializer<'de>,
    {
        let segment = Segment::deserialize(deserializer, Home::format::<T>())?;
        let home = Home::found(segment);
        let home = home.map_err(|fault| handle::decode_error::<D::Error>(&fault.to_string()))?;
        Ok(Self::with::<T>(home))
    }

    /// Encodes a handle; only into a message to another process.
    pub(crate) fn serialize<S: Serializer>(
        self: &Arc<Self>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        handle::check_departing::<S::Error>()?;
        let leaving = Leaving::new(self).ok_or_else(|| {
            handle::encode_error::<S::Error>("the queue's memory was overwritten")
        })?;
        handle::departing::<S::Error>(leaving)?;
        self.home.segment().serialize(serializer)
    }

    #[inline]
    pub(crate) fn control(&self) -> &Control {
        self.home.control()
    }

    /// Puts one item.
    pub(crate) fn put(&self, item: Item, patience: Patience) -> Result<(), PutError> {
        self.put_some(&[item.record()], patience)?;
        item.deliver();
        Ok(())
    }

    /// Puts all items, in as few pieces as there is room for.
    pub(crate) fn put_all(
        &self,
        mut items: Vec<Item>,
        patience: Patience,
    ) -> Result<(), PutManyError> {
        let mut put = 0;
        while !items.is_empty() {
            let records: Vec<_> = items.iter().map(Item::record).collect();
            let more = self.put_some(&records, patience);
            let more = more.map_err(|error| PutManyError { put, error })?;
            items.drain(..more).for_each(Item::deliver);
            put += more;
        }
        Ok(())
    }

    /// Puts as many of the records as there is room for, at least one; returns how many.
    fn put_some(&self, records: &[Record<'_>], patience: Patience) -> Result<usize, PutError> {
        let deadline = patience.deadline();
        let check = || self.try_put(records, deadline).transpose();
        let put = match patience {
            Patience::None => check(),
            Patience::Until(_) => {
                let park = |deadline| self.control().get().sleep(deadline, || self.may_put());
                wait_policy().wait(deadline, check, park)?
            }
        };
        put.unwrap_or(Err(PutError::Full))
    }

    /// Puts as many of the records as there is room for at this moment; `None` if there is none.
    #[inline]
    fn try_put(
        &self,
        records: &[Record<'_>],
        deadline: Deadline,
    ) -> Result<Option<usize>, PutError> {
        if !self.may_put() {
            return Ok(None);
        }
        let locked = match self.control().put().lock(deadline) {
            Err(fault) if fault.is_timeout() => return Ok(None),
            locked => locked?,
        };
        self.control().check_open()?;
        let room = self.room();
        if room == 0 {
            return Ok(None);
        }
        let mut local = lock(&self.put);
        let mut writer = Writer::new(&self.home, &locked, &mut local)?;
        for &(kind, content) in &records[..records.len().min(room)] {
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
        Ok(Some(writer.publish() as usize))
    }

    /// Whether a producer needs not wait.
    #[inline]
    fn may_put(&self) -> bool {
        self.room() != 0 || self.control().is_closed()
    }

    #[inline]
    fn room(&self) -> usize {
        let control = self.control();
        let Some(capacity) = control.capacity() else {
            return usize::MAX;
        };
        let get = control.get().cursor.load();
        capacity.saturating_sub(control.put().cursor.load().ahead_of(get)) as usize
    }

    /// Takes items out, at least one and at most `max`.
    pub(crate) fn get(
        &self,
        max: usize,
        patience: Patience,
        mut sink: impl FnMut(Taken),
    ) -> Result<(), GetError> {
        let deadline = patience.deadline();
        let mut check = || self.try_get(max, deadline, &mut sink).transpose();
        let got = match patience {
            Patience::None => check(),
            Patience::Until(_) => {
                let park = |deadline| self.control().put().sleep(deadline, || self.may_get());
                wait_policy().wait(deadline, check, park)?
            }
        };
        got.unwrap_or(Err(GetError::Empty))
    }

    /// Takes items out that are there at this moment; `None` if there are none.
    #[inline]
    fn try_get(
        &self,
        max: usize,
        deadline: Deadline,
        sink: &mut impl FnMut(Taken),
    ) -> Result<Option<()>, GetError> {
        if !self.may_get() {
            return Ok(None);
        }
        let locked = match self.control().lock_get(deadline) {
            Err(StateError::Fault(fault)) if fault.is_timeout() => return Ok(None),
            locked => locked?,
        };
        let mut local = lock(&self.get);
        let reader = Reader::new(&self.home, &locked, &mut local)?;
        let read = read(reader, max, self.home.table(), &self.entry, sink)?;
        Ok((read != 0).then_some(()))
    }

    /// Whether a consumer needs not wait.
    #[inline]
    pub(crate) fn may_get(&self) -> bool {
        let control = self.control();
        control.put().cursor.load().count() != control.get().cursor.load().count()
            || control.is_closed()
    }

    /// Gives back what is in a queue that nobody has a handle to any more.
    #[cold]
    fn empty(&self) {
        while self.discard_some().is_ok_and(|discarded| discarded) {}
        let control = self.control();
        let Ok(locked) = control.get().lock(Deadline::after(Duration::ZERO)) else {
            return;
        };
        let place = locked.place(locked.cursor().load().place());
        if control
            .spare_full
            .load(std::sync::atomic::Ordering::Acquire)
            != 0
        {
            drop(control.spare.load().collect());
        }
        drop(place.name.load().collect());
    }

    fn discard_some(&self) -> Result<bool, Fault> {
        let mut some = Vec::new();
        {
            // Nobody else has a handle; who holds the lock in spite of that is garbage.
            let locked = self.control().get().lock(Deadline::after(Duration::ZERO))?;
            let mut local = lock(&self.get);
            let reader = Reader::new(&self.home, &locked, &mut local)?;
            read(reader, 64, None, &self.entry, &mut |item| some.push(item))?;
        }
        let discarded = !some.is_empty();
        some.into_iter().for_each(self.discard);
        Ok(discarded)
    }
}

/// A record's kind and content.
type Record<'a> = (crate::record::Kind, &'a [u8]);

/// Reads up to `max` records, notes them as this process's, and takes them out of the queue.
#[inline]
fn read(
    mut reader: Reader<'_>,
    max: usize,
    table: Option<Table<'_>>,
    hint: &AtomicU32,
    sink: &mut impl FnMut(Taken),
) -> Result<u64, Fault> {
    let entry = table.map(|table| table.ours(hint)).transpose()?;
    let mut read = 0;
    while read < max as u64 {
        match reader.next() {
            Ok(Some((kind, content))) => sink(Taken(kind, content)),
            Err(fault) if read == 0 => return Err(fault),
            // Of an error after the first item the next call tells.
            Ok(None) | Err(_) => break,
        }
        read += 1;
    }
    let left = reader.publish();
    if let Some(entry) = entry {
        entry.add(read);
    }
    left.retire();
    Ok(read)
}

/// Taken after the lock in shared memory, and for short only. It is there because the other one
/// is in memory that a scribbler may reach.
fn lock(local: &Mutex<Local>) -> MutexGuard<'_, Local> {
    local.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Core {
    fn drop(&mut self) {
        if self.process == process::id() && self.control().remove_handle() {
            self.empty();
        }
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
}

impl Drop for Leaving {
    fn drop(&mut self) {
        if self.process == process::id() {
            // The core has a handle too, so this is not the last.
            self.core.control().remove_handle();
        }
    }
}
