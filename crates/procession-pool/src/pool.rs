//! The pool.

use crate::call::Calls;
use crate::dispatch::{Dispatch, Inlets};
use crate::error::PoolError;
use crate::exit;
use crate::handler::Handler;
use crate::result::{AsyncResult, gather};
use crate::worker::Worker;
use procession_process::{Task, captures_nothing};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::{fmt, iter, mem};

/// How many chunks each worker gets unless the caller says otherwise.
const CHUNKS_PER_WORKER: usize = 4;

/// Processes that run functions.
///
/// It is used through a shared reference, by as many threads as one likes. Dropping it is
/// [`terminate`](Self::terminate), then [`join`](Self::join): what is still running is lost, with a
/// warning in the log.
///
/// It belongs to the process that made it. A copy of that process, made by the C library's `fork`,
/// gets [`PoolError::Copied`] from each call; closing, terminating, joining or dropping the pool
/// there does nothing.
///
/// # Examples
///
/// ```
/// use procession_pool::Pool;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// let pool = Pool::new(2)?;
/// let words = ["pool", "of", "workers"].map(String::from);
/// assert_eq!(pool.map(|word: String| word.len(), words)?, [4, 2, 7]);
/// # Ok(())
/// # }
/// ```
#[must_use = "dropping it ends its workers at once"]
pub struct Pool {
    dispatch: Arc<Dispatch>,
    size: usize,
    /// The handlers that nobody has joined.
    handlers: Mutex<Vec<JoinHandle<()>>>,
}

impl Pool {
    /// Starts a pool of so many workers.
    ///
    /// The workers are named `PoolWorker-1` and so on, and those of a pool that a worker makes
    /// `PoolWorker-1:1`. They ignore SIGINT, so that Ctrl-C reaches only the one who decides.
    ///
    /// # Errors
    ///
    /// - [`PoolError::NoWorkers`] if `workers` is 0;
    /// - [`PoolError::Start`] if the program has not called `init`, or the system refuses a
    ///   process; [`PoolError::Thread`] if it refuses a thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::{Pool, PoolError};
    ///
    /// # procession_process::init();
    /// assert!(matches!(Pool::new(0), Err(PoolError::NoWorkers)));
    /// ```
    pub fn new(workers: usize) -> Result<Self, PoolError> {
        if workers == 0 {
            return Err(PoolError::NoWorkers);
        }
        let (dispatch, inlets) = Dispatch::new(workers);
        let pool = Self {
            dispatch,
            size: workers,
            handlers: Mutex::default(),
        };
        // What was started before an error ends with the pool.
        (0..workers).try_for_each(|_| pool.staff(inlets.clone()))?;
        exit::watch();
        Ok(pool)
    }

    /// Starts one worker and the thread that handles it.
    fn staff(&self, inlets: Inlets) -> Result<(), PoolError> {
        let worker = Worker::start()?;
        let slot = self.dispatch.add_slot(worker.process());
        let handler = Handler::new(slot, Arc::clone(&self.dispatch), inlets);
        let thread = thread::Builder::new().name("procession-pool".to_owned());
        let started = thread.spawn(move || handler.run(worker));
        self.handlers().push(started.map_err(PoolError::Thread)?);
        Ok(())
    }

