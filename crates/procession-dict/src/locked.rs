//! A stripe whose lock is held: looking for keys, and changing what is under them.

use crate::DictError;
use crate::area::{Area, EMPTY, LEFT, Spot};
use crate::class::Class;
use crate::core::{Core, Local};
use crate::entry::{Entry, Form};
use crate::name::Name;
use crate::stripe::{Stripe, add, publish, subtract};
use procession_shm::Segment;
use std::marker::PhantomData;
use std::sync::MutexGuard;
use std::sync::atomic::Ordering;

/// The proof that this thread holds a stripe's lock.
pub(crate) struct Locked<'a> {
    pub(crate) core: &'a Core,
    /// The stripe's number.
    pub(crate) number: usize,
    pub(crate) stripe: &'a Stripe,
    pub(crate) local: MutexGuard<'a, Local>,
    // The lock belongs to the thread that took it.
    _not_send: PhantomData<*const ()>,
}

/// What goes under a key.
pub(crate) struct Content<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) form: Form,
    /// The segment with the value, whose name the bytes are.
    pub(crate) apart: Option<&'a Segment>,
}

impl<'a> Locked<'a> {
    #[inline]
    pub(crate) fn new(
        core: &'a Core,
        number: usize,
        stripe: &'a Stripe,
        local: MutexGuard<'a, Local>,
    ) -> Self {
        Self {
            core,
            number,
            stripe,
            local,
            _not_send: PhantomData,
        }
    }

