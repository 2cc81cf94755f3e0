//! A pool of worker processes.
//!
//! A [`Pool`] calls functions of this program in processes that it keeps for the purpose, and
//! brings back what they return:
//!
//! ```
//! use procession_pool::Pool;
//!
//! fn square(n: u64) -> u64 {
//!     n * n
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! procession_process::init(); // the first line of `main`
//! let pool = Pool::new(2)?;
//! assert_eq!(pool.map(square, 0..5)?, [0, 1, 4, 9, 16]);
//! assert_eq!(pool.apply(|x: u8, y: u8| x + y, (3, 4))?, 7);
//! # Ok(())
//! # }
//! ```
//!
//! A task is a function, or a closure that captures nothing; see
//! [`Task`](procession_process::Task). What it takes and returns is anything that serde can carry,
//! handles to shared arrays, locks and pipes included.
//!
//! # Calls
//!
//! What there is under which of Python's names:
//!
//! | `multiprocessing.Pool`, `concurrent.futures` | here |
//! |---|---|
//! | `map`, `starmap`, `imap`, `imap_unordered`, `apply` | the same methods of [`Pool`] |
//! | `map_async`, `starmap_async`, `apply_async`, `submit` | the same; each gives an [`AsyncResult`] |
//! | `chunksize=`, `timeout=` | `pool.task(f).chunk(n).timeout(limit).map(items)`: [`PoolTask`] |
//! | `AsyncResult.get`, `wait`, `ready`, `successful` | the same, and `get_timeout`, `wait_timeout` |
//! | `Future.result`, `exception`, `done`, `running`, `cancel` | `get`, `get().err()`, `ready`, `!workers().is_empty()`, `cancel` |
//! | `callback=`, `error_callback=`, `add_done_callback` | [`AsyncResult::then`], with the result or the error |
//! | `wait(fs)`, `wait(fs, FIRST_COMPLETED)`, `as_completed` | [`wait_all`], [`wait_any`], [`as_completed`] |
//! | `asyncio.wrap_future` | an `AsyncResult` is a future: `.await` it |
//! | | [`PoolTask::try_map`]: a result for each item, whatever becomes of others |
//! | | [`worker_place`]: which of the pool's workers this is |
//! | | [`Pool::stats`]: what each worker is at, what is queued, done, failed, lost; prints as a table |
//! | | [`Pool::scope`]: calls that are done when it returns, and no error of which is lost |
//!
//! ```
//! use procession::pool::as_completed;
//! use procession::{Failure, Pool, PoolError};
//! use std::time::Duration;
//!
//! fn divide(dividend: u32, divisor: u32) -> u32 {
//!     dividend / divisor
//! }
//!
//! #[procession::main]
//! fn main() -> anyhow::Result<()> {
//!     let pool = Pool::new(2)?;
//!     // Each item has a result of its own, and all of them a minute.
//!     let divide_all = pool.task(divide).star().timeout(Duration::from_secs(60));
//!     let results = divide_all.try_map([(6, 3), (6, 0), (9, 3)])?;
//!     assert!(matches!(results[..], [Ok(2), Err(PoolError::Call { item: Some(1), failure: Failure::Panicked(_) }), Ok(3)]));
//!     // Results in the order in which they come.
//!     let calls = [pool.submit(divide, (8, 2))?, pool.submit(divide, (8, 4))?];
//!     let sum: u32 = as_completed(calls).map(|(_, result)| result.unwrap()).sum();
//!     assert_eq!(sum, 6);
//!     // As many items of an endless iterator as are asked for.
//!     let halves: Result<Vec<_>, _> = pool.imap(|n: u32| n / 2, 0..)?.take(4).collect();
//!     assert_eq!(halves?, [0, 0, 1, 1]);
//!     Ok(())
//! }
//! ```
//!
//! # When a worker dies
//!
//! A task may crash, call `exit`, or be killed. Then exactly the item that the worker was running
//! fails, with [`PoolError::WorkerDied`] and how the process ended. Items that it had finished keep
//! their results, items that it had not begun go to other workers, and another process takes its
//! place. An idle worker that is killed is replaced before anybody notices. Nothing runs twice.
//!
//! A task that panics or returns an error fails its item too, and the worker lives on.
//!
//! A worker that is stopped (SIGSTOP), or has more memory than it may, fails its item within a second of that, with an
//! error of its own: [`PoolError::WorkerStopped`], [`PoolError::MemoryLimit`]. So does one that takes
//! [too long](PoolBuilder::task_timeout). [`PoolBuilder::retries`] has an item that a worker died of be run again.
//!
//! # Workers
//!
//! What [`Pool::builder`] can be told of them, and what else has it:
//!
//! | elsewhere | here |
//! |---|---|
//! | `Pool(n)`, by default `os.process_cpu_count()` | [`workers`](PoolBuilder::workers); by default what affinity and cgroup leave |
//! | `initializer`, mpire's `worker_init` | [`initializer`](PoolBuilder::initializer) |
//! | mpire's `use_worker_state` | [`state`](PoolBuilder::state), [`Pool::map_with_state`] |
//! | mpire's `worker_exit`, `get_exit_results` | [`exit_hook`](PoolBuilder::exit_hook), [`Pool::exit_results`] |
//! | `maxtasksperchild` | [`max_tasks_per_worker`](PoolBuilder::max_tasks_per_worker) |
//! | mpire's `task_timeout` | [`task_timeout`](PoolBuilder::task_timeout) |
//! | loky's `timeout` | [`idle_timeout`](PoolBuilder::idle_timeout) |
//! | Celery's `worker_max_memory_per_child` | [`memory_limit`](PoolBuilder::memory_limit), also in the middle of a task |
//! | mpire's `cpu_ids` | [`pin`](PoolBuilder::pin), [`pin_to`](PoolBuilder::pin_to) |
//! | Celery's `acks_late` | [`retries`](PoolBuilder::retries) |
//! | joblib's `pre_dispatch` | [`max_queued`](PoolBuilder::max_queued), [`PoolTask::queue_timeout`] |
//! | | [`stop_timeout`](PoolBuilder::stop_timeout), for workers that a signal has stopped |
//! | mpire's `enable_insights` | [`insights`](PoolBuilder::insights): how long each worker has worked, in [`Pool::stats`] |
//! | | [`process`](PoolBuilder::process), for all that a process can have: start method, environment, user, limits |
//!
//! ```
//! use procession::{Failure, Pool, PoolError};
//! use std::cell::Cell;
//! use std::time::Duration;
//!
//! /// What each worker has of its own: how many words it has seen.
//! fn load(first: u32) -> Cell<u32> {
//!     Cell::new(first)
//! }
//!
//! fn measure(seen: &Cell<u32>, word: String) -> usize {
//!     if word == "crash" {
//!         std::process::abort();
//!     }
//!     seen.set(seen.get() + 1);
//!     word.len()
//! }
//!
//! #[procession::main]
//! fn main() -> anyhow::Result<()> {
//!     let pool = Pool::builder()
//!         .workers(2)
//!         .name("Measurer")
//!         .state(load, 0)
//!         .exit_hook_with_state(|seen: &Cell<u32>| seen.get())
//!         .task_timeout(Duration::from_secs(60))
//!         .memory_limit(1 << 30)
//!         .idle_timeout(Duration::from_secs(60))
//!         .max_tasks_per_worker(1000)
//!         .max_queued(100)
//!         .retries(1)
//!         .start()?;
//!     let words = ["one", "three"].map(str::to_owned);
//!     assert_eq!(pool.map_with_state(measure, words)?, [3, 5]);
//!     // A worker dies of it, and so does the one that tries again.
//!     let crash = pool.map_with_state(measure, ["crash".to_owned()]);
//!     assert!(matches!(crash, Err(PoolError::WorkerDied { item: Some(0), .. })));
//!     pool.join();
//!     for seen in pool.exit_results::<u32>() {
//!         assert!(seen? <= 2);
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # How it ends
//!
//! [`Pool::close`] and [`Pool::join`] let everything that was asked for finish.
//! [`Pool::terminate`], or dropping the pool, kills the workers at once. Whatever happens, each
//! call returns: with its results, or with an error that says why there are none. That holds for a
//! pool whose workers cannot be started any more too ([`PoolError::Broken`]).
//!
//! # What runs where
//!
//! Arguments are encoded and results are decoded on the thread that calls. A thread that waits for its results
//! collects for all others too; the pool's one thread does when nobody waits, and replaces workers. They run
//! nothing of the user's and only move bytes, so that no `Deserialize` of a user's type can stop them. Callbacks have a
//! thread of their own, and so have wakers of asynchronous programs, from the first of them on. A worker calls one task at a time, on its main
//! thread. It dies with the process that made the pool. A task may make a pool of its own.
//!
//! # What it costs
//!
//! Workers are asked and answer through memory that the two share, so that nothing of a small task goes through
//! the kernel while both are awake. For each worker the pool takes some 100 KiB of it, and four descriptors.
//! Chunks are sent a few at a time; what a busy worker has not begun goes to others when they are idle.
#![doc(html_root_url = "https://docs.rs/procession-pool/latest")]
#![forbid(unsafe_code)]
#![cfg_attr(
    loom,
    expect(dead_code, reason = "the model uses a part of what a pool does")
)]

