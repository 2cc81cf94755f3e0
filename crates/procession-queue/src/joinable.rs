//! The queue whose items are done some time.

use crate::atomic::Ordering;
use crate::control::Control;
use crate::core::{Core, LOOK};
use crate::home::Plan;
use crate::patience::Patience;
use crate::side::Locked;
use crate::{Fault, JoinError, Queue, StateError, TaskDoneError};
use procession_os::wait::Deadline;
use procession_shm::ShmError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

/// A queue that knows when all that was put into it is done.
///
/// It has the methods of [`Queue`]. A consumer calls [`task_done`](Self::task_done) for each item
/// that it has got, when it has done with it what was to be done; [`join`](Self::join) waits until
/// that has happened for every item that was ever put.
///
/// Items are counted by the process that got them: it, and no other, says that they are done.
///
/// # When the other side is gone
///
/// What a process has got and not done when it ends is *lost*. `join` does not wait for that, but
/// returns [`JoinError::Lost`] with how many they are, until [`forget_lost`](Self::forget_lost).
///
/// # Examples
///
/// ```
/// use procession_queue::JoinableQueue;
///
/// let queue = JoinableQueue::new()?;
/// queue.put(&"sweep the floor".to_string())?;
/// let task = queue.get()?;
/// assert_eq!(task, "sweep the floor");
/// queue.task_done()?;
/// queue.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct JoinableQueue<T> {
    queue: Queue<T>,
}

impl<T: Serialize + DeserializeOwned> JoinableQueue<T> {
    /// Makes a queue that holds any number of items.
    ///
    /// # Errors
    ///
    /// As [`Queue::new`].
    pub fn new() -> Result<Self, ShmError> {
        Self::bounded(0)
    }

    /// Makes a queue that holds up to `capacity` items at a time; zero means any number.
    ///
    /// # Errors
    ///
    /// As [`Queue::new`].
    pub fn bounded(capacity: usize) -> Result<Self, ShmError> {
        let queue = Queue::create(Plan {
            capacity: capacity as u64,
            joinable: true,
        })?;
        Ok(Self { queue })
    }
}

impl<T> JoinableQueue<T> {
    /// Says that one of the items that this process has got is done.
    ///
    /// # Errors
    ///
    /// [`TaskDoneError::TooOften`] if all of them are done already, and
    /// [`TaskDoneError::Closed`]. [`Fault::Held`] after a second if a stopped process holds the
    /// consumers' lock; then the item is not done.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_queue::{JoinableQueue, TaskDoneError};
    ///
    /// let queue = JoinableQueue::<u8>::new()?;
    /// assert!(matches!(queue.task_done(), Err(TaskDoneError::TooOften)));
    /// # Ok::<(), procession_shm::ShmError>(())
    /// ```
    pub fn task_done(&self) -> Result<(), TaskDoneError> {
        let core = self.core();
        let _locked = core.control().sides.lock_get(Patience::None)?;
        let table = core.home.table().ok_or(NO_TABLE)?;
        let entry = table.ours(&core.entry)?;
        if !entry.remove_one() {
            return Err(TaskDoneError::TooOften);
        }
        // Killed here, this process has one item that is not done and that no entry tells of:
        // it is among those that were lost.
        core.control().sides.finished.announce();
        core.control().done.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Waits until all items that were put are done.
    ///
    /// # Errors
    ///
    /// [`JoinError::Lost`] as soon as a process has ended that had got items and not done them,
    /// [`JoinError::Closed`].
    ///
    /// # When the other side is gone
    ///
    /// It notices within a tenth of a second that a consumer with items has ended, and returns
    /// [`JoinError::Lost`]. Items that are still in the queue wait for another consumer to come.
    pub fn join(&self) -> Result<(), JoinError> {
        self.join_until(Deadline::NEVER)
    }

    /// Waits until all items that were put are done, for `timeout` at the longest.
    ///
    /// # Errors
    ///
    /// [`JoinError::TimedOut`], and those of [`join`](Self::join).
    ///
    /// # When the other side is gone
    ///
    /// As [`join`](Self::join).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_queue::{JoinError, JoinableQueue};
    /// use std::time::Duration;
    ///
    /// let queue = JoinableQueue::new()?;
    /// queue.put(&5)?;
    /// let joined = queue.join_timeout(Duration::from_millis(1));
    /// assert!(matches!(joined, Err(JoinError::TimedOut)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_timeout(&self, timeout: Duration) -> Result<(), JoinError> {
        self.join_until(Deadline::after(timeout))
    }

