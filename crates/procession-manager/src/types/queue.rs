//! A queue between processes.

use super::item::Item;
use super::producer::HostedProducer;
use super::room::{Leave, Room};
use crate::new::New;
use crate::protocol::SessionId;
use crate::server::caller::{self, Caller};
use procession_macros::shared;
use procession_queue::{Closed, Fault, GetError, PutError, PutManyError, StateError};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// The queue in the server.
pub(crate) struct HostedQueue<T> {
    room: Arc<Room<State<T>>>,
}

pub(super) struct State<T> {
    items: VecDeque<T>,
    /// `None` without a limit.
    capacity: Option<usize>,
    end: End,
    producers: usize,
    /// How many items each client has got and not done; `None` if that is not asked for.
    undone: Option<HashMap<SessionId, usize>>,
    /// How many items that were not done ended with their client.
    lost: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    /// What is left can be got.
    ShutDown,
    Closed,
}

/// Why the queue did not do what was asked for.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Refused {
    Closed,
    /// The time has run out, or the client has ended.
    InVain,
    /// All items that the caller has got are done.
    TooOften,
    Lost(usize),
}

impl<T: Item> HostedQueue<T> {
    pub(super) fn new(capacity: usize, joinable: bool) -> Self {
        let state = State {
            items: VecDeque::new(),
            capacity: (capacity != 0).then_some(capacity),
            end: End::Open,
            producers: 0,
            undone: joinable.then(HashMap::new),
            lost: 0,
        };
        Self {
            room: Room::new(state),
        }
    }
}

/// A queue: what some processes put in, others take out, in that order, each item once. It is
/// [`procession_queue::Queue`], in a manager's server.
///
/// Items are given as references, and encoded at once. There is nothing that an item cannot be but
/// what serde cannot carry: files, sockets and handles of all kinds go through the queue too.
///
/// # When the other side is gone
///
/// A producer may end before its items are got. A process that is killed while it waits for an item
/// gets none; one that is killed when an item has been sent to it takes that item with it. If the
/// server is gone, it is [`Fault::Server`].
///
/// # Examples
///
/// ```
/// use procession::manager::Queue;
/// use procession::{Manager, Process};
///
/// fn double(numbers: Queue<u32>, doubled: Queue<u32>) -> anyhow::Result<()> {
///     for number in &numbers {
///         doubled.put(&(2 * number?))?;
///     }
///     Ok(())
/// }
///
/// # fn main() -> anyhow::Result<()> {
/// # procession::init();
/// let manager = Manager::start()?;
/// let (numbers, doubled) = (manager.queue()?, manager.queue()?);
/// let child = Process::spawn(double, (numbers.clone(), doubled.clone()))?;
/// numbers.put_many(&[2, 3, 4])?;
/// numbers.shutdown()?; // no more; the consumers get what is left, and then `Closed`
/// child.join()?;
/// assert_eq!(doubled.get_many(10)?, [4, 6, 8]);
/// # Ok(())
/// # }
/// ```
#[shared(concurrent, proxy = "Queue", crate = "crate")]
impl<T: Item> HostedQueue<T> {
    pub(crate) fn add(&self, item: T, timeout: Option<Duration>) -> Result<(), Refused> {
        let mut item = Some(item);
        let put = self.room.wait(timeout, |state, _| {
            let put = state.put(&mut item)?;
            self.room.wake();
            Some(put)
        });
        put.unwrap_or(Err(Refused::InVain))
    }

    /// Puts as many as can be; returns how many that were.
    pub(crate) fn add_all(
        &self,
        items: Vec<T>,
        timeout: Option<Duration>,
    ) -> (usize, Result<(), Refused>) {
        let count = items.len();
        let mut items = items.into_iter().peekable();
        let put = self.room.wait(timeout, |state, _| {
            let before = items.len();
            let put = state.put_all(&mut items);
            // Those that wait for items get what there was room for.
            if items.len() != before {
                self.room.wake();
            }
            put
        });
        (count - items.len(), put.unwrap_or(Err(Refused::InVain)))
    }

    pub(crate) fn take(&self, max: usize, timeout: Option<Duration>) -> Result<Vec<T>, Refused> {
        let got = self.room.wait(timeout, |state, caller| {
            let got = state.get(max, caller)?;
            self.room.wake();
            Some(got)
        });
        got.unwrap_or(Err(Refused::InVain))
    }

    pub(crate) fn end(&self, at_once: bool) {
        self.room.change(|state| state.end(at_once));
    }

    pub(crate) fn count(&self) -> Result<usize, Refused> {
        self.room.look(State::count)
    }