    /// Calls `task` with each item, and returns the results in the items' order.
    ///
    /// The items are handed out in chunks, four for each worker. All of them are run, whatever
    /// comes of some.
    ///
    /// # Errors
    ///
    /// If an item cannot be encoded, [`PoolError::Encode`]; then nothing was run. Otherwise, when
    /// every item is done, the error of the first that failed:
    ///
    /// - [`PoolError::Panicked`] and [`PoolError::Failed`] by the task itself;
    /// - [`PoolError::Arguments`], [`PoolError::ResultNotEncoded`],
    ///   [`PoolError::ResultNotDecoded`] and [`PoolError::Exchange`] on the way there or back;
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
        let items = items.into_iter().map(|item| (item,));
        self.run(task, items, |len| default_chunk(len, self.size))
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
        if chunk == 0 {
            return Err(PoolError::NoChunk);
        }
        self.run(task, items.into_iter().map(|item| (item,)), |_| chunk)
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
        self.run(task, items.into_iter(), |len| default_chunk(len, self.size))
    }

    /// Calls `task` with each item, in chunks whose size depends on how many there are.
    fn run<F, A, M>(
        &self,
        task: F,
        items: impl Iterator<Item = A>,
        chunk: impl FnOnce(usize) -> usize,
    ) -> Result<Vec<F::Output>, PoolError>
    where
        F: Task<A, M>,
        A: Serialize + DeserializeOwned,
    {
        let _ = task;
        self.dispatch.check()?;
        let numbered = items.enumerate().map(|(item, args)| (Some(item), args));
        let calls = Calls::encode::<F, A, M>(numbered)?;
        let len = calls.arguments.len();
        gather(self.dispatch.submit(calls, chunk(len))?, len)
    }

    /// Calls `task` with `args`, and returns the result.
    ///
    /// # Errors
    ///
    /// As [`map`](Self::map).
    ///
    /// # When the other side is gone
    ///
    /// As `map`.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::{Pool, PoolError};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(1)?;
    /// let divide = |x: i32, y: i32| x / y;
    /// assert_eq!(pool.apply(divide, (6, 3))?, 2);
    ///
    /// let Err(PoolError::Panicked { panic, .. }) = pool.apply(divide, (6, 0)) else { unreachable!() };
    /// assert_eq!(panic.message(), "attempt to divide by zero");
    /// # Ok(())
    /// # }
    /// ```
    pub fn apply<F, A, M>(&self, task: F, args: A) -> Result<F::Output, PoolError>
    where
        F: Task<A, M>,
        A: Serialize + DeserializeOwned,
    {
        const { captures_nothing::<F>() }
        self.apply_async(task, args)?.get()
    }

    /// As [`apply`](Self::apply), without waiting for the result.
    ///
    /// # Errors
    ///
    /// [`PoolError::Encode`] if the arguments cannot be encoded, and the errors of a pool that has
    /// ended. What happens to the call itself is the [`AsyncResult`]'s.
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
    /// let sum = pool.apply_async(|x: u32, y: u32| x + y, (3, 4))?;
    /// let product = pool.apply_async(|x: u32, y: u32| x * y, (3, 4))?;
    /// assert_eq!((sum.get()?, product.get()?), (7, 12));
    /// # Ok(())
    /// # }
    /// ```
    pub fn apply_async<F, A, M>(
        &self,
        task: F,
        args: A,
    ) -> Result<AsyncResult<F::Output>, PoolError>
    where
        F: Task<A, M>,
        A: Serialize + DeserializeOwned,
    {
        const { captures_nothing::<F>() }
        let _ = task;
        self.dispatch.check()?;
        let calls = Calls::encode::<F, A, M>(iter::once((None, args)))?;
        Ok(AsyncResult::new(self.dispatch.submit(calls, 1)?))
    }

    /// Returns how many workers the pool keeps.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// assert_eq!(Pool::new(2)?.size(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn size(&self) -> usize {
        self.size
    }

    /// Returns the process numbers of the workers that live: [`size`](Self::size) of them, less
    /// those that have died and whose successors have not been started yet, and none when the pool
    /// has ended or is a copy.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(2)?;
    /// let pid = pool.apply(|| std::process::id(), ())?;
    /// assert!(pool.worker_pids().contains(&pid));
    /// # Ok(())
    /// # }
    /// ```
    pub fn worker_pids(&self) -> Vec<u32> {
        if !self.dispatch.is_ours() {
            return Vec::new();
        }
        self.dispatch.pids()
    }

    /// Lets no more calls in. Those that were accepted are run, and then the workers end.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::{Pool, PoolError};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(1)?;
    /// let accepted = pool.apply_async(|| 7, ())?;
    /// pool.close();
    /// assert!(matches!(pool.apply(|| 8, ()), Err(PoolError::Closed)));
    /// pool.join();
    /// assert_eq!(accepted.get()?, 7);
    /// # Ok(())
    /// # }
    /// ```
    pub fn close(&self) {
        if self.dispatch.is_ours() {
            self.dispatch.close();
        }
    }

    /// Kills the workers. Calls that are not done return [`PoolError::Terminated`].
    ///
    /// A worker ends also if this process may not signal it any more, having become another user for
    /// example: the kernel kills it when its socket is closed.
    ///
    /// It does not wait for the workers' end; [`join`](Self::join) does.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::{Pool, PoolError};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(2)?;
    /// let endless = pool.apply_async(|| -> () { loop { std::thread::park() } }, ())?;
    /// pool.terminate();
    /// assert!(matches!(endless.get(), Err(PoolError::Terminated)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn terminate(&self) {
        if self.dispatch.is_ours() {
            self.dispatch.terminate();
        }
    }

    /// Closes the pool, and waits until all accepted calls are done and all workers have ended.
    ///
    /// # When the other side is gone
    ///
    /// Workers that die are replaced for as long as there is something to run. A
    /// [`terminate`](Self::terminate) by another thread ends the wait. A worker that cannot be
    /// signalled, and has closed all its sockets, is given up after a moment, with an error in the
    /// log.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(2)?;
    /// let results = (1..4).map(|n: u32| pool.apply_async(|n: u32| n * n, (n,)));
    /// let results = results.collect::<Result<Vec<_>, _>>()?;
    /// pool.join();
    /// assert!(results.iter().all(|result| result.ready()));
    /// assert!(pool.worker_pids().is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn join(&self) {
        if !self.dispatch.is_ours() {
            return;
        }
        self.close();
        for handler in self.handlers().drain(..) {
            // Nothing in a handler panics; if it did, the hook has told of it.
            let _ = handler.join();
        }
    }

    /// A second thread that joins waits here for the first.
    fn handlers(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.handlers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if !self.dispatch.is_ours() {
            // They name threads that are not in this process; another may have got a name.
            let handlers = self.handlers.get_mut();
            mem::forget(mem::take(handlers.unwrap_or_else(PoisonError::into_inner)));
            return;
        }
        let unfinished = self.dispatch.unfinished();
        if unfinished > 0 {
            log::warn!(
                "a pool was dropped before {unfinished} of its calls were done; `join` waits for them"
            );
        }
        self.terminate();
        self.join();
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("size", &self.size)
            .finish_non_exhaustive()
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
