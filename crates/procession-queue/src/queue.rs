//! The queue.

use crate::batch::Batch;
use crate::core::Core;
use crate::home::Plan;
use crate::patience::Patience;
use crate::{Fault, GetError, PutError, PutManyError, StateError};
use procession_shm::ShmError;
use procession_wire::buffer::Buffer;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// A first-in, first-out queue between any number of processes and threads.
///
/// Items are copied into shared memory when they are put, and out of it when they are got. An item
/// is anything that serde can carry, of up to [`MAX_ITEM_LEN`](crate::MAX_ITEM_LEN) bytes, handles
/// to shared things included. File descriptors cannot lie in shared memory, so an item with one in
/// it is refused.
///
/// A clone is another handle to the same queue. So is what is decoded from a message into which a
/// queue was encoded: give it to other processes as an argument of a task, in a message, in an
/// item of another queue. What is still in the queue when the last handle of all is dropped is
/// dropped with it.
///
/// # When the other side is gone
///
/// A producer may end before anybody has got what it put. A process that is killed in `put` or
/// `get` blocks nobody, and takes with it the items that it was itself putting or getting, no
/// other. Consumers learn that there is no producer any more if the producers are counted: each has
/// a handle from [`producer`](Self::producer), and with the last of them the queue is shut down.
/// Otherwise whoever knows that nobody will put calls [`shutdown`](Self::shutdown). Either way the
/// consumers get what is left and then [`GetError::Closed`], and an iteration over the queue ends.
///
/// A process that is *stopped* (by a signal, or in a debugger) in the middle of `put` or `get` holds
/// the lock of the producers or of the consumers. `put` and `get` wait for it to go on; with a
/// timeout they wait until that; every other call returns [`Fault::Held`], with the number of the
/// thread that is in the way, after a second.
///
/// # Examples
///
/// ```
/// use procession_queue::Queue;
///
/// let queue = Queue::new()?;
/// queue.put(&"first".to_string())?;
/// queue.put(&"second".to_string())?;
/// assert_eq!(queue.len()?, 2);
/// assert_eq!(queue.get()?, "first");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Queue<T> {
    pub(crate) core: Arc<Core>,
    _items: PhantomData<fn(T) -> T>,
}

impl<T: Serialize + DeserializeOwned> Queue<T> {
    /// Makes a queue that holds any number of items.
    ///
    /// It grows when it must, and gives the memory back when it is drained.
    ///
    /// # Errors
    ///
    /// [`ShmError::OutOfMemory`] if `/dev/shm` is full, [`ShmError::Family`] or
    /// [`ShmError::System`] if the system refuses.
    pub fn new() -> Result<Self, ShmError> {
        Self::bounded(0)
    }

