//! The condition.

use crate::left;
use crate::machine::notice::{self, Ended, Left, NoticeState, Ticket};
use crate::place::{Placed, Shared};
use crate::{ConditionLock, Lock};
use procession_os::identity::Identity;
use procession_os::wait::Deadline;
use procession_shm::{LockError, LockResult, SegmentKind, ShmError};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::time::Duration;

/// How long a waiter that has the lock again waits to say so: longer than anybody is inside who runs.
const MOMENT: Duration = Duration::from_millis(1);

/// A place to wait, while not holding a lock, for what happens under it.
///
/// The lock is a [`Lock`], or an [`RLock`](crate::RLock), as Python's is if nothing else is said.
/// Whoever waits then releases it at once however often its thread has acquired it, and has it as
/// often afterwards.
///
/// Who waits gives up the lock's guard and gets one back when it was notified. Notifying wakes as
/// many waiters as asked for, of those that waited before; it is not kept for later ones.
///
/// The lock need not be held to notify. If it is, nobody comes in between.
///
/// Several conditions may be bound to one lock, such as *not empty* and *not full*.
///
/// # When the other side is gone
///
/// Notifying never waits for a waiter that died, and no notice is lost to it: one that was taken by a waiter that
/// died before it had the lock goes to another, within about a second. After a process was
/// killed, a waiter may return without having been notified; [`wait_for`](Self::wait_for) looks
/// whether there was reason to. If nobody is left to notify, only a timeout ends the waiting.
///
/// # Examples
///
/// ```
/// use procession_shm::Value;
/// use procession_sync::{Condition, Lock};
/// use std::thread;
///
/// let changed = Condition::new(&Lock::new()?)?;
/// let ready = Value::new(0)?;
/// thread::scope(|scope| {
///     scope.spawn(|| {
///         let _guard = changed.acquire().unwrap();
///         ready.set(1);
///         changed.notify_one().unwrap();
///     });
///     let guard = changed.acquire().unwrap();
///     let guard = changed.wait_for(guard, || ready.get() == 1).unwrap();
///     assert_eq!(ready.get(), 1);
///     drop(guard);
/// });
/// # Ok::<(), procession_sync::ShmError>(())
/// ```
///
/// With an [`RLock`](crate::RLock), a function that waits may be called with the lock held:
///
/// ```
/// use procession_sync::{Condition, RLock};
/// use std::time::Duration;
///
/// fn pause(changed: &Condition<RLock>) -> Result<bool, Box<dyn std::error::Error>> {
///     let guard = changed.acquire()?;
///     Ok(changed.wait_timeout(guard, Duration::from_millis(1))?.1)
/// }
///
/// let changed = Condition::new(&RLock::new()?)?;
/// let _guard = changed.acquire()?;
/// assert!(!pause(&changed)?);
/// assert_eq!(changed.lock().depth(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Condition<L = Lock> {
    place: Placed<NoticeState>,
    lock: L,
}

#[cfg(not(loom))]
impl<L> Condition<L> {
    /// Returns the memory that it is in, which knows its name and who holds it.
    pub fn segment(&self) -> &procession_shm::Segment {
        &self.place.segment
    }
}

