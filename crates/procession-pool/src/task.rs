//! A task of a pool, with how it is to be called.

use crate::bound::NoRoom;
use crate::call::{Call, Want};
use crate::crew::Crew;
use crate::dispatch::AHEAD;
use crate::error::PoolError;
use crate::feed::{Feed, Room, counted};
use crate::gather::{Gathered, Sink};
use crate::map::MapResults;
use crate::pool::Pool;
use crate::result::{AsyncResult, Finish, all, each, one};
use crate::scope::Scope;
use crate::shape::{Item, Shape, Shown, Single, Star, WithState};
use procession_os::wait::Deadline;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// How many chunks each worker gets unless the caller says otherwise.
const CHUNKS_PER_WORKER: usize = 4;

/// How many chunks of a call are on their way or queued, for each worker.
const WINDOW: usize = 2 * AHEAD;

/// The most results for which there is room before they come: an iterator may say too much.
const MOST_ROOM: usize = 1 << 20;

/// A task with settings for the calls to it, from [`Pool::task`].
///
/// The methods of [`Pool`] are this without settings.
///
/// | setting | says | unless it is set |
/// |---|---|---|
/// | [`chunk`](Self::chunk) | how many items go to a worker at once | [`map`](Self::map): four chunks for each worker; [`imap`](Self::imap): one item |
/// | [`timeout`](Self::timeout) | how long a call may take | as long as it takes |
/// | [`star`](Self::star) | each item is a tuple of several arguments | it is the one argument |
/// | [`with_state`](Self::with_state) | the task takes its worker's state beside the item | |
///
/// # Examples
///
/// ```
/// use procession_process::Failure;
/// use procession_pool::{Pool, PoolError};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// let pool = Pool::new(2)?;
/// let power = pool.task(u32::pow).star().chunk(10).timeout(Duration::from_secs(60));
/// let results = power.try_map([(2, 3), (9, 99), (3, 2)])?;
/// assert_eq!(*results[0].as_ref().unwrap(), 8);
/// assert!(matches!(results[1], Err(PoolError::Call { item: Some(1), failure: Failure::Panicked(_) })));
/// assert_eq!(*results[2].as_ref().unwrap(), 9);
/// # Ok(())
/// # }
/// ```
#[must_use = "it calls nothing by itself"]
pub struct PoolTask<'a, F, S = Single> {
    pool: &'a Pool,
    scope: Option<&'a Scope<'a>>,
    chunk: Option<usize>,
    timeout: Option<Duration>,
    /// How long it waits for room.
    queue_timeout: Option<Duration>,
    /// The task is known by its type.
    of: PhantomData<fn() -> (F, S)>,
}

impl<F, S> Clone for PoolTask<'_, F, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F, S> Copy for PoolTask<'_, F, S> {}

impl<'a, F> PoolTask<'a, F> {
    /// Makes one of a task that captures nothing.
    pub(crate) fn new(pool: &'a Pool) -> Self {
        Self {
            pool,
            scope: None,
            chunk: None,
            timeout: None,
            queue_timeout: None,
            of: PhantomData,
        }
    }

    /// Makes the calls those of a scope.
    pub(crate) fn within(mut self, scope: &'a Scope<'a>) -> Self {
        self.scope = Some(scope);
        self
    }

    /// Has each item be a tuple of the task's arguments, as [`Pool::starmap`] does.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(2)?;
    /// let powers = pool.task(u32::pow).star().imap([(2, 3), (3, 2)])?;
    /// assert_eq!(powers.collect::<Result<Vec<_>, _>>()?, [8, 9]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn star(self) -> PoolTask<'a, F, Star> {
        self.shaped()
    }

    /// Has the task take its worker's state by reference, and the item behind it, as
    /// [`Pool::map_with_state`] does.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::builder().workers(2).state(|base: u64| base * 100, 7).start()?;
    /// let add = pool.task(|base: &u64, n: u64| base + n).with_state();
    /// assert_eq!(add.apply(1)?, 701);
    /// let sums = add.map_async([2, 3])?;
    /// assert_eq!(sums.get()?, [702, 703]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_state(self) -> PoolTask<'a, F, WithState> {
        self.shaped()
    }
}

/// Settings.
impl<'a, F, S> PoolTask<'a, F, S> {
    /// Sends a worker so many items at once. Many small items are faster in large chunks; a few that take long
    /// are spread more evenly in small ones.
    ///
    /// With 0, every call is [`PoolError::NoChunk`].
    pub fn chunk(mut self, items: usize) -> Self {
        self.chunk = Some(items);
        self
    }

