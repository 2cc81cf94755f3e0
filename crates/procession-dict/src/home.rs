//! What lies in a dict's own segment.
//!
//! | part | content |
//! |---|---|
//! | [`Control`] | what is decided once, and what all stripes have in common |
//! | stripes | a [`Stripe`] for each |
//! | areas | the first area of each |

use crate::DictError;
use crate::area::{Area, FEWEST};
use crate::memory::{Memory, WORD};
use crate::stripe::Stripe;
use procession_shm::{Format, Segment, SegmentKind, ShmError};
use std::io;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};

/// Two cache lines, which some processors fetch together.
const LINE: usize = 128;

/// The most stripes of a dict.
pub(crate) const MAX_STRIPES: usize = 256;

/// The element of a dict's segment, so that its header tells the types of keys and values.
#[repr(C, align(128))]
struct Line<K, V>([u8; LINE], PhantomData<fn() -> (K, V)>);

/// The first bytes of the segment.
#[repr(C, align(128))]
pub(crate) struct Control {
    /// What keys are hashed with, so that nobody can choose keys that meet.
    seed: [AtomicU64; 2],
    stripes: AtomicU64,
    /// The slots and the words of each area in this segment.
    slots: AtomicU64,
    words: AtomicU64,
    order: Order,
}

/// Counts the keys that are inserted.
#[repr(C, align(128))]
struct Order(AtomicU64);

/// How a dict begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) stripes: usize,
    /// The slots and the words of each area in the dict's own segment.
    pub(crate) slots: usize,
    pub(crate) words: usize,
}

impl Plan {
    /// For so many keys in all, whose entries take so many bytes on average.
    pub(crate) fn new(stripes: usize, capacity: usize, bytes: usize) -> Self {
        let stripes = stripes.clamp(1, MAX_STRIPES).next_power_of_two();
        // By chance some stripes get more of the keys than others.
        let each = capacity.div_ceil(stripes).saturating_mul(5) / 4;
        let slots = each.saturating_mul(3) / 2;
        let slots = slots.clamp(16, 1 << 30).next_power_of_two();
        let blocks = each.saturating_mul(bytes.div_ceil(WORD));
        let words = blocks.max(512 - slots.min(256)).saturating_add(slots);
        Self {
            stripes,
            slots,
            words: words.min(u32::MAX as usize).next_multiple_of(LINE / WORD),
        }
    }

    fn area_at(&self, stripe: usize) -> usize {
        size_of::<Control>() + self.stripes * size_of::<Stripe>() + stripe * self.words * WORD
    }

    /// How many bytes there are, if a process could address so many.
    fn total(&self) -> Option<usize> {
        let areas = self.words.checked_mul(WORD)?.checked_mul(self.stripes)?;
        areas.checked_add(self.area_at(0))
    }
}

/// A dict's own segment in this process.
pub(crate) struct Home {
    segment: Segment,
    /// As it was found, whatever becomes of the memory.
    plan: Plan,
    seed: [u64; 2],
}

impl Home {
    pub(crate) fn format<K, V>(kind: SegmentKind) -> Format {
        Format::of::<Line<K, V>>(kind)
    }

    pub(crate) fn create(format: Format, plan: Plan) -> Result<Self, ShmError> {
        let seed = [(); 2].map(|()| getrandom::u64().map_err(io::Error::other));
        let [first, second] = seed;
        let seed = [
            first.map_err(ShmError::System)?,
            second.map_err(ShmError::System)?,
        ];
        // What cannot be addressed is more than there is.
        let lines = plan.total().unwrap_or(usize::MAX) / LINE;
        let mut made = Ok(());
        let segment = Segment::create(format, lines, |bytes| {
            let first = bytes[size_of::<Control>()..].as_mut_ptr();
            for number in 0..plan.stripes {
                let at = first.wrapping_add(number * size_of::<Stripe>());
                if made.is_ok() {
                    // SAFETY: the bytes are zeroed, nobody else's, and begin at a multiple of 128.
                    made = unsafe { Stripe::init_at(at.cast(), plan.slots) };
                }
            }
        })?;
        made.map_err(ShmError::System)?;
        let home = Self {
            segment,
            plan,
            seed,
        };
        let control = home.control();
        for (word, value) in control.seed.iter().zip(seed) {
            word.store(value, Ordering::Relaxed);
        }
        control
            .stripes
            .store(plan.stripes as u64, Ordering::Relaxed);
        control.slots.store(plan.slots as u64, Ordering::Relaxed);
        control.words.store(plan.words as u64, Ordering::Relaxed);
        Ok(home)
    }

    /// Checks that the segment is as large as what it says is in it.
    pub(crate) fn found(segment: Segment) -> Result<Self, DictError> {
        if segment.payload_len() < size_of::<Control>() {
            return Err(DictError::Damaged("the segment is too small"));
        }
        let mut home = Self {
            segment,
            plan: Plan::new(1, 0, 0),
            seed: [0; 2],
        };
        let control = home.control();
        let word = |word: &AtomicU64| usize::try_from(word.load(Ordering::Relaxed));
        let (stripes, slots, words) = (
            word(&control.stripes).unwrap_or(0),
            word(&control.slots).unwrap_or(0),
            word(&control.words).unwrap_or(0),
        );
        let seed = [0, 1].map(|at: usize| control.seed[at].load(Ordering::Relaxed));
        let makes_sense = stripes.is_power_of_two()
            && stripes <= MAX_STRIPES
            && slots.is_power_of_two()
            && (FEWEST..words).contains(&slots);
        home.plan = Plan {
            stripes,
            slots,
            words,
        };
        home.seed = seed;
        if !makes_sense || home.plan.total() != Some(home.segment.payload_len()) {
            return Err(DictError::Damaged("the segment has the wrong size"));
        }
        Ok(home)
    }

    pub(crate) fn segment(&self) -> &Segment {
        &self.segment
    }

    pub(crate) fn plan(&self) -> Plan {
        self.plan
    }

    pub(crate) fn seed(&self) -> [u64; 2] {
        self.seed
    }

    /// Returns the place of the next key among all that were ever inserted.
    #[inline]
    pub(crate) fn next_order(&self) -> u64 {
        self.control().order.0.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns one of the stripes.
    #[inline]
    pub(crate) fn stripe(&self, number: usize) -> &Stripe {
        let number = number & (self.plan.stripes - 1);
        let at = size_of::<Control>() + number * size_of::<Stripe>();
        // SAFETY: so many stripes lie in the segment, as was checked.
        let stripe = unsafe { self.segment.payload().add(at) };
        // SAFETY: it was made by `init_at`, or is whatever was written over it: all fields are
        // atomics or use them. It is mapped as long as `self`.
        unsafe { stripe.cast().as_ref() }
    }

    /// Returns the area of a stripe in this segment.
    pub(crate) fn area(&self, stripe: usize) -> Result<Area, DictError> {
        let memory = Memory::new(
            self.segment.clone(),
            self.plan.area_at(stripe),
            self.plan.words,
        );
        let memory = memory.ok_or(DictError::Damaged("an area is outside of the segment"))?;
        Area::new(memory, self.plan.slots)
    }

    #[inline]
    fn control(&self) -> &Control {
        // SAFETY: the segment is large enough and begins at a multiple of 128; all fields are atomics.
        unsafe { self.segment.payload().cast().as_ref() }
    }
}
