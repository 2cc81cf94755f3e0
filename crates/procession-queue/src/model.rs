//! The two sides of a queue on a model of shared memory, for the tests under loom.
//!
//! Locks, words and sleeping are loom's. The items are numbers, each in a slot of its own in place
//! of a record in a chunk. Everything else is the code that runs in shared memory.
#![expect(
    missing_debug_implementations,
    reason = "what it is made of has no state that could be shown without the lock"
)]

use crate::atomic::{AtomicU64, Ordering};
use crate::cursor::Seen;
use crate::patience::Patience;
use crate::side::Locked;
use crate::sides::Sides;
use crate::{Closed, Fault, GetError, PutError, StateError};
use procession_os::wait::Deadline;
use std::time::Duration;

/// How many items a model can have in all.
const SLOTS: usize = 4;

/// After which step a thread is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Killed {
    /// After it has taken the lock.
    Locked,
    /// After it has copied the item and written the place that is not current.
    Written,
    /// After it has woken the others.
    Announced,
    /// After it has published.
    Published,
}

/// A queue.
pub struct Queue {
    sides: Sides,
    capacity: u64,
    slots: [AtomicU64; SLOTS],
}

/// A process's own view of a queue.
pub struct Handle<'a> {
    queue: &'a Queue,
    seen_put: Seen,
    seen_got: Seen,
}

impl Queue {
    /// Makes an empty one.
    pub fn new(capacity: u64) -> Self {
        Self {
            sides: Sides::new(),
            capacity,
            slots: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// Makes the view of another process.
    pub fn handle(&self) -> Handle<'_> {
        Handle {
            queue: self,
            seen_put: Seen::new(),
            seen_got: Seen::new(),
        }
    }

    /// Closes it.
    pub fn close(&self) -> Result<(), Fault> {
        self.sides.close(Patience::None)
    }

    /// Begins to close it, and is killed after everybody was woken.
    pub fn close_and_die(&self) -> Result<(), Fault> {
        let put = self.sides.put.lock(Patience::None)?;
        let get = self.sides.get.lock(Patience::None)?;
        put.announce();
        get.announce();
        put.die();
        get.die();
        Ok(())
    }

    /// Returns how many items are in it.
    pub fn len(&self) -> Result<u64, StateError> {
        self.sides.len()
    }

    /// Returns whether nothing is in it.
    pub fn is_empty(&self) -> Result<bool, StateError> {
        Ok(self.len()? == 0)
    }
}

impl Handle<'_> {
    /// Puts an item, waiting for room.
    pub fn put(&self, item: u64) -> Result<(), PutError> {
        loop {
            if let Some(locked) = self.begin_put()? {
                self.write(&locked, item);
                return Ok(());
            }
            let may_put = || self.room() != 0 || self.queue.sides.is_closed();
            self.queue.sides.get.sleep(Deadline::NEVER, may_put)?;
        }
    }

    /// Puts an item if there is room, and is killed on the way.
    pub fn put_and_die(&self, item: u64, killed: Killed) -> Result<(), PutError> {
        if let Some(locked) = self.begin_put()? {
            self.slot(&locked).store(item, Ordering::Relaxed);
            die(locked, killed);
        }
        Ok(())
    }

    /// Takes an item, waiting until there is one, if it is to wait.
    pub fn get(&self, patient: bool) -> Result<u64, GetError> {
        let deadline = match patient {
            true => Deadline::NEVER,
            false => Deadline::after(Duration::ZERO),
        };
        loop {
            if let Some(locked) = self.begin_get()? {
                return Ok(self.read(&locked));
            }
            let may_get = || self.queue.sides.may_get(&self.seen_put);
            if !self.queue.sides.put.sleep(deadline, may_get)? {
                return Err(GetError::Empty);
            }
        }
    }

    /// Takes an item if there is one, and is killed on the way.
    pub fn get_and_die(&self, killed: Killed) -> Result<(), GetError> {
        if let Some(locked) = self.begin_get()? {
            die(locked, killed);
        }
        Ok(())
    }

    fn room(&self) -> u64 {
        self.queue.sides.room(self.queue.capacity, &self.seen_got)
    }

