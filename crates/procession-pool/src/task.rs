//! A task of a pool, with how it is to be called.

mod calls;
mod run;

use crate::pool::Pool;
use crate::scope::Scope;
use crate::shape::{Shown, Single, Star, WithState};
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

/// A task with settings for the calls to it, from [`Pool::task`](crate::Pool::task).
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
    task: F,
    shape: PhantomData<fn() -> S>,
}

impl<F: Copy, S> Clone for PoolTask<'_, F, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F: Copy, S> Copy for PoolTask<'_, F, S> {}

impl<'a, F: Copy + Send + 'static> PoolTask<'a, F> {
    /// Makes one of a task that captures nothing.
    pub(crate) fn new(pool: &'a Pool, task: F) -> Self {
        Self {
            pool,
            scope: None,
            chunk: None,
            timeout: None,
            queue_timeout: None,
            task,
            shape: PhantomData,
        }
    }

    /// Makes the calls those of a scope.
    pub(crate) fn within(mut self, scope: &'a Scope<'a>) -> Self {
        self.scope = Some(scope);
        self
    }

    /// Has each item be a tuple of the task's arguments, as [`Pool::starmap`](crate::Pool::starmap) does.
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
    /// [`Pool::map_with_state`](crate::Pool::map_with_state) does.
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
impl<'a, F: Copy + Send + 'static, S> PoolTask<'a, F, S> {
    /// Sends a worker so many items at once. Many small items are faster in large chunks; a few that take long
    /// are spread more evenly in small ones.
    ///
    /// With 0, every call is [`PoolError::NoChunk`](crate::PoolError::NoChunk).
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
            task: self.task,
            shape: PhantomData,
        }
    }

    /// Shows an item in its error, shortened, as its `Debug` does: the error is then
    /// [`PoolError::OfItem`](crate::PoolError::OfItem).
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
    /// [`PoolError::NotInTime`](crate::PoolError::NotInTime). An item that a worker is at is run to its end, and nobody hears of it; to end a
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
    /// pool that has [as much queued](crate::PoolBuilder::max_queued) as it may: then they are [`PoolError::Full`](crate::PoolError::Full).
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
impl<F, S> fmt::Debug for PoolTask<'_, F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolTask")
            .field("chunk", &self.chunk)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
