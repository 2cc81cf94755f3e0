//! A queue between processes.

use super::item::Item;
use super::room::{Leave, Room};
use crate::error::ManagerError;
use crate::protocol::SessionId;
use crate::refusal::{Refusal, Result};
use crate::server::caller::{self, Caller};
use procession_macros::shared;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// The queue in the server.
pub(crate) struct HostedQueue<T> {
    room: Arc<Room<State<T>>>,
}

struct State<T> {
    items: VecDeque<T>,
    capacity: Option<usize>,
    /// How many items each client has taken and not called `task_done` for.
    undone: HashMap<SessionId, usize>,
    /// How many such items ended with their client, and nobody has been told yet.
    abandoned: usize,
    is_closed: bool,
}

impl<T: Item> HostedQueue<T> {
    pub(super) fn new(capacity: Option<usize>) -> Self {
        Self {
            room: Room::new(State {
                items: VecDeque::new(),
                capacity: capacity.map(|capacity| capacity.max(1)),
                undone: HashMap::new(),
                abandoned: 0,
                is_closed: false,
            }),
        }
    }
}

/// A queue: what some processes put in, others take out, in that order, each item once.
///
/// It also knows what was taken and is not done: a consumer that calls [`task_done`] for each item
/// lets others [`join`], that is, wait until nothing is left to do.
///
/// A process that is killed while it waits for an item gets none. One that is killed when an item
/// has already been sent to it loses that item; `join` tells of it.
///
/// [`task_done`]: Queue::task_done
/// [`join`]: Queue::join
///
/// # Examples
///
/// ```
/// use procession_manager::{Manager, Queue};
/// use procession_process::Process;
///
/// fn double(numbers: Queue<u32>, doubled: Queue<u32>) -> anyhow::Result<()> {
///     while let Ok(number) = numbers.get() {
///         doubled.put(2 * number)?;
///         numbers.task_done()?;
///     }
///     Ok(())
/// }
///
/// # fn main() -> anyhow::Result<()> {
/// # procession_process::init();
/// let manager = Manager::start()?;
/// let (numbers, doubled) = (manager.queue()?, manager.queue()?);
/// let child = Process::spawn(double, (numbers.clone(), doubled.clone()))?;
/// for number in [2, 3, 4] {
///     numbers.put(number)?;
/// }
/// numbers.join()?;
/// assert_eq!(doubled.len()?, 3);
/// numbers.close()?;
/// child.join()?;
/// # Ok(())
/// # }
/// ```
#[shared(concurrent, proxy = "Queue", crate = "crate")]
#[expect(
    unreachable_pub,
    reason = "the proxy's methods are as visible as these"
)]
impl<T: Item> HostedQueue<T> {
    pub(crate) fn put_within(&self, item: T, timeout: Option<Duration>) -> Result<()> {
        let mut item = Some(item);
        let put = self.room.wait(timeout, |state, _| {
            let put = state.put(&mut item)?;
            self.room.wake();
            Some(put)
        });
        put.unwrap_or(Err(Refusal::Full))
    }

    pub(crate) fn get_within(&self, timeout: Option<Duration>) -> Result<Option<T>> {
        let got = self.room.wait(timeout, |state, caller| {
            let got = state.get(caller)?;
            self.room.wake();
            Some(got)
        });
        got.transpose()
    }