    fn shaped<Other>(self) -> PoolTask<'a, F, Other> {
        PoolTask {
            pool: self.pool,
            scope: self.scope,
            chunk: self.chunk,
            timeout: self.timeout,
            queue_timeout: self.queue_timeout,
            of: PhantomData,
        }
    }

    /// Shows an item in its error, shortened, as its `Debug` does: the error is then
    /// [`PoolError::OfItem`].
    ///
    /// It is written before the item is run, for it may be in no state to be shown after that, and kept until
    /// there is a result. So it costs time and memory for each item.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(2)?;
    /// let parse = |text: String| -> anyhow::Result<u32> { Ok(text.parse()?) };
    /// let error = pool.task(parse).show_items().map(["1", "two"].map(str::to_owned)).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "the task for item 1 failed: invalid digit found in string, which is \"two\""
    /// );
    /// assert_eq!(error.item(), Some(1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn show_items(self) -> PoolTask<'a, F, Shown<S>> {
        self.shaped()
    }

    /// Gives each call so long a time: an `apply`, or a `map` with all its items.
    ///
    /// When it is over, items that no worker has begun are not run any more, and those without a result fail with
    /// [`PoolError::NotInTime`]. An item that a worker is at is run to its end, and nobody hears of it; to end a
    /// worker whose task takes too long is the pool's own
    /// [`task_timeout`](crate::PoolBuilder::task_timeout).
    ///
    /// The time of [`imap`](Self::imap) is for all of its results: the first that is not there then is an error,
    /// and the last that it yields. The time of [`apply_async`](Self::apply_async) and
    /// [`map_async`](Self::map_async) is counted whether or not somebody waits.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::{Pool, PoolError};
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(1)?;
    /// let take = pool.task(|long: bool| while long { std::thread::park() });
    /// let results = take.chunk(1).timeout(Duration::from_millis(200)).try_map([false, true, false])?;
    /// assert!(results[0].is_ok());
    /// assert!(matches!(results[1], Err(PoolError::NotInTime { item: Some(1), .. })));
    /// assert!(matches!(results[2], Err(PoolError::NotInTime { item: Some(2), .. })));
    /// # Ok(())
    /// # }
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Has [`apply_async`](Self::apply_async) and [`map_async`](Self::map_async) wait no longer than this for room in a
    /// pool that has [as much queued](crate::PoolBuilder::max_queued) as it may: then they are [`PoolError::Full`].
    /// With zero they do not wait. Of a sequence, each chunk has so much time; what was queued of it is cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::{Pool, PoolError};
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::builder().workers(1).max_queued(2).start()?;
    /// let endless = pool.task(|| -> () { loop { std::thread::park() } }).queue_timeout(Duration::ZERO);
    /// let _queued = [endless.apply_async(())?, endless.apply_async(())?];
    /// assert!(matches!(endless.apply_async(()), Err(PoolError::Full)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn queue_timeout(mut self, timeout: Duration) -> Self {
        self.queue_timeout = Some(timeout);
        self
    }
}

