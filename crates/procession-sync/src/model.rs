//! The state machines on a model of shared memory, for the tests under loom.
//!
//! The mutex of a place is loom's; nobody dies in it. Everything else is the code that runs in
//! shared memory.

use crate::machine::barrier::{self, BarrierError, BarrierState};
use crate::machine::event::EventState;
use crate::machine::notice::{self, Ended, Left, NoticeState};
use crate::machine::permits::{self, PermitError, PermitState};
use crate::place::{Place, Recover};
use loom::sync::{Mutex, MutexGuard};
use procession_os::identity::Identity;
use procession_os::robust::LockError;
use procession_os::wait::Deadline;
use procession_shm::machine::readers::{self, Purpose, ReadersState};

/// The deadline that a wait is tried with: none, or one that has passed.
fn deadline(patient: bool) -> Deadline {
    if patient {
        Deadline::NEVER
    } else {
        Deadline::PASSED
    }
}

#[derive(Debug)]
struct Model<S> {
    mutex: Mutex<()>,
    state: S,
}

impl<S> Model<S> {
    fn new(state: S) -> Self {
        let mutex = Mutex::new(());
        Self { mutex, state }
    }
}

impl<S: Recover> Model<S> {
    fn recover(&self) {
        let _pass = self.mutex.lock();
        self.state.recover();
    }
}

impl<S: Recover> Place for Model<S> {
    type State = S;
    type Pass<'a>
        = MutexGuard<'a, ()>
    where
        S: 'a;

    fn state(&self) -> &S {
        &self.state
    }

    fn enter(&self, _: Deadline) -> Result<MutexGuard<'_, ()>, LockError> {
        self.mutex.lock().map_err(|_| LockError::NotRecoverable)
    }
}

/// An event.
#[derive(Debug)]
pub struct Event(EventState);

impl Event {
    /// Makes one that is not set.
    #[expect(clippy::new_without_default, reason = "it is a model")]
    pub fn new() -> Self {
        Self(EventState::new())
    }

    /// Tells whether it is set.
    pub fn is_set(&self) -> bool {
        self.0.is_set()
    }

    /// Sets it.
    pub fn set(&self) {
        self.0.set();
    }

    /// Clears it.
    pub fn clear(&self) {
        self.0.clear();
    }

    /// Waits for it.
    pub fn wait(&self, patient: bool) -> bool {
        self.0.wait(deadline(patient))
    }
}

/// A semaphore.
#[derive(Debug)]
pub struct Semaphore(Model<PermitState>);

impl Semaphore {
    /// Makes one with so many permits, and never more than `limit`.
    pub fn new(permits: u32, limit: u32) -> Self {
        Self(Model::new(PermitState::new(permits, limit)))
    }

    /// Takes a permit.
    pub fn acquire(&self, patient: bool) -> Result<(), PermitError> {
        permits::acquire(&self.0, Identity::of_this_process(), deadline(patient))
    }

    /// Takes a permit if one is free.
    pub fn try_acquire(&self) -> Result<(), PermitError> {
        permits::try_acquire(&self.0, Identity::of_this_process())
    }

    /// Becomes a waiter that must not be overtaken, and dies.
    pub fn die_overdue(&self) {
        permits::die_overdue(&self.0);
    }

    /// Gives a permit back.
    pub fn release(&self) -> Result<(), PermitError> {
        permits::release(&self.0, Identity::of_this_process())
    }

    /// Uses a permit up.
    pub fn forget(&self) -> Result<(), PermitError> {
        permits::forget(&self.0, Identity::of_this_process())
    }

    /// Makes more permits.
    pub fn add(&self, count: u32) -> Result<(), PermitError> {
        permits::add(&self.0, count)
    }

    /// Does what the next one to enter does if somebody has died inside.
    pub fn recover(&self) {
        self.0.recover();
    }

    /// Returns how many are free.
    pub fn free(&self) -> u32 {
        self.0.state.free()
    }
}

/// A condition and the lock that it is bound to.
#[derive(Debug)]
pub struct Condition {
    notices: Model<NoticeState>,
    lock: Mutex<u32>,
}

impl Condition {
    /// Makes one, with a number under its lock.
    pub fn new(number: u32) -> Self {
        let notices = Model::new(NoticeState::new());
        let lock = Mutex::new(number);
        Self { notices, lock }
    }

