//! Calls for each item of a sequence.

use super::Pool;
use crate::error::PoolError;
use crate::map::MapResults;
use crate::result::AsyncResult;
use procession_call::{Task, captures_nothing};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Each of these is short for a [`PoolTask`](crate::PoolTask), which has more settings.
impl Pool {
    /// Calls `task` with each item, and returns the results in the items' order.
    ///
    /// The items are handed out in chunks, four or more for each worker. All of them are run, whatever
    /// comes of some. They are taken from the iterator as they are handed out, if it knows how many there are;
    /// one that panics ends this call, and what has not begun of it is not run.
    ///
    /// # Errors
    ///
    /// When every item is done, the error of the first that failed:
    ///
    /// - [`PoolError::Encode`] if it could not be encoded, and so was not run;
    /// - [`PoolError::Call`] as the worker says: it panicked or returned an error, or its arguments or its
    ///   result could not be decoded or encoded there;
    /// - [`PoolError::ResultNotDecoded`] and [`PoolError::Exchange`] on the way;
    /// - [`PoolError::WorkerDied`], and the errors of a pool that has ended, as below.
    ///
    /// # When the other side is gone
    ///
    /// [`PoolError::WorkerDied`] if a worker ended while it ran one of the items; the others are
    /// run all the same. [`PoolError::Closed`], [`PoolError::Terminated`] or
    /// [`PoolError::Broken`] if the pool has ended or ends meanwhile.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// fn parse(text: String) -> anyhow::Result<i32> {
    ///     Ok(text.parse()?)
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(2)?;
    /// assert_eq!(pool.map(parse, ["1".to_owned(), "2".to_owned()])?, [1, 2]);
    ///
    /// let error = pool.map(parse, ["1".to_owned(), "two".to_owned()]).unwrap_err();
    /// assert_eq!(error.item(), Some(1));
    /// assert_eq!(error.to_string(), "the task for item 1 failed: invalid digit found in string");
    /// # Ok(())
    /// # }
    /// ```
    pub fn map<F, T, M, I>(&self, task: F, items: I) -> Result<Vec<F::Output>, PoolError>
    where
        F: Task<(T,), M>,
        T: Serialize + DeserializeOwned,
        I: IntoIterator<Item = T>,
    {
        const { captures_nothing::<F>() }
        self.task(task).map(items)
    }

