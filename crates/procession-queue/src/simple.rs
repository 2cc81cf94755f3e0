//! The queue with the least there is.

use crate::{Fault, GetError, PutError, Queue, StateError};
use procession_shm::ShmError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A queue without a limit and without timeouts, as Python's `SimpleQueue` is.
///
/// It is a [`Queue`] that shows less; what is said there holds here.
///
/// # When the other side is gone
///
/// As [`Queue`].
///
/// # Examples
///
/// ```
/// use procession_queue::SimpleQueue;
///
/// let queue = SimpleQueue::new()?;
/// assert!(queue.is_empty()?);
/// queue.put(&5)?;
/// assert_eq!(queue.get()?, 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Serialize, Deserialize)]
#[serde(transparent, bound = "T: Serialize + DeserializeOwned")]
pub struct SimpleQueue<T> {
    pub(crate) queue: Queue<T>,
}

impl<T: Serialize + DeserializeOwned> SimpleQueue<T> {
    /// Makes a queue that holds any number of items.
    ///
    /// # Errors
    ///
    /// As [`Queue::new`].
    pub fn new() -> Result<Self, ShmError> {
        let queue = Queue::new()?;
        Ok(Self { queue })
    }

    /// Puts an item at the end.
    ///
    /// # Errors
    ///
    /// As [`Queue::put`].
    ///
    /// # When the other side is gone
    ///
    /// The item waits for another consumer to come.
    pub fn put(&self, item: &T) -> Result<(), PutError> {
        self.queue.put(item)
    }

    /// Takes the first item, waiting until there is one.
    ///
    /// # Errors
    ///
    /// As [`Queue::get`].
    ///
    /// # When the other side is gone
    ///
    /// As [`Queue::get`].
    pub fn get(&self) -> Result<T, GetError> {
        self.queue.get()
    }
}

impl<T> SimpleQueue<T> {
    /// Returns whether there was no item in the queue at one instant.
    ///
    /// # Errors
    ///
    /// [`StateError::Closed`].
    #[doc(alias = "empty")]
    pub fn is_empty(&self) -> Result<bool, StateError> {
        self.queue.is_empty()
    }

    /// Closes the queue at once, for all processes, for ever, and wakes those who wait.
    ///
    /// Items that are still in the queue are not got any more.
    ///
    /// # Errors
    ///
    /// As [`Queue::close`].
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_queue::{PutError, SimpleQueue};
    ///
    /// let queue = SimpleQueue::new()?;
    /// queue.close()?;
    /// assert!(matches!(queue.put(&5), Err(PutError::Closed(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&self) -> Result<(), Fault> {
        self.queue.close()
    }
}

impl<T> Clone for SimpleQueue<T> {
    fn clone(&self) -> Self {
        Self {
            queue: self.queue.clone(),
        }
    }
}

/// Shows how full the queue is.
impl<T> fmt::Debug for SimpleQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SimpleQueue").field(&self.queue).finish()
    }
}
