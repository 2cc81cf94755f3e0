//! What all processes of a storm have.

use procession_shm::{AcquireError, Array, RawArray, Shared as Atomic, Value};
use procession_sync::{
    Barrier, BoundedSemaphore, Condition, Event, Lock, RLock, RwLock, Semaphore,
};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) const PERMITS: u32 = 2;
pub(crate) const ELEMENTS: usize = 100;

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Shared {
    pub(crate) lock: Lock,
    /// How many are inside of the lock.
    pub(crate) inside: Atomic<AtomicU64>,
    pub(crate) rlock: RLock,
    pub(crate) inside_rlock: Atomic<AtomicU64>,
    pub(crate) semaphore: Semaphore,
    pub(crate) bounded: BoundedSemaphore,
    pub(crate) condition: Condition,
    pub(crate) rwlock: RwLock,
    /// How many write under it.
    pub(crate) written: Atomic<AtomicU64>,
    pub(crate) event: Event,
    pub(crate) barrier: Barrier,
    /// Two numbers that add up to zero.
    pub(crate) value: Value<[u64; 2]>,
    /// All equal.
    pub(crate) array: Array<u64>,
    doing: RawArray<u32>,
}

impl Shared {
    pub(crate) fn new() -> Self {
        let lock = Lock::new().unwrap();
        Self {
            condition: Condition::new(&lock).unwrap(),
            lock,
            inside: Atomic::new(AtomicU64::new(0)).unwrap(),
            rlock: RLock::new().unwrap(),
            inside_rlock: Atomic::new(AtomicU64::new(0)).unwrap(),
            semaphore: Semaphore::new(PERMITS).unwrap(),
            bounded: BoundedSemaphore::new(PERMITS).unwrap(),
            rwlock: RwLock::new().unwrap(),
            written: Atomic::new(AtomicU64::new(0)).unwrap(),
            event: Event::new().unwrap(),
            barrier: Barrier::new(2).unwrap(),
            value: Value::new([0, 0]).unwrap(),
            array: Array::zeroed(ELEMENTS).unwrap(),
            doing: RawArray::zeroed(8).unwrap(),
        }
    }

    /// What the process of that index does, counted from 1; zero before it does anything.
    pub(crate) fn doing_of(&self, index: usize) -> usize {
        self.doing.get(index) as usize
    }

    pub(crate) fn set_doing(&self, index: usize, what: usize) {
        self.doing.set(index, what as u32);
    }
}

/// Says whether somebody died with the lock, and gives the guard.
pub(crate) fn guard_of<G: procession_shm::Repair>(taken: Result<G, AcquireError<G>>) -> (G, bool) {
    match taken {
        Ok(guard) => (guard, false),
        Err(AcquireError::Poisoned(poisoned)) => (poisoned.repaired(), true),
        Err(AcquireError::Failed(error)) => panic!("{error}"),
    }
}

/// As [`guard_of`], but leaves the poison until what it stands for has been mended.
pub(crate) fn guard_of_unmended<G>(taken: Result<G, AcquireError<G>>) -> (G, bool) {
    match taken {
        Ok(guard) => (guard, false),
        Err(AcquireError::Poisoned(poisoned)) => (poisoned.into_inner(), true),
        Err(AcquireError::Failed(error)) => panic!("{error}"),
    }
}

/// Is alone for a moment, where nobody else is unless he died there.
pub(crate) fn be_alone(inside: &Atomic<AtomicU64>, somebody_died: bool, random: &mut Random) {
    let others = inside.swap(1, Ordering::Relaxed);
    assert!(others == 0 || somebody_died, "two are inside");
    random.idle();
    inside.store(0, Ordering::Relaxed);
}

/// Marsaglia's xorshift64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 8) % limit
    }

    pub(crate) fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    /// Does nothing for a moment.
    pub(crate) fn idle(&mut self) {
        for _ in 0..self.below(200) {
            std::hint::spin_loop();
        }
    }
}
