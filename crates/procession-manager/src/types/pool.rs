//! A pool of workers that the server has.

use super::item::Item;
use super::pool_result::{
    HostedResult, HostedResults, PoolResult, PoolResults, failed, taken, until,
};
use crate::error::ManagerError;
use crate::new::New;
use procession_call::{Failure, Task, captures_nothing};
use procession_macros::shared;
use procession_pool::{AsyncResult, Pool as OwnPool, PoolError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// The pool in the server.
pub(crate) struct HostedPool(OwnPool);

impl HostedPool {
    pub(super) fn new(workers: usize) -> anyhow::Result<Self> {
        Ok(Self(OwnPool::new(workers)?))
    }
}

/// A pool whose workers are the server's children, for all processes of the family: each of them calls tasks, and
/// the workers are started once.
///
/// Arguments and results go through the server. A process that uses a pool alone has less to pay with one of its
/// own, [`procession_pool::Pool`].
///
/// What went wrong in a task is [`ManagerError::Call`] with the worker's own words; what went wrong in the pool (a
/// worker was killed, the pool is closed) is the same with the pool's words.
///
/// # When the other side is gone
///
/// Calls that a process has made and not had a result of when it ends are cancelled, as far as no worker has begun
/// them. The workers end with the pool, which lives as long as any process has a proxy of it, and with the server.
///
/// # Examples
///
/// ```
/// use procession::manager::Pool;
/// use procession::{Manager, Process};
///
/// fn child(pool: Pool) -> anyhow::Result<Vec<u64>> {
///     Ok(pool.map(|n: u64| n * n, [1, 2, 3])?)
/// }
///
/// # fn main() -> anyhow::Result<()> {
/// # procession::init();
/// let manager = Manager::start()?;
/// let pool = manager.pool(2)?;
/// let result = pool.apply_async(|word: String| word.len(), ("seven".to_owned(),))?;
/// assert_eq!(Process::spawn(child, (pool.clone(),))?.join()?, [1, 4, 9]);
/// assert_eq!(result.get()?, 5);
/// # Ok(())
/// # }
/// ```
#[shared(concurrent, proxy = "Pool", crate = "crate")]
impl HostedPool {
    /// Returns how many workers there are to be.
    pub fn size(&self) -> usize {
        self.0.size()
    }

    /// Returns the numbers of the workers that live.
    pub fn worker_pids(&self) -> Vec<u32> {
        self.0.worker_pids()
    }

    /// Takes no further calls, of any process; the workers end when all calls are done.
    pub fn close(&self) {
        self.0.close();
    }

    /// Ends the workers at once; calls that are not done fail.
    pub fn terminate(&self) {
        self.0.terminate();
    }

    /// Closes the pool, and waits until all calls are done and the workers have ended.
    pub fn join(&self) {
        until(None, |limit| self.0.join_timeout(limit));
    }

    /// As [`join`](Pool::join), for `timeout` at the longest; returns whether the pool has ended. It is closed in
    /// any case.
    pub fn join_timeout(&self, timeout: Duration) -> bool {
        until(Some(timeout), |limit| self.0.join_timeout(limit))
    }
}

impl Pool {
    /// Has a worker call a function, and returns what comes of it.
    ///
    /// # Errors
    ///
    /// [`ManagerError::Call`] if there is no result; [`ManagerError::Elsewhere`] in a program with another
    /// executable, which cannot send functions.
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Call`] if the worker was killed, [`ManagerError::Gone`] if the server was.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), procession::ManagerError> {
    /// # procession::init();
    /// let manager = procession::Manager::start()?;
    /// let pool = manager.pool(1)?;
    /// assert_eq!(pool.apply(|a: u8, b: u8| a + b, (1, 2))?, 3);
    /// let error = pool.apply(|| -> () { std::process::exit(3) }, ()).unwrap_err();
    /// assert!(error.to_string().contains("exited with code 3"), "{error}");
    /// # Ok(())
    /// # }
    /// ```
    pub fn apply<F, A, M>(&self, task: F, args: A) -> Result<F::Output, ManagerError>
    where
        F: Task<A, M>,
        F::Output: Item,
        A: Serialize + DeserializeOwned,
    {
        const { captures_nothing::<F>() }
        let apply = move |pool: &HostedPool, args: A| taken(pool.0.apply_async(task, args));
        self.call_pool(apply, args)
    }

    /// Has the workers call a function for each item, and returns the results in the order of the items.
    ///
    /// # Errors
    ///
    /// As [`apply`](Self::apply), for the first item that failed.
    ///
    /// # When the other side is gone
    ///
    /// As [`apply`](Self::apply).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), procession::ManagerError> {
    /// # procession::init();
    /// let manager = procession::Manager::start()?;
    /// assert_eq!(manager.pool(2)?.map(|n: i32| -n, 0..3)?, [0, -1, -2]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn map<F, T, M>(
        &self,
        task: F,
        items: impl IntoIterator<Item = T>,
    ) -> Result<Vec<F::Output>, ManagerError>
    where
        F: Task<(T,), M>,
        F::Output: Item,
        T: Serialize + DeserializeOwned,
    {
        const { captures_nothing::<F>() }
        let map = move |pool: &HostedPool, items: Vec<T>| taken(pool.0.map_async(task, items));
        self.call_pool(map, items.into_iter().collect())
    }

    /// As [`map`](Self::map), for a function that takes several arguments: the items are tuples.
    ///
    /// # Errors
    ///
    /// As [`map`](Self::map).
    ///
    /// # When the other side is gone
    ///
    /// As [`apply`](Self::apply).
    pub fn starmap<F, A, M>(
        &self,
        task: F,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<F::Output>, ManagerError>
    where
        F: Task<A, M>,
        F::Output: Item,
        A: Serialize + DeserializeOwned,
    {
        const { captures_nothing::<F>() }
        let map = move |pool: &HostedPool, items: Vec<A>| taken(pool.0.starmap_async(task, items));
        self.call_pool(map, items.into_iter().collect())
    }

    /// Has a worker call a function, and returns at once; what comes of it is an object in the server, which any
    /// process may ask for the result.
    ///
    /// # Errors
    ///
    /// As [`apply`](Self::apply), if the call could not be queued.
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`]; what becomes of the worker is told by the result.
    pub fn apply_async<F, A, M>(
        &self,
        task: F,
        args: A,
    ) -> Result<PoolResult<F::Output>, ManagerError>
    where
        F: Task<A, M>,
        F::Output: Item,
        A: Serialize + DeserializeOwned,
    {
        const { captures_nothing::<F>() }
        let apply = move |pool: &HostedPool, args: A| hosted(pool.0.apply_async(task, args));
        self.as_ref().call(apply, args)?.map_err(ManagerError::Call)
    }

    /// As [`map`](Self::map), and returns at once, as [`apply_async`](Self::apply_async) does.
    ///
    /// # Errors
    ///
    /// As [`apply_async`](Self::apply_async).
    ///
    /// # When the other side is gone
    ///
    /// As [`apply_async`](Self::apply_async).
    pub fn map_async<F, T, M>(
        &self,
        task: F,
        items: impl IntoIterator<Item = T>,
    ) -> Result<PoolResult<Vec<F::Output>>, ManagerError>
    where
        F: Task<(T,), M>,
        F::Output: Item,
        T: Serialize + DeserializeOwned,
    {
        const { captures_nothing::<F>() }
        let map = move |pool: &HostedPool, items: Vec<T>| hosted(pool.0.map_async(task, items));
        let items: Vec<T> = items.into_iter().collect();
        self.as_ref().call(map, items)?.map_err(ManagerError::Call)
    }

    /// Has the workers call a function for each item, and iterates over the results in the order of the items,
    /// as they come; each step is one call.
    ///
    /// # Errors
    ///
    /// As [`apply_async`](Self::apply_async).
    ///
    /// # When the other side is gone
    ///
    /// As [`apply`](Self::apply), for each item.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), procession::ManagerError> {
    /// # procession::init();
    /// let manager = procession::Manager::start()?;
    /// let pool = manager.pool(2)?;
    /// let squares = pool.imap(|n: u64| n * n, 0..5)?;
    /// let squares: Result<Vec<_>, _> = squares.collect();
    /// assert_eq!(squares?, [0, 1, 4, 9, 16]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn imap<F, T, M>(
        &self,
        task: F,
        items: impl IntoIterator<Item = T>,
    ) -> Result<PoolResults<F::Output>, ManagerError>
    where
        F: Task<(T,), M>,
        F::Output: Item,
        T: Item,
    {
        const { captures_nothing::<F>() }
        let map = move |pool: &HostedPool, items: Vec<T>| {
            let results = pool.0.imap(task, items);
            results.map(HostedResults::new).map(New).map_err(failed)
        };
        let items: Vec<T> = items.into_iter().collect();
        self.as_ref().call(map, items)?.map_err(ManagerError::Call)
    }

    /// As [`imap`](Self::imap), in the order in which the results come.
    ///
    /// # Errors
    ///
    /// As [`imap`](Self::imap).
    ///
    /// # When the other side is gone
    ///
    /// As [`imap`](Self::imap).
    pub fn imap_unordered<F, T, M>(
        &self,
        task: F,
        items: impl IntoIterator<Item = T>,
    ) -> Result<PoolResults<F::Output>, ManagerError>
    where
        F: Task<(T,), M>,
        F::Output: Item,
        T: Item,
    {
        const { captures_nothing::<F>() }
        let map = move |pool: &HostedPool, items: Vec<T>| {
            let results = pool.0.imap_unordered(task, items);
            results.map(HostedResults::new).map(New).map_err(failed)
        };
        let items: Vec<T> = items.into_iter().collect();
        self.as_ref().call(map, items)?.map_err(ManagerError::Call)
    }

    /// Has the pool do something of which a value comes back.
    fn call_pool<A, R>(
        &self,
        work: impl Fn(&HostedPool, A) -> Result<R, Failure> + Copy + Send + 'static,
        args: A,
    ) -> Result<R, ManagerError>
    where
        A: Serialize + DeserializeOwned,
        R: Item,
    {
        self.as_ref().call(work, args)?.map_err(ManagerError::Call)
    }
}

fn hosted<R>(call: Result<AsyncResult<R>, PoolError>) -> Result<New<HostedResult<R>>, Failure> {
    call.map(HostedResult::new).map(New).map_err(failed)
}
