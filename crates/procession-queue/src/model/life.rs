//! Threads that are killed, and the atomics that they write to.
//!
//! A thread [lives](live) for so many steps; every store, every waking, every taking and giving
//! back of a lock is one. Where the next one would be, it is dead: its locks pass on, as the kernel
//! does it, and from there on nothing that it does has any effect. So a test that tries each
//! number of steps has killed the thread at each instruction that others could see.

use super::mutex::Owned;
use loom::sync::atomic;
use std::cell::{Cell, RefCell};

/// What a thread has that is not to be killed.
const FOR_EVER: u32 = u32::MAX;

loom::thread_local! {
    static LEFT: Cell<u32> = Cell::new(FOR_EVER);
    static LOCKS: RefCell<Vec<Owned>> = RefCell::new(Vec::new());
}

/// Does `work` on this thread, which is killed after so many steps; returns whether it survived.
pub fn live<R>(steps: u32, work: impl FnOnce() -> R) -> bool {
    LEFT.with(|left| left.set(steps));
    // Of what a dead thread found out nobody learns.
    drop(work());
    LEFT.with(|left| left.replace(FOR_EVER)) != 0
}

/// Returns whether this thread has not been killed.
pub(crate) fn is_alive() -> bool {
    LEFT.with(Cell::get) != 0
}

/// Takes a step; false if the thread is dead, and then the step has no effect.
pub(crate) fn step() -> bool {
    match LEFT.with(Cell::get) {
        FOR_EVER => true,
        0 => false,
        left => {
            LEFT.with(|cell| cell.set(left - 1));
            if left == 1 {
                let locks = LOCKS.with(RefCell::take);
                locks.iter().for_each(Owned::pass_on);
            }
            left != 1
        }
    }
}

/// Notes a lock as this thread's.
pub(crate) fn own(lock: Owned) {
    LOCKS.with(|locks| locks.borrow_mut().push(lock));
}

/// Forgets a lock that was this thread's.
pub(crate) fn disown(lock: &Owned) {
    LOCKS.with(|locks| locks.borrow_mut().retain(|owned| !owned.is(lock)));
}

macro_rules! mortal {
    ($name:ident, $number:ty) => {
        /// One of loom's, to which the dead do not write.
        #[derive(Debug)]
        pub(crate) struct $name(atomic::$name);

        impl $name {
            pub(crate) fn new(value: $number) -> Self {
                Self(atomic::$name::new(value))
            }

            pub(crate) fn load(&self, order: atomic::Ordering) -> $number {
                self.0.load(order)
            }

            pub(crate) fn store(&self, value: $number, order: atomic::Ordering) {
                if step() {
                    self.0.store(value, order);
                }
            }
        }
    };
}

mortal!(AtomicU32, u32);
mortal!(AtomicU64, u64);

impl AtomicU32 {
    pub(crate) fn fetch_or(&self, bits: u32, order: atomic::Ordering) -> u32 {
        match step() {
            true => self.0.fetch_or(bits, order),
            false => self.0.load(atomic::Ordering::Relaxed),
        }
    }
}

impl AtomicU64 {
    pub(crate) fn fetch_update(
        &self,
        set: atomic::Ordering,
        fetch: atomic::Ordering,
        change: impl FnMut(u64) -> Option<u64>,
    ) -> Result<u64, u64> {
        match step() {
            true => self.0.fetch_update(set, fetch, change),
            false => Err(self.0.load(atomic::Ordering::Relaxed)),
        }
    }
}
