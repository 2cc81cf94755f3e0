//! The calls of a task, each of which has its way of returning results.

use super::PoolTask;
use crate::error::PoolError;
use crate::map::MapResults;
use crate::result::{AsyncResult, all, each};
use crate::shape::{Item, Shape};
use procession_os::wait::Deadline;

impl<F: Copy + Send + 'static, S: Shape> PoolTask<'_, F, S> {
    /// Calls the task once and returns the result, as [`Pool::apply`](crate::Pool::apply).
    ///
    /// The arguments are a tuple of all of them, or what goes [with the state](Self::with_state).
    ///
    /// # Errors
    ///
    /// As `Pool::apply`, and [`PoolError::NotInTime`](crate::PoolError::NotInTime).
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

    /// As [`apply`](Self::apply), without waiting for the result, as [`Pool::apply_async`](crate::Pool::apply_async).
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

    /// Calls the task with each item and returns the results in the items' order, as [`Pool::map`](crate::Pool::map).
    ///
    /// # Errors
    ///
    /// The error of the first item that failed, as `Pool::map`; [`PoolError::NoChunk`](crate::PoolError::NoChunk),
    /// [`PoolError::NotInTime`](crate::PoolError::NotInTime).
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
    /// the call, or [`PoolError::NoChunk`](crate::PoolError::NoChunk).
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

    /// As [`map`](Self::map), without waiting for the results, as [`Pool::map_async`](crate::Pool::map_async).
    ///
    /// # Errors
    ///
    /// As `Pool::map_async`, and [`PoolError::NoChunk`](crate::PoolError::NoChunk).
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

    /// Returns an iterator over the results, in the items' order, as [`Pool::imap`](crate::Pool::imap).
    ///
    /// # Errors
    ///
    /// As `Pool::imap`, and [`PoolError::NoChunk`](crate::PoolError::NoChunk).
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
    /// [`Pool::imap_unordered`](crate::Pool::imap_unordered).
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
