//! A queue that counts which items are done.

use super::item::Item;
use super::queue::{Queue, Refused};
use crate::error::ManagerError;
use crate::export::{Exported, Listed};
use crate::remote::Remote;
use procession_queue::{Closed, JoinError, StateError, TaskDoneError};
use serde::{Deserialize, Serialize};
use std::ops::Deref;
use std::time::Duration;

/// A [`Queue`] that also knows what was got and is not done: a consumer calls
/// [`task_done`](Self::task_done) for each item, and others [`join`](Self::join), that is, wait until
/// nothing is left to do. It is [`procession_queue::JoinableQueue`], in a manager's server.
///
/// # When the other side is gone
///
/// Items that a process had got and not done when it ended are lost, and [`join`](Self::join) says
/// so.
///
/// # Examples
///
/// ```
/// use procession::manager::JoinableQueue;
/// use procession::{Manager, Process};
///
/// fn work(jobs: JoinableQueue<u32>) -> anyhow::Result<()> {
///     for job in &jobs {
///         job?;
///         jobs.task_done()?;
///     }
///     Ok(())
/// }
///
/// # fn main() -> anyhow::Result<()> {
/// # procession::init();
/// let manager = Manager::start()?;
/// let jobs = manager.joinable_queue()?;
/// jobs.put_many(&[1, 2, 3])?;
/// let child = Process::spawn(work, (jobs.clone(),))?;
/// jobs.join()?;
/// assert_eq!(jobs.unfinished()?, 0);
/// jobs.shutdown()?;
/// child.join()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct JoinableQueue<T: Item> {
    queue: Queue<T>,
}

impl<T: Item> Exported for JoinableQueue<T> {
    fn from_remote(remote: Remote) -> Result<Self, ManagerError> {
        Queue::from_remote(remote).map(Self::new)
    }

    fn remote(&self) -> &Remote {
        self.queue.remote()
    }

    fn export() -> Listed {
        Queue::<T>::export()
    }
}

impl<T: Item> JoinableQueue<T> {
    pub(super) fn new(queue: Queue<T>) -> Self {
        Self { queue }
    }

    /// Says that one of the items that this process has got is done.
    ///
    /// # Errors
    ///
    /// [`TaskDoneError::TooOften`] if all of them are done already, [`TaskDoneError::Closed`],
    /// [`TaskDoneError::Fault`] if there is no server.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession::{Manager, TaskDoneError};
    ///
    /// # fn main() -> anyhow::Result<()> {
    /// # procession::init();
    /// let manager = Manager::start()?;
    /// let queue = manager.joinable_queue::<u8>()?;
    /// assert!(matches!(queue.task_done(), Err(TaskDoneError::TooOften)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn task_done(&self) -> Result<(), TaskDoneError> {
        let done = self.queue.finish_one();
        Ok(done??)
    }

    /// Waits until all items that were put are done.
    ///
    /// # Errors
    ///
    /// [`JoinError::Lost`] as soon as a process has ended that had got items and not done them, until
    /// [`forget_lost`](Self::forget_lost) is called; [`JoinError::Closed`], [`JoinError::Fault`] if
    /// there is no server.
    pub fn join(&self) -> Result<(), JoinError> {
        self.join_within(None)
    }

    /// Waits until all items that were put are done, for `timeout` at the longest.
    ///
    /// # Errors
    ///
    /// [`JoinError::TimedOut`], and those of [`join`](Self::join).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession::{JoinError, Manager};
    /// use std::time::Duration;
    ///
    /// # fn main() -> anyhow::Result<()> {
    /// # procession::init();
    /// let manager = Manager::start()?;
    /// let queue = manager.joinable_queue()?;
    /// queue.put(&5)?;
    /// let joined = queue.join_timeout(Duration::from_millis(1));
    /// assert!(matches!(joined, Err(JoinError::TimedOut)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn join_timeout(&self, timeout: Duration) -> Result<(), JoinError> {
        self.join_within(Some(timeout))
    }

    /// Returns how many items were put and are not done, lost ones included.
    ///
    /// # Errors
    ///
    /// [`StateError::Closed`], [`StateError::Fault`] if there is no server.
    pub fn unfinished(&self) -> Result<usize, StateError> {
        Ok(self.queue.undone()??)
    }

    /// Counts as done what was lost, and returns how many items that were.
    ///
    /// # Errors
    ///
    /// As [`unfinished`](Self::unfinished).
    pub fn forget_lost(&self) -> Result<u64, StateError> {
        Ok(self.queue.give_up_lost()?? as u64)
    }

    fn join_within(&self, timeout: Option<Duration>) -> Result<(), JoinError> {
        let joined = self.queue.joined(timeout);
        Ok(joined??)
    }
}

impl<T: Item> Deref for JoinableQueue<T> {
    type Target = Queue<T>;

    fn deref(&self) -> &Queue<T> {
        &self.queue
    }
}

impl From<Refused> for TaskDoneError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Closed => Self::Closed(Closed),
            _ => Self::TooOften,
        }
    }
}

impl From<Refused> for JoinError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Closed => Self::Closed(Closed),
            Refused::Lost(items) => Self::Lost {
                items: items as u64,
            },
            _ => Self::TimedOut,
        }
    }
}
