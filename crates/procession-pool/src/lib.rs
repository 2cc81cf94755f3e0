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
//! # How it ends
//!
//! [`Pool::close`] and [`Pool::join`] let everything that was asked for finish.
//! [`Pool::terminate`], or dropping the pool, kills the workers at once. Whatever happens, each
//! call returns: with its results, or with an error that says why there are none. That holds for a
//! pool whose workers cannot be started any more too ([`PoolError::Broken`]).
//!
//! # What runs where
//!
//! Arguments are encoded and results are decoded on the thread that calls. The threads of the pool,
//! one for each worker, run nothing of the user's and only move bytes, so that no `Serialize` of a
//! user's type can stop them. A worker calls one task at a time, on its main thread. It dies with
//! the process that made the pool. A task may make a pool of its own.
#![doc(html_root_url = "https://docs.rs/procession-pool/latest")]
#![forbid(unsafe_code)]

mod batch;
mod call;
mod dispatch;
mod error;
mod exit;
mod handler;
mod link;
mod pool;
mod protocol;
mod result;
mod serve;
mod worker;

pub use error::PoolError;
pub use pool::Pool;
pub use result::AsyncResult;
