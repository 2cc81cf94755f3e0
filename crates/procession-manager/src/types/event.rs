//! A flag to wait for.

use super::room::{Leave, Room};
use crate::error::ManagerError;
use crate::protocol::SessionId;
use procession_macros::shared;
use std::sync::Arc;
use std::time::Duration;

/// The event in the server.
pub(crate) struct HostedEvent {
    room: Arc<Room<State>>,
}

#[derive(Default)]
struct State {
    is_set: bool,
    /// How often it was set: a wait that began before sees that, also if the event is cleared at
    /// once.
    times: u64,
}

impl HostedEvent {
    pub(super) fn new() -> Self {
        Self {
            room: Room::new(State::default()),
        }
    }
}

/// A flag that processes set, clear and wait for.
///
/// Everyone who waits when the event is set goes on, even if it is cleared right afterwards.
///
/// # Examples
///
/// ```
/// use procession_manager::{Event, Manager};
/// use procession_process::Process;
///
/// fn run(start: Event) -> anyhow::Result<()> {
///     start.wait()?;
///     Ok(())
/// }
///
/// # fn main() -> anyhow::Result<()> {
/// # procession_process::init();
/// let manager = Manager::start()?;
/// let start = manager.event()?;
/// let child = Process::spawn(run, (start.clone(),))?;
/// start.set()?;
/// child.join()?;
/// assert!(start.is_set()?);
/// # Ok(())
/// # }
/// ```
#[shared(concurrent, proxy = "Event", crate = "crate")]
impl HostedEvent {
    /// Sets the flag, and wakes all who wait for it.
    pub fn set(&self) {
        self.room.change(|state| {
            state.is_set = true;
            state.times += 1;
        });
    }

    /// Clears the flag.
    pub fn clear(&self) {
        self.room.change(|state| state.is_set = false);
    }

    /// Returns whether the flag is set.
    pub fn is_set(&self) -> bool {
        self.room.look(|state| state.is_set)
    }

    pub(crate) fn wait_for(&self, timeout: Option<Duration>) -> bool {
        let before = self.room.look(|state| state.times);
        let is_due = |state: &State| state.is_set || state.times != before;
        self.room
            .wait(timeout, |state, _| is_due(state).then_some(()))
            .is_some()
    }
}

impl Leave for State {
    fn leave(&mut self, _: SessionId) {}
}

impl Event {
    /// Waits until the flag is set.
    ///
    /// # Errors
    ///
    /// [`ManagerError`].
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`], also if the server ends during the wait. If those who would set the
    /// flag have ended, nobody does: wait with a timeout then.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let event = manager.event()?;
    /// std::thread::scope(|scope| {
    ///     let waiting = scope.spawn(|| event.wait());
    ///     event.set()?;
    ///     waiting.join().unwrap()
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait(&self) -> Result<(), ManagerError> {
        self.wait_for(None)?.then_some(()).ok_or(ManagerError::Gone)
    }

    /// Waits until the flag is set, for at most `timeout`; false if it was not in that time.
    ///
    /// # Errors
    ///
    /// [`ManagerError`].
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`], also if the server ends during the wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let event = manager.event()?;
    /// assert!(!event.wait_timeout(Duration::from_millis(1))?);
    /// event.set()?;
    /// assert!(event.wait_timeout(Duration::from_millis(1))?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_timeout(&self, timeout: Duration) -> Result<bool, ManagerError> {
        self.wait_for(Some(timeout))
    }
}