/// Calls.
impl<F, S: Shape> PoolTask<'_, F, S> {
    /// Calls the task once and returns the result, as [`Pool::apply`].
    ///
    /// The arguments are a tuple of all of them, or what goes [with the state](Self::with_state).
    ///
    /// # Errors
    ///
    /// As `Pool::apply`, and [`PoolError::NotInTime`].
    ///
    /// # When the other side is gone
    ///
    /// As there.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::{Pool, PoolError};
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(1)?;
    /// let late = pool.task(|| -> () { loop { std::thread::park() } }).timeout(Duration::from_millis(10));
    /// assert!(matches!(late.apply(()), Err(PoolError::NotInTime { .. })));
    /// # Ok(())
    /// # }
    /// ```
    pub fn apply<A, M>(self, args: A) -> Result<A::Output, PoolError>
    where
        A: Item<F, S::Whole, M>,
    {
        let deadline = Deadline::after_opt(self.timeout);
        let mut result = self.start(args, None, true)?;
        if let Some(value) = result.get_by(deadline)? {
            return Ok(value);
        }
        result.expire(self.timeout);
        result.get()
    }

    /// As [`apply`](Self::apply), without waiting for the result, as [`Pool::apply_async`].
    ///
    /// # Errors
    ///
    /// As `Pool::apply_async`.
    ///
    /// # When the other side is gone
    ///
    /// As there.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::{Pool, PoolError};
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(1)?;
    /// let endless = pool.task(|| -> () { loop { std::thread::park() } });
    /// let late = endless.timeout(Duration::from_millis(10)).apply_async(())?;
    /// assert!(matches!(late.get(), Err(PoolError::NotInTime { .. })));
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "submit")]
    pub fn apply_async<A, M>(self, args: A) -> Result<AsyncResult<A::Output>, PoolError>
    where
        A: Item<F, S::Whole, M>,
    {
        self.start(args, self.timeout, false)
    }

    /// Calls the task with each item and returns the results in the items' order, as [`Pool::map`].
    ///
    /// # Errors
    ///
    /// The error of the first item that failed, as `Pool::map`; [`PoolError::NoChunk`],
    /// [`PoolError::NotInTime`].
    ///
    /// # When the other side is gone
    ///
    /// As there.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(2)?;
    /// assert_eq!(pool.task(|n: u8| n + 1).chunk(2).map([1, 2, 3])?, [2, 3, 4]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn map<T, M, I>(self, items: I) -> Result<Vec<T::Output>, PoolError>
    where
        T: Item<F, S, M>,
        I: IntoIterator<Item = T>,
    {
        self.gather::<T, M, I, Result<Vec<_>, PoolError>>(items)?
    }

    /// As [`map`](Self::map), with a result for each item: when some fail, nothing of the others is lost.
    ///
    /// # Errors
    ///
    /// For each item, the error that `map` would return. The outer error is that of a pool that has ended before
    /// the call, or [`PoolError::NoChunk`].
    ///
    /// # When the other side is gone
    ///
    /// The items that were lost have the error.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_process::Failure;
    /// use procession_pool::{Pool, PoolError};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(2)?;
    /// let divide = pool.task(|n: u32| 12 / n);
    /// let (done, failed): (Vec<_>, Vec<_>) = divide.try_map([3, 0, 4])?.into_iter().partition(Result::is_ok);
    /// assert_eq!(done.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [4, 3]);
    /// assert!(matches!(failed[..], [Err(PoolError::Call { item: Some(1), failure: Failure::Panicked(_) })]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_map<T, M, I>(self, items: I) -> Result<Vec<Result<T::Output, PoolError>>, PoolError>
    where
        T: Item<F, S, M>,
        I: IntoIterator<Item = T>,
    {
        self.gather(items)
    }

    /// As [`map`](Self::map), without waiting for the results, as [`Pool::map_async`].
    ///
    /// # Errors
    ///
    /// As `Pool::map_async`, and [`PoolError::NoChunk`].
    ///
    /// # When the other side is gone
    ///
    /// As there.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(2)?;
    /// let squares = pool.task(|n: u64| n * n).chunk(100).map_async(0..1000)?;
    /// assert_eq!(squares.get()?[999], 998_001);
    /// # Ok(())
    /// # }
    /// ```
    pub fn map_async<T, M, I>(self, items: I) -> Result<AsyncResult<Vec<T::Output>>, PoolError>
    where
        T: Item<F, S, M>,
        I: IntoIterator<Item = T>,
    {
        self.queue(items, all, |call| all::<T::Output>(call).map(drop))
    }

    /// As [`try_map`](Self::try_map), without waiting for the results.
    ///
    /// # Errors
    ///
    /// As [`map_async`](Self::map_async).
    ///
    /// # When the other side is gone
    ///
    /// As `try_map`.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(2)?;
    /// let results = pool.task(|n: u32| 12 / n).try_map_async([3, 0, 4])?.get()?;
    /// assert_eq!(results.iter().flatten().copied().collect::<Vec<_>>(), [4, 3]);
    /// # Ok(())
    /// # }
    /// ```
    #[expect(clippy::type_complexity, reason = "each layer is an answer of its own")]
    pub fn try_map_async<T, M, I>(
        self,
        items: I,
    ) -> Result<AsyncResult<Vec<Result<T::Output, PoolError>>>, PoolError>
    where
        T: Item<F, S, M>,
        I: IntoIterator<Item = T>,
    {
        self.queue(items, each, |call| all::<T::Output>(call).map(drop))
    }

    /// Returns an iterator over the results, in the items' order, as [`Pool::imap`].
    ///
    /// # Errors
    ///
    /// As `Pool::imap`, and [`PoolError::NoChunk`].
    ///
    /// # When the other side is gone
    ///
    /// As there.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::{Pool, PoolError};
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(2)?;
    /// let take = pool.task(|long: bool| while long { std::thread::park() });
    /// let mut results = take.timeout(Duration::from_millis(200)).imap([false, true])?;
    /// assert!(matches!(results.next(), Some(Ok(()))));
    /// assert!(matches!(results.next(), Some(Err(PoolError::NotInTime { item: Some(1), .. }))));
    /// assert!(results.next().is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn imap<T, M, I>(self, items: I) -> Result<MapResults<I::IntoIter, T::Output>, PoolError>
    where
        T: Item<F, S, M>,
        I: IntoIterator<Item = T>,
    {
        self.iterate(items.into_iter(), true)
    }

    /// As [`imap`](Self::imap), with the results in the order in which they come, as
    /// [`Pool::imap_unordered`].
    ///
    /// # Errors
    ///
    /// As `imap`.
    ///
    /// # When the other side is gone
    ///
    /// As `imap`.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(2)?;
    /// let squares = pool.task(|n: u64| n * n).chunk(100).imap_unordered(0..1000)?;
    /// assert_eq!(squares.sum::<Result<u64, _>>()?, (0..1000).map(|n| n * n).sum());
    /// # Ok(())
    /// # }
    /// ```
    pub fn imap_unordered<T, M, I>(
        self,
        items: I,
    ) -> Result<MapResults<I::IntoIter, T::Output>, PoolError>
    where
        T: Item<F, S, M>,
        I: IntoIterator<Item = T>,
    {
        self.iterate(items.into_iter(), false)
    }
}