impl<L: ConditionLock> Condition<L> {
    /// Makes a condition that is bound to `lock`.
    ///
    /// # Errors
    ///
    /// [`ShmError::OutOfMemory`] if `/dev/shm` is full, [`ShmError::Family`] or
    /// [`ShmError::System`] if the system refuses.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::{Condition, Lock};
    ///
    /// let lock = Lock::new()?;
    /// let full = Condition::new(&lock)?;
    /// let empty = Condition::new(&lock)?; // two may be bound to one lock
    /// let held = full.acquire()?;
    /// assert!(empty.locked());
    /// # drop(held);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(lock: &L) -> Result<Self, ShmError> {
        let (place, lock) = (Placed::new(|_| {})?, lock.clone());
        Ok(Self { place, lock })
    }

    /// Returns the lock that it is bound to.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::{Condition, Lock};
    ///
    /// let condition = Condition::new(&Lock::new()?)?;
    /// let held = condition.lock().acquire()?;
    /// assert!(condition.locked());
    /// # drop(held);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lock(&self) -> &L {
        &self.lock
    }

    /// Acquires that lock.
    ///
    /// # Errors
    ///
    /// As [`Lock::acquire`].
    ///
    /// # When the other side is gone
    ///
    /// As [`Lock::acquire`].
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::{Condition, Lock};
    ///
    /// let lock = Lock::new()?;
    /// let condition = Condition::new(&lock)?;
    /// let held = condition.acquire()?;
    /// assert!(lock.locked());
    /// # drop(held);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn acquire(&self) -> LockResult<L::Guard<'_>> {
        self.lock.acquire()
    }

    /// Releases the lock, waits for a notice, and acquires the lock again.
    ///
    /// # Errors
    ///
    /// Those of [`Lock::acquire`]: [`Poisoned`](crate::AcquireError::Poisoned) if an owner of the
    /// lock died or panicked. [`LockError::TooManyProcesses`] if about 500 processes wait already.
    ///
    /// # Panics
    ///
    /// If the guard is of another lock.
    ///
    /// # When the other side is gone
    ///
    /// It waits, though nobody may be left who could notify.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::Value;
    /// use procession_sync::{Condition, Lock};
    /// use std::thread;
    ///
    /// let condition = Condition::new(&Lock::new()?)?;
    /// let ready = Value::new(0_u8)?;
    /// thread::scope(|scope| {
    ///     scope.spawn(|| {
    ///         let _held = condition.acquire().unwrap();
    ///         ready.set(1);
    ///         condition.notify_all().unwrap();
    ///     });
    ///     let mut held = condition.acquire().unwrap();
    ///     while ready.get() == 0 {
    ///         held = condition.wait(held).unwrap();
    ///     }
    ///     assert_eq!(ready.get(), 1);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait<'a>(&'a self, guard: L::Guard<'a>) -> LockResult<L::Guard<'a>> {
        self.wait_and(guard, Deadline::NEVER, |guard, _| guard)
    }

    /// Waits as [`wait`](Self::wait) does, for `timeout` at the longest; tells beside the guard
    /// whether it was notified.
    ///
    /// Acquiring the lock again afterwards has no timeout, and that alone has not: nothing else that another
    /// process does, not even one that is stopped in a call of this condition, keeps it beyond the timeout.
    ///
    /// # Errors
    ///
    /// As `wait`.
    ///
    /// # Panics
    ///
    /// As `wait`.
    ///
    /// # When the other side is gone
    ///
    /// It waits until the timeout.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::{Condition, Lock};
    /// use std::time::Duration;
    ///
    /// let condition = Condition::new(&Lock::new()?)?;
    /// let guard = condition.acquire()?;
    /// let (guard, notified) = condition.wait_timeout(guard, Duration::from_millis(1))?;
    /// assert!(!notified);
    /// # drop(guard);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_timeout<'a>(
        &'a self,
        guard: L::Guard<'a>,
        timeout: Duration,
    ) -> LockResult<(L::Guard<'a>, bool)> {
        self.wait_until(guard, Deadline::after(timeout))
    }

    /// Waits until `holds` returns true. It is called with the lock held, at first before waiting.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait); then `holds` was not called again.
    ///
    /// # Panics
    ///
    /// As `wait`.
    ///
    /// # When the other side is gone
    ///
    /// As `wait`.
    pub fn wait_for<'a>(
        &'a self,
        guard: L::Guard<'a>,
        mut holds: impl FnMut() -> bool,
    ) -> LockResult<L::Guard<'a>> {
        let mut guard = guard;
        while !holds() {
            guard = self.wait(guard)?;
        }
        Ok(guard)
    }

    /// Waits as [`wait_for`](Self::wait_for) does, for `timeout` at the longest, however often it
    /// is notified; tells beside the guard what `holds` returned last.
    ///
    /// # Errors
    ///
    /// As `wait_for`.
    ///
    /// # Panics
    ///
    /// As [`wait`](Self::wait).
    ///
    /// # When the other side is gone
    ///
    /// It waits until the timeout.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::{Condition, Lock};
    /// use std::time::Duration;
    ///
    /// let condition = Condition::new(&Lock::new()?)?;
    /// let held = condition.acquire()?;
    /// let waited = condition.wait_for_timeout(held, Duration::from_millis(1), || false);
    /// let (held, came_true) = waited.unwrap();
    /// assert!(!came_true);
    /// # drop(held);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_for_timeout<'a>(
        &'a self,
        guard: L::Guard<'a>,
        timeout: Duration,
        mut holds: impl FnMut() -> bool,
    ) -> LockResult<(L::Guard<'a>, bool)> {
        let deadline = Deadline::after(timeout);
        let (mut guard, mut held) = (guard, holds());
        while !held && !deadline.passed() {
            (guard, _) = self.wait_until(guard, deadline)?;
            held = holds();
        }
        Ok((guard, held))
    }

    /// Wakes one of those who wait, if there is one.
    ///
    /// # Errors
    ///
    /// [`LockError::Damaged`] and its like if the memory was overwritten.
    ///
    /// # When the other side is gone
    ///
    /// It waits for nobody.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::{Condition, Lock};
    ///
    /// let condition = Condition::new(&Lock::new()?)?;
    /// condition.notify_one()?; // nobody waits, so nobody is told, then or later
    /// assert_eq!(condition.waiters(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn notify_one(&self) -> Result<(), LockError> {
        self.notify(1)
    }

    /// Wakes `count` of those who wait, or all if they are fewer.
    ///
    /// # Errors
    ///
    /// As [`notify_one`](Self::notify_one).
    ///
    /// # When the other side is gone
    ///
    /// It waits for nobody.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::{Condition, Lock};
    ///
    /// let condition = Condition::new(&Lock::new()?)?;
    /// condition.notify(2)?; // nobody waits, so nobody is told, then or later
    /// assert_eq!(condition.waiters(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn notify(&self, count: usize) -> Result<(), LockError> {
        left::make_up();
        notice::notify(&self.place, u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// Wakes all who wait.
    ///
    /// # Errors
    ///
    /// As [`notify_one`](Self::notify_one).
    ///
    /// # When the other side is gone
    ///
    /// It waits for nobody.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::{Condition, Lock};
    ///
    /// let condition = Condition::new(&Lock::new()?)?;
    /// condition.notify_all()?; // nobody waits, so nobody is told, then or later
    /// assert_eq!(condition.waiters(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn notify_all(&self) -> Result<(), LockError> {
        self.notify(usize::MAX)
    }

    /// Returns how many wait at this moment and have not been notified. Those that died are counted
    /// until that was noticed.
    pub fn waiters(&self) -> usize {
        self.place.get().waiters() as usize
    }

    /// Returns whether somebody holds the lock at this moment.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::{Condition, Lock};
    ///
    /// let condition = Condition::new(&Lock::new()?)?;
    /// assert!(!condition.locked());
    /// let held = condition.acquire()?;
    /// assert!(condition.locked());
    /// # drop(held);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn locked(&self) -> bool {
        self.lock.locked()
    }

    fn wait_until<'a>(
        &'a self,
        guard: L::Guard<'a>,
        deadline: Deadline,
    ) -> LockResult<(L::Guard<'a>, bool)> {
        self.wait_and(guard, deadline, |guard, noticed| (guard, noticed))
    }

    /// Waits for a notice, and has `wrap` make what is returned of the guard and of whether one came.
    fn wait_and<'a, R>(
        &'a self,
        guard: L::Guard<'a>,
        deadline: Deadline,
        wrap: impl FnOnce(L::Guard<'a>, bool) -> R,
    ) -> LockResult<R> {
        assert!(
            self.lock.is_of(&guard),
            "the guard is of another lock than the one the condition is bound to"
        );
        left::make_up();
        // Before the lock is released: who changes something under it from then on, and notifies,
        // reaches this waiter.
        let ticket = match self.join(deadline) {
            Err(LockError::TimedOut) => return Ok(wrap(guard, false)),
            joined => joined?,
        };
        let levels = self.lock.release(guard);
        let ended = notice::wait(&self.place, ticket, deadline)?;
        let noticed = ended == Ended::Noticed;
        if ended == Ended::Counted {
            left::behind(&self.place, Left::Waiting(ticket));
        }
        let got = self
            .lock
            .acquire_again(levels, |guard| wrap(guard, noticed));
        // With the lock held: a notice is acted upon, or its taker is found dead.
        if noticed {
            self.returned(ticket);
        }
        got
    }

    /// Notes that a waiter that was notified has the lock again.
    fn returned(&self, ticket: Ticket) {
        let left = Left::Returning(ticket);
        // Memory that was overwritten counts nobody.
        if notice::leave(&self.place, left, Deadline::after(MOMENT)) == Ok(false) {
            left::behind(&self.place, left);
        }
    }

    fn join(&self, deadline: Deadline) -> Result<Ticket, LockError> {
        let who = Identity::of_this_process();
        if let Some(ticket) = notice::join(&self.place, who, deadline)? {
            return Ok(ticket);
        }
        notice::bury(&self.place, deadline)?;
        notice::join(&self.place, who, deadline)?.ok_or(LockError::TooManyProcesses)
    }
}

impl<L: ConditionLock + fmt::Debug> fmt::Debug for Condition<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condition")
            .field("waiters", &self.waiters())
            .field("lock", &self.lock)
            .finish_non_exhaustive()
    }
}

/// Encodes a handle; only into a message to another process.
impl<L: Serialize> Serialize for Condition<L> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (&self.place, &self.lock).serialize(serializer)
    }
}

impl<'de, L: Deserialize<'de>> Deserialize<'de> for Condition<L> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (place, lock) = Deserialize::deserialize(deserializer)?;
        Ok(Self { place, lock })
    }
}

// SAFETY: the state is atomic words, `repr(C)`, valid whatever their bits are.
unsafe impl Shared for NoticeState {
    const KIND: SegmentKind = SegmentKind::CONDITION;
}