    /// As [`map`](Self::map), with so many items in each chunk.
    ///
    /// # Errors
    ///
    /// As `map`, and [`PoolError::NoChunk`] if `chunk` is 0.
    ///
    /// # When the other side is gone
    ///
    /// As `map`.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(2)?;
    /// assert_eq!(pool.map_chunked(|n: u8| n + 1, [1, 2, 3], 2)?, [2, 3, 4]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn map_chunked<F, T, M, I>(
        &self,
        task: F,
        items: I,
        chunk: usize,
    ) -> Result<Vec<F::Output>, PoolError>
    where
        F: Task<(T,), M>,
        T: Serialize + DeserializeOwned,
        I: IntoIterator<Item = T>,
    {
        const { captures_nothing::<F>() }
        self.task(task).chunk(chunk).map(items)
    }

    /// As [`map`](Self::map), for a task of several arguments: each item is a tuple of them.
    ///
    /// # Errors
    ///
    /// As `map`.
    ///
    /// # When the other side is gone
    ///
    /// As `map`.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(2)?;
    /// assert_eq!(pool.starmap(u32::pow, [(2, 3), (3, 2)])?, [8, 9]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn starmap<F, A, M, I>(&self, task: F, items: I) -> Result<Vec<F::Output>, PoolError>
    where
        F: Task<A, M>,
        A: Serialize + DeserializeOwned,
        I: IntoIterator<Item = A>,
    {
        const { captures_nothing::<F>() }
        self.task(task).star().map(items)
    }

    /// As [`map`](Self::map), for a function that takes the state of its worker by reference, beside the
    /// item: what [`Builder::state`](crate::PoolBuilder::state) has each worker make.
    ///
    /// # Errors
    ///
    /// As `map`; each item fails with [`Failure::Arguments`](procession_call::Failure::Arguments) if the workers have no state of this type.
    ///
    /// # When the other side is gone
    ///
    /// As `map`. The successor of a worker makes the state anew.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::builder().workers(2).state(|base: u64| base * 100, 7).start()?;
    /// assert_eq!(pool.map_with_state(|base: &u64, n: u64| base + n, [1, 2])?, [701, 702]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn map_with_state<F, S, T, R, I>(&self, task: F, items: I) -> Result<Vec<R>, PoolError>
    where
        F: Fn(&S, T) -> R + Copy + Send + 'static,
        S: 'static,
        T: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        I: IntoIterator<Item = T>,
    {
        const { captures_nothing::<F>() }
        self.task(task).with_state().map(items)
    }

    /// As [`map`](Self::map), without waiting for the results.
    ///
    /// All items are taken and encoded before this returns.
    ///
    /// # Errors
    ///
    /// The errors of a pool that has ended. What happens to the items is the [`AsyncResult`]'s.
    ///
    /// # When the other side is gone
    ///
    /// As the other errors, it is the `AsyncResult`'s.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(2)?;
    /// let doubled = pool.map_async(|n: u32| n * 2, 1..4)?;
    /// let tripled = pool.map_async(|n: u32| n * 3, 1..4)?;
    /// assert_eq!((doubled.get()?, tripled.get()?), (vec![2, 4, 6], vec![3, 6, 9]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn map_async<F, T, M, I>(
        &self,
        task: F,
        items: I,
    ) -> Result<AsyncResult<Vec<F::Output>>, PoolError>
    where
        F: Task<(T,), M>,
        T: Serialize + DeserializeOwned,
        I: IntoIterator<Item = T>,
    {
        const { captures_nothing::<F>() }
        self.task(task).map_async(items)
    }

    /// As [`starmap`](Self::starmap), without waiting for the results.
    ///
    /// # Errors
    ///
    /// As [`map_async`](Self::map_async).
    ///
    /// # When the other side is gone
    ///
    /// As `map_async`.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(2)?;
    /// assert_eq!(pool.starmap_async(u32::pow, [(2, 3), (3, 2)])?.get()?, [8, 9]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn starmap_async<F, A, M, I>(
        &self,
        task: F,
        items: I,
    ) -> Result<AsyncResult<Vec<F::Output>>, PoolError>
    where
        F: Task<A, M>,
        A: Serialize + DeserializeOwned,
        I: IntoIterator<Item = A>,
    {
        const { captures_nothing::<F>() }
        self.task(task).star().map_async(items)
    }

    /// Calls `task` with each item, and returns an iterator over the results, in the items' order.
    ///
    /// Items are taken one at a time, a few for each worker ahead of the results: the input may be endless.
    /// Each item is a message of its own; [`imap_chunked`](Self::imap_chunked) is faster for small ones.
    ///
    /// # Errors
    ///
    /// The errors of a pool that has ended. Each result is an error of its own, as [`map`](Self::map) tells
    /// of; the items behind it are run all the same.
    ///
    /// # When the other side is gone
    ///
    /// It is the error of the items that were lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(2)?;
    /// for (n, square) in (0_u64..100).zip(pool.imap(|n: u64| n * n, 0..100)?) {
    ///     assert_eq!(square?, n * n);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn imap<F, T, M, I>(
        &self,
        task: F,
        items: I,
    ) -> Result<MapResults<I::IntoIter, F::Output>, PoolError>
    where
        F: Task<(T,), M>,
        T: Serialize + DeserializeOwned,
        I: IntoIterator<Item = T>,
    {
        const { captures_nothing::<F>() }
        self.task(task).imap(items)
    }

    /// As [`imap`](Self::imap), with so many items in each chunk. A result comes when its chunk is done.
    ///
    /// # Errors
    ///
    /// As `imap`, and [`PoolError::NoChunk`] if `chunk` is 0.
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
    /// let sum = pool.imap_chunked(|n: u64| n % 7, 0..10_000, 100)?.sum::<Result<u64, _>>()?;
    /// assert_eq!(sum, (0..10_000).map(|n| n % 7).sum());
    /// # Ok(())
    /// # }
    /// ```
    pub fn imap_chunked<F, T, M, I>(
        &self,
        task: F,
        items: I,
        chunk: usize,
    ) -> Result<MapResults<I::IntoIter, F::Output>, PoolError>
    where
        F: Task<(T,), M>,
        T: Serialize + DeserializeOwned,
        I: IntoIterator<Item = T>,
    {
        const { captures_nothing::<F>() }
        self.task(task).chunk(chunk).imap(items)
    }

    /// As [`imap`](Self::imap), with the results in the order in which they come.
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
    /// let mut squares: Vec<_> = pool.imap_unordered(|n: u32| n * n, 0..4)?.collect::<Result<_, _>>()?;
    /// squares.sort_unstable();
    /// assert_eq!(squares, [0, 1, 4, 9]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn imap_unordered<F, T, M, I>(
        &self,
        task: F,
        items: I,
    ) -> Result<MapResults<I::IntoIter, F::Output>, PoolError>
    where
        F: Task<(T,), M>,
        T: Serialize + DeserializeOwned,
        I: IntoIterator<Item = T>,
    {
        const { captures_nothing::<F>() }
        self.task(task).imap_unordered(items)
    }
}