    /// Makes a queue that holds up to `capacity` items at a time; zero means any number, as in
    /// Python.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_queue::{PutError, Queue};
    ///
    /// let queue = Queue::bounded(1)?;
    /// queue.put(&'a')?;
    /// assert!(matches!(queue.try_put(&'b'), Err(PutError::Full)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bounded(capacity: usize) -> Result<Self, ShmError> {
        Self::create(Plan {
            capacity: capacity as u64,
            joinable: false,
        })
    }

    pub(crate) fn create(plan: Plan) -> Result<Self, ShmError> {
        Core::create::<T>(plan).map(Self::of)
    }

    fn of(core: Arc<Core>) -> Self {
        Self {
            core,
            _items: PhantomData,
        }
    }

    /// Puts an item at the end, waiting for as long as a bounded queue is full.
    ///
    /// The item is encoded here and now: what it cannot be encoded for, this call returns.
    ///
    /// # Errors
    ///
    /// [`PutError::Closed`], [`PutError::Encode`], [`PutError::Descriptors`],
    /// [`PutError::TooLarge`]; [`PutError::Memory`] if `/dev/shm` is full. The queue is as usable
    /// as before, and the item was not put.
    ///
    /// # When the other side is gone
    ///
    /// If all consumers of a full queue have ended, it waits for another one to come.
    pub fn put(&self, item: &T) -> Result<(), PutError> {
        self.core.put(item, Patience::FOREVER)
    }

    /// Puts an item at the end if the queue is not full at this moment.
    ///
    /// # Errors
    ///
    /// [`PutError::Full`], and those of [`put`](Self::put).
    ///
    /// # When the other side is gone
    ///
    /// [`Fault::Held`] after a second if a stopped process holds the producers' lock.
    #[doc(alias = "put_nowait")]
    pub fn try_put(&self, item: &T) -> Result<(), PutError> {
        self.core.put(item, Patience::None)
    }

    /// Puts an item at the end, waiting for `timeout` at the longest while the queue is full.
    ///
    /// # Errors
    ///
    /// [`PutError::Full`] if it was full all the time, or a stopped process held the producers'
    /// lock, and those of [`put`](Self::put).
    ///
    /// # When the other side is gone
    ///
    /// As [`put`](Self::put), until the timeout.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_queue::{PutError, Queue};
    /// use std::time::Duration;
    ///
    /// let queue = Queue::bounded(1)?;
    /// queue.put_timeout(&1, Duration::ZERO)?;
    /// let full = queue.put_timeout(&2, Duration::from_millis(5));
    /// assert!(matches!(full, Err(PutError::Full)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn put_timeout(&self, item: &T, timeout: Duration) -> Result<(), PutError> {
        let patience = Patience::timeout(timeout);
        self.core.put(item, patience)
    }

    /// Puts several items, one after the other, with one lock for as many as there is room for.
    ///
    /// All are encoded before the first one is put. Where the queue has room for all of them, no
    /// other producer's items come between them.
    ///
    /// # Errors
    ///
    /// A [`PutManyError`], which tells how many were put before the error of [`put`](Self::put).
    ///
    /// # When the other side is gone
    ///
    /// As [`put`](Self::put).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_queue::Queue;
    ///
    /// let queue = Queue::new()?;
    /// queue.put_many(&[1, 2, 3])?;
    /// assert_eq!(queue.get_many(10)?, [1, 2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn put_many<'a>(&self, items: impl IntoIterator<Item = &'a T>) -> Result<(), PutManyError>
    where
        T: 'a,
    {
        self.put_all(items, Patience::FOREVER)
    }

    /// Puts several items as [`put_many`](Self::put_many) does, waiting for `timeout` at the
    /// longest.
    ///
    /// # Errors
    ///
    /// A [`PutManyError`] with [`PutError::Full`] if they were not all put until then, and those
    /// of [`put_many`](Self::put_many).
    ///
    /// # When the other side is gone
    ///
    /// As [`put`](Self::put), until the timeout.
    pub fn put_many_timeout<'a>(
        &self,
        items: impl IntoIterator<Item = &'a T>,
        timeout: Duration,
    ) -> Result<(), PutManyError>
    where
        T: 'a,
    {
        self.put_all(items, Patience::timeout(timeout))
    }

    /// Takes the first item, waiting until there is one.
    ///
    /// # Errors
    ///
    /// [`GetError::Closed`]; [`GetError::Decode`] if the item cannot be decoded, because its type
    /// refuses or its memory was overwritten, and then it is gone. [`Fault::Open`] if this process
    /// has no descriptor or no memory left to open the item with, or what the handles in it stand
    /// for (values, arrays, locks, queues), and then the item stays where it is. Handles to named
    /// blocks and to objects of a manager are opened when the item is taken out: without a
    /// descriptor for them it is gone.
    ///
    /// # When the other side is gone
    ///
    /// If all producers of an empty queue have ended, it is [`GetError::Closed`] if they were counted
    /// ([`producer`](Self::producer)), within a tenth of a second; otherwise it waits for another one
    /// to come.
    pub fn get(&self) -> Result<T, GetError> {
        self.get_one(Patience::FOREVER)
    }

    /// Takes the first item if there is one at this moment.
    ///
    /// # Errors
    ///
    /// [`GetError::Empty`], and those of [`get`](Self::get).
    ///
    /// # When the other side is gone
    ///
    /// [`Fault::Held`] after a second if a stopped process holds the consumers' lock.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_queue::{GetError, Queue};
    ///
    /// let queue = Queue::<u8>::new()?;
    /// assert!(matches!(queue.try_get(), Err(GetError::Empty)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "get_nowait")]
    pub fn try_get(&self) -> Result<T, GetError> {
        self.get_one(Patience::None)
    }

    /// Takes the first item, waiting for `timeout` at the longest until there is one.
    ///
    /// # Errors
    ///
    /// [`GetError::Empty`] if there was none all the time, or a stopped process held the consumers'
    /// lock, and those of [`get`](Self::get).
    ///
    /// # When the other side is gone
    ///
    /// As [`get`](Self::get), until the timeout.
    pub fn get_timeout(&self, timeout: Duration) -> Result<T, GetError> {
        self.get_one(Patience::timeout(timeout))
    }

    /// Takes up to `max` items, with one lock; waits until there is at least one.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get). If one of the items refuses to be decoded, all that were taken with
    /// it are gone.
    ///
    /// # When the other side is gone
    ///
    /// As [`get`](Self::get).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_queue::Queue;
    ///
    /// let queue = Queue::new()?;
    /// queue.put_many(&[1, 2, 3])?;
    /// assert_eq!(queue.get_many(2)?, [1, 2]);
    /// assert_eq!(queue.get_many(2)?, [3]);
    /// assert_eq!(queue.get_many(0)?, []);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_many(&self, max: usize) -> Result<Vec<T>, GetError> {
        self.get_some(max, Patience::FOREVER)
    }

    /// Takes up to `max` items that are there at this moment.
    ///
    /// # Errors
    ///
    /// [`GetError::Empty`] if there is none, and those of [`get_many`](Self::get_many).
    pub fn try_get_many(&self, max: usize) -> Result<Vec<T>, GetError> {
        self.get_some(max, Patience::None)
    }

    /// Takes up to `max` items; waits for `timeout` at the longest until there is at least one.
    ///
    /// # Errors
    ///
    /// [`GetError::Empty`] if there was none all the time, and those of
    /// [`get_many`](Self::get_many).
    ///
    /// # When the other side is gone
    ///
    /// As [`get`](Self::get), until the timeout.
    pub fn get_many_timeout(&self, max: usize, timeout: Duration) -> Result<Vec<T>, GetError> {
        self.get_some(max, Patience::timeout(timeout))
    }

    fn put_all<'a>(
        &self,
        items: impl IntoIterator<Item = &'a T>,
        patience: Patience,
    ) -> Result<(), PutManyError>
    where
        T: 'a,
    {
        let batch = Batch::encode(items, &self.core.home);
        let batch = batch.map_err(|error| PutManyError { put: 0, error })?;
        self.core.put_all(batch, patience)
    }

    fn get_one(&self, patience: Patience) -> Result<T, GetError> {
        let mut bytes = Buffer::new();
        let mut item = None;
        self.core
            .get(1, patience, &mut bytes, |taken| item = Some(taken))?;
        item.ok_or(GetError::Empty)?.decode(&bytes)
    }

    fn get_some(&self, max: usize, patience: Patience) -> Result<Vec<T>, GetError> {
        let mut bytes = Buffer::new();
        let mut items = Vec::new();
        if max != 0 {
            self.core
                .get(max, patience, &mut bytes, |taken| items.push(taken))?;
        }
        let mut decoded = Vec::with_capacity(items.len());
        let mut result = Ok(());
        // All are decoded, so that what the handles in each of them claimed is given back.
        for item in items {
            match item.decode(&bytes) {
                Ok(item) => decoded.push(item),
                Err(error) => result = result.and(Err(error)),
            }
        }
        result.map(|()| decoded)
    }
}

