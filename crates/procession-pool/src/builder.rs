//! How a pool is made.

use crate::dispatch::Limits;
use crate::entry::{ExitEntry, StateExitEntry};
use crate::error::PoolError;
use crate::pool::Pool;
use crate::serve::{serve, serve_after, serve_with_state};
use crate::startup::processors;
use crate::worker::{Recipe, Spawn};
use procession_call::{EntryOf, Routine, RoutineError, Task, captures_nothing};
use procession_process::Builder;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::thread;
use std::time::Duration;

/// Makes a [`Pool`] with settings of its own; from [`Pool::builder`].
///
/// # Examples
///
/// ```
/// use procession_pool::Pool;
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// let pool = Pool::builder()
///     .workers(2)
///     .name("Parser")
///     .task_timeout(Duration::from_secs(10))
///     .process(|process| process.env("LANG", "C"))
///     .start()?;
/// let lang = pool.apply(|| std::env::var("LANG").ok(), ())?;
/// assert_eq!(lang.as_deref(), Some("C"));
/// # Ok(())
/// # }
/// ```
#[must_use = "it makes a pool when it is started"]
pub struct PoolBuilder {
    workers: Option<usize>,
    limits: Limits,
    recipe: Recipe,
    pinning: Pinning,
    /// Why the exit hook cannot be named.
    unnamed: Option<RoutineError>,
}

/// Which processors the workers may use.
#[derive(Debug, Clone)]
enum Pinning {
    /// Those of the pool's process.
    None,
    /// One each.
    OneEach,
    /// Those of a list each.
    To(Vec<Vec<usize>>),
}

impl PoolBuilder {
    pub(crate) fn new() -> Self {
        Self {
            workers: None,
            limits: Limits::default(),
            recipe: Recipe {
                name: "PoolWorker".to_owned(),
                configure: Box::new(|process| process),
                spawn: Box::new(|process, startup| process.spawn(serve, (startup,))),
                processors: Vec::new(),
                hook: None,
            },
            pinning: Pinning::None,
            unnamed: None,
        }
    }

