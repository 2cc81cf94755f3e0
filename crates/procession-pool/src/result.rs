//! Results that are on their way.
//!
//! What a worker sent is decoded here, on the thread of the caller: a result that cannot be decoded,
//! or whose decoding panics, is the caller's own affair.

use crate::call::{Call, Loss, Want};
use crate::crew::Crew;
use crate::error::PoolError;
use crate::gather::{Gathered, Sink};
use crate::outcome::Results;
use crate::timers::Timer;
use procession_os::wait::Deadline;
use serde::de::DeserializeOwned;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// The result of a call that the caller did not wait for, from
/// [`Pool::apply_async`](crate::Pool::apply_async).
///
/// It is a future too, so that `pool.apply_async(f, args)?.await` has an asynchronous program wait for a process.
///
/// Dropping it does not stop the call, whose result is dropped when it comes. As the pool, it belongs to the process that made it: a copy
/// made by the C library's `fork` gets [`PoolError::Copied`], and never waits.
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
/// let mut slow = pool.apply_async(|| std::thread::park(), ())?;
/// assert_eq!(slow.get_timeout(Duration::from_millis(1))?, None);
/// assert!(!slow.ready());
///
/// pool.terminate();
/// assert_eq!(slow.get().unwrap_err().to_string(), "the pool was terminated");
/// # Ok(())
/// # }
/// ```
#[must_use = "dropping it loses the result, and the error if there is one"]
pub struct AsyncResult<R> {
    pub(crate) crew: Arc<Crew>,
    pub(crate) call: Arc<Call>,
    /// Makes the result of what was settled, until it is taken.
    finish: Option<Finish<R>>,
    /// Whether the result that was taken was a value.
    was_success: bool,
}

/// Makes a result of what was settled of a call.
pub(crate) type Finish<R> = fn(&Call) -> Result<R, PoolError>;

impl<R> AsyncResult<R> {
    /// Makes one of a call that was or will be submitted, and has so long a time.
    pub(crate) fn new(
        crew: &Arc<Crew>,
        call: &Arc<Call>,
        timeout: Option<Duration>,
        finish: Finish<R>,
    ) -> Self {
        if let Some(limit) = timeout {
            call.time(Timer::start(crew, call, limit));
        }
        Self {
            crew: Arc::clone(crew),
            call: Arc::clone(call),
            finish: Some(finish),
            was_success: false,
        }
    }

    /// Waits for the call to be done and returns its result.
    ///
    /// # Errors
    ///
    /// As [`Pool::apply`](crate::Pool::apply), and [`PoolError::Taken`] after a
    /// [`get_timeout`](Self::get_timeout) that returned the result or an error.
    ///
    /// # When the other side is gone
    ///
    /// [`PoolError::WorkerDied`] if the worker was killed, [`PoolError::Terminated`] if the pool
    /// was terminated or dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(1)?;
    /// let result = pool.apply_async(|words: String| words.len(), ("to be counted".to_owned(),))?;
    /// // Do something else meanwhile.
    /// assert_eq!(result.get()?, 13);
    /// # Ok(())
    /// # }
    /// ```
    pub fn get(mut self) -> Result<R, PoolError> {
        let result = self.get_by(Deadline::NEVER)?;
        result.ok_or(PoolError::Terminated)
    }

