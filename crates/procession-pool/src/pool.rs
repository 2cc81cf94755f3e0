//! The pool.

use crate::builder::PoolBuilder;
use crate::call::{Call, Want};
use crate::crew::Crew;
use crate::dispatch::{AHEAD, Limits};
use crate::entry::{CallEntry, StateEntry};
use crate::error::PoolError;
use crate::exit;
use crate::feed::{Feed, counted};
use crate::map::MapResults;
use crate::minder::Minder;
use crate::result::{AsyncResult, Gathered};
use crate::worker::{Recipe, Worker};
use procession_os::wait::Deadline;
use procession_process::routine::Entry;
use procession_process::{Task, captures_nothing};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{fmt, mem};

/// How many chunks each worker gets unless the caller says otherwise.
const CHUNKS_PER_WORKER: usize = 4;

/// How many chunks of a call are on their way or queued, for each worker.
const WINDOW: usize = 2 * AHEAD;

/// The most results for which there is room before they come: an iterator may say too much.
const MOST_ROOM: usize = 1 << 20;

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
    crew: Arc<Crew>,
    size: usize,
    limits: Limits,
    /// The minder, until somebody has joined it.
    minder: Mutex<Option<JoinHandle<()>>>,
}

impl Pool {
    /// Starts a pool of so many workers.
    ///
    /// [`builder`](Self::builder) takes more settings, and knows how many workers fit the machine.
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
        Self::builder().workers(workers).start()
    }

    /// Returns what makes a pool with other than the default settings.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::builder().workers(2).max_tasks_per_worker(100).start()?;
    /// assert_eq!(pool.size(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> PoolBuilder {
        PoolBuilder::new()
    }

    /// Makes a pool of `size` workers.
    pub(crate) fn make(size: usize, limits: Limits, recipe: Recipe) -> Result<Self, PoolError> {
        let pool = Self {
            crew: Crew::new(size, limits).map_err(PoolError::Thread)?,
            size,
            limits,
            minder: Mutex::default(),
        };
        let staffed = (0..size).try_for_each(|at| pool.staff(at, &recipe));
        // It fills the slots that are empty, and sees to it that what was started before an error ends.
        let minder = Minder::new(Arc::clone(&pool.crew), recipe);
        if staffed.is_err() {
            pool.crew.terminate();
        }
        let thread = thread::Builder::new().name("procession-pool".to_owned());
        let is_here = pool.crew.minder_is_here();
        let minder = thread.spawn(move || {
            minder.run();
            drop(is_here);
        });
        *pool.minder() = Some(minder.map_err(PoolError::Thread)?);
        staffed?;
        exit::watch();
        Ok(pool)
    }

    /// Starts the first worker of a slot.
    fn staff(&self, at: usize, recipe: &Recipe) -> Result<(), PoolError> {
        let worker = Arc::new(Worker::start(recipe)?);
        self.crew.employ(at, &worker).map_err(PoolError::Thread)?;
        Ok(())
    }

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
        let _ = task;
        let items = items.into_iter().map(|item| (item,));
        self.run::<CallEntry<F, (T,), M>, _, _>(items, |len| default_chunk(len, self.size))
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
        let _ = task;
        let items = items.into_iter().map(|item| (item,));
        self.run::<CallEntry<F, (T,), M>, _, _>(items, |_| chunk)
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
        let _ = task;
        let items = items.into_iter();
        self.run::<CallEntry<F, A, M>, _, _>(items, |len| default_chunk(len, self.size))
    }

    /// As [`map`](Self::map), for a function that takes the state of its worker by reference, beside the
    /// item: what [`Builder::state`](crate::PoolBuilder::state) has each worker make.
    ///
    /// # Errors
    ///
    /// As `map`; each item fails with [`PoolError::Arguments`] if the workers have no state of this type.
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
        F: Fn(&S, T) -> R + Copy + 'static,
        S: 'static,
        T: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        I: IntoIterator<Item = T>,
    {
        const { captures_nothing::<F>() }
        let _ = task;
        let items = items.into_iter();
        self.run::<StateEntry<F, S, T, R>, _, _>(items, |len| default_chunk(len, self.size))
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
        self.run_async(task, items.into_iter().map(|item| (item,)))
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
        self.run_async(task, items.into_iter())
    }

    /// Queues calls for all items.
    fn run_async<F, A, M>(
        &self,
        task: F,
        items: impl Iterator<Item = A>,
    ) -> Result<AsyncResult<Vec<F::Output>>, PoolError>
    where
        F: Task<A, M>,
        A: Serialize + DeserializeOwned,
    {
        let _ = task;
        self.crew.check()?;
        let (mut items, len) = counted(items);
        let call = Call::new(true);
        let chunk = default_chunk(len, self.size);
        let mut feed = Feed::new::<CallEntry<F, A, M>>(Arc::clone(&call), chunk, self.limits)?;
        // Dropped by an iterator that panics, it does not stop what was queued.
        let abandon = Abandon(&self.crew, &call);
        self.crew.feed_all(&mut feed, &mut items);
        std::mem::forget(abandon);
        Ok(AsyncResult::of_all(Arc::clone(&self.crew), call))
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
    ) -> Result<MapResults<impl Iterator<Item = (T,)> + use<F, T, M, I>, F::Output>, PoolError>
    where
        F: Task<(T,), M>,
        T: Serialize + DeserializeOwned,
        I: IntoIterator<Item = T>,
    {
        self.imap_chunked(task, items, 1)
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
    ) -> Result<MapResults<impl Iterator<Item = (T,)> + use<F, T, M, I>, F::Output>, PoolError>
    where
        F: Task<(T,), M>,
        T: Serialize + DeserializeOwned,
        I: IntoIterator<Item = T>,
    {
        const { captures_nothing::<F>() }
        let items = items.into_iter().map(|item| (item,));
        self.iterate(task, items, chunk, true)
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
    ) -> Result<MapResults<impl Iterator<Item = (T,)> + use<F, T, M, I>, F::Output>, PoolError>
    where
        F: Task<(T,), M>,
        T: Serialize + DeserializeOwned,
        I: IntoIterator<Item = T>,
    {
        const { captures_nothing::<F>() }
        let items = items.into_iter().map(|item| (item,));
        self.iterate(task, items, 1, false)
    }

    /// Begins to call `task` with items as the results are asked for.
    fn iterate<F, A, M, I>(
        &self,
        task: F,
        items: I,
        chunk: usize,
        is_ordered: bool,
    ) -> Result<MapResults<I, F::Output>, PoolError>
    where
        F: Task<A, M>,
        A: Serialize + DeserializeOwned,
        I: Iterator<Item = A>,
    {
        let _ = task;
        if chunk == 0 {
            return Err(PoolError::NoChunk);
        }
        self.crew.check()?;
        let call = Call::new(true);
        let feed = Feed::new::<CallEntry<F, A, M>>(Arc::clone(&call), chunk, self.limits)?;
        let crew = Arc::clone(&self.crew);
        let window = self.size * WINDOW;
        let ahead = window.saturating_mul(chunk);
        Ok(MapResults::new(
            crew,
            call,
            feed,
            items,
            [window, ahead],
            is_ordered,
        ))
    }

    /// Calls a task with each item, in chunks whose size depends on how many there are.
    fn run<E, A, R>(
        &self,
        items: impl Iterator<Item = A>,
        chunk: impl FnOnce(usize) -> usize,
    ) -> Result<Vec<R>, PoolError>
    where
        E: Entry,
        A: Serialize + DeserializeOwned,
        R: DeserializeOwned,
    {
        self.crew.check()?;
        let (items, len) = counted(items);
        let call = Call::new(true);
        let mut feed = Feed::new::<E>(Arc::clone(&call), chunk(len), self.limits)?;
        let mut items = items.fuse();
        let mut results = Gathered::new(len.min(MOST_ROOM));
        // An iterator that panics ends this call only.
        let _whatever_comes = Abandon(&self.crew, &call);
        loop {
            self.crew
                .feed(&mut feed, &mut items, self.size * WINDOW, usize::MAX);
            self.crew.wait(&call, Want::News, Deadline::NEVER);
            let is_done = call.is_ready(Want::End);
            results.add(call.take());
            if is_done {
                return results.finish();
            }
        }
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
        let _ = task;
        self.start::<F, A, M>(&args, true)?.get()
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
        self.start::<F, A, M>(&args, false)
    }

    /// Queues a single call.
    fn start<F, A, M>(&self, args: &A, will_wait: bool) -> Result<AsyncResult<F::Output>, PoolError>
    where
        F: Task<A, M>,
        A: Serialize + DeserializeOwned,
    {
        self.crew.check()?;
        let call = Call::new(false);
        let mut feed = Feed::new::<CallEntry<F, A, M>>(Arc::clone(&call), 1, self.limits)?;
        feed.push(args);
        call.complete();
        let result = AsyncResult::of_one(Arc::clone(&self.crew), call);
        let Some(chunk) = feed.take().next() else {
            // The arguments could not be encoded.
            return result.get().and(Err(PoolError::Taken));
        };
        self.crew.submit(chunk, will_wait);
        Ok(result)
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
        if !self.crew.is_ours() {
            return Vec::new();
        }
        let workers = self.crew.workers();
        let living = workers
            .iter()
            .filter(|(_, worker)| worker.process().is_alive());
        living.map(|(_, worker)| worker.pid()).collect()
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
        if self.crew.is_ours() {
            self.crew.close();
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
        if self.crew.is_ours() {
            self.crew.terminate();
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
        self.join_by(Deadline::NEVER);
    }

    /// As [`join`](Self::join), for at most `timeout`; returns whether the pool has ended. The pool is closed in
    /// any case.
    ///
    /// # When the other side is gone
    ///
    /// As `join`.
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
    /// let _endless = pool.apply_async(|| -> () { loop { std::thread::park() } }, ())?;
    /// assert!(!pool.join_timeout(Duration::from_millis(10)));
    /// pool.terminate();
    /// assert!(pool.join_timeout(Duration::from_secs(60)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn join_timeout(&self, timeout: Duration) -> bool {
        self.join_by(Deadline::after(timeout))
    }

    fn join_by(&self, deadline: Deadline) -> bool {
        if !self.crew.is_ours() {
            return true;
        }
        self.close();
        if !self.crew.wait_for_minder(deadline) {
            return false;
        }
        if let Some(minder) = self.minder().take() {
            // Nothing in it panics; if it did, the hook has told of it.
            let _ = minder.join();
        }
        self.crew.callbacks.finish();
        true
    }

    /// A second thread that joins waits here for the first.
    fn minder(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.minder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if !self.crew.is_ours() {
            // It names a thread that is not in this process; another may have got the name.
            let minder = self.minder.get_mut();
            mem::forget(mem::take(minder.unwrap_or_else(PoisonError::into_inner)));
            return;
        }
        let unfinished = self.crew.lock().dispatch.unsettled();
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

/// Cancels, when it is dropped, what is left of a call.
struct Abandon<'a>(&'a Crew, &'a Arc<Call>);

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        if !self.1.is_ready(Want::End) {
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
