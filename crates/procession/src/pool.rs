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
//! | | [`Pool::scope`]: calls that are done when it returns, and no error of which is lost |
//!
//! ```
//! use procession::pool::as_completed;
//! use procession::{Pool, PoolError};
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
//!     assert!(matches!(results[..], [Ok(2), Err(PoolError::Panicked { item: Some(1), .. }), Ok(3)]));
//!     // Results in the order in which they come.
//!     let calls = [pool.submit(divide, (8, 2))?, pool.submit(divide, (8, 4))?];
//!     let sum: u32 = as_completed(calls).map(|(_, result)| result.unwrap()).sum();
//!     assert_eq!(sum, 6);
//!     Ok(())
//! }
//! ```

pub use procession_pool::{
    AsCompleted, Item, PoolTask, Scope, Shape, Single, Star, WithState, as_completed, wait_all,
    wait_any,
};
#[doc(no_inline)]
pub use procession_pool::{AsyncResult, MapResults, Pool, PoolBuilder, PoolError};
