//! The event.

use crate::handle::handle;
use crate::machine::event::EventState;
use crate::place::{Placed, Shared};
use procession_os::wait::Deadline;
use procession_shm::{SegmentKind, ShmError};
use std::fmt;
use std::time::Duration;

/// A flag that the threads of several processes wait for.
///
/// Whoever waits goes on when the flag is set, and also when it was set and cleared again while it
/// waited: no set is missed.
///
/// What was done before [`set`](Self::set) is seen by whoever went on because of it.
///
/// # When the other side is gone
///
/// A waiter that died is nobody: `set` never waits for it. If nobody is left who could set the
/// event, only a timeout ends the waiting.
///
/// # Examples
///
/// ```
/// use procession_sync::Event;
/// use std::thread;
///
/// let started = Event::new()?;
/// thread::scope(|scope| {
///     scope.spawn(|| started.set());
///     started.wait();
/// });
/// assert!(started.is_set());
/// # Ok::<(), procession_sync::ShmError>(())
/// ```
pub struct Event {
    place: Placed<EventState>,
}

handle!(Event);

impl Event {
    /// Makes an event that is not set.
    ///
    /// # Errors
    ///
    /// [`ShmError::OutOfMemory`] if `/dev/shm` is full, [`ShmError::Family`] or
    /// [`ShmError::System`] if the system refuses.
    ///
    /// # Examples
    ///
    /// ```
    /// let event = procession_sync::Event::new()?;
    /// assert!(!event.is_set());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new() -> Result<Self, ShmError> {
        let place = Placed::new(|_| {})?;
        Ok(Self { place })
    }

    /// Returns whether it is set at this moment.
    ///
    /// # Examples
    ///
    /// ```
    /// let event = procession_sync::Event::new()?;
    /// event.set();
    /// assert!(event.is_set());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_set(&self) -> bool {
        self.place.get().is_set()
    }

    /// Sets it. All who wait go on, and nobody waits until it is cleared.
    ///
    /// # Examples
    ///
    /// ```
    /// let event = procession_sync::Event::new()?;
    /// event.set();
    /// event.wait(); // returns at once
    /// assert!(event.is_set());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set(&self) {
        self.place.get().set();
    }

    /// Clears it. Who comes from now on waits for the next [`set`](Self::set).
    ///
    /// # Examples
    ///
    /// ```
    /// let event = procession_sync::Event::new()?;
    /// event.set();
    /// event.clear();
    /// assert!(!event.is_set());
    /// # Ok::<(), procession_sync::ShmError>(())
    /// ```
    pub fn clear(&self) {
        self.place.get().clear();
    }

    /// Waits until it is set, or was set since the call began.
    pub fn wait(&self) {
        self.place.get().wait(Deadline::NEVER);
    }

    /// Waits as [`wait`](Self::wait) does, for `timeout` at the longest; returns whether the event
    /// was set.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let event = procession_sync::Event::new()?;
    /// assert!(!event.wait_timeout(Duration::from_millis(1)));
    /// event.set();
    /// assert!(event.wait_timeout(Duration::ZERO));
    /// # Ok::<(), procession_sync::ShmError>(())
    /// ```
    #[must_use = "false means that the event was not set in time"]
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.place.get().wait(Deadline::after(timeout))
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("set", &self.is_set())
            .finish_non_exhaustive()
    }
}

// SAFETY: the state is one atomic word, `repr(C)`, valid whatever its bits are.
unsafe impl Shared for EventState {
    const KIND: SegmentKind = SegmentKind::EVENT;
}