/// The result of a single call.
type Started<F, S, A, M> = AsyncResult<<A as Item<F, <S as Shape>::Whole, M>>::Output>;

/// What the calls have in common.
impl<F, S: Shape> PoolTask<'_, F, S> {
    /// Begins a call for items that are counted, if they are, or a single one.
    fn begin<T, M>(self, len: Option<usize>) -> Result<(Arc<Call>, Feed), PoolError>
    where
        T: Item<F, S, M>,
    {
        self.pool.crew.check()?;
        let chunk = match (self.chunk, len) {
            (Some(0), _) => return Err(PoolError::NoChunk),
            (Some(chunk), _) => chunk,
            (None, Some(len)) => default_chunk(len, self.pool.size),
            (None, None) => 1,
        };
        let call = Call::new(true);
        call.expect(len.unwrap_or(0));
        let feed = Feed::new(Arc::clone(&call), T::routine()?, chunk, self.pool.limits);
        Ok((call, feed))
    }

    /// Queues a single call.
    fn start<A, M>(
        self,
        args: A,
        timeout: Option<Duration>,
        will_wait: bool,
    ) -> Result<Started<F, S, A, M>, PoolError>
    where
        A: Item<F, S::Whole, M>,
    {
        let crew = &self.pool.crew;
        crew.check()?;
        let call = Call::new(false);
        let routine = A::routine()?;
        let mut feed = Feed::new(Arc::clone(&call), routine, 1, self.pool.limits);
        push(&mut feed, args);
        let result = self.result(
            &call,
            timeout,
            (one::<A::Output>, |call| one::<A::Output>(call).map(drop)),
        );
        let Some(chunk) = feed.take().next() else {
            // The arguments could not be encoded.
            return result.get().and(Err(PoolError::Taken));
        };
        if will_wait {
            // It has one call at a time.
            crew.submit(chunk, true);
            return Ok(result);
        }
        let whole = Deadline::after_opt(self.timeout);
        let queued = crew.queue(chunk, self.patience().min(whole));
        queued.map_err(|NoRoom| self.no_room(whole))?;
        Ok(result)
    }

    /// Makes the result of a call; a scope waits for it too.
    fn result<R>(
        self,
        call: &Arc<Call>,
        timeout: Option<Duration>,
        finish: (Finish<R>, Finish<()>),
    ) -> AsyncResult<R> {
        let (finish, check) = finish;
        if let Some(scope) = self.scope {
            scope.add(call, check);
        }
        AsyncResult::new(&self.pool.crew, call, timeout, finish)
    }

    /// Calls the task with each item, and waits for all.
    fn gather<T, M, I, C>(self, items: I) -> Result<C, PoolError>
    where
        T: Item<F, S, M>,
        I: IntoIterator<Item = T>,
        C: Sink<T::Output>,
    {
        let crew = &self.pool.crew;
        let deadline = Deadline::after_opt(self.timeout);
        let (items, len) = counted(items.into_iter());
        let (call, mut feed) = self.begin::<T, M>(Some(len))?;
        let mut items = items.fuse();
        let mut results = Gathered::<C>::new(len.min(MOST_ROOM));
        // An iterator that panics ends this call only.
        let _whatever_comes = Abandon(crew, &call);
        let room = self.room(usize::MAX, deadline);
        loop {
            crew.feed(&mut feed, &mut items, push::<F, S, T, M>, room);
            if !crew.wait(&call, Want::News, deadline) {
                crew.expire(&call, self.timeout.unwrap_or_default());
            }
            let is_done = call.is_ready(Want::End);
            results.add(&call);
            if is_done {
                return Ok(results.finish(&call));
            }
        }
    }

    /// Queues calls for all items.
    fn queue<T, M, I, R>(
        self,
        items: I,
        finish: Finish<R>,
        check: Finish<()>,
    ) -> Result<AsyncResult<R>, PoolError>
    where
        T: Item<F, S, M>,
        I: IntoIterator<Item = T>,
    {
        let crew = &self.pool.crew;
        let (mut items, len) = counted(items.into_iter());
        let (call, mut feed) = self.begin::<T, M>(Some(len))?;
        let result = self.result(&call, self.timeout, (finish, check));
        // Dropped by an iterator that panics, it does not stop what was queued.
        let abandon = Abandon(crew, &call);
        let whole = Deadline::after_opt(self.timeout);
        let patience = || self.patience().min(whole);
        let queued = crew.feed_all(&mut feed, &mut items, push::<F, S, T, M>, patience);
        queued.map_err(|NoRoom| self.no_room(whole))?;
        std::mem::forget(abandon);
        Ok(result)
    }

    /// Begins to call the task with items as the results are asked for.
    fn iterate<T, M, I>(
        self,
        items: I,
        is_ordered: bool,
    ) -> Result<MapResults<I, T::Output>, PoolError>
    where
        T: Item<F, S, M>,
        I: Iterator<Item = T>,
    {
        let (call, feed) = self.begin::<T, M>(None)?;
        let ahead = (self.pool.size * WINDOW).saturating_mul(self.chunk.unwrap_or(1));
        let room = self.room(ahead, Deadline::after_opt(self.timeout));
        let items = (items, push::<F, S, T, M> as fn(&mut Feed, T));
        let limits = (room, self.timeout);
        let crew = &self.pool.crew;
        Ok(MapResults::new(crew, call, feed, items, limits, is_ordered))
    }

    /// Returns until when a call waits for room.
    fn patience(self) -> Deadline {
        Deadline::after_opt(self.queue_timeout)
    }

    /// Says why a call was not queued whose whole time is over at `whole`.
    fn no_room(self, whole: Deadline) -> PoolError {
        match self.timeout {
            Some(limit) if whole.passed() => PoolError::NotInTime { item: None, limit },
            _ => PoolError::Full,
        }
    }

    fn room(self, most: usize, deadline: Deadline) -> Room {
        Room {
            window: self.pool.size * WINDOW,
            most,
            deadline,
        }
    }
}