    /// As [`get`](Self::get), for at most `timeout`; `None` if the call is not done by then.
    ///
    /// # Errors
    ///
    /// As `get`.
    ///
    /// # When the other side is gone
    ///
    /// As `get`.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::{Pool, PoolError};
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(1)?;
    /// let mut result = pool.apply_async(|| 7, ())?;
    /// let value = loop {
    ///     if let Some(value) = result.get_timeout(Duration::from_millis(100))? {
    ///         break value;
    ///     }
    /// };
    /// assert_eq!(value, 7);
    /// assert!(matches!(result.get(), Err(PoolError::Taken)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_timeout(&mut self, timeout: Duration) -> Result<Option<R>, PoolError> {
        self.get_by(Deadline::after(timeout))
    }

    /// Takes the result if it comes in time; an error is a result too.
    pub(crate) fn get_by(&mut self, deadline: Deadline) -> Result<Option<R>, PoolError> {
        if !self.crew.is_ours() {
            return Err(PoolError::Copied);
        }
        if self.finish.is_none() {
            return Err(PoolError::Taken);
        }
        if !self.crew.wait(&self.call, Want::End, deadline) {
            return Ok(None);
        }
        self.take().map(Some)
    }

    /// Ends a call that was not done within `limit`.
    pub(crate) fn expire(&self, limit: Option<Duration>) {
        self.crew.expire(&self.call, limit.unwrap_or_default());
    }

    /// Takes the result, which is there.
    fn take(&mut self) -> Result<R, PoolError> {
        let finish = self.finish.take().ok_or(PoolError::Taken)?;
        self.was_success = self.call.is_success();
        finish(&self.call)
    }

    /// Returns whether the call is done, so that [`get`](Self::get) would not wait.
    ///
    /// # When the other side is gone
    ///
    /// True: an error is there.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(1)?;
    /// let result = pool.apply_async(|| 7, ())?;
    /// pool.join();
    /// assert!(result.ready());
    /// # Ok(())
    /// # }
    /// ```
    pub fn ready(&self) -> bool {
        !self.crew.is_ours() || self.finish.is_none() || self.call.is_ready(Want::End)
    }

    /// Waits until the call is done; returns false if it is not by then.
    ///
    /// # When the other side is gone
    ///
    /// True: an error is there.
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
    /// let result = pool.apply_async(|| 7, ())?;
    /// assert!(result.wait_timeout(Duration::from_secs(60)));
    /// assert!(result.ready());
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.wait_by(Deadline::after(timeout))
    }

    /// Waits until the call is done.
    ///
    /// # When the other side is gone
    ///
    /// It is: an error is there.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(1)?;
    /// let result = pool.submit(|| 7, ())?;
    /// result.wait();
    /// assert!(result.ready());
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait(&self) {
        self.wait_by(Deadline::NEVER);
    }

    pub(crate) fn wait_by(&self, deadline: Deadline) -> bool {
        self.ready() || self.crew.wait(&self.call, Want::End, deadline)
    }

    /// Returns the process numbers of the workers that are at the call: one, or none while the call waits for a
    /// worker and when it is done. The calls for a sequence may be with several.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(2)?;
    /// let endless = pool.submit(|| -> () { loop { std::thread::park() } }, ())?;
    /// while endless.workers().is_empty() {
    ///     std::thread::yield_now();
    /// }
    /// assert!(pool.worker_pids().contains(&endless.workers()[0]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn workers(&self) -> Vec<u32> {
        if self.ready() {
            return Vec::new();
        }
        self.crew.workers_at(&self.call)
    }

    /// Returns whether the call returned a value, or all calls for a sequence did; `None` while it is not done.
    ///
    /// The value is not read for that: [`get`](Self::get) may still say that it cannot be decoded.
    ///
    /// # When the other side is gone
    ///
    /// `Some(false)`.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::{Pool, wait_all};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(1)?;
    /// let results = [6, 0].map(|n: u32| pool.submit(|n: u32| 12 / n, (n,)).unwrap());
    /// wait_all(&results, None);
    /// assert_eq!(results.map(|result| result.successful()), [Some(true), Some(false)]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn successful(&self) -> Option<bool> {
        if !self.crew.is_ours() {
            return Some(false);
        }
        match self.finish {
            None => Some(self.was_success),
            Some(_) => self.ready().then(|| self.call.is_success()),
        }
    }

    /// Has the call not run, if no worker has begun it; returns whether that was in time. Then
    /// [`get`](Self::get) returns [`PoolError::Cancelled`].
    ///
    /// Of the calls for a sequence, those that have begun are run all the same, and this returns false.
    ///
    /// # When the other side is gone
    ///
    /// False: an error is there.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::{Pool, PoolError};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(1)?;
    /// let _endless = pool.apply_async(|| -> () { loop { std::thread::park() } }, ())?;
    /// let waiting = pool.apply_async(|| 7, ())?;
    /// assert!(waiting.cancel());
    /// assert!(matches!(waiting.get(), Err(PoolError::Cancelled)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn cancel(&self) -> bool {
        self.crew.is_ours() && !self.ready() && self.crew.cancel(&self.call)
    }
}

