//! What workers leave when they end.

use super::Pool;
use crate::error::PoolError;
use crate::outcome;
use serde::de::DeserializeOwned;

impl Pool {
    /// Takes what the exit hooks of workers have returned that have ended by now: after [`join`](Self::join), of all
    /// that ended normally since it was last asked for. They are in the order in which the workers ended.
    ///
    /// See [`PoolBuilder::exit_hook`](crate::PoolBuilder::exit_hook). A worker that was killed has run no hook, and
    /// is not among them. Results that are not taken are kept until the pool is dropped.
    ///
    /// # Errors
    ///
    /// Each result is an error of its own if the hook panicked or returned an error, or if what it returned cannot
    /// be sent, or is no `R`.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    /// use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    ///
    /// static SEEN: AtomicU32 = AtomicU32::new(0);
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::builder().workers(2).exit_hook(|| SEEN.load(Relaxed)).start()?;
    /// pool.map(|n: u32| drop(SEEN.fetch_add(n, Relaxed)), 0..5)?;
    /// pool.join();
    /// let seen = pool.exit_results::<u32>().into_iter().collect::<Result<Vec<_>, _>>()?;
    /// assert_eq!((seen.len(), seen.iter().sum()), (2, 10));
    /// # Ok(())
    /// # }
    /// ```
    pub fn exit_results<R: DeserializeOwned>(&self) -> Vec<Result<R, PoolError>> {
        if !self.crew.is_ours() {
            return Vec::new();
        }
        let left = self.crew.take_farewells().into_iter();
        left.map(|packet| outcome::of_message(packet, None))
            .collect()
    }
}
