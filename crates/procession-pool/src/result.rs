//! Results that are on their way.
//!
//! What a worker sent is decoded here, on the thread of the caller: a result that cannot be decoded,
//! or whose decoding panics, is the caller's own affair.

use crate::call::{Call, Settled, Want};
use crate::crew::Crew;
use crate::error::PoolError;
use crate::outcome::InOrder;
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
/// Dropping it does not stop the call. As the pool, it belongs to the process that made it: a copy
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
    crew: Arc<Crew>,
    call: Arc<Call>,
    /// Makes the result of what was settled, until it is taken.
    finish: Option<Finish<R>>,
}

/// Makes a result of what was settled.
type Finish<R> = fn(Vec<Settled>) -> Result<R, PoolError>;

impl<R: DeserializeOwned> AsyncResult<R> {
    /// Makes one of a single call.
    pub(crate) fn of_one(crew: Arc<Crew>, call: Arc<Call>) -> Self {
        Self {
            crew,
            call,
            finish: Some(one::<R>),
        }
    }
}

impl<R: DeserializeOwned> AsyncResult<Vec<R>> {
    /// Makes one of the calls for a sequence of items.
    pub(crate) fn of_all(crew: Arc<Crew>, call: Arc<Call>) -> Self {
        Self {
            crew,
            call,
            finish: Some(all::<R>),
        }
    }
}

impl<R> AsyncResult<R> {
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
    fn get_by(&mut self, deadline: Deadline) -> Result<Option<R>, PoolError> {
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

    /// Takes the result, which is there.
    fn take(&mut self) -> Result<R, PoolError> {
        let finish = self.finish.take().ok_or(PoolError::Taken)?;
        finish(self.call.take())
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
        self.ready()
            || self
                .crew
                .wait(&self.call, Want::End, Deadline::after(timeout))
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
            let result = move || callback(finish(call.take()));
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
/// # Panics
///
/// If it is polled again after it was ready.
impl<R> Future for AsyncResult<R> {
    type Output = Result<R, PoolError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if !self.crew.is_ours() {
            return Poll::Ready(Err(PoolError::Copied));
        }
        if self.finish.is_some() && self.call.enlist_task(context.waker()) {
            return Poll::Pending;
        }
        Poll::Ready(self.take())
    }
}

impl<R> fmt::Debug for AsyncResult<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncResult")
            .field("ready", &self.ready())
            .finish_non_exhaustive()
    }
}

/// Decodes the result of a single call.
fn one<R: DeserializeOwned>(settled: Vec<Settled>) -> Result<R, PoolError> {
    let mut result = Err(PoolError::Terminated);
    for settled in settled {
        settled.decode(false, |_, it| result = it);
    }
    result
}

/// Decodes the results of all items, or the error of the first that failed.
fn all<R: DeserializeOwned>(settled: Vec<Settled>) -> Result<Vec<R>, PoolError> {
    let mut results = Gathered::new(0);
    results.add(settled);
    results.finish()
}

/// Results that come together, up to the first failure.
#[derive(Debug)]
pub(crate) struct Gathered<R> {
    in_order: InOrder,
    values: Result<Vec<R>, PoolError>,
}

impl<R: DeserializeOwned> Gathered<R> {
    /// Begins with room for so many.
    pub(crate) fn new(room: usize) -> Self {
        Self {
            in_order: InOrder::default(),
            values: Ok(Vec::with_capacity(room)),
        }
    }

    /// Adds what was settled.
    pub(crate) fn add(&mut self, settled: Vec<Settled>) {
        self.in_order.add(settled);
        while let Some(settled) = self.in_order.next() {
            settled.decode(true, |_, result| match (&mut self.values, result) {
                (Ok(values), Ok(value)) => values.push(value),
                (Ok(_), Err(error)) => self.values = Err(error),
                (Err(_), _) => {}
            });
        }
    }

    /// Returns the results, or the first error.
    pub(crate) fn finish(self) -> Result<Vec<R>, PoolError> {
        self.values
    }
}
