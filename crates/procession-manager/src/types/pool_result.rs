//! What comes of the calls of a pool that the server has.

use super::item::Item;
use crate::error::ManagerError;
use crate::server::caller;
use anyhow::anyhow;
use procession_call::Failure;
use procession_macros::shared;
use procession_os::wait::Deadline;
use procession_pool::{AsyncResult, MapResults, PoolError};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::task::Poll;
use std::time::Duration;

/// How long a thread of the server waits before it looks whether its client is still there.
const LOOK: Duration = Duration::from_millis(100);

/// Waits until `done` is, which waits for so long itself; false if the time has run out, or the client has ended.
pub(super) fn until(timeout: Option<Duration>, mut done: impl FnMut(Duration) -> bool) -> bool {
    let deadline = Deadline::after_opt(timeout);
    let caller = caller::current();
    loop {
        if done(deadline.left().map_or(LOOK, |left| left.min(LOOK))) {
            return true;
        }
        let is_present = |caller: &caller::Caller| caller.session.is_present();
        if deadline.passed() || !caller.as_ref().is_none_or(is_present) {
            return false;
        }
    }
}

/// Says what a pool's error is to a client.
pub(super) fn failed(error: PoolError) -> Failure {
    match error {
        PoolError::Call {
            item: None,
            failure,
        } => failure,
        error => anyhow::Error::new(error).into(),
    }
}

/// Waits for a call of the pool's, and cancels it if the client ends meanwhile.
pub(super) fn taken<R>(call: Result<AsyncResult<R>, PoolError>) -> Result<R, Failure> {
    let result = call.map_err(failed)?;
    if !until(None, |limit| result.wait_timeout(limit)) {
        result.cancel();
        return Err(anyhow!("was given up: its client has ended").into());
    }
    result.get().map_err(failed)
}

/// A result in the server.
pub(crate) struct HostedResult<R> {
    /// Only a result that is there is waited for in a write lock.
    result: RwLock<AsyncResult<R>>,
}

impl<R> HostedResult<R> {
    pub(super) fn new(result: AsyncResult<R>) -> Self {
        Self {
            result: RwLock::new(result),
        }
    }

    fn result(&self) -> RwLockReadGuard<'_, AsyncResult<R>> {
        self.result.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What will have come of a call of a manager's [`Pool`](crate::Pool), for whatever process asks first.
///
/// # When the other side is gone
///
/// A call whose result no process has a proxy of any more is made, and its result lost.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), procession::ManagerError> {
/// # procession::init();
/// let manager = procession::Manager::start()?;
/// let pool = manager.pool(1)?;
/// let result = pool.map_async(|n: u64| n + 1, [1, 2])?;
/// result.wait()?;
/// assert!(result.ready()?);
/// assert_eq!(result.successful()?, Some(true));
/// assert_eq!(result.get()?, [2, 3]);
/// assert!(result.get().is_err(), "it was taken");
/// # Ok(())
/// # }
/// ```
#[shared(concurrent, proxy = "PoolResult", crate = "crate")]
impl<R: Item> HostedResult<R> {
    /// Returns whether the call is done.
    pub fn ready(&self) -> bool {
        self.result().ready()
    }

    /// Returns whether the call is done without an error; `None` if it is not done.
    pub fn successful(&self) -> Option<bool> {
        self.result().successful()
    }

    /// Waits until the call is done.
    pub fn wait(&self) {
        self.ready_within(None);
    }

    /// Waits until the call is done, for `timeout` at the longest; returns whether it is.
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.ready_within(Some(timeout))
    }

    /// Cancels what no worker has begun; returns whether that is all of the call.
    pub fn cancel(&self) -> bool {
        self.result().cancel()
    }

    pub(crate) fn take(
        &self,
        timeout: Option<Duration>,
    ) -> Option<std::result::Result<R, Failure>> {
        if !self.ready_within(timeout) {
            return None;
        }
        let result = self.result.write();
        let mut result = result.unwrap_or_else(PoisonError::into_inner);
        result
            .get_timeout(Duration::ZERO)
            .map_err(failed)
            .transpose()
    }
}

impl<R> HostedResult<R> {
    fn ready_within(&self, timeout: Option<Duration>) -> bool {
        // Not in one lock for all the time: whoever takes the result waits for those that have it.
        until(timeout, |limit| self.result().wait_timeout(limit))
    }
}

impl<R: Item> PoolResult<R> {
    /// Waits for the call to be done, and takes its result.
    ///
    /// # Errors
    ///
    /// As [`Pool::apply`](crate::Pool::apply), and if the result was taken already.
    ///
    /// # When the other side is gone
    ///
    /// As there.
    pub fn get(&self) -> Result<R, ManagerError> {
        let taken = self.take(None)?;
        taken.ok_or(ManagerError::Gone)?.map_err(ManagerError::Call)
    }

    /// Waits for the call to be done, for `timeout` at the longest, and takes its result; `None` if it is not
    /// done.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    ///
    /// # When the other side is gone
    ///
    /// As [`get`](Self::get).
    pub fn get_timeout(&self, timeout: Duration) -> Result<Option<R>, ManagerError> {
        let taken = self.take(Some(timeout))?;
        taken.transpose().map_err(ManagerError::Call)
    }
}

/// One result after the other.
type Step<R> = dyn FnMut(Duration) -> Poll<Option<Result<R, PoolError>>> + Send;

/// Results in the server that come one after the other.
pub(crate) struct HostedResults<R> {
    step: Box<Step<R>>,
}

impl<R: Item> HostedResults<R> {
    pub(super) fn new<I: Iterator + Send + 'static>(mut results: MapResults<I, R>) -> Self {
        let step = move |limit| match results.next_timeout(limit) {
            None if !results.is_done() => Poll::Pending,
            result => Poll::Ready(result),
        };
        Self {
            step: Box::new(step),
        }
    }
}

/// The results of [`Pool::imap`](crate::Pool::imap), as they come.
///
/// Processes that iterate over clones of it share the results.
#[shared(proxy = "PoolResults", crate = "crate")]
impl<R: Item> HostedResults<R> {
    /// Returns the next result, as the iterator does; `None` also if there is none within `timeout`.
    pub fn next_timeout(&mut self, timeout: Duration) -> Option<std::result::Result<R, Failure>> {
        self.next_within(Some(timeout))
    }

    pub(crate) fn step(&mut self) -> Option<std::result::Result<R, Failure>> {
        self.next_within(None)
    }

    fn next_within(
        &mut self,
        timeout: Option<Duration>,
    ) -> Option<std::result::Result<R, Failure>> {
        let mut result = None;
        until(timeout, |limit| match (self.step)(limit) {
            Poll::Pending => false,
            Poll::Ready(ready) => {
                result = ready;
                true
            }
        });
        result.map(|result| result.map_err(failed))
    }
}

impl<R: Item> Iterator for PoolResults<R> {
    type Item = Result<R, ManagerError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.step() {
            Ok(result) => result.map(|result| result.map_err(ManagerError::Call)),
            Err(error) => Some(Err(error)),
        }
    }
}