    pub(crate) fn finish_one(&self) -> Result<(), Refused> {
        let caller = caller::current().ok_or(Refused::TooOften)?;
        self.room.change(|state| state.done(caller.session.id()))
    }

    pub(crate) fn joined(&self, timeout: Option<Duration>) -> Result<(), Refused> {
        let joined = self.room.wait(timeout, |state, _| state.joined());
        joined.unwrap_or(Err(Refused::InVain))
    }

    pub(crate) fn undone(&self) -> Result<usize, Refused> {
        self.room.look(State::undone)
    }

    pub(crate) fn give_up_lost(&self) -> Result<usize, Refused> {
        self.room.change(State::give_up_lost)
    }

    pub(crate) fn counted(&self) -> Result<New<HostedProducer<T>>, Refused> {
        HostedProducer::new(&self.room).map(New)
    }

    /// Returns whether nothing can be put any more.
    pub fn is_closed(&self) -> bool {
        self.room.look(|state| state.end != End::Open)
    }

    /// Returns how many items there is room for; `None` if there is no limit.
    pub fn capacity(&self) -> Option<usize> {
        self.room.look(|state| state.capacity)
    }
}

impl<T> State<T> {
    fn room(&self) -> usize {
        let capacity = self.capacity.unwrap_or(usize::MAX);
        capacity.saturating_sub(self.items.len())
    }

    fn put(&mut self, item: &mut Option<T>) -> Option<Result<(), Refused>> {
        if self.end != End::Open {
            return Some(Err(Refused::Closed));
        }
        (self.room() > 0).then(|| {
            self.items.extend(item.take());
            Ok(())
        })
    }

    /// Puts as many as there is room for; `None` if some are left.
    fn put_all(
        &mut self,
        items: &mut std::iter::Peekable<impl Iterator<Item = T>>,
    ) -> Option<Result<(), Refused>> {
        if self.end != End::Open && items.peek().is_some() {
            return Some(Err(Refused::Closed));
        }
        let room = self.room();
        self.items.extend(items.take(room));
        items.peek().is_none().then_some(Ok(()))
    }

    fn get(&mut self, max: usize, caller: &Caller) -> Option<Result<Vec<T>, Refused>> {
        if self.end == End::Closed {
            return Some(Err(Refused::Closed));
        }
        let count = max.min(self.items.len());
        if count == 0 && max != 0 {
            return (self.end == End::ShutDown).then_some(Err(Refused::Closed));
        }
        if let Some(undone) = self.undone.as_mut().filter(|_| count != 0) {
            *undone.entry(caller.session.id()).or_insert(0) += count;
        }
        Some(Ok(self.items.drain(..count).collect()))
    }

    fn end(&mut self, at_once: bool) {
        if at_once {
            self.items.clear();
            self.end = End::Closed;
        } else if self.end == End::Open {
            self.end = End::ShutDown;
        }
    }

    /// Counts a producer.
    pub(super) fn come(&mut self) -> Result<(), Refused> {
        let open = self.end == End::Open;
        self.producers += usize::from(open);
        open.then_some(()).ok_or(Refused::Closed)
    }

    /// Counts one producer less, and shuts the queue down with the last.
    pub(super) fn go(&mut self) {
        self.producers -= 1;
        if self.producers == 0 {
            self.end(false);
        }
    }

    fn count(&self) -> Result<usize, Refused> {
        self.check_not_closed()?;
        Ok(self.items.len())
    }

    fn check_not_closed(&self) -> Result<(), Refused> {
        match self.end {
            End::Closed => Err(Refused::Closed),
            End::Open | End::ShutDown => Ok(()),
        }
    }

    fn done(&mut self, session: SessionId) -> Result<(), Refused> {
        self.check_not_closed()?;
        let undone = self.undone.as_mut().ok_or(Refused::TooOften)?;
        let count = undone.get_mut(&session).ok_or(Refused::TooOften)?;
        *count -= 1;
        if *count == 0 {
            undone.remove(&session);
        }
        Ok(())
    }

    fn undone(&self) -> Result<usize, Refused> {
        self.check_not_closed()?;
        let got: usize = self.undone.iter().flat_map(HashMap::values).sum();
        Ok(self.items.len() + got + self.lost)
    }

    fn joined(&self) -> Option<Result<(), Refused>> {
        match self.undone() {
            Err(refused) => Some(Err(refused)),
            Ok(0) => Some(Ok(())),
            Ok(_) if self.lost > 0 => Some(Err(Refused::Lost(self.lost))),
            Ok(_) => None,
        }
    }

    fn give_up_lost(&mut self) -> Result<usize, Refused> {
        self.check_not_closed()?;
        Ok(std::mem::take(&mut self.lost))
    }
}

