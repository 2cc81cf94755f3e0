//! Everything in shared memory.

pub(crate) mod types {
    pub(crate) use procession::{
        Barrier, BoundedSemaphore, Condition, Event, Lock, RLock, Semaphore, Value,
    };
    use std::time::Duration;

    /// Shared memory, in which everything is made by itself.
    pub(crate) struct Place;

    impl Place {
        pub(crate) fn new() -> Self {
            Self
        }

        pub(crate) fn lock(&self) -> Lock {
            Lock::new().unwrap()
        }

        pub(crate) fn rlock(&self) -> RLock {
            RLock::new().unwrap()
        }

        pub(crate) fn semaphore(&self, permits: u32) -> Semaphore {
            Semaphore::new(permits).unwrap()
        }

        pub(crate) fn bounded_semaphore(&self, permits: u32) -> BoundedSemaphore {
            BoundedSemaphore::new(permits).unwrap()
        }

        pub(crate) fn condition(&self, lock: &Lock) -> Condition {
            Condition::new(lock).unwrap()
        }

        pub(crate) fn condition_of_rlock(&self, lock: &RLock) -> Condition<RLock> {
            Condition::new(lock).unwrap()
        }

        pub(crate) fn event(&self) -> Event {
            Event::new().unwrap()
        }

        pub(crate) fn barrier(&self, parties: u32) -> Barrier {
            Barrier::new(parties).unwrap()
        }

        pub(crate) fn barrier_with_timeout(&self, parties: u32, timeout: Duration) -> Barrier {
            Barrier::with_timeout(parties, timeout).unwrap()
        }

        pub(crate) fn value(&self, value: u32) -> Value<u32> {
            Value::new(value).unwrap()
        }
    }
}

#[path = "sync.rs"]
mod sync;