    /// Returns how many items were put and are not done, lost ones included.
    ///
    /// # Errors
    ///
    /// [`StateError::Closed`].
    pub fn unfinished(&self) -> Result<usize, StateError> {
        let locked = self.core().control().sides.lock_get(Patience::None)?;
        Ok(Tally::of(self.core(), &locked).unfinished as usize)
    }

    /// Counts as done what was lost, and returns how many items that were.
    ///
    /// # Errors
    ///
    /// [`StateError::Closed`].
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = procession_queue::JoinableQueue::<u8>::new()?;
    /// assert_eq!(queue.forget_lost()?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn forget_lost(&self) -> Result<u64, StateError> {
        let control = self.core().control();
        let locked = control.sides.lock_get(Patience::None)?;
        let lost = Tally::of(self.core(), &locked).lost()?;
        control.sides.finished.announce();
        control.done.fetch_add(lost, Ordering::Relaxed);
        Ok(lost)
    }

    fn join_until(&self, deadline: Deadline) -> Result<(), JoinError> {
        loop {
            let Some(expected) = self.look_or_expect(deadline)? else {
                return Ok(());
            };
            let look = deadline.left().map_or(LOOK, |left| left.min(LOOK));
            let finished = &self.core().control().sides.finished;
            let slept = finished.sleep(expected, Deadline::after(look));
            slept.map_err(Fault::Sleep)?;
            if deadline.passed() {
                let now = self.look_or_expect(deadline)?;
                return now.map_or(Ok(()), |_| Err(JoinError::TimedOut));
            }
        }
    }

    /// `None` if all is done; what to sleep on if not.
    fn look_or_expect(&self, deadline: Deadline) -> Result<Option<u32>, JoinError> {
        let control = self.core().control();
        let locked = match control.sides.lock_get(Patience::Until(deadline)) {
            Err(StateError::Fault(fault)) if fault.is_timeout() => {
                return Err(JoinError::TimedOut);
            }
            locked => locked?,
        };
        let tally = Tally::of(self.core(), &locked);
        if tally.unfinished == 0 {
            return Ok(None);
        }
        match tally.lost()? {
            0 => Ok(Some(control.sides.finished.expect())),
            items => Err(JoinError::Lost { items }),
        }
    }

    fn core(&self) -> &Core {
        &self.queue.core
    }
}

const NO_TABLE: Fault = Fault::Damaged("the queue has lost its table");

/// How many items are where; exact under the consumers' lock.
struct Tally<'a> {
    core: &'a Core,
    unfinished: u64,
    /// Taken and not done.
    taken: u64,
}

impl<'a> Tally<'a> {
    fn of(core: &'a Core, locked: &Locked<'_>) -> Self {
        let control: &Control = core.control();
        let done = control.done.load(Ordering::Relaxed);
        let put = control.sides.put.cursor.load().count();
        let got = locked.cursor().load().count();
        Self {
            core,
            unfinished: put.saturating_sub(done),
            taken: got.saturating_sub(done),
        }
    }

    /// Returns how many were taken by processes that have ended.
    fn lost(&self) -> Result<u64, Fault> {
        let table = self.core.home.table().ok_or(NO_TABLE)?;
        Ok(self.taken.saturating_sub(table.items_of_living()))
    }
}

impl<T> Deref for JoinableQueue<T> {
    type Target = Queue<T>;

    fn deref(&self) -> &Queue<T> {
        &self.queue
    }
}

impl<T> Clone for JoinableQueue<T> {
    fn clone(&self) -> Self {
        let queue = self.queue.clone();
        Self { queue }
    }
}

/// Shows how full the queue is, and how much is not done.
impl<T> fmt::Debug for JoinableQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinableQueue")
            .field("queue", &self.queue)
            .field("unfinished", &self.unfinished().ok())
            .finish()
    }
}

/// Encodes a handle; only into a message to another process.
impl<T> Serialize for JoinableQueue<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.queue.serialize(serializer)
    }
}

impl<'de, T: Serialize + DeserializeOwned> Deserialize<'de> for JoinableQueue<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let queue = Queue::deserialize(deserializer)?;
        if queue.core.home.table().is_none() {
            return Err(serde::de::Error::custom("the queue is not a joinable one"));
        }
        Ok(Self { queue })
    }
}