impl<T: Item> Leave for State<T> {
    fn leave(&mut self, session: SessionId) {
        let undone = self.undone.as_mut();
        self.lost += undone
            .and_then(|undone| undone.remove(&session))
            .unwrap_or(0);
    }
}

impl<T: Item> Queue<T> {
    /// Puts an item at the end, waiting for as long as a bounded queue is full.
    ///
    /// # Errors
    ///
    /// [`PutError::Closed`]; [`PutError::Encode`] if the item cannot be sent; [`PutError::Fault`] if
    /// there is no server. The item is not in the queue then.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> anyhow::Result<()> {
    /// # procession::init();
    /// let manager = procession::Manager::start()?;
    /// let queue = manager.queue()?;
    /// queue.put(&"a".to_owned())?;
    /// assert_eq!(queue.get()?, "a");
    /// # Ok(())
    /// # }
    /// ```
    pub fn put(&self, item: &T) -> Result<(), PutError> {
        self.put_within(item, None)
    }

    /// Puts an item at the end if the queue is not full at this moment.
    ///
    /// # Errors
    ///
    /// [`PutError::Full`], and those of [`put`](Self::put).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession::{Manager, PutError};
    ///
    /// # fn main() -> anyhow::Result<()> {
    /// # procession::init();
    /// let manager = Manager::start()?;
    /// let queue = manager.bounded_queue(1)?;
    /// queue.try_put(&1)?;
    /// assert!(matches!(queue.try_put(&2), Err(PutError::Full)));
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "put_nowait")]
    pub fn try_put(&self, item: &T) -> Result<(), PutError> {
        self.put_within(item, Some(Duration::ZERO))
    }

    /// Puts an item at the end, waiting for `timeout` at the longest while the queue is full.
    ///
    /// # Errors
    ///
    /// As [`try_put`](Self::try_put).
    pub fn put_timeout(&self, item: &T, timeout: Duration) -> Result<(), PutError> {
        self.put_within(item, Some(timeout))
    }

    /// Puts several items, in one call of the server. Where the queue has room for all of them, no
    /// other producer's items come between them.
    ///
    /// # Errors
    ///
    /// A [`PutManyError`], which tells how many were put before the error of [`put`](Self::put).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> anyhow::Result<()> {
    /// # procession::init();
    /// let manager = procession::Manager::start()?;
    /// let queue = manager.queue()?;
    /// queue.put_many(&[1, 2, 3])?;
    /// assert_eq!(queue.get_many(2)?, [1, 2]);
    /// assert_eq!(queue.len()?, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn put_many<'a>(&self, items: impl IntoIterator<Item = &'a T>) -> Result<(), PutManyError>
    where
        T: 'a,
    {
        self.put_all(items, None)
    }

    /// Puts several items as [`put_many`](Self::put_many) does, waiting for `timeout` at the
    /// longest.
    ///
    /// # Errors
    ///
    /// A [`PutManyError`] with [`PutError::Full`] if they were not all put until then, and those
    /// of [`put_many`](Self::put_many).
    pub fn put_many_timeout<'a>(
        &self,
        items: impl IntoIterator<Item = &'a T>,
        timeout: Duration,
    ) -> Result<(), PutManyError>
    where
        T: 'a,
    {
        self.put_all(items, Some(timeout))
    }

    /// Takes the first item, waiting until there is one.
    ///
    /// # Errors
    ///
    /// [`GetError::Closed`]; [`GetError::Decode`] if the item cannot be decoded, and then it is
    /// gone; [`GetError::Fault`] if there is no server.
    pub fn get(&self) -> Result<T, GetError> {
        self.get_one(None)
    }

    /// Takes the first item if there is one at this moment.
    ///
    /// # Errors
    ///
    /// [`GetError::Empty`], and those of [`get`](Self::get).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession::{GetError, Manager};
    ///
    /// # fn main() -> anyhow::Result<()> {
    /// # procession::init();
    /// let manager = Manager::start()?;
    /// let queue = manager.queue::<u8>()?;
    /// assert!(matches!(queue.try_get(), Err(GetError::Empty)));
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "get_nowait")]
    pub fn try_get(&self) -> Result<T, GetError> {
        self.get_one(Some(Duration::ZERO))
    }

    /// Takes the first item, waiting for `timeout` at the longest until there is one.
    ///
    /// # Errors
    ///
    /// As [`try_get`](Self::try_get).
    pub fn get_timeout(&self, timeout: Duration) -> Result<T, GetError> {
        self.get_one(Some(timeout))
    }

    /// Takes up to `max` items, waiting until there is at least one.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn get_many(&self, max: usize) -> Result<Vec<T>, GetError> {
        self.get_some(max, None)
    }

    /// Takes up to `max` of the items that there are at this moment.
    ///
    /// # Errors
    ///
    /// As [`try_get`](Self::try_get).
    pub fn try_get_many(&self, max: usize) -> Result<Vec<T>, GetError> {
        self.get_some(max, Some(Duration::ZERO))
    }

    /// Takes up to `max` items, waiting for `timeout` at the longest until there is at least one.
    ///
    /// # Errors
    ///
    /// As [`try_get`](Self::try_get).
    pub fn get_many_timeout(&self, max: usize, timeout: Duration) -> Result<Vec<T>, GetError> {
        self.get_some(max, Some(timeout))
    }

    /// Ends the putting for all processes, for ever, and wakes those who wait.
    ///
    /// Every later put is [`PutError::Closed`]. What was put before can still be got; when nothing
    /// is left, a get is [`GetError::Closed`]. Python's `queue.Queue` has it under this name.
    ///
    /// # Errors
    ///
    /// [`Fault::Server`] if there is no server.
    pub fn shutdown(&self) -> Result<(), Fault> {
        Ok(self.end(false)?)
    }

    /// Closes the queue at once, for all processes, for ever, and wakes those who wait, as Python's
    /// `shutdown(immediate=True)` does.
    ///
    /// Every later call but this one, [`shutdown`](Self::shutdown), [`capacity`](Self::capacity) and
    /// [`is_closed`](Self::is_closed) is an error. **Items that are still in the queue are not got
    /// any more.**
    ///
    /// # Errors
    ///
    /// [`Fault::Server`] if there is no server.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession::{GetError, Manager};
    ///
    /// # fn main() -> anyhow::Result<()> {
    /// # procession::init();
    /// let manager = Manager::start()?;
    /// let queue = manager.queue()?;
    /// queue.put(&1)?;
    /// queue.close()?;
    /// assert!(matches!(queue.get(), Err(GetError::Closed(_))));
    /// # Ok(())
    /// # }
    /// ```
    pub fn close(&self) -> Result<(), Fault> {
        Ok(self.end(true)?)
    }

    /// Returns how many items are in the queue at this moment.
    ///
    /// # Errors
    ///
    /// [`StateError::Closed`], [`StateError::Fault`] if there is no server.
    #[doc(alias = "qsize")]
    pub fn len(&self) -> Result<usize, StateError> {
        Ok(self.count()??)
    }

    /// Returns whether there is no item at this moment.
    ///
    /// # Errors
    ///
    /// As [`len`](Self::len).
    #[doc(alias = "empty")]
    pub fn is_empty(&self) -> Result<bool, StateError> {
        Ok(self.len()? == 0)
    }

    /// Returns whether there is no room at this moment.
    ///
    /// # Errors
    ///
    /// As [`len`](Self::len).
    #[doc(alias = "full")]
    pub fn is_full(&self) -> Result<bool, StateError> {
        let len = self.len()?;
        let capacity = self.capacity()?;
        Ok(capacity.is_some_and(|capacity| len >= capacity))
    }

    fn put_within(&self, item: &T, timeout: Option<Duration>) -> Result<(), PutError> {
        let put = self.as_ref().call_method(
            "add",
            |queue: &HostedQueue<T>, (item, timeout): (T, Option<Duration>)| {
                queue.add(item, timeout)
            },
            &(item, timeout),
        );
        Ok(put??)
    }

    fn put_all<'a>(
        &self,
        items: impl IntoIterator<Item = &'a T>,
        timeout: Option<Duration>,
    ) -> Result<(), PutManyError>
    where
        T: 'a,
    {
        let items: Vec<&T> = items.into_iter().collect();
        let put = self.as_ref().call_method(
            "add_all",
            |queue: &HostedQueue<T>, (items, timeout): (Vec<T>, Option<Duration>)| {
                queue.add_all(items, timeout)
            },
            &(items, timeout),
        );
        let (put, result) = put?;
        result.map_err(|refused| {
            let error = refused.into();
            PutManyError { put, error }
        })
    }

    fn get_one(&self, timeout: Option<Duration>) -> Result<T, GetError> {
        self.get_some(1, timeout)?.pop().ok_or(GetError::Empty)
    }

    fn get_some(&self, max: usize, timeout: Option<Duration>) -> Result<Vec<T>, GetError> {
        let got = self.take(max, timeout);
        Ok(got??)
    }
}

impl From<Refused> for PutError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Closed => Self::Closed(Closed),
            _ => Self::Full,
        }
    }
}

impl From<Refused> for GetError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Closed => Self::Closed(Closed),
            _ => Self::Empty,
        }
    }
}

impl From<Refused> for StateError {
    fn from(_: Refused) -> Self {
        Self::Closed(Closed)
    }
}
