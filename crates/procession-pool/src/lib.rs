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
//! # Workers and what they have
//!
//! [`Pool::builder`] says how many there are, what each does [first](PoolBuilder::initializer) and
//! [last](PoolBuilder::exit_hook), what it [keeps](PoolBuilder::state) for its tasks, how long it
//! [lives](PoolBuilder::max_tasks_per_worker) and may be [idle](PoolBuilder::idle_timeout), what it
//! [may take](PoolBuilder::memory_limit), [where it runs](PoolBuilder::pin), and how much the pool
//! [accepts](PoolBuilder::max_queued):
//!
//! ```
//! use procession_pool::{Pool, PoolError};
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # procession_process::init();
//! let pool = Pool::builder()
//!     .workers(2)
//!     .task_timeout(Duration::from_millis(200))
//!     .memory_limit(1 << 30)
//!     .exit_hook(std::process::id)
//!     .start()?;
//! let endless = pool.apply(|| -> () { loop { std::thread::park() } }, ());
//! assert!(matches!(endless, Err(PoolError::TimedOut { .. })));
//! assert_eq!(pool.apply(|| 7, ())?, 7);
//! pool.join();
//! // Those that ended normally have said so; the one that took too long was killed.
//! assert!((1..=2).contains(&pool.exit_results::<u32>().len()));
//! # Ok(())
//! # }
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
pub use task::PoolTask;
