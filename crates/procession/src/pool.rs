//! Calls to a [`Pool`] and their results: what there is under which of Python's names.
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
//!     Ok(())
//! }
//! ```
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

pub use procession_pool::{
    AsCompleted, Item, PoolTask, Scope, Shape, Shown, Single, Star, WithState, as_completed,
    wait_all, wait_any, worker_place,
};
#[doc(no_inline)]
pub use procession_pool::{AsyncResult, MapResults, Pool, PoolBuilder, PoolError};
