//! Getting one item after the other, until there will be none.

use crate::{GetError, JoinableQueue, Queue, SimpleQueue};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::iter::FusedIterator;

/// The items of a queue, each taken out when its turn comes; from [`Queue::iter`].
///
/// It waits for the next item, and ends when there will be none: when the queue was shut down or
/// closed, by somebody or with its last [`Producer`](crate::Producer). An item that cannot be decoded
/// is an error among the others; any other error is the last.
///
/// Several consumers can iterate at the same time; each item goes to one of them.
pub struct Items<'a, T> {
    queue: &'a Queue<T>,
    over: bool,
}

/// As [`Items`], with the queue in it.
pub struct IntoItems<T> {
    queue: Queue<T>,
    over: bool,
}

impl<T: Serialize + DeserializeOwned> Iterator for Items<'_, T> {
    type Item = Result<T, GetError>;

    fn next(&mut self) -> Option<Result<T, GetError>> {
        next(self.queue, &mut self.over)
    }
}

impl<T: Serialize + DeserializeOwned> Iterator for IntoItems<T> {
    type Item = Result<T, GetError>;

    fn next(&mut self) -> Option<Result<T, GetError>> {
        next(&self.queue, &mut self.over)
    }
}

fn next<T: Serialize + DeserializeOwned>(
    queue: &Queue<T>,
    over: &mut bool,
) -> Option<Result<T, GetError>> {
    if *over {
        return None;
    }
    let got = queue.get();
    *over = !matches!(got, Ok(_) | Err(GetError::Decode(_)));
    match got {
        Err(GetError::Closed(_)) => None,
        got => Some(got),
    }
}

impl<T: Serialize + DeserializeOwned> FusedIterator for Items<'_, T> {}

impl<T: Serialize + DeserializeOwned> FusedIterator for IntoItems<T> {}

impl<T: Serialize + DeserializeOwned> Queue<T> {
    /// Returns an iterator that takes one item after the other, and ends when there will be none.
    ///
    /// That is when the queue was [shut down](Self::shutdown) or [closed](Self::close), and when the
    /// last [producer](Self::producer) is gone. It waits for as long as neither is so.
    ///
    /// # When the other side is gone
    ///
    /// It ends if the producers were counted ([`producer`](Self::producer)); otherwise it waits for
    /// another one to come.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_queue::Queue;
    ///
    /// let queue = Queue::new()?;
    /// queue.put_many(&[1, 2, 3])?;
    /// queue.shutdown()?;
    /// let mut sum = 0;
    /// for item in &queue {
    ///     sum += item?;
    /// }
    /// assert_eq!(sum, 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&self) -> Items<'_, T> {
        Items {
            queue: self,
            over: false,
        }
    }
}

impl<T: Serialize + DeserializeOwned> SimpleQueue<T> {
    /// Returns an iterator that takes one item after the other; see [`Queue::iter`].
    ///
    /// # When the other side is gone
    ///
    /// As [`Queue::iter`].
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_queue::SimpleQueue;
    ///
    /// let queue = SimpleQueue::new()?;
    /// let producer = queue.producer()?;
    /// producer.put(&1)?;
    /// drop(producer);
    /// assert_eq!(queue.iter().collect::<Result<Vec<_>, _>>()?, [1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&self) -> Items<'_, T> {
        self.queue.iter()
    }
}

macro_rules! into_iterator {
    ($($queue:ident: $of:ident => $inner:expr;)*) => {$(
        impl<'a, T: Serialize + DeserializeOwned> IntoIterator for &'a $queue<T> {
            type Item = Result<T, GetError>;
            type IntoIter = Items<'a, T>;

            fn into_iter(self) -> Items<'a, T> {
                self.iter()
            }
        }

        impl<T: Serialize + DeserializeOwned> IntoIterator for $queue<T> {
            type Item = Result<T, GetError>;
            type IntoIter = IntoItems<T>;

            fn into_iter(self) -> IntoItems<T> {
                let $of = self;
                IntoItems {
                    queue: $inner,
                    over: false,
                }
            }
        }
    )*};
}

into_iterator! {
    Queue: queue => queue;
    SimpleQueue: simple => simple.queue;
    JoinableQueue: joinable => (*joinable).clone();
}

impl<T> fmt::Debug for Items<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Items")
            .field("queue", self.queue)
            .field("over", &self.over)
            .finish()
    }
}

impl<T> fmt::Debug for IntoItems<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntoItems")
            .field("queue", &self.queue)
            .field("over", &self.over)
            .finish()
    }
}
