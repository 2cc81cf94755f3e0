//! Results that are on their way.
//!
//! What a worker sent is decoded here, on the thread of the caller: a result that cannot be decoded,
//! or whose decoding panics, is the caller's own affair.

use crate::batch::{Loss, Settled};
use crate::error::PoolError;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use procession_os::wait::Deadline;
use procession_process::Failure;
use procession_process::outcome::consume;
use procession_wire::Packet;
use serde::de::DeserializeOwned;
use std::marker::PhantomData;
use std::time::Duration;
use std::{fmt, mem};

/// The result of a call that the caller did not wait for, from
/// [`Pool::apply_async`](crate::Pool::apply_async).
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
    /// Until the result is taken.
    settled: Option<Receiver<Settled>>,
    /// The number of the process that asked.
    asker: u32,
    returns: PhantomData<fn() -> R>,
}

impl<R: DeserializeOwned> AsyncResult<R> {
    pub(crate) fn new(settled: Receiver<Settled>) -> Self {
        Self {
            settled: Some(settled),
            asker: std::process::id(),
            returns: PhantomData,
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
    fn get_by(&mut self, deadline: Deadline) -> Result<Option<R>, PoolError> {
        if !self.is_ours() {
            return Err(PoolError::Copied);
        }
        let settled = self.settled.as_ref().ok_or(PoolError::Taken)?;
        let received = match deadline.left() {
            Some(left) => settled.recv_timeout(left),
            None => settled.recv().map_err(RecvTimeoutError::from),
        };
        if let Err(RecvTimeoutError::Timeout) = received {
            return Ok(None);
        }
        self.settled = None;
        let settled = received.map_err(|_| PoolError::Terminated)?;
        decode(settled.outcome, None).map(Some)
    }
}

impl<R> AsyncResult<R> {
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
        let waits = |settled: &Receiver<Settled>| self.is_ours() && settled.is_empty();
        !self.settled.as_ref().is_some_and(waits)
    }

    /// Returns whether this process asked, and is no copy of the one that did.
    fn is_ours(&self) -> bool {
        self.asker == std::process::id()
    }
}

impl<R> Drop for AsyncResult<R> {
    fn drop(&mut self) {
        if !self.is_ours() {
            // Closing the channel could wait for a sender that is not in this process.
            mem::forget(self.settled.take());
        }
    }
}

impl<R> fmt::Debug for AsyncResult<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncResult")
            .field("ready", &self.ready())
            .finish_non_exhaustive()
    }
}

/// Collects the results of `len` items; or, when all of them are settled, the first error.
pub(crate) fn gather<R: DeserializeOwned>(
    settled: Receiver<Settled>,
    len: usize,
) -> Result<Vec<R>, PoolError> {
    let mut values: Vec<Option<R>> = Vec::new();
    values.resize_with(len, || None);
    let mut first: Option<(usize, PoolError)> = None;
    for Settled { item, outcome } in settled {
        match decode(outcome, Some(item)) {
            Ok(value) => values[item] = Some(value),
            Err(error) if first.as_ref().is_none_or(|(place, _)| item < *place) => {
                first = Some((item, error));
            }
            Err(_) => {}
        }
    }
    match first {
        Some((_, error)) => Err(error),
        None => values
            .into_iter()
            .collect::<Option<_>>()
            .ok_or(PoolError::Terminated),
    }
}

/// Reads what came of a call.
fn decode<R: DeserializeOwned>(
    outcome: Result<Packet, Loss>,
    item: Option<usize>,
) -> Result<R, PoolError> {
    let packet = outcome.map_err(|loss| loss.into_error(item))?;
    let outcome = consume(packet).map_err(|error| PoolError::ResultNotDecoded { item, error })?;
    outcome.map_err(|failure| failed(failure, item))
}

/// Names the failure of a task that ran, or could not, in a worker that lives on.
fn failed(failure: Failure, item: Option<usize>) -> PoolError {
    match failure {
        Failure::Panicked(panic) => PoolError::Panicked { item, panic },
        Failure::Failed(error) => PoolError::Failed { item, error },
        Failure::Arguments(reason) => PoolError::Arguments { item, reason },
        Failure::Result(reason) => PoolError::ResultNotEncoded { item, reason },
        failure => PoolError::Exchange {
            item,
            reason: failure.to_string(),
        },
    }
}

impl Loss {
    /// Tells the caller why the call has no outcome.
    fn into_error(self, item: Option<usize>) -> PoolError {
        match self {
            Self::Died { pid, status } => PoolError::WorkerDied { item, pid, status },
            Self::Exchange(reason) => PoolError::Exchange { item, reason },
            Self::Terminated => PoolError::Terminated,
            Self::Broken(reason) => PoolError::Broken {
                reason: reason.as_ref().into(),
            },
        }
    }
}
