//! Results of a sequence as they come.

use crate::call::{Call, Want};
use crate::crew::Crew;
use crate::error::PoolError;
use crate::feed::{Feed, Room};
use crate::outcome::{InOrder, Results};
use procession_os::wait::Deadline;
use serde::de::DeserializeOwned;
use std::collections::VecDeque;
use std::fmt;
use std::iter::Fuse;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// The results of [`Pool::imap`](crate::Pool::imap) and
/// [`Pool::imap_unordered`](crate::Pool::imap_unordered): an iterator.
///
/// Items are taken from the input while one waits for a result, and never further ahead than a few chunks for
/// each worker. So the input may be endless, and as large as one likes.
///
/// Dropping it cancels what no worker has begun.
///
/// # When the other side is gone
///
/// The items get an error each, as those of [`Pool::map`](crate::Pool::map) do; the next items are run all the
/// same, unless the pool has ended.
///
/// # Examples
///
/// ```
/// use procession_pool::Pool;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// let pool = Pool::new(2)?;
/// let squares = pool.imap(|n: u64| n * n, 0..)?;
/// let small: Result<Vec<_>, _> = squares.take(4).collect();
/// assert_eq!(small?, [0, 1, 4, 9]);
/// # Ok(())
/// # }
/// ```
#[must_use = "dropping it cancels what has not begun"]
pub struct MapResults<I: Iterator, R> {
    crew: Arc<Crew>,
    call: Arc<Call>,
    feed: Feed,
    items: Fuse<I>,
    /// Puts an item into a chunk.
    push: fn(&mut Feed, I::Item),
    /// How far items are taken ahead of the results.
    room: Room,
    /// How long all of it may take.
    limit: Option<Duration>,
    /// How many results were taken.
    yielded: usize,
    /// Puts the results into the items' order, if that is wanted.
    in_order: Option<InOrder>,
    ready: VecDeque<Result<R, PoolError>>,
    /// Whether the error was given that a copy of the process gets.
    is_told_of_copy: bool,
    decoded: PhantomData<fn() -> R>,
}

impl<I: Iterator, R: DeserializeOwned> MapResults<I, R> {
    pub(crate) fn new(
        crew: &Arc<Crew>,
        call: Arc<Call>,
        feed: Feed,
        (items, push): (I, fn(&mut Feed, I::Item)),
        (room, limit): (Room, Option<Duration>),
        is_ordered: bool,
    ) -> Self {
        let mut results = Self {
            crew: Arc::clone(crew),
            call,
            feed,
            items: items.fuse(),
            push,
            room,
            limit,
            yielded: 0,
            in_order: is_ordered.then(InOrder::default),
            ready: VecDeque::new(),
            is_told_of_copy: false,
            decoded: PhantomData,
        };
        results.feed();
        // The caller need not ask for them soon.
        results.crew.expect_workers();
        results
    }

    /// Returns the next result, as the iterator does; `None` also if there is none within `timeout`, which
    /// [`is_done`](Self::is_done) tells apart.
    ///
    /// # Errors
    ///
    /// As [`Pool::map`](crate::Pool::map), for this item.
    ///
    /// # When the other side is gone
    ///
    /// An error, as there.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(1)?;
    /// let mut results = pool.imap(|seven: bool| if seven { 7 } else { loop { std::thread::park() } }, [true, false])?;
    /// assert_eq!(results.next_timeout(Duration::from_secs(60)).transpose()?, Some(7));
    /// assert!(results.next_timeout(Duration::from_millis(10)).is_none());
    /// assert!(!results.is_done());
    /// # Ok(())
    /// # }
    /// ```
    pub fn next_timeout(&mut self, timeout: Duration) -> Option<Result<R, PoolError>> {
        self.next_by(Deadline::after(timeout))
    }

    /// Returns whether all results were taken. Of items whose iterator does not say that there are no more, that is
    /// known once it has been asked for the next.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(1)?;
    /// let mut results = pool.imap(|n: u8| n, [1])?;
    /// assert!(!results.is_done());
    /// assert_eq!(results.next().transpose()?, Some(1));
    /// assert!(results.is_done());
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_done(&self) -> bool {
        !self.crew.is_ours() || (self.ready.is_empty() && self.call.is_over())
    }

    fn feed(&mut self) {
        let most = self.yielded.saturating_add(self.room.most);
        let room = Room { most, ..self.room };
        self.crew
            .feed(&mut self.feed, &mut self.items, self.push, room);
    }

    fn next_by(&mut self, deadline: Deadline) -> Option<Result<R, PoolError>> {
        if !self.crew.is_ours() {
            // One error, and no more: whoever takes all results comes to an end.
            let is_told = std::mem::replace(&mut self.is_told_of_copy, true);
            return (!is_told).then_some(Err(PoolError::Copied));
        }
        loop {
            if let Some(result) = self.ready.pop_front() {
                self.yielded += 1;
                return Some(result);
            }
            if self.call.is_over() {
                return None;
            }
            self.feed();
            let until = deadline.min(self.room.deadline);
            if !self.crew.wait(&self.call, Want::News, until) {
                let is_late = self.room.deadline.passed();
                return self.limit.filter(|_| is_late).map(|limit| self.end(limit));
            }
            self.take();
        }
    }

    /// The time for all results is over: the one that is waited for is an error, and the last.
    fn end(&mut self, limit: Duration) -> Result<R, PoolError> {
        self.crew.expire(&self.call, limit);
        self.call.take();
        let item = self.in_order.is_some().then_some(self.yielded);
        let late = PoolError::NotInTime { item, limit };
        Err(match item {
            Some(place) => self.call.label(place, late),
            None => late,
        })
    }

    /// Decodes what has come and is next.
    fn take(&mut self) {
        let mut settled = self.call.take();
        if let Some(in_order) = &mut self.in_order {
            in_order.add(settled);
            settled = std::iter::from_fn(|| in_order.next()).collect();
        }
        for settled in settled {
            settled.decode(&self.call, &mut self.ready);
        }
    }
}

impl<R> Results<R> for VecDeque<Result<R, PoolError>> {
    #[inline]
    fn value(&mut self, value: R) {
        self.push_back(Ok(value));
    }

    fn error(&mut self, error: PoolError) {
        self.push_back(Err(error));
    }
}

impl<I: Iterator, R: DeserializeOwned> Iterator for MapResults<I, R> {
    type Item = Result<R, PoolError>;

    fn next(&mut self) -> Option<Result<R, PoolError>> {
        self.next_by(Deadline::NEVER)
    }
}

impl<I: Iterator, R> Drop for MapResults<I, R> {
    fn drop(&mut self) {
        if self.crew.is_ours() && !self.call.is_ready(Want::End) {
            self.crew.cancel(&self.call);
        }
    }
}

impl<I: Iterator, R> fmt::Debug for MapResults<I, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapResults")
            .field("ready", &self.ready.len())
            .finish_non_exhaustive()
    }
}