    /// Goes to the current area, and finishes what was left undone.
    #[inline]
    pub(crate) fn enter(&mut self) -> Result<(), DictError> {
        let generation = self.stripe.generation.load(Ordering::Relaxed);
        if self.local.generation != generation {
            self.local.area = self.open(generation)?;
            self.local.generation = generation;
        }
        if self.stripe.is_unsettled() {
            self.settle()?;
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn area(&self) -> &Area {
        &self.local.area
    }

    /// Returns how many keys there are.
    pub(crate) fn count(&self) -> usize {
        self.stripe.count.load(Ordering::Relaxed) as usize
    }

    #[inline]
    pub(crate) fn find(&self, hash: u64, key: &[u8]) -> Result<Spot, DictError> {
        self.area().find(hash, key)
    }

    /// Puts a value under a key that was looked for since the lock was taken.
    pub(crate) fn put(
        &mut self,
        hash: u64,
        key: &[u8],
        mut spot: Spot,
        content: &Content<'_>,
    ) -> Result<(), DictError> {
        let class = Entry::class(key.len(), content.bytes.len());
        let class = class.ok_or(DictError::Damaged("an entry is too large"))?;
        if !self.has_room(class) {
            self.move_on(class.words)?;
            spot = self.find(hash, key)?;
        }
        let former = spot.found.map(|(_, entry)| entry);
        let number = spot.found.map(|(number, _)| number).or(spot.vacant);
        let number = number.ok_or(DictError::Damaged("a table is full"))?;
        // Before there is an entry with it, so that no version is ever given twice.
        add(&self.stripe.version, 1);
        self.stripe.unsettle();
        self.make_pending(content.apart, former)?;
        let at = self.take_block(class)?;
        let entry = Entry {
            at,
            class,
            key_len: key.len(),
            len: content.bytes.len(),
            form: content.form,
            version: self.stripe.version.load(Ordering::Relaxed),
            order: former.map_or_else(|| self.core.home.next_order(), |former| former.order),
        };
        entry.write(&self.area().memory, key, content.bytes)?;
        if former.is_none() {
            self.stripe.event.announce();
        }
        let word = self.area().slot(number);
        let before = word.load(Ordering::Relaxed);
        publish(word, Area::slot_of(hash, at));
        match former {
            Some(former) => self.give_block(former.at, former.class)?,
            None => self.count_new(before),
        }
        self.end_pending();
        self.stripe.settled();
        Ok(())
    }

    /// Removes the entry of a slot.
    pub(crate) fn remove(&mut self, slot: usize, entry: Entry) -> Result<(), DictError> {
        self.stripe.unsettle();
        self.make_pending(None, Some(entry))?;
        self.leave(slot);
        self.give_block(entry.at, entry.class)?;
        subtract(&self.stripe.count, 1);
        self.end_pending();
        self.stripe.settled();
        self.shrink();
        Ok(())
    }

    /// Removes all entries.
    pub(crate) fn clear(&mut self) -> Result<(), DictError> {
        self.stripe.unsettle();
        self.area().each(|slot, _, entry| {
            self.make_pending(None, Some(entry))?;
            publish(self.area().slot(slot), LEFT);
            self.end_pending();
            Ok(())
        })?;
        // Nothing is looked for behind anything any more.
        for slot in 0..self.area().slots() {
            self.area().slot(slot).store(EMPTY, Ordering::Relaxed);
        }
        self.settle()?;
        self.shrink();
        Ok(())
    }

    /// Makes a slot one without an entry, and with it those before it that nothing is behind any more.
    fn leave(&self, slot: usize) {
        let area = self.area();
        let is_last = area.slot(slot.wrapping_add(1)).load(Ordering::Relaxed) == EMPTY;
        if !is_last {
            return publish(area.slot(slot), LEFT);
        }
        publish(area.slot(slot), EMPTY);
        subtract(&self.stripe.taken, 1);
        for back in 1..area.slots() {
            let before = area.slot(slot.wrapping_sub(back));
            if before.load(Ordering::Relaxed) != LEFT {
                break;
            }
            publish(before, EMPTY);
            subtract(&self.stripe.taken, 1);
        }
    }

    fn count_new(&self, slot_before: u64) {
        add(&self.stripe.count, 1);
        if slot_before == EMPTY {
            add(&self.stripe.taken, 1);
        }
    }

    /// Whether there is a block of this size, and a slot for one more.
    #[inline]
    fn has_room(&self, class: Class) -> bool {
        let stripe = self.stripe;
        let end = stripe.end.load(Ordering::Relaxed) as usize;
        let has_block = stripe.free[class.number].load(Ordering::Relaxed) != 0
            || end
                .checked_add(class.words)
                .is_some_and(|end| end <= self.area().len());
        let slots = self.area().slots();
        has_block && (stripe.taken.load(Ordering::Relaxed) as usize) < slots - slots / 4
    }

    /// Takes a free block; the stripe is unsettled.
    #[inline]
    fn take_block(&self, class: Class) -> Result<usize, DictError> {
        let (stripe, area) = (self.stripe, self.area());
        let head = &stripe.free[class.number];
        let free = head.load(Ordering::Relaxed) as usize;
        let (at, end) = match free {
            0 => {
                let at = stripe.end.load(Ordering::Relaxed) as usize;
                (at, &stripe.end)
            }
            at => (at, head),
        };
        let behind = at.checked_add(class.words).filter(|&end| end <= area.len());
        let behind = behind.filter(|_| at >= area.slots());
        let behind = behind.ok_or(DictError::Damaged("a free block is outside of its area"))?;
        let next = match free {
            0 => behind as u64,
            at => area.memory.words()[at].load(Ordering::Relaxed),
        };
        end.store(next, Ordering::Relaxed);
        add(&stripe.live, class.words);
        Ok(at)
    }

    /// Makes the block free of an entry that is not part of the dict any more; the stripe is unsettled.
    #[inline]
    fn give_block(&self, at: usize, class: Class) -> Result<(), DictError> {
        let head = &self.stripe.free[class.number];
        let link = self.area().memory.words().get(at);
        let link = link.ok_or(DictError::Damaged("a block is outside of its area"))?;
        link.store(head.load(Ordering::Relaxed), Ordering::Relaxed);
        head.store(at as u64, Ordering::Relaxed);
        subtract(&self.stripe.live, class.words);
        Ok(())
    }

    /// Notes which segments of values become a part of the dict or are given up, so that whoever finds
    /// the change half done knows which ones to look after.
    #[inline]
    fn make_pending(&self, new: Option<&Segment>, old: Option<Entry>) -> Result<(), DictError> {
        let [enters, leaves] = &self.stripe.pending;
        if let Some(segment) = new {
            enters.store(Name::of(segment)?);
            // Noted first, lest the dict holds what nobody knows of.
            segment.attach_to(self.core.home.segment());
        }
        match old {
            Some(old) if old.form.is_apart() => leaves.store(self.name(&old)?),
            _ => {}
        }
        Ok(())
    }

    /// Gives up the segment of a value that was replaced or removed.
    #[inline]
    fn end_pending(&self) {
        let [enters, leaves] = &self.stripe.pending;
        if enters.is_some() {
            enters.store(Name::NONE);
        }
        if leaves.is_some() {
            leaves.load().give_up();
            leaves.store(Name::NONE);
        }
    }

    /// Returns the name of the segment that has the value of an entry.
    pub(crate) fn name(&self, entry: &Entry) -> Result<Name, DictError> {
        let mut bytes = Vec::new();
        entry.read_content(&self.area().memory, &mut bytes)?;
        let name = bytes.get(size_of::<u64>()..).and_then(Name::parse);
        name.ok_or(DictError::Damaged("a value is nowhere"))
    }
}

impl Drop for Locked<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: this exists because the calling thread took the lock, and is not `Send`.
        let unlocked = unsafe { self.stripe.mutex.unlock() };
        // Of a damaged mutex the next to lock it is told.
        let _ = unlocked;
    }
}
