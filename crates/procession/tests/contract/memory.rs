//! Everything in shared memory.

pub(crate) mod types {
    pub(crate) use procession::shm::{Dict, Set};
    pub(crate) use procession::{
        Barrier, BoundedSemaphore, Condition, Event, JoinableQueue, Lock, Producer, Queue, RLock,
        Semaphore, Value,
    };
    use serde::Serialize;
    use serde::de::DeserializeOwned;
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

        pub(crate) fn queue(&self, capacity: usize) -> Queue<u32> {
            Queue::bounded(capacity).unwrap()
        }

        pub(crate) fn queue_of<T: Serialize + DeserializeOwned + Send + 'static>(
            &self,
        ) -> Queue<T> {
            Queue::new().unwrap()
        }

        pub(crate) fn joinable_queue(&self, capacity: usize) -> JoinableQueue<u32> {
            JoinableQueue::bounded(capacity).unwrap()
        }

        pub(crate) fn value(&self, value: u32) -> Value<u32> {
            Value::new(value).unwrap()
        }

        pub(crate) fn dict<K: Serialize + DeserializeOwned, V: Serialize + DeserializeOwned>(
            &self,
            items: impl IntoIterator<Item = (K, V)>,
        ) -> Dict<K, V> {
            Dict::from_items(items).unwrap()
        }

        pub(crate) fn dict_from_keys<
            K: Serialize + DeserializeOwned,
            V: Serialize + DeserializeOwned + Clone,
        >(
            &self,
            keys: impl IntoIterator<Item = K>,
            value: V,
        ) -> Dict<K, V> {
            Dict::from_keys(keys, value).unwrap()
        }

        pub(crate) fn set<T: Serialize + DeserializeOwned>(
            &self,
            items: impl IntoIterator<Item = T>,
        ) -> Set<T> {
            Set::from_items(items).unwrap()
        }
    }
}

#[path = "dict.rs"]
mod dict;

#[path = "sync.rs"]
mod sync;

#[path = "queue.rs"]
mod queue;