impl<R: 'static> AsyncResult<R> {
    /// Has a function called with the result when it is there, instead of getting it.
    ///
    /// Such functions are called by a thread of the pool that does nothing else, one after the other, in the
    /// order in which the results come. One that panics hurts nobody. [`Pool::join`](crate::Pool::join) waits for
    /// them.
    ///
    /// # Errors
    ///
    /// [`PoolError::Thread`] if the system has no thread for them, [`PoolError::Taken`] and
    /// [`PoolError::Copied`] as [`get`](Self::get). The function is not called then.
    ///
    /// # When the other side is gone
    ///
    /// It is called with the error that [`get`](Self::get) would return.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    /// use std::sync::{Arc, Mutex};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(2)?;
    /// let log = Arc::new(Mutex::new(Vec::new()));
    /// for n in 1..4 {
    ///     let log = Arc::clone(&log);
    ///     pool.apply_async(|n: u32| n * n, (n,))?.then(move |square| log.lock().unwrap().extend(square))?;
    /// }
    /// pool.join();
    /// let mut log = log.lock().unwrap();
    /// log.sort_unstable();
    /// assert_eq!(*log, [1, 4, 9]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn then(
        mut self,
        callback: impl FnOnce(Result<R, PoolError>) + Send + 'static,
    ) -> Result<(), PoolError> {
        if !self.crew.is_ours() {
            return Err(PoolError::Copied);
        }
        let finish = self.finish.take().ok_or(PoolError::Taken)?;
        self.crew.callbacks.prepare().map_err(PoolError::Thread)?;
        let (crew, call) = (Arc::clone(&self.crew), Arc::clone(&self.call));
        let hook = Box::new(move || {
            let result = move || callback(finish(&call));
            crew.callbacks.call(Box::new(result));
        });
        if let Some(hook) = self.call.hook(hook) {
            hook();
        }
        Ok(())
    }
}

/// Resolves when the call is done, under any executor. Nothing has to be polled for the call to be run.
///
/// Wakers are called by a thread of the pool that does nothing else.
///
/// # Panics
///
/// If it is polled again after it was ready.
impl<R> Future for AsyncResult<R> {
    type Output = Result<R, PoolError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if !self.crew.is_ours() {
            return Poll::Ready(Err(PoolError::Copied));
        }
        if !self.ready() {
            self.crew.wakers.prepare().map_err(PoolError::Thread)?;
            if self.call.enlist_task(context.waker(), &self.crew) {
                return Poll::Pending;
            }
        }
        Poll::Ready(self.take())
    }
}

impl<R> Drop for AsyncResult<R> {
    /// Nobody takes what comes of the call any more, unless it was taken or a callback does.
    fn drop(&mut self) {
        if self.finish.is_some() && self.crew.is_ours() {
            self.call.abandon();
        }
    }
}

impl<R> fmt::Debug for AsyncResult<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match (&self.finish, self.successful()) {
            (None, _) => "taken",
            (_, Some(true)) => "done",
            (_, Some(false)) => "failed",
            _ if self.workers().is_empty() => "queued",
            _ => "running",
        };
        f.debug_struct("AsyncResult")
            .field("state", &state)
            .finish_non_exhaustive()
    }
}

/// Decodes the result of a single call.
pub(crate) fn one<R: DeserializeOwned>(call: &Call) -> Result<R, PoolError> {
    let mut result = None;
    for settled in call.take() {
        settled.decode(call, &mut result);
    }
    result.unwrap_or_else(|| {
        let loss = call.loss().map_or(Loss::Terminated, |(_, loss)| loss);
        Err(loss.into_error(None))
    })
}

/// The only result.
impl<R> Results<R> for Option<Result<R, PoolError>> {
    #[inline]
    fn value(&mut self, value: R) {
        *self = Some(Ok(value));
    }

    fn error(&mut self, error: PoolError) {
        *self = Some(Err(error));
    }
}

/// Decodes the results of all items, or the error of the first that failed.
pub(crate) fn all<R: DeserializeOwned>(call: &Call) -> Result<Vec<R>, PoolError> {
    gathered::<R, Result<Vec<R>, PoolError>>(call)
}

/// Decodes the result or the error of each item.
#[expect(
    clippy::unnecessary_wraps,
    reason = "it is one of several that make results"
)]
pub(crate) fn each<R: DeserializeOwned>(
    call: &Call,
) -> Result<Vec<Result<R, PoolError>>, PoolError> {
    Ok(gathered(call))
}

fn gathered<R: DeserializeOwned, S: Sink<R>>(call: &Call) -> S {
    let mut results = Gathered::new(0);
    results.add(call);
    results.finish(call)
}