impl<T> Queue<T> {
    /// Ends the putting for all processes, for ever, and wakes those who wait.
    ///
    /// Every later put is [`PutError::Closed`]. What was put before can still be got; when nothing
    /// is left, a get is [`GetError::Closed`]. So producers that have put their last item end the
    /// work of any number of consumers, as the `shutdown` of Python's `queue.Queue` does.
    ///
    /// # Errors
    ///
    /// As [`close`](Self::close).
    ///
    /// # When the other side is gone
    ///
    /// If the caller is killed in it, either the queue is as before or everybody sees that it has
    /// ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_queue::{GetError, PutError, Queue};
    ///
    /// let queue = Queue::new()?;
    /// queue.put(&"the last".to_string())?;
    /// queue.shutdown()?;
    /// assert!(matches!(queue.put(&"too late".into()), Err(PutError::Closed(_))));
    /// assert_eq!(queue.get()?, "the last");
    /// assert!(matches!(queue.get(), Err(GetError::Closed(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shutdown(&self) -> Result<(), Fault> {
        self.core.control().sides.shutdown(Patience::None)
    }

    /// Closes the queue at once, for all processes, for ever, and wakes those who wait.
    ///
    /// Every later call but this one, [`shutdown`](Self::shutdown) and
    /// [`is_closed`](Self::is_closed) is an error. **Items that are still in the queue are not got
    /// any more**: the `close` of Python's queue, by which one process says that it puts no more,
    /// is to drop the handle here; the end of all putting is [`shutdown`](Self::shutdown).
    ///
    /// # Errors
    ///
    /// The [`Fault`] of a queue whose memory was overwritten; [`Fault::Held`] after a second if a
    /// stopped process holds a lock, and then the queue is not closed.
    ///
    /// # When the other side is gone
    ///
    /// As [`shutdown`](Self::shutdown).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_queue::{GetError, Queue};
    ///
    /// let queue = Queue::<u8>::new()?;
    /// queue.close()?;
    /// queue.close()?;
    /// assert!(matches!(queue.get(), Err(GetError::Closed(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&self) -> Result<(), Fault> {
        self.core.control().sides.close(Patience::None)
    }

    /// Returns whether the queue was closed or shut down: nothing is put any more.
    pub fn is_closed(&self) -> bool {
        self.core.control().sides.is_shut()
    }

    /// Returns the number of items in the queue at one instant.
    ///
    /// # Errors
    ///
    /// [`StateError::Closed`].
    #[doc(alias = "qsize")]
    pub fn len(&self) -> Result<usize, StateError> {
        Ok(self.core.control().sides.len()? as usize)
    }

    /// Returns whether there was no item in the queue at one instant.
    ///
    /// # Errors
    ///
    /// [`StateError::Closed`].
    #[doc(alias = "empty")]
    pub fn is_empty(&self) -> Result<bool, StateError> {
        Ok(self.len()? == 0)
    }

    /// Returns whether the queue held as many items as it can at one instant.
    ///
    /// # Errors
    ///
    /// [`StateError::Closed`].
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_queue::Queue;
    ///
    /// let queue = Queue::bounded(1)?;
    /// assert!(!queue.is_full()?);
    /// queue.put(&7)?;
    /// assert!(queue.is_full()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "full")]
    pub fn is_full(&self) -> Result<bool, StateError> {
        let len = self.len()?;
        Ok(self.capacity().is_some_and(|capacity| len >= capacity))
    }

    /// Returns the most items that the queue holds at a time; `None` if there is no limit.
    #[doc(alias = "maxsize")]
    pub fn capacity(&self) -> Option<usize> {
        let capacity = self.core.control().capacity();
        capacity.map(|capacity| capacity as usize)
    }
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self {
            core: Arc::clone(&self.core),
            _items: PhantomData,
        }
    }
}

/// Shows how full the queue is.
impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Queue");
        match self.len() {
            Ok(len) => shown.field("len", &len),
            Err(error) => shown.field("error", &error.to_string()),
        };
        shown
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}

/// Encodes a handle; only into a message to another process.
impl<T> Serialize for Queue<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.core.serialize(serializer)
    }
}

impl<'de, T: Serialize + DeserializeOwned> Deserialize<'de> for Queue<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Core::deserialize::<T, D>(deserializer).map(Self::of)
    }
}