    /// Says that the work on one item is done that this process took.
    ///
    /// # Errors
    ///
    /// [`Refusal::DoneTooOften`](crate::Refusal::DoneTooOften) if all items that were taken are
    /// done; otherwise as every call.
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`](crate::ManagerError::Gone).
    pub fn task_done(&self) -> Result<()> {
        let caller = caller::current().ok_or(Refusal::DoneTooOften)?;
        self.room.change(|state| state.done(caller.session.id()))
    }

    pub(crate) fn join_within(&self, timeout: Option<Duration>) -> Result<bool> {
        self.room
            .wait(timeout, |state, _| state.joined())
            .unwrap_or(Ok(false))
    }

    /// Returns how many items are in the queue at this moment.
    pub fn len(&self) -> usize {
        self.room.look(|state| state.items.len())
    }

    /// Returns whether there is no item at this moment.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns whether there is no room at this moment.
    pub fn is_full(&self) -> bool {
        self.room.look(State::is_full)
    }

    /// Returns how many items there is room for; `None` if there is no limit.
    pub fn capacity(&self) -> Option<usize> {
        self.room.look(|state| state.capacity)
    }

    /// Closes the queue: nothing more can be put in. What is in can be taken; after that, taking is
    /// an error too. All who wait are woken.
    pub fn close(&self) {
        self.room.change(|state| state.is_closed = true);
    }

    /// Returns whether the queue is closed.
    pub fn is_closed(&self) -> bool {
        self.room.look(|state| state.is_closed)
    }
}

impl<T> State<T> {
    fn is_full(&self) -> bool {
        self.capacity
            .is_some_and(|capacity| self.items.len() >= capacity)
    }

    fn put(&mut self, item: &mut Option<T>) -> Option<Result<()>> {
        if self.is_closed {
            return Some(Err(Refusal::Closed));
        }
        if self.is_full() {
            return None;
        }
        self.items.extend(item.take());
        Some(Ok(()))
    }

    fn get(&mut self, caller: &Caller) -> Option<Result<T>> {
        let Some(item) = self.items.pop_front() else {
            return self.is_closed.then_some(Err(Refusal::Closed));
        };
        *self.undone.entry(caller.session.id()).or_insert(0) += 1;
        Some(Ok(item))
    }

    /// Counts an item as done, of the caller if it has any, or else of another client.
    fn done(&mut self, session: SessionId) -> Result<()> {
        let has_own = self.undone.contains_key(&session);
        let session = if has_own {
            Some(session)
        } else {
            self.undone.keys().next().copied()
        };
        let session = session.ok_or(Refusal::DoneTooOften)?;
        let count = self.undone.entry(session).or_insert(1);
        *count -= 1;
        if *count == 0 {
            self.undone.remove(&session);
        }
        Ok(())
    }

    fn joined(&mut self) -> Option<Result<bool>> {
        if self.abandoned > 0 {
            return Some(Err(Refusal::Abandoned(std::mem::take(&mut self.abandoned))));
        }
        (self.items.is_empty() && self.undone.is_empty()).then_some(Ok(true))
    }
}

impl<T: Item> Leave for State<T> {
    fn leave(&mut self, session: SessionId) {
        self.abandoned += self.undone.remove(&session).unwrap_or(0);
    }
}

impl<T: Item> Queue<T> {
    /// Puts an item in; waits while there is no room.
    ///
    /// # Errors
    ///
    /// [`ManagerError::Encode`] if the item cannot be sent, [`Refusal::Closed`] if the queue is
    /// closed, also during the wait; otherwise as every call. The item is not in the queue then.
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`], also if the server ends during the wait.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let queue = manager.queue()?;
    /// queue.put("a".to_owned())?;
    /// assert_eq!(queue.get()?, "a");
    /// # Ok(())
    /// # }
    /// ```
    pub fn put(&self, item: T) -> std::result::Result<(), ManagerError> {
        self.put_within(item, None)
    }

    /// Puts an item in if there is room now.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put), and [`Refusal::Full`] if there is no room.
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`].
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_manager::{ManagerError, Refusal};
    ///
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let queue = manager.bounded_queue(1)?;
    /// queue.try_put(1)?;
    /// let error = queue.try_put(2).unwrap_err();
    /// assert!(matches!(error, ManagerError::Refused(Refusal::Full)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_put(&self, item: T) -> std::result::Result<(), ManagerError> {
        self.put_within(item, Some(Duration::ZERO))
    }

    /// As [`put`](Self::put), for at most `timeout`.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put), and [`Refusal::Full`] if there was no room in that time.
    ///
    /// # When the other side is gone
    ///
    /// As [`put`](Self::put).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let queue = manager.bounded_queue(1)?;
    /// queue.put_timeout(1, Duration::from_secs(1))?;
    /// assert!(queue.put_timeout(2, Duration::from_millis(1)).is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn put_timeout(&self, item: T, timeout: Duration) -> std::result::Result<(), ManagerError> {
        self.put_within(item, Some(timeout))
    }

    /// Takes the next item out; waits while there is none.
    ///
    /// # Errors
    ///
    /// [`Refusal::Closed`] if the queue is closed and empty, also during the wait; otherwise as
    /// every call.
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`], also if the server ends during the wait. If those who would put
    /// something in have ended, nobody does: wait with a timeout, or have somebody close the queue.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_manager::{ManagerError, Refusal};
    ///
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let queue = manager.queue()?;
    /// queue.put(1)?;
    /// queue.close()?;
    /// assert_eq!(queue.get()?, 1);
    /// let error = queue.get().unwrap_err();
    /// assert!(matches!(error, ManagerError::Refused(Refusal::Closed)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn get(&self) -> std::result::Result<T, ManagerError> {
        self.get_within(None)?.ok_or(ManagerError::Gone)
    }

    /// Takes the next item out; `None` if there is none now.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`].
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let queue = manager.queue::<u8>()?;
    /// assert_eq!(queue.try_get()?, None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_get(&self) -> std::result::Result<Option<T>, ManagerError> {
        self.get_within(Some(Duration::ZERO))
    }

    /// As [`get`](Self::get), for at most `timeout`; `None` if there was nothing in that time.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    ///
    /// # When the other side is gone
    ///
    /// As [`get`](Self::get).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let queue = manager.queue::<u8>()?;
    /// assert_eq!(queue.get_timeout(Duration::from_millis(1))?, None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_timeout(&self, timeout: Duration) -> std::result::Result<Option<T>, ManagerError> {
        self.get_within(Some(timeout))
    }

    /// Waits until the queue is empty and all that was taken is done.
    ///
    /// # Errors
    ///
    /// [`Refusal::Abandoned`] if a process has ended without calling `task_done` for what it took.
    /// That is told once; a further call waits for the rest. Otherwise as every call.
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`], also if the server ends during the wait.
    pub fn join(&self) -> std::result::Result<(), ManagerError> {
        self.join_within(None)?
            .then_some(())
            .ok_or(ManagerError::Gone)
    }

    /// As [`join`](Self::join), for at most `timeout`; false if something is left to do then.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join).
    ///
    /// # When the other side is gone
    ///
    /// As [`join`](Self::join).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let queue = manager.queue()?;
    /// queue.put(1)?;
    /// assert!(!queue.join_timeout(Duration::from_millis(1))?);
    /// queue.get()?;
    /// queue.task_done()?;
    /// assert!(queue.join_timeout(Duration::from_millis(1))?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn join_timeout(&self, timeout: Duration) -> std::result::Result<bool, ManagerError> {
        self.join_within(Some(timeout))
    }
}
