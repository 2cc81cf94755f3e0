//! Finishing what a process has left undone, and going to another area.
//!
//! A stripe goes to another area when it has no room, when most of its blocks are free, or when the
//! free ones have sizes that are not asked for. The entries are copied there, and the number of the
//! current area is counted up, which is the one store that makes it so. The new area is in a segment of
//! its own; or in the dict's, if that is large enough and not the one that is left.

use crate::DictError;
use crate::area::{Area, EMPTY, FEWEST};
use crate::core::Local;
use crate::locked::Locked;
use crate::memory::Memory;
use crate::name::{self, Name};
use crate::stripe::publish;
use std::mem;
use std::sync::atomic::Ordering;

/// What follows from the slots of an area.
#[derive(Default)]
struct Tally {
    count: usize,
    /// The words of all blocks with entries.
    live: usize,
    /// The first word behind all of them.
    end: usize,
}

impl Tally {
    fn of(area: &Area) -> Result<Self, DictError> {
        let mut tally = Self {
            end: area.slots(),
            ..Self::default()
        };
        area.each(|_, _, entry| {
            tally.count += 1;
            tally.live += entry.class.words;
            tally.end = tally.end.max(entry.at + entry.class.words);
            Ok(())
        })?;
        Ok(tally)
    }
}

impl Locked<'_> {
    /// Maps the area with this number.
    #[cold]
    pub(crate) fn open(&self, generation: u64) -> Result<Area, DictError> {
        let place = self.stripe.place(generation);
        let name = place.name.load();
        if name == Name::NONE {
            return self.core.home.area(self.number);
        }
        let slots = usize::try_from(place.slots.load(Ordering::Relaxed)).unwrap_or(0);
        Area::new(Memory::of(name.open()?), slots)
    }

    /// Works out what follows from the slots, and gives up what is no part of the dict.
    #[cold]
    pub(crate) fn settle(&mut self) -> Result<(), DictError> {
        let stripe = self.stripe;
        stripe.unsettle();
        // The area that was to be the current one, or was it before.
        let other = &stripe.place(self.local.generation.wrapping_add(1)).name;
        if other.is_some() {
            other.load().give_up();
            other.store(Name::NONE);
        }
        self.settle_pending()?;
        let area = self.area();
        let tally = Tally::of(area)?;
        let slots = (0..area.slots()).map(|slot| area.slot(slot).load(Ordering::Relaxed));
        let taken = slots.filter(|&slot| slot != EMPTY).count();
        self.note(&tally, taken);
        stripe.settled();
        Ok(())
    }

    /// Gives up segments of values that nothing leads to.
    fn settle_pending(&self) -> Result<(), DictError> {
        for pending in &self.stripe.pending {
            if !pending.is_some() {
                continue;
            }
            let name = pending.load();
            let mut is_used = false;
            self.area().each(|_, _, entry| {
                is_used |= entry.form.is_apart() && self.name(&entry)? == name;
                Ok(())
            })?;
            if !is_used {
                name.give_up();
            }
            pending.store(Name::NONE);
        }
        Ok(())
    }

    fn note(&self, tally: &Tally, taken: usize) {
        let stripe = self.stripe;
        let numbers = [
            (&stripe.count, tally.count),
            (&stripe.taken, taken),
            (&stripe.live, tally.live),
            (&stripe.end, tally.end),
        ];
        for (word, number) in numbers {
            word.store(number as u64, Ordering::Relaxed);
        }
        // What lies between the entries is found free when they are copied.
        for head in &stripe.free {
            head.store(0, Ordering::Relaxed);
        }
    }

    /// Goes to an area that has room for a block of `more` words.
    #[cold]
    pub(crate) fn move_on(&mut self, more: usize) -> Result<(), DictError> {
        let tally = Tally::of(self.area())?;
        let slots = ((tally.count + 1) * 2).next_power_of_two().max(FEWEST * 2);
        let blocks = (tally.live + more) * 2;
        let plan = self.core.home.plan();
        let fits = slots <= plan.slots && plan.slots + blocks <= plan.words;
        let place = self.stripe.place(self.local.generation);
        let is_at_home = !place.name.is_some();
        let area = if fits && !is_at_home {
            self.home_area()?
        } else {
            // Where there is no memory for as much again, there may be some for what is needed now.
            self.new_area(slots, blocks)
                .or_else(|_| self.new_area(slots, tally.live + more))?
        };
        self.copy_to(&area)?;
        self.go_to(area)
    }

    /// Gives memory back if little of it is used.
    pub(crate) fn shrink(&mut self) {
        let area = self.area();
        let live = self.stripe.live.load(Ordering::Relaxed) as usize;
        let used = live.saturating_mul(8).saturating_add(area.slots());
        let few = self.count().saturating_mul(16) < area.slots();
        let is_at_home = !self.stripe.place(self.local.generation).name.is_some();
        if !is_at_home && few && used <= area.len() {
            // Without memory for a smaller one it stays as it is.
            let _ = self.move_on(0);
        }
    }

    /// Returns the area in the dict's own segment, without entries.
    fn home_area(&self) -> Result<Area, DictError> {
        let area = self.core.home.area(self.number)?;
        self.stripe.unsettle();
        for slot in 0..area.slots() {
            area.slot(slot).store(EMPTY, Ordering::Relaxed);
        }
        let place = self.stripe.place(self.local.generation.wrapping_add(1));
        place.name.store(Name::NONE);
        Ok(area)
    }

    /// Makes an area that the other place names.
    fn new_area(&self, slots: usize, blocks: usize) -> Result<Area, DictError> {
        let memory = match slots.checked_add(blocks) {
            Some(words) if u32::try_from(words).is_ok() => name::make(words)?,
            _ => return Err(DictError::Damaged("an area would be too large")),
        };
        self.stripe.unsettle();
        let place = self.stripe.place(self.local.generation.wrapping_add(1));
        place.name.store(Name::of(memory.segment())?);
        place.slots.store(slots as u64, Ordering::Relaxed);
        // Named first, lest the dict holds what nobody knows of.
        memory.segment().attach_to(self.core.home.segment());
        Area::new(memory, slots)
    }

    fn copy_to(&self, to: &Area) -> Result<(), DictError> {
        let from = self.area();
        let mut end = to.slots();
        from.each(|_, slot, entry| {
            let (target, used) = (end, entry.used());
            end += entry.class.words;
            let words = to.memory.words().get(target..target + used);
            let words = words.filter(|_| end <= to.len());
            let words = words.ok_or(DictError::Damaged("an area has more than it says"))?;
            for (to, from) in words.iter().zip(&from.memory.words()[entry.at..]) {
                to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
            }
            to.enter(Area::slot_of(slot >> 32, target));
            Ok(())
        })
    }

    /// Makes an area with copies of all entries the current one.
    fn go_to(&mut self, area: Area) -> Result<(), DictError> {
        let generation = self.local.generation.wrapping_add(1);
        publish(&self.stripe.generation, generation);
        // Mapped until it is given up.
        let _left = mem::replace(&mut *self.local, Local { generation, area });
        self.settle()
    }
}