/// Puts an item into a chunk.
#[inline]
fn push<F, S: Shape, T: Item<F, S, M>, M>(feed: &mut Feed, item: T) {
    if let Some(text) = item.shown() {
        feed.show(text);
    }
    feed.push(&item.into_args());
}

impl<F, S> fmt::Debug for PoolTask<'_, F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolTask")
            .field("chunk", &self.chunk)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Cancels, when it is dropped, what is left of a call.
struct Abandon<'a>(&'a Crew, &'a Arc<Call>);

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        if !self.1.is_ready(Want::End) {
            self.1.complete();
            self.0.cancel(self.1);
        }
    }
}

/// Returns what Python's pool takes: the least size that gives each worker four chunks or fewer.
fn default_chunk(len: usize, workers: usize) -> usize {
    len.div_ceil(workers.saturating_mul(CHUNKS_PER_WORKER))
}

#[cfg(test)]
mod tests {
    use super::default_chunk;

    // POL-002
    #[test]
    fn the_default_chunks_are_python_s() {
        let sizes = [
            (0, 4),
            (1, 4),
            (16, 4),
            (17, 4),
            (100, 3),
            (1000, 4),
            (7, usize::MAX),
        ];
        let chunks = sizes.map(|(len, workers)| default_chunk(len, workers));
        assert_eq!(chunks, [0, 1, 1, 2, 9, 63, 1]);
    }
}
