//! Producers that are counted, so that a queue ends with the last of them.

use super::item::Item;
use super::queue::{Queue, Refused, State};
use super::room::Room;
use crate::hosting::Concurrent;
use crate::proxy::Proxy;
use crate::shared::Shared;
use procession_queue::{PutError, PutManyError, StateError};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// One producer, in the server: it lasts as long as any process has a proxy of it.
pub(crate) struct HostedProducer<T: Item> {
    room: Arc<Room<State<T>>>,
}

impl<T: Item> HostedProducer<T> {
    pub(super) fn new(room: &Arc<Room<State<T>>>) -> Result<Self, Refused> {
        room.change(State::come)?;
        let room = Arc::clone(room);
        Ok(Self { room })
    }
}

impl<T: Item> Drop for HostedProducer<T> {
    fn drop(&mut self) {
        self.room.change(State::go);
    }
}

impl<T: Item> Shared for HostedProducer<T> {
    type Access = Concurrent;
    type Proxy = Proxy<Self, Concurrent>;
}

/// A producer of a [`Queue`] that is counted: with the last of them the queue is shut down.
///
/// Clones, and what arrives in other processes, are the same producer. It is there until all of
/// them are dropped, or their processes have ended, killed or not.
///
/// # Examples
///
/// ```
/// use procession::manager::Producer;
/// use procession::{Manager, Process};
///
/// fn produce(numbers: Producer<u32>) -> anyhow::Result<()> {
///     Ok(numbers.put_many(&[1, 2, 3])?)
/// }
///
/// # fn main() -> anyhow::Result<()> {
/// # procession::init();
/// let manager = Manager::start()?;
/// let queue = manager.queue()?;
/// let child = Process::spawn(produce, (queue.producer()?,))?;
/// let numbers: Result<Vec<_>, _> = queue.iter().collect();
/// assert_eq!(numbers?, [1, 2, 3]);
/// child.join()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Producer<T: Item> {
    queue: Queue<T>,
    presence: Proxy<HostedProducer<T>, Concurrent>,
}

impl<T: Item> Queue<T> {
    /// Counts a producer: when all of them are gone, the queue is [shut down](Self::shutdown).
    ///
    /// # Errors
    ///
    /// [`StateError::Closed`], also if the queue was shut down; [`StateError::Fault`] if there is no
    /// server.
    pub fn producer(&self) -> Result<Producer<T>, StateError> {
        let presence = self.counted()??;
        let queue = self.clone();
        Ok(Producer { queue, presence })
    }
}

impl<T: Item> Producer<T> {
    /// Puts an item, as [`Queue::put`] does.
    ///
    /// # Errors
    ///
    /// As [`Queue::put`].
    pub fn put(&self, item: &T) -> Result<(), PutError> {
        self.queue.put(item)
    }

    /// Puts an item if there is room, as [`Queue::try_put`] does.
    ///
    /// # Errors
    ///
    /// As [`Queue::try_put`].
    #[doc(alias = "put_nowait")]
    pub fn try_put(&self, item: &T) -> Result<(), PutError> {
        self.queue.try_put(item)
    }

    /// Puts an item, as [`Queue::put_timeout`] does.
    ///
    /// # Errors
    ///
    /// As [`Queue::put_timeout`].
    pub fn put_timeout(&self, item: &T, timeout: Duration) -> Result<(), PutError> {
        self.queue.put_timeout(item, timeout)
    }

    /// Puts several items, as [`Queue::put_many`] does.
    ///
    /// # Errors
    ///
    /// As [`Queue::put_many`].
    pub fn put_many<'a>(&self, items: impl IntoIterator<Item = &'a T>) -> Result<(), PutManyError>
    where
        T: 'a,
    {
        self.queue.put_many(items)
    }

    /// Returns the queue.
    pub fn queue(&self) -> &Queue<T> {
        &self.queue
    }
}
