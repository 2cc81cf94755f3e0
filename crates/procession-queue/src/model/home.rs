//! What stands in for a queue's own segment.

use super::memory::Memory;
use crate::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::control::Control;
use crate::name::NameCell;
use crate::patience::Patience;
use crate::record::{Area, FIRST};
use crate::sides::Sides;

/// A queue's own segment; its chunk is the first of all.
pub(crate) struct Home {
    control: Control,
}

/// What the home's segment would be.
pub(crate) struct HomeSegment;

impl HomeSegment {
    pub(crate) fn name(&self) -> String {
        "/home".to_owned()
    }
}

impl Home {
    pub(crate) fn segment(&self) -> &HomeSegment {
        &HomeSegment
    }

    /// Makes the one of the run's one queue.
    pub(crate) fn new(capacity: u64) -> Self {
        let control = Control {
            capacity: AtomicU64::new(capacity),
            joinable: AtomicU32::new(0),
            counted: AtomicU32::new(0),
            handles: AtomicU64::new(1),
            home_free: AtomicU32::new(0),
            spare_full: AtomicU32::new(0),
            spare: NameCell::new(),
            sides: Sides::new(),
            done: AtomicU64::new(0),
        };
        for side in [&control.sides.put, &control.sides.get] {
            let locked = side.lock(Patience::None).expect("nobody else has it");
            locked.place(0).offset.store(FIRST, Ordering::Relaxed);
        }
        Self { control }
    }

    pub(crate) fn control(&self) -> &Control {
        &self.control
    }

    pub(crate) fn area(&self) -> Area {
        Area::new(Memory::HOME)
    }
}