mod bound;
#[cfg(not(loom))]
mod builder;
mod call;
mod callbacks;
mod chunk;
mod clock;
mod collect;
mod completed;
mod crew;
mod dispatch;
mod entry;
mod error;
mod exit;
mod farewell;
mod feed;
#[cfg(not(loom))]
mod gather;
mod ledger;
#[cfg(not(loom))]
mod map;
mod minder;
#[cfg(loom)]
pub mod model;
mod outcome;
#[cfg(not(loom))]
mod pool;
mod protocol;
#[cfg(not(loom))]
mod result;
mod row;
#[cfg(not(loom))]
mod scope;
mod serve;
#[cfg(not(loom))]
mod several;
#[cfg(not(loom))]
mod shape;
mod startup;
#[cfg(not(loom))]
mod stats;
mod sync;
#[cfg(not(loom))]
mod task;
mod timers;
mod waiter;
#[cfg(not(loom))]
mod watch;
mod worker;
#[cfg(loom)]
use model::kernel as watch;

#[cfg(not(loom))]
pub use builder::PoolBuilder;
pub use error::PoolError;
#[cfg(not(loom))]
pub use map::MapResults;
#[cfg(not(loom))]
pub use pool::Pool;
#[cfg(not(loom))]
pub use result::AsyncResult;
#[cfg(not(loom))]
pub use scope::Scope;
#[cfg(not(loom))]
pub use several::{AsCompleted, as_completed, wait_all, wait_any};
#[cfg(not(loom))]
pub use shape::{Item, Shape, Shown, Single, Star, WithState};
pub use startup::worker_place;
#[cfg(not(loom))]
pub use stats::{PoolStats, RunningTask, WorkerState, WorkerStats};
#[cfg(not(loom))]
pub use task::PoolTask;