    /// Acquires the lock.
    pub fn lock(&self) -> MutexGuard<'_, u32> {
        self.lock.lock().expect("loom's mutexes are not poisoned")
    }

    /// Waits as the handle does: joins, releases, waits, acquires.
    pub fn wait<'a>(
        &'a self,
        guard: MutexGuard<'a, u32>,
        patient: bool,
    ) -> Result<(MutexGuard<'a, u32>, bool), LockError> {
        let who = Identity::of_this_process();
        let ticket = notice::join(&self.notices, who, Deadline::NEVER)?;
        let ticket = ticket.ok_or(LockError::TooManyProcesses)?;
        drop(guard);
        let ended = notice::wait(&self.notices, ticket, deadline(patient))?;
        let guard = self.lock();
        match ended {
            Ended::Noticed => {
                notice::leave(&self.notices, Left::Returning(ticket), Deadline::NEVER)?
            }
            Ended::Counted => notice::leave(&self.notices, Left::Waiting(ticket), Deadline::NEVER)?,
            Ended::TimedOut => true,
        };
        Ok((guard, ended == Ended::Noticed))
    }

    /// Notifies.
    pub fn notify(&self, count: u32) -> Result<(), LockError> {
        notice::notify(&self.notices, count)
    }

    /// Does what the next one to enter does if somebody has died inside.
    pub fn recover(&self) {
        self.notices.recover();
    }

    /// Returns how many wait.
    pub fn waiters(&self) -> u32 {
        self.notices.state.waiters()
    }
}

/// A barrier.
#[derive(Debug)]
pub struct Barrier(Model<BarrierState>);

impl Barrier {
    /// Makes one for so many parties.
    pub fn new(parties: u32) -> Self {
        Self(Model::new(BarrierState::new(parties)))
    }

    /// Waits for the others.
    pub fn wait(&self, patient: bool) -> Result<u32, BarrierError> {
        barrier::wait(&self.0, deadline(patient), || {})
    }

    /// Breaks it.
    pub fn abort(&self) {
        self.0.state.abort();
    }

    /// Does what the next one to enter does if somebody has died inside.
    pub fn recover(&self) {
        self.0.recover();
    }

    /// Begins anew.
    pub fn reset(&self) -> Result<(), LockError> {
        barrier::reset(&self.0)
    }
}

/// A lock of readers and writers.
#[derive(Debug)]
pub struct RwLock(Model<ReadersState>);

impl RwLock {
    /// Makes one that nobody holds.
    #[expect(clippy::new_without_default, reason = "it is a model")]
    pub fn new() -> Self {
        Self(Model::new(ReadersState::new()))
    }

    /// Does something while nobody else is in, then something among readers.
    pub fn write_then_read(
        &self,
        write: impl FnOnce(),
        read: impl FnOnce(),
    ) -> Result<(), LockError> {
        let pass = readers::write(&self.0, Deadline::NEVER)?;
        write();
        let who = Identity::of_this_process();
        let wake = self.0.state.downgrade(who);
        drop(pass);
        if wake {
            self.0.state.wake_readers();
        }
        read();
        readers::end_reading(&self.0, who)
    }

    /// Does something while nobody else is in.
    pub fn write(&self, patient: bool, write: impl FnOnce()) -> Result<(), LockError> {
        let pass = readers::write(&self.0, deadline(patient))?;
        write();
        let wake = self.0.state.end_writing();
        drop(pass);
        if wake {
            self.0.state.wake_readers();
        }
        Ok(())
    }

    /// Does something among readers; `again` if the thread is one already.
    pub fn read(&self, again: bool, read: impl FnOnce()) -> Result<(), LockError> {
        let who = Identity::of_this_process();
        assert!(readers::read(
            &self.0,
            Purpose::Read,
            who,
            again,
            Deadline::NEVER
        )?);
        read();
        readers::end_reading(&self.0, who)
    }

    /// Leaves what a writer leaves that is killed while it waits.
    pub fn abandon(&self) {
        let _pass = self.0.mutex.lock();
        self.0.state.abandon();
    }

    /// Does what time does: lets go of a writer that gives no sign of life.
    pub fn expire(&self) {
        self.0.state.expire();
    }

    /// Does what the next one to enter does if somebody has died inside.
    pub fn recover(&self) {
        self.0.recover();
    }

    /// Returns how many read.
    pub fn readers(&self) -> u32 {
        self.0.state.readers()
    }
}
