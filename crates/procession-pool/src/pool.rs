//! The pool.

mod each;
mod exits;

use crate::builder::PoolBuilder;
use crate::crew::Crew;
use crate::dispatch::Limits;
use crate::error::PoolError;
use crate::exit;
use crate::minder::Minder;
use crate::result::AsyncResult;
use crate::stats::{PoolStats, share_of_memory};
use crate::task::PoolTask;
use crate::worker::{Recipe, Worker};
use procession_call::{Task, captures_nothing};
use procession_os::shield::shield;
use procession_os::wait::Deadline;
use procession_process::at_one_moment;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{fmt, mem};

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
    pub(crate) crew: Arc<Crew>,
    pub(crate) size: usize,
    pub(crate) limits: Limits,
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
        let staffed = at_one_moment(|| (0..size).try_for_each(|at| pool.staff(at, &recipe)));
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
        let worker = Arc::new(Worker::start(recipe, at)?);
        self.crew.employ(at, &worker).map_err(PoolError::Thread)?;
        Ok(())
    }

    /// Returns what calls a task with other than the default settings, such as a timeout, and in more ways than
    /// the methods here: `pool.task(f).timeout(limit).try_map(items)`. See [`PoolTask`].
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(2)?;
    /// let square = pool.task(|n: u64| n * n).timeout(Duration::from_secs(60));
    /// assert_eq!(square.apply((3,))?, 9);
    /// assert_eq!(square.chunk(10).map(0..3)?, [0, 1, 4]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn task<F: Copy + Send + 'static>(&self, task: F) -> PoolTask<'_, F> {
        const { captures_nothing::<F>() }
        PoolTask::new(self, task)
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
    /// use procession_process::Failure;
    /// use procession_pool::{Pool, PoolError};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(1)?;
    /// let divide = |x: i32, y: i32| x / y;
    /// assert_eq!(pool.apply(divide, (6, 3))?, 2);
    ///
    /// let Err(PoolError::Call { failure: Failure::Panicked(panic), .. }) = pool.apply(divide, (6, 0)) else { unreachable!() };
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
        self.task(task).apply(args)
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
        self.task(task).apply_async(args)
    }

    /// As [`apply_async`](Self::apply_async), under the name that Python's `ProcessPoolExecutor` has for it.
    ///
    /// # Errors
    ///
    /// As there.
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
    /// let future = pool.submit(|x: u32, y: u32| x + y, (3, 4))?;
    /// assert_eq!(future.get()?, 7);
    /// # Ok(())
    /// # }
    /// ```
    pub fn submit<F, A, M>(&self, task: F, args: A) -> Result<AsyncResult<F::Output>, PoolError>
    where
        F: Task<A, M>,
        A: Serialize + DeserializeOwned,
    {
        const { captures_nothing::<F>() }
        self.task(task).apply_async(args)
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
    /// those that have died and whose successors have not been started yet, or that have
    /// [ended for want of work](PoolBuilder::idle_timeout), and none when the pool
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

    /// Returns what the pool is doing and has done, in numbers; nothing in a copy of the pool's process.
    ///
    /// It asks no worker, and holds none up. The memory of each takes the system some 100 microseconds to count.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::builder().workers(2).insights(true).start()?;
    /// pool.map(|n: u64| n + 1, 0..100)?;
    /// let failed = pool.apply(|n: u8| 1 / n, (0,));
    /// assert!(failed.is_err());
    /// let stats = pool.stats();
    /// assert_eq!((stats.done, stats.failed, stats.queued), (101, 1, 0));
    /// assert_eq!(stats.workers.len(), 2);
    /// println!("{stats}");
    /// # Ok(())
    /// # }
    /// ```
    pub fn stats(&self) -> PoolStats {
        if !self.crew.is_ours() {
            return PoolStats::default();
        }
        let mut stats = self.crew.lock().dispatch.stats();
        for worker in &mut stats.workers {
            worker.memory = share_of_memory(worker.pid);
        }
        stats
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
            shield(|| {
                log::warn!(
                    "a pool was dropped before {unfinished} of its calls were done; `join` waits for them"
                );
            });
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
