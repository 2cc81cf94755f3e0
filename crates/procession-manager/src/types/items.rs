//! Getting one item after the other, until there will be none.

use super::item::Item;
use super::joinable::JoinableQueue;
use super::queue::Queue;
use procession_queue::GetError;
use std::borrow::Cow;
use std::iter::FusedIterator;

/// An iterator over the items of a [`Queue`], which waits for each, and ends when the queue is shut
/// down and empty, or closed.
#[derive(Debug)]
pub struct Items<'a, T: Item> {
    queue: Cow<'a, Queue<T>>,
    over: bool,
}

impl<T: Item> Queue<T> {
    /// Gets one item after the other, and ends where [`get`](Self::get) is
    /// [`Closed`](GetError::Closed).
    pub fn iter(&self) -> Items<'_, T> {
        Items {
            queue: Cow::Borrowed(self),
            over: false,
        }
    }
}

impl<T: Item> Iterator for Items<'_, T> {
    type Item = Result<T, GetError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let got = self.queue.get();
        self.over = !matches!(got, Ok(_) | Err(GetError::Decode(_)));
        match got {
            Err(GetError::Closed(_)) => None,
            got => Some(got),
        }
    }
}

impl<T: Item> FusedIterator for Items<'_, T> {}

macro_rules! into_iterator {
    ($($queue:ident)*) => {$(
        impl<'a, T: Item> IntoIterator for &'a $queue<T> {
            type Item = Result<T, GetError>;
            type IntoIter = Items<'a, T>;

            fn into_iter(self) -> Items<'a, T> {
                self.iter()
            }
        }

        impl<T: Item> IntoIterator for $queue<T> {
            type Item = Result<T, GetError>;
            type IntoIter = Items<'static, T>;

            fn into_iter(self) -> Items<'static, T> {
                let queue: &Queue<T> = &self;
                Items {
                    queue: Cow::Owned(queue.clone()),
                    over: false,
                }
            }
        }
    )*};
}

into_iterator!(Queue JoinableQueue);
