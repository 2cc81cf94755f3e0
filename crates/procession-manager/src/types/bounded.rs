//! A semaphore that notices when it is released too often.

use super::semaphore::{Permit, Semaphore};
use crate::error::ManagerError;
use crate::export::{Exported, Listed};
use crate::remote::Remote;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A [`Semaphore`] that never has more permits than in the beginning: one release too many is an
/// error, and does not go unnoticed until too many callers are inside.
///
/// # Examples
///
/// ```
/// use procession_manager::{Manager, ManagerError, Refusal};
///
/// # fn main() -> Result<(), ManagerError> {
/// # procession_process::init();
/// let manager = Manager::start()?;
/// let semaphore = manager.bounded_semaphore(1)?;
/// semaphore.acquire()?.leak()?;
/// semaphore.release()?;
/// let error = semaphore.release().unwrap_err();
/// assert!(matches!(error, ManagerError::Refused(Refusal::ReleasedTooOften)));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BoundedSemaphore(Semaphore);

impl Exported for BoundedSemaphore {
    fn from_remote(remote: Remote) -> Self {
        Self(Semaphore::from_remote(remote))
    }

    fn remote(&self) -> &Remote {
        self.0.remote()
    }

    fn export() -> Listed {
        Semaphore::export()
    }
}

impl BoundedSemaphore {
    pub(super) fn new(semaphore: Semaphore) -> Self {
        Self(semaphore)
    }

    /// Waits for a permit and takes it.
    ///
    /// # Errors
    ///
    /// [`ManagerError`].
    ///
    /// # When the other side is gone
    ///
    /// As [`Semaphore::acquire`].
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let semaphore = manager.bounded_semaphore(1)?;
    /// let _permit = semaphore.acquire()?;
    /// assert_eq!(semaphore.available()?, 0);
    /// assert!(semaphore.try_acquire()?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn acquire(&self) -> Result<Permit, ManagerError> {
        self.0.acquire()
    }

    /// Takes a permit if there is one now.
    ///
    /// # Errors
    ///
    /// [`ManagerError`].
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`].
    pub fn try_acquire(&self) -> Result<Option<Permit>, ManagerError> {
        self.0.try_acquire()
    }

    /// Waits for a permit for at most `timeout`; `None` if there was none in that time.
    ///
    /// # Errors
    ///
    /// [`ManagerError`].
    ///
    /// # When the other side is gone
    ///
    /// As [`Semaphore::acquire`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let semaphore = manager.bounded_semaphore(1)?;
    /// assert!(semaphore.acquire_timeout(Duration::from_secs(1))?.is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn acquire_timeout(&self, timeout: Duration) -> Result<Option<Permit>, ManagerError> {
        self.0.acquire_timeout(timeout)
    }

    /// Gives back a permit whose [`Permit`] was leaked, perhaps by another process.
    ///
    /// # Errors
    ///
    /// [`Refusal::ReleasedTooOften`](crate::Refusal::ReleasedTooOften) if all permits are there;
    /// otherwise as every call.
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`].
    pub fn release(&self) -> Result<(), ManagerError> {
        self.0.release()
    }

    /// Returns how many permits nobody has at this moment.
    ///
    /// # Errors
    ///
    /// [`ManagerError`].
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`].
    pub fn available(&self) -> Result<usize, ManagerError> {
        self.0.available()
    }
}
