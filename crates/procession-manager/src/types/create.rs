//! Making the built-in objects.

use super::array::HostedArray;
use super::barrier::HostedBarrier;
use super::condition::HostedCondition;
use super::dict::HostedDict;
use super::event::HostedEvent;
use super::list::HostedList;
use super::lock::HostedLock;
use super::namespace::HostedNamespace;
use super::pool::HostedPool;
use super::queue::HostedQueue;
use super::rlock::HostedRLock;
use super::semaphore::HostedSemaphore;
use super::set::HostedSet;
use super::value::HostedValue;
use super::{
    Array, Barrier, BoundedSemaphore, Condition, ConditionLock, Dict, Event, Item, JoinableQueue,
    List, Lock, Namespace, Pool, Queue, RLock, Semaphore, Set, Value,
};
use crate::error::ManagerError;
use crate::handle::ManagerHandle;
use std::hash::Hash;
use std::time::Duration;

/// The built-in objects.
///
/// Each of these asks the server for a new object, and fails with [`ManagerError`] if that cannot be
/// had: [`ManagerError::Gone`] if there is no server.
#[expect(clippy::missing_errors_doc, reason = "said once, for all of them")]
impl ManagerHandle {
    /// Makes an empty [`List`].
    pub fn list<T: Item>(&self) -> Result<List<T>, ManagerError> {
        self.list_from([])
    }

    /// Makes a [`List`] of these items.
    pub fn list_from<T: Item>(
        &self,
        items: impl IntoIterator<Item = T>,
    ) -> Result<List<T>, ManagerError> {
        self.create(HostedList::new, (items.into_iter().collect::<Vec<T>>(),))
    }

    /// Makes an empty [`Dict`].
    pub fn dict<K: Item + Clone + Eq + Hash, V: Item>(&self) -> Result<Dict<K, V>, ManagerError> {
        self.dict_from([])
    }

    /// Makes a [`Dict`] of these keys and values.
    pub fn dict_from<K: Item + Clone + Eq + Hash, V: Item>(
        &self,
        items: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Dict<K, V>, ManagerError> {
        self.create(
            HostedDict::new,
            (items.into_iter().collect::<Vec<(K, V)>>(),),
        )
    }

    /// Makes a [`Dict`] with the same value under each of these keys: Python's `fromkeys`. A value that
    /// is a handle is the same object under all of them.
    #[doc(alias = "fromkeys")]
    pub fn dict_from_keys<K: Item + Clone + Eq + Hash, V: Item + Clone>(
        &self,
        keys: impl IntoIterator<Item = K>,
        value: V,
    ) -> Result<Dict<K, V>, ManagerError> {
        let keys = keys.into_iter().collect::<Vec<K>>();
        self.create(HostedDict::from_keys, (keys, value))
    }

    /// Makes an empty [`Set`].
    pub fn set<T: Item + Clone + Eq + Hash>(&self) -> Result<Set<T>, ManagerError> {
        self.set_from([])
    }

    /// Makes a [`Set`] of these items.
    pub fn set_from<T: Item + Clone + Eq + Hash>(
        &self,
        items: impl IntoIterator<Item = T>,
    ) -> Result<Set<T>, ManagerError> {
        self.create(HostedSet::new, (items.into_iter().collect::<Vec<T>>(),))
    }

    /// Makes an empty [`Namespace`].
    pub fn namespace(&self) -> Result<Namespace, ManagerError> {
        self.create(HostedNamespace::new, ())
    }

    /// Makes a [`Value`].
    pub fn value<T: Item>(&self, value: T) -> Result<Value<T>, ManagerError> {
        self.create(HostedValue::new, (value,))
    }

    /// Makes an [`Array`] of these elements.
    pub fn array<T: Item>(
        &self,
        elements: impl IntoIterator<Item = T>,
    ) -> Result<Array<T>, ManagerError> {
        self.create(
            HostedArray::new,
            (elements.into_iter().collect::<Vec<T>>(),),
        )
    }

    /// Makes a [`Lock`].
    pub fn lock(&self) -> Result<Lock, ManagerError> {
        self.create(HostedLock::new, ())
    }

    /// Makes an [`RLock`].
    pub fn rlock(&self) -> Result<RLock, ManagerError> {
        self.create(HostedRLock::new, ())
    }

    /// Makes a [`Semaphore`] with that many permits.
    pub fn semaphore(&self, permits: u32) -> Result<Semaphore, ManagerError> {
        self.create(HostedSemaphore::new, (permits,))
    }

    /// Makes a [`BoundedSemaphore`] with that many permits.
    pub fn bounded_semaphore(&self, permits: u32) -> Result<BoundedSemaphore, ManagerError> {
        self.create(HostedSemaphore::bounded, (permits,))
            .map(BoundedSemaphore::new)
    }

    /// Makes a [`Condition`] that is bound to `lock`, a [`Lock`] or an [`RLock`] of this manager.
    pub fn condition<L: ConditionLock>(&self, lock: &L) -> Result<Condition<L>, ManagerError> {
        let hosted = self.create(HostedCondition::<L>::new, (lock.clone(),))?;
        Ok(Condition::new(hosted, lock.clone()))
    }

    /// Makes an [`Event`] that is not set.
    pub fn event(&self) -> Result<Event, ManagerError> {
        self.create(HostedEvent::new, ())
    }

    /// Makes a [`Barrier`] for that many parties; none are one.
    pub fn barrier(&self, parties: u32) -> Result<Barrier, ManagerError> {
        self.create(HostedBarrier::new, (parties, None::<Duration>))
    }

    /// Makes a [`Barrier`] whose parties wait for `timeout` at the longest if they do not say
    /// otherwise.
    pub fn barrier_with_timeout(
        &self,
        parties: u32,
        timeout: Duration,
    ) -> Result<Barrier, ManagerError> {
        self.create(HostedBarrier::new, (parties, Some(timeout)))
    }

    /// Starts a [`Pool`] of so many workers, which are the server's children.
    pub fn pool(&self, workers: usize) -> Result<Pool, ManagerError> {
        self.create(HostedPool::new, (workers,))
    }

    /// Makes a [`Queue`] without a limit.
    pub fn queue<T: Item>(&self) -> Result<Queue<T>, ManagerError> {
        self.bounded_queue(0)
    }

    /// Makes a [`Queue`] with room for that many items; zero is no limit.
    pub fn bounded_queue<T: Item>(&self, capacity: usize) -> Result<Queue<T>, ManagerError> {
        self.create(HostedQueue::new, (capacity, false))
    }

    /// Makes a [`JoinableQueue`] without a limit.
    pub fn joinable_queue<T: Item>(&self) -> Result<JoinableQueue<T>, ManagerError> {
        self.bounded_joinable_queue(0)
    }

    /// Makes a [`JoinableQueue`] with room for that many items; zero is no limit.
    pub fn bounded_joinable_queue<T: Item>(
        &self,
        capacity: usize,
    ) -> Result<JoinableQueue<T>, ManagerError> {
        let queue = self.create(HostedQueue::new, (capacity, true))?;
        Ok(JoinableQueue::new(queue))
    }
}