    /// Sets how many workers there are. By default as many as this process may use processors: those that its
    /// affinity and the quota of its cgroup allow.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// Sets how the workers' names begin: `Parser` for `Parser-1`, `Parser-2`. By default `PoolWorker`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.recipe.name = name.into();
        self
    }

    /// Sets what the workers' processes have of their own, such as their start method, environment, limits and
    /// user. Name, `daemon` and `ignore_interrupts` are the pool's to set.
    ///
    /// It is called for each worker, by threads of the pool too.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    /// use procession_process::StartMethod;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::builder()
    ///     .workers(1)
    ///     .process(|process| process.start_method(StartMethod::Spawn).current_dir("/"))
    ///     .start()?;
    /// let directory = pool.apply(|| std::env::current_dir().unwrap(), ())?;
    /// assert_eq!(directory.to_str(), Some("/"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn process(mut self, configure: impl Fn(Builder) -> Builder + Send + 'static) -> Self {
        self.recipe.configure = Box::new(configure);
        self
    }

    /// Has each worker run a task before all others.
    ///
    /// If it panics or returns an error, the worker ends. When that has happened a few times in every slot,
    /// the pool is broken, and says why ([`PoolError::Broken`]).
    ///
    /// Of this and [`state`](Self::state), the later call counts.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    /// use std::sync::OnceLock;
    ///
    /// static GREETING: OnceLock<String> = OnceLock::new();
    ///
    /// fn set_up(greeting: String) {
    ///     GREETING.get_or_init(|| greeting);
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::builder().workers(2).initializer(set_up, ("hello".to_owned(),)).start()?;
    /// assert_eq!(pool.apply(|| GREETING.get().cloned(), ())?.as_deref(), Some("hello"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn initializer<F, A, M>(mut self, task: F, args: A) -> Self
    where
        F: Task<A, M>,
        A: Serialize + DeserializeOwned + Clone + Send + 'static,
        M: 'static,
    {
        const { captures_nothing::<F>() }
        let spawn: Box<Spawn> = Box::new(move |process, startup| {
            let work = move |startup, args| serve_after(task, startup, args);
            process.spawn(work, (startup, args.clone()))
        });
        self.recipe.spawn = spawn;
        self
    }

    /// Has each worker make a value before all tasks, which [`Pool::map_with_state`] hands to each of them by
    /// reference: a loaded model, an open database.
    ///
    /// The value is made in the worker and stays there, so it need not be one that serde can carry. If `make`
    /// panics, see [`initializer`](Self::initializer).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    /// use std::collections::HashMap;
    ///
    /// struct Dictionary(HashMap<&'static str, u32>);
    ///
    /// fn load(word: String) -> Dictionary {
    ///     Dictionary(HashMap::from([("one", 1), ("two", 2), ("many", word.len() as u32)]))
    /// }
    ///
    /// fn look_up(dictionary: &Dictionary, word: String) -> Option<u32> {
    ///     dictionary.0.get(word.as_str()).copied()
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::builder().workers(2).state(load, "letters".to_owned()).start()?;
    /// let words = ["two", "three", "many"].map(str::to_owned);
    /// assert_eq!(pool.map_with_state(look_up, words)?, [Some(2), None, Some(7)]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn state<F, A, S>(mut self, make: F, args: A) -> Self
    where
        F: Fn(A) -> S + Copy + Send + 'static,
        A: Serialize + DeserializeOwned + Clone + Send + 'static,
        S: 'static,
    {
        const { captures_nothing::<F>() }
        let spawn: Box<Spawn> = Box::new(move |process, startup| {
            let work = move |startup, args| serve_with_state(make, startup, args);
            process.spawn(work, (startup, args.clone()))
        });
        self.recipe.spawn = spawn;
        self
    }

    /// Has another worker take a worker's place when it has run so many tasks: what a task leaks goes with it.
    /// Each item of a sequence is a task.
    ///
    /// # Panics
    ///
    /// If it is 0.
    pub fn max_tasks_per_worker(mut self, tasks: usize) -> Self {
        assert!(tasks > 0, "a worker runs at least one task");
        self.limits.calls = Some(tasks);
        self
    }

    /// Kills a worker whose task takes longer than this. The item fails with [`PoolError::TimedOut`]; those
    /// behind it go to other workers.
    ///
    /// Each item of a sequence has so much time. The time is looked at when it may be over, and not before.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::{Pool, PoolError};
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::builder().workers(1).task_timeout(Duration::from_millis(50)).start()?;
    /// let endless = pool.apply(|| -> () { loop { std::thread::park() } }, ());
    /// assert!(matches!(endless, Err(PoolError::TimedOut { .. })));
    /// assert_eq!(pool.apply(|| 7, ())?, 7);
    /// # Ok(())
    /// # }
    /// ```
    pub fn task_timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeout = Some(timeout);
        self
    }

    /// Bounds how many calls may be accepted and not done, each item of a sequence being one. Whoever would
    /// queue more, by [`Pool::apply_async`], [`Pool::map_async`] or one of their kind, waits until there are fewer, at most for a
    /// [`queue_timeout`](crate::PoolTask::queue_timeout). A chunk is accepted as a whole when there are fewer.
    ///
    /// So a program that calls faster than its workers run does not fill its memory with calls. Those that wait for
    /// their results ([`Pool::apply`], [`Pool::map`], [`Pool::imap`]) have a few calls at a time in any case, and do not wait for
    /// room. By default there is no bound.
    ///
    /// # Panics
    ///
    /// If it is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::builder().workers(2).max_queued(10).start()?;
    /// // The loop is as fast as the workers are.
    /// let results = (0..100).map(|n: u32| pool.apply_async(|n: u32| n + 1, (n,)));
    /// let results = results.collect::<Result<Vec<_>, _>>()?;
    /// assert_eq!(results.into_iter().map(|it| it.get()).sum::<Result<u32, _>>()?, 5050);
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_queued(mut self, calls: usize) -> Self {
        assert!(calls > 0, "a pool has room for at least one call");
        self.limits.queued = Some(calls);
        self
    }

    /// Has a task be run again, up to so many times, if the worker dies while it runs it: killed by a signal, by its
    /// own `exit` or abort, for having been [stopped](Self::stop_timeout), or for its
    /// [memory](Self::memory_limit). By default never: it may have done half of what it does.
    ///
    /// Only the item that was running is concerned; what the worker had not begun goes to others in any case, and
    /// what it had done stays done. The error is that of the last death. A task that panics, returns an error or takes
    /// [too long](Self::task_timeout) is not run again, nor one with a manager's proxy among its arguments.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::{Pool, PoolError};
    /// use procession_shm::Value;
    ///
    /// fn fragile(runs: Value<u32>, deaths: u32) -> u32 {
    ///     let run = runs.update(|runs| { *runs += 1; *runs });
    ///     if run <= deaths {
    ///         std::process::abort();
    ///     }
    ///     run
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::builder().workers(1).retries(2).start()?;
    /// assert_eq!(pool.apply(fragile, (Value::new(0)?, 2))?, 3);
    /// let failed = pool.apply(fragile, (Value::new(0)?, 3));
    /// assert!(matches!(failed, Err(PoolError::WorkerDied { .. })));
    /// # Ok(())
    /// # }
    /// ```
    pub fn retries(mut self, retries: u32) -> Self {
        self.limits.retries = retries;
        self
    }

    /// Has each worker note when it begins and ends a task, so that [`Pool::stats`] can say how long it has worked,
    /// and is at its task. That costs some 50 nanoseconds a task. A [`task_timeout`](Self::task_timeout) does so
    /// too.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    /// use std::thread::sleep;
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::builder().workers(1).insights(true).start()?;
    /// pool.apply(|| sleep(Duration::from_millis(5)), ())?;
    /// assert!(pool.stats().workers[0].working >= Some(Duration::from_millis(5)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn insights(mut self, wanted: bool) -> Self {
        self.limits.insights = wanted;
        self
    }

    /// Sets how long a worker may be stopped by a signal (SIGSTOP) while it has something to do; half a second, if
    /// not called. Then it is killed, and the item that it was running fails with [`PoolError::WorkerStopped`].
    ///
    /// What a stopped worker has not begun goes to others within a fraction of a second in any case. Time in
    /// which this process is stopped too, as by Ctrl-Z, does not count, nor does a debugger's hold on the worker.
    /// [`Duration::MAX`] lets a worker be stopped for as long as somebody likes. It is looked ten times
    /// a second, while there is something to do.
    ///
    /// # Examples
    ///
    /// ```
    /// use nix::sys::signal::{Signal, raise};
    /// use procession_pool::{Pool, PoolError};
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::builder().workers(1).stop_timeout(Duration::from_millis(200)).start()?;
    /// let stopped = pool.apply(|| raise(Signal::SIGSTOP).is_ok(), ());
    /// assert!(matches!(stopped, Err(PoolError::WorkerStopped { .. })));
    /// assert_eq!(pool.apply(|| 7, ())?, 7);
    /// # Ok(())
    /// # }
    /// ```
    pub fn stop_timeout(mut self, timeout: Duration) -> Self {
        self.limits.stop = timeout;
        self
    }

    /// Limits the memory that a worker may have for itself, in bytes: what it has allocated and used, swapped out or
    /// not; shared memory and mapped files do not count. A worker that has more is killed, and the item that it was
    /// running fails with [`PoolError::MemoryLimit`]. One that is found so between two tasks, because of
    /// what they left behind, ends, and another takes its place.
    ///
    /// It is looked ten times a second, while there is something to do, in `/proc`. A task that is faster takes more for a
    /// moment: where memory must never be exceeded, add a
    /// [limit of the address space](procession_process::Builder::memory_limit) in [`process`](Self::process), at which
    /// an allocation fails, and most programs abort, or have the system limit the cgroup.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::{Pool, PoolError};
    ///
    /// fn fill(bytes: usize) -> usize {
    ///     let memory = vec![1_u8; bytes];
    ///     std::thread::sleep(std::time::Duration::from_secs(1));
    ///     memory.len()
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::builder().workers(1).memory_limit(64 << 20).start()?;
    /// assert!(matches!(pool.apply(fill, (100 << 20,)), Err(PoolError::MemoryLimit { .. })));
    /// assert_eq!(pool.apply(fill, (1 << 20,))?, 1 << 20);
    /// # Ok(())
    /// # }
    /// ```
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.limits.memory = Some(bytes);
        self
    }

    /// Has workers end that have had nothing to do for this long, at the latest after twice the time. They come
    /// back when there is something to run that the others are not free for, up to the pool's size.
    ///
    /// Without it the pool keeps all its workers.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::builder().workers(4).idle_timeout(Duration::from_millis(20)).start()?;
    /// while !pool.worker_pids().is_empty() {
    ///     std::thread::yield_now();
    /// }
    /// assert_eq!(pool.map(|n: u32| n + 1, 0..3)?, [1, 2, 3]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.limits.idle = Some(timeout);
        self
    }

    /// Has each worker run a task when it ends normally: because the pool was closed, because the worker has run as
    /// [many tasks](Self::max_tasks_per_worker) as it may, or had
    /// [nothing to do](Self::idle_timeout). What it returns is there for [`Pool::exit_results`].
    ///
    /// A worker that is killed, also by [`Pool::terminate`], runs none. [`Pool::join`] waits for the hooks as it
    /// does for tasks, however long they take, and a worker's successor starts when its hook is done.
    ///
    /// Of this and [`exit_hook_with_state`](Self::exit_hook_with_state), the later call counts.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::builder().workers(2).exit_hook(|| "over".to_owned()).start()?;
    /// assert_eq!(pool.apply(|| 7, ())?, 7);
    /// pool.join();
    /// for word in pool.exit_results::<String>() {
    ///     assert_eq!(word?, "over");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn exit_hook<F, M>(self, task: F) -> Self
    where
        F: Task<(), M>,
        M: 'static,
    {
        const { captures_nothing::<F>() }
        self.hook::<ExitEntry<M>, F>(task)
    }

    /// As [`exit_hook`](Self::exit_hook), for a function that takes the worker's [state](Self::state) by reference.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    /// use std::cell::Cell;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::builder()
    ///     .workers(2)
    ///     .state(Cell::new, 0_u32)
    ///     .exit_hook_with_state(|seen: &Cell<u32>| seen.get())
    ///     .start()?;
    /// pool.map_with_state(|seen: &Cell<u32>, n: u32| seen.set(seen.get() + n), 0..5)?;
    /// pool.join();
    /// let seen = pool.exit_results::<u32>().into_iter().collect::<Result<Vec<_>, _>>()?;
    /// assert_eq!((seen.len(), seen.iter().sum()), (2, 10));
    /// # Ok(())
    /// # }
    /// ```
    pub fn exit_hook_with_state<F, S, R>(self, hook: F) -> Self
    where
        F: Fn(&S) -> R + Copy + Send + 'static,
        S: 'static,
        R: Serialize + DeserializeOwned + 'static,
    {
        const { captures_nothing::<F>() }
        self.hook::<StateExitEntry<S, R>, F>(hook)
    }

    fn hook<E: EntryOf<F>, F: Copy + Send + 'static>(mut self, hook: F) -> Self {
        let named = Routine::of_function::<E, F>(hook);
        self.limits.has_hook = true;
        (self.recipe.hook, self.unnamed) = match named {
            Ok(routine) => (Some(routine), None),
            Err(error) => (None, Some(error)),
        };
        self
    }

    /// Gives each worker a processor of its own, of those that this process may use when the pool is made. If
    /// there are more workers than processors, several have the same.
    ///
    /// Threads and processes that tasks start may use that processor only, too. It pays where a task's data is in
    /// the processor's cache, and costs where workers have unequal work or the machine has other things to do.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::builder().pin().start()?;
    /// let processors = || std::thread::available_parallelism().map_or(0, |count| count.get());
    /// assert_eq!(pool.apply(processors, ())?, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn pin(mut self) -> Self {
        self.pinning = Pinning::OneEach;
        self
    }

    /// Gives each worker the processors of a list, by their numbers: the first list to the first worker, and from the
    /// first list on again if there are more workers. A worker's successor gets the same. See [`pin`](Self::pin).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::{Pool, PoolError};
    ///
    /// # procession_process::init();
    /// let pool = Pool::builder().workers(2).pin_to([vec![0], vec![1_000]]).start();
    /// assert!(matches!(pool, Err(PoolError::NoProcessor { number: 1_000 })));
    /// ```
    pub fn pin_to<L>(mut self, lists: impl IntoIterator<Item = L>) -> Self
    where
        L: IntoIterator<Item = usize>,
    {
        let lists = lists.into_iter().map(|list| list.into_iter().collect());
        self.pinning = Pinning::To(lists.collect());
        self
    }

    /// Makes the pool.
    ///
    /// # Errors
    ///
    /// - as [`Pool::new`];
    /// - [`PoolError::Thread`] if it cannot be found out which processors this process may use;
    /// - [`PoolError::NoProcessor`] if a worker is pinned to one that it may not;
    /// - [`PoolError::Routine`] if the exit hook is not a function of the executable.
    pub fn start(mut self) -> Result<Pool, PoolError> {
        if let Some(error) = self.unnamed {
            return Err(PoolError::Routine(error));
        }
        self.recipe.processors = self.pinning.lists()?;
        let workers = match self.workers {
            Some(0) => return Err(PoolError::NoWorkers),
            Some(workers) => workers,
            None => thread::available_parallelism()
                .map_err(PoolError::Thread)?
                .get(),
        };
        Pool::make(workers, self.limits, self.recipe)
    }
}

impl Pinning {
    /// Returns the processors of each worker.
    fn lists(self) -> Result<Vec<Vec<usize>>, PoolError> {
        if let Self::None = self {
            return Ok(Vec::new());
        }
        let own = processors().map_err(PoolError::Thread)?;
        let lists = match self {
            Self::To(lists) => lists,
            _ => own.iter().map(|&number| vec![number]).collect(),
        };
        let mut all = lists.iter().flatten();
        match all.find(|number| !own.contains(number)) {
            Some(&number) => Err(PoolError::NoProcessor { number }),
            None => Ok(lists),
        }
    }
}

impl fmt::Debug for PoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolBuilder")
            .field("workers", &self.workers)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
