//! Calls that end together.

use crate::call::{Call, Want};
use crate::error::PoolError;
use crate::pool::Pool;
use crate::result::AsyncResult;
use crate::task::PoolTask;
use procession_call::{Task, captures_nothing};
use procession_os::wait::Deadline;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Returns the error of a call whose result was dropped.
type Check = fn(&Call) -> Result<(), PoolError>;

/// Calls that are done when [`Pool::scope`] returns.
pub struct Scope<'a> {
    pool: &'a Pool,
    calls: Mutex<Vec<(Arc<Call>, Check)>>,
}

impl Scope<'_> {
    /// As [`Pool::task`], for calls of this scope.
    ///
    /// Those that return at once, [`apply_async`](PoolTask::apply_async), [`map_async`](PoolTask::map_async) and
    /// [`try_map_async`](PoolTask::try_map_async), are the scope's. The others are done when they return, but for
    /// the iterators, which cancel what is left when they are dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(2)?;
    /// let squares = pool.scope(|scope| scope.task(|n: u64| n * n).chunk(10).map_async(0..100))??;
    /// assert!(squares.ready());
    /// # Ok(())
    /// # }
    /// ```
    pub fn task<F: Copy + Send + 'static>(&self, task: F) -> PoolTask<'_, F> {
        const { captures_nothing::<F>() }
        self.pool.task(task).within(self)
    }

    /// As [`Pool::submit`], for a call of this scope.
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
    /// See [`Pool::scope`].
    pub fn submit<F, A, M>(&self, task: F, args: A) -> Result<AsyncResult<F::Output>, PoolError>
    where
        F: Task<A, M>,
        A: Serialize + DeserializeOwned,
    {
        const { captures_nothing::<F>() }
        self.task(task).apply_async(args)
    }

    /// Has what no worker has begun of the scope's calls not run.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(1)?;
    /// let sleep = || std::thread::sleep(std::time::Duration::from_millis(10));
    /// let mut calls = Vec::new();
    /// pool.scope(|scope| {
    ///     calls.extend((0..1000).map(|_| scope.submit(sleep, ())));
    ///     scope.cancel();
    /// })?;
    /// assert!(calls.into_iter().any(|call| call.unwrap().get().is_err()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn cancel(&self) {
        if self.pool.crew.is_ours() {
            let calls = self.calls();
            let calls: HashSet<_> = calls.iter().map(|(call, _)| Arc::as_ptr(call)).collect();
            self.pool
                .crew
                .cancel_all(|call| calls.contains(&Arc::as_ptr(call)));
        }
    }

    /// Adds a call, whose result is kept until the scope has looked.
    pub(crate) fn add(&self, call: &Arc<Call>, check: Check) {
        call.keep();
        self.calls().push((Arc::clone(call), check));
    }

    /// Waits for all calls; returns the error of the first whose result was dropped.
    fn finish(&self) -> Result<(), PoolError> {
        // None is added meanwhile: whoever could has returned.
        let calls = std::mem::take(&mut *self.calls());
        let mut finished = Ok(());
        for (call, check) in calls {
            if !self.pool.crew.is_ours() {
                return Err(PoolError::Copied);
            }
            self.pool.crew.wait(&call, Want::End, Deadline::NEVER);
            if call.is_left_to_scope() {
                match check(&call) {
                    // Somebody wanted it so.
                    Err(PoolError::Cancelled) => {}
                    checked => finished = finished.and(checked),
                }
            }
        }
        finished
    }

    fn calls(&self) -> MutexGuard<'_, Vec<(Arc<Call>, Check)>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pool {
    /// Runs `work`, and waits for all calls that it makes through the scope: when this returns, none of them is
    /// running or queued.
    ///
    /// An error of a call whose [`AsyncResult`] was dropped is not lost: it is returned here. The other results are
    /// the affair of whoever has them. A call that was cancelled is no error.
    ///
    /// How long a call may take is said by [`PoolTask::timeout`]. One that takes longer is not waited for.
    ///
    /// # Errors
    ///
    /// The error of the first call that failed and whose result was dropped. All calls are done then too.
    ///
    /// # Panics
    ///
    /// If `work` does, after what no worker has begun was cancelled, and the rest is done.
    ///
    /// # When the other side is gone
    ///
    /// An error of the call that was lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_process::Failure;
    /// use procession_pool::{Pool, PoolError};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(2)?;
    /// let halve = |n: u32| if n % 2 == 0 { Ok(n / 2) } else { Err(anyhow::anyhow!("{n} is odd")) };
    /// let half = pool.scope(|scope| {
    ///     for n in [2, 4] {
    ///         let _ = scope.submit(halve, (n,))?;
    ///     }
    ///     scope.submit(halve, (6,))?.get()
    /// })??;
    /// assert_eq!(half, 3);
    ///
    /// let failed = pool.scope(|scope| scope.submit(halve, (7,)).map(drop));
    /// assert!(matches!(failed, Err(PoolError::Call { failure: Failure::Failed(_), .. })));
    /// # Ok(())
    /// # }
    /// ```
    pub fn scope<R>(&self, work: impl FnOnce(&Scope<'_>) -> R) -> Result<R, PoolError> {
        /// Ends the scope if the work panics.
        struct End<'a, 'b>(&'a Scope<'b>);

        impl Drop for End<'_, '_> {
            fn drop(&mut self) {
                self.0.cancel();
                let _: Result<(), PoolError> = self.0.finish();
            }
        }

        let scope = Scope {
            pool: self,
            calls: Mutex::default(),
        };
        let end = End(&scope);
        let done = work(&scope);
        std::mem::forget(end);
        scope.finish()?;
        Ok(done)
    }
}

impl fmt::Debug for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("calls", &self.calls().len())
            .finish_non_exhaustive()
    }
}
