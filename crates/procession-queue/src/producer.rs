//! A producer that is counted, so that a queue ends with its last one.

use crate::core::Core;
use crate::{PutError, PutManyError, Queue, SimpleQueue, StateError};
use procession_os::wait::Deadline;
use procession_shm::Presence;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A handle that puts into a queue, and by which the queue knows that somebody may; made by
/// [`Queue::producer`].
///
/// When there has been one and none is left, the queue is [shut down](Queue::shutdown): consumers
/// get what is in it, and then [`GetError::Closed`](crate::GetError::Closed), by which
/// [`Queue::iter`] ends. That is for ever: a later `producer` is an error, and so is a later `put`.
/// A queue of which nobody ever made a producer does not end by itself.
///
/// A clone is another handle to the same producer. It is itself a handle, as an argument, a result,
/// or a part of a message, and gives the other process a producer. It has a descriptor, which cannot
/// lie in shared memory: a queue refuses an item with a producer in it.
///
/// # When the other side is gone
///
/// The kernel counts the producers, by a lock on a descriptor. So a producer is gone when its last
/// clone in a process is dropped, and when the process ends in whatever way. On its way in a message
/// it is there until the message is received, or lost with the connection or the process that it was
/// sent to. A process that is stopped is there. A process made by
/// [`fork`](https://docs.rs/procession/latest/procession/enum.StartMethod.html) has each producer
/// that its parent had, until it ends.
///
/// If the last producer is dropped, the consumers wake at once; if it is killed, within a tenth of a
/// second.
///
/// # Examples
///
/// ```
/// use procession_queue::Queue;
///
/// let queue = Queue::new()?;
/// let producer = queue.producer()?;
/// let other = producer.clone();
/// let threads = [producer, other].map(|producer| {
///     std::thread::spawn(move || (1..=10).try_for_each(|number| producer.put(&number)))
/// });
/// let sum: u32 = queue.iter().sum::<Result<_, _>>()?;
/// assert_eq!(sum, 2 * 55);
/// # for thread in threads { thread.join().expect("no panic")?; }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It gets nothing:
///
/// ```compile_fail,E0599
/// # use procession_queue::Queue;
/// let producer = Queue::<u8>::new().unwrap().producer().unwrap();
/// producer.get();
/// ```
pub struct Producer<T> {
    queue: Queue<T>,
    share: Arc<Share>,
}

/// What the clones of a process share.
struct Share {
    core: Arc<Core>,
    presence: Option<Presence>,
}

/// How long the drop of the last producer waits for the queue's locks; who looks later ends it too.
const MOMENT: Duration = Duration::from_millis(100);

impl<T> Queue<T> {
    /// Makes a producer, with the last of which the queue ends.
    ///
    /// Make the first one before the consumers may find none, and give each producing process one of
    /// its own or a clone; drop your own when you have given it away.
    ///
    /// # Errors
    ///
    /// [`StateError::Closed`] if the queue has ended. [`Fault::Count`](crate::Fault::Count) if no
    /// descriptor is left, [`Fault::Held`](crate::Fault::Held) after a second if a stopped process
    /// holds the producers' lock.
    ///
    /// # When the other side is gone
    ///
    /// If the caller is killed in it, the producer is gone.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_queue::{Queue, StateError};
    ///
    /// let queue = Queue::new()?;
    /// let producer = queue.producer()?;
    /// producer.put(&"the last".to_string())?;
    /// drop(producer);
    /// for item in &queue {
    ///     assert_eq!(item?, "the last");
    /// }
    /// assert!(matches!(queue.producer(), Err(StateError::Closed(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn producer(&self) -> Result<Producer<T>, StateError> {
        let presence = self.core.count_producer()?;
        Ok(Producer::of(self.clone(), presence))
    }
}

impl<T> SimpleQueue<T> {
    /// Makes a producer, with the last of which the queue ends; see [`Queue::producer`].
    ///
    /// # Errors
    ///
    /// As [`Queue::producer`].
    ///
    /// # When the other side is gone
    ///
    /// As [`Queue::producer`].
    pub fn producer(&self) -> Result<Producer<T>, StateError> {
        self.queue.producer()
    }
}

impl<T: Serialize + DeserializeOwned> Producer<T> {
    /// Puts an item at the end, waiting for as long as a bounded queue is full; see [`Queue::put`].
    ///
    /// # Errors
    ///
    /// As [`Queue::put`].
    ///
    /// # When the other side is gone
    ///
    /// As [`Queue::put`].
    pub fn put(&self, item: &T) -> Result<(), PutError> {
        self.queue.put(item)
    }

    /// Puts an item at the end if the queue is not full at this moment; see [`Queue::try_put`].
    ///
    /// # Errors
    ///
    /// As [`Queue::try_put`].
    ///
    /// # When the other side is gone
    ///
    /// As [`Queue::try_put`].
    #[doc(alias = "put_nowait")]
    pub fn try_put(&self, item: &T) -> Result<(), PutError> {
        self.queue.try_put(item)
    }

    /// Puts an item at the end, waiting for `timeout` at the longest while the queue is full; see
    /// [`Queue::put_timeout`].
    ///
    /// # Errors
    ///
    /// As [`Queue::put_timeout`].
    ///
    /// # When the other side is gone
    ///
    /// As [`Queue::put_timeout`].
    pub fn put_timeout(&self, item: &T, timeout: Duration) -> Result<(), PutError> {
        self.queue.put_timeout(item, timeout)
    }

    /// Puts several items, one after the other; see [`Queue::put_many`].
    ///
    /// # Errors
    ///
    /// As [`Queue::put_many`].
    ///
    /// # When the other side is gone
    ///
    /// As [`Queue::put`].
    pub fn put_many<'a>(&self, items: impl IntoIterator<Item = &'a T>) -> Result<(), PutManyError>
    where
        T: 'a,
    {
        self.queue.put_many(items)
    }
}

impl<T> Producer<T> {
    fn of(queue: Queue<T>, presence: Presence) -> Self {
        let share = Share {
            core: Arc::clone(&queue.core),
            presence: Some(presence),
        };
        Self {
            queue,
            share: Arc::new(share),
        }
    }

    /// Returns the queue, which it keeps open for as long as it lives.
    pub fn queue(&self) -> &Queue<T> {
        &self.queue
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        drop(self.presence.take());
        self.core.end_if_deserted(Deadline::after(MOMENT));
    }
}

impl<T> Clone for Producer<T> {
    fn clone(&self) -> Self {
        Self {
            queue: self.queue.clone(),
            share: Arc::clone(&self.share),
        }
    }
}

/// Shows how full the queue is.
impl<T> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Producer").field(&self.queue).finish()
    }
}

/// Encodes a handle; only into a message to another process.
impl<T> Serialize for Producer<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (&self.queue, &self.share.presence).serialize(serializer)
    }
}

impl<'de, T: Serialize + DeserializeOwned> Deserialize<'de> for Producer<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (queue, presence) = <(Queue<T>, Option<Presence>)>::deserialize(deserializer)?;
        let presence = presence.ok_or_else(|| serde::de::Error::custom("a producer is present"))?;
        Ok(Self::of(queue, presence))
    }
}