    /// Takes the producers' lock if there is room.
    fn begin_put(&self) -> Result<Option<Locked<'_>>, PutError> {
        if self.room() == 0 {
            return self
                .queue
                .sides
                .check_open()
                .map(|()| None)
                .map_err(Closed::into);
        }
        let locked = self.queue.sides.put.lock(Patience::FOREVER)?;
        self.queue.sides.check_open()?;
        Ok((self.room() != 0).then_some(locked))
    }

    /// Takes the consumers' lock if there is an item.
    fn begin_get(&self) -> Result<Option<Locked<'_>>, GetError> {
        let sides = &self.queue.sides;
        if !sides.may_get(&self.seen_put) {
            return Ok(None);
        }
        let locked = sides.lock_get(Patience::FOREVER)?;
        let available = sides.available(locked.cursor().load(), &self.seen_put);
        Ok((available != Some(0)).then_some(locked))
    }

    /// Returns the slot that the side is at.
    fn slot(&self, locked: &Locked<'_>) -> &AtomicU64 {
        let place = locked.place(locked.cursor().load().place());
        &self.queue.slots[place.offset.load(Ordering::Relaxed) as usize]
    }

    fn write(&self, locked: &Locked<'_>, item: u64) {
        self.slot(locked).store(item, Ordering::Relaxed);
        pass(locked);
    }

    fn read(&self, locked: &Locked<'_>) -> u64 {
        let item = self.slot(locked).load(Ordering::Relaxed);
        pass(locked);
        item
    }
}

/// Goes on by one item.
fn pass(locked: &Locked<'_>) {
    let at = locked.cursor().load();
    let offset = locked.place(at.place()).offset.load(Ordering::Relaxed);
    locked.publish(at.advanced(1), |place| {
        place.go(0, offset + 1, || unreachable!("there is one chunk"));
    });
}

/// Goes on by one item up to the step after which it is killed.
fn die(locked: Locked<'_>, killed: Killed) {
    let at = locked.cursor().load();
    let offset = locked.place(at.place()).offset.load(Ordering::Relaxed);
    let next = at.advanced(1);
    if killed != Killed::Locked {
        let place = locked.place(next.place());
        place.go(0, offset + 1, || unreachable!("there is one chunk"));
    }
    if matches!(killed, Killed::Announced | Killed::Published) {
        locked.announce();
    }
    if killed == Killed::Published {
        locked.cursor().publish(next);
    }
    locked.die();
}

/// What stands in for the memory, the futex and the mutex.
pub(crate) mod memory {
    use crate::atomic::{AtomicU32, Ordering};
    use loom::sync::{Condvar, Mutex, MutexGuard};
    use procession_os::robust::{Acquired, LockError};
    use procession_os::wait::Deadline;
    use std::io;

    loom::lazy_static! {
        static ref SLEEPERS: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());
    }

    fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().expect("loom's mutexes are not poisoned")
    }

    pub(crate) fn wait(word: &AtomicU32, expected: u32, deadline: Deadline) -> io::Result<bool> {
        let sleepers = lock(&SLEEPERS.0);
        // The kernel compares under the lock of its queue, after a full barrier.
        if word.load(Ordering::SeqCst) != expected {
            return Ok(true);
        }
        if deadline == Deadline::NEVER {
            drop(SLEEPERS.1.wait(sleepers));
            return Ok(true);
        }
        Ok(false)
    }

    pub(crate) fn wake(_: &AtomicU32, _: u32) {
        let _sleepers = lock(&SLEEPERS.0);
        SLEEPERS.1.notify_all();
    }

    /// A mutex whose owner can die.
    pub(crate) struct RobustMutex {
        state: Mutex<State>,
        freed: Condvar,
    }

    #[derive(Clone, Copy, PartialEq, Eq)]
    enum State {
        Free,
        Held,
        OwnerDied,
    }

    impl RobustMutex {
        pub(crate) fn new() -> Self {
            Self {
                state: Mutex::new(State::Free),
                freed: Condvar::new(),
            }
        }

        pub(crate) fn try_lock(&self) -> Result<Acquired, LockError> {
            take(&mut lock(&self.state)).ok_or(LockError::WouldBlock)
        }

        /// Whoever holds it goes on or dies, so no deadline ends this.
        pub(crate) fn lock_until(&self, _: Deadline) -> Result<Acquired, LockError> {
            let mut state = lock(&self.state);
            loop {
                if let Some(acquired) = take(&mut state) {
                    return Ok(acquired);
                }
                state = self
                    .freed
                    .wait(state)
                    .expect("loom's mutexes are not poisoned");
            }
        }

        /// # Safety
        ///
        /// None is needed; it is so declared because the mutex that it stands for is.
        pub(crate) unsafe fn unlock(&self) -> Result<(), LockError> {
            self.free_as(State::Free);
            Ok(())
        }

        pub(crate) fn holder(&self) -> Option<u32> {
            None
        }

        /// The holder is killed.
        pub(crate) fn die(&self) {
            self.free_as(State::OwnerDied);
        }

        fn free_as(&self, free: State) {
            *lock(&self.state) = free;
            self.freed.notify_all();
        }
    }

    fn take(state: &mut State) -> Option<Acquired> {
        match std::mem::replace(state, State::Held) {
            State::Free => Some(Acquired::Clean),
            State::OwnerDied => Some(Acquired::OwnerDied),
            State::Held => None,
        }
    }
}
