//! Reading a segment side by side with other readers.

use crate::machine::place::Place;
use crate::machine::readers::{self, Purpose, ReadersState};
use crate::name::Name;
use crate::poison::{LockResult, Repair, guarded};
use crate::{Held, Segment};
use procession_os::identity::Identity;
use procession_os::robust::LockError;
use procession_os::wait::Deadline;
use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;

impl Segment {
    /// Keeps everybody from writing, together with whoever else reads, waiting for as long as a
    /// living thread has the segment's lock.
    ///
    /// Reading again while reading never waits. A writer that waits goes first otherwise.
    ///
    /// # Errors
    ///
    /// [`LockError::HeldByThisThread`] if this thread has the lock, [`LockError::TooManyProcesses`]
    /// if about 500 processes read, or [`LockError::Damaged`] and its like if the memory was
    /// overwritten.
    ///
    /// # Panics
    ///
    /// If the segment's kind is not [read side by side](crate::SegmentKind::read_side_by_side).
    ///
    /// # When the other side is gone
    ///
    /// If a writer died, reading begins and [`Reading::poisoned`] is true. A reader that died is
    /// none.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::{Array, LockError};
    ///
    /// let array = Array::from_slice(&[1, 2, 3])?;
    /// let reading = array.segment().read()?;
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| {
    ///         assert!(array.segment().try_read().is_ok());
    ///         assert_eq!(array.segment().try_write().unwrap_err(), LockError::WouldBlock);
    ///     });
    /// });
    /// # drop(reading);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read(&self) -> Result<Reading<'_>, LockError> {
        self.read_until(Deadline::NEVER)
    }

    /// Keeps everybody from writing, if nobody writes and no writer goes first.
    ///
    /// # Errors
    ///
    /// [`LockError::WouldBlock`], and those of [`read`](Self::read).
    ///
    /// # Panics
    ///
    /// As [`read`](Self::read).
    pub fn try_read(&self) -> Result<Reading<'_>, LockError> {
        self.try_enter(Purpose::Read)
    }

    /// Keeps everybody from writing, waiting until `deadline` at the longest.
    ///
    /// # Errors
    ///
    /// [`LockError::TimedOut`], and those of [`read`](Self::read).
    ///
    /// # Panics
    ///
    /// As [`read`](Self::read).
    pub fn read_until(&self, deadline: Deadline) -> Result<Reading<'_>, LockError> {
        self.enter_until(Purpose::Read, deadline)
    }

    /// Returns how many read at this moment. Those that died are counted until a writer finds them
    /// dead.
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::Array::from_slice(&[1, 2, 3])?;
    /// let guard = array.read()?;
    /// assert_eq!(array.segment().readers(), 1);
    /// # drop(guard);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn readers(&self) -> usize {
        self.readers_state().map_or(0, ReadersState::readers) as usize
    }

    /// Returns the number of the thread that has the lock to write at this moment: a thread that only
    /// begins or ends reading is none.
    ///
    /// # Examples
    ///
    /// ```
    /// let array = procession_shm::Array::from_slice(&[1, 2, 3])?;
    /// let guard = array.lock()?;
    /// assert!(array.segment().writer().is_some());
    /// drop(guard);
    /// assert_eq!(array.segment().writer(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn writer(&self) -> Option<u32> {
        let writes = self.readers_state().is_none_or(ReadersState::is_writing);
        self.holder().filter(|_| writes)
    }

    /// Is in, beside others who are in for the same purpose.
    pub(crate) fn enter_until(
        &self,
        purpose: Purpose,
        deadline: Deadline,
    ) -> Result<Reading<'_>, LockError> {
        self.enter_by(
            purpose,
            |who, again| readers::read(self, purpose, who, again, deadline),
            || self.write_until(deadline),
        )
    }

    /// As [`enter_until`](Self::enter_until), without waiting.
    pub(crate) fn try_enter(&self, purpose: Purpose) -> Result<Reading<'_>, LockError> {
        self.enter_by(
            purpose,
            |who, again| readers::try_read(self, purpose, who, again),
            || self.try_write(),
        )
    }

    fn enter_by<'a>(
        &'a self,
        purpose: Purpose,
        enter: impl FnOnce(Identity, bool) -> Result<bool, LockError>,
        write: impl FnOnce() -> Result<Held<'a>, LockError>,
    ) -> Result<Reading<'a>, LockError> {
        let who = Identity::of_this_process();
        if enter(who, is_read_by_this_thread(self, who))? {
            return Ok(Reading::counted(self, who));
        }
        // Others are in for something else: this one waits as a writer does, and is the first of
        // those who are in for this.
        let held = write()?;
        self.state().set_purpose(purpose);
        Ok(held.downgrade())
    }
}

impl Place for Segment {
    type State = ReadersState;
    type Pass<'a> = Held<'a>;

    fn state(&self) -> &ReadersState {
        let readers = self.readers_state();
        readers.expect("only what is read side by side can be read")
    }

    fn enter(&self, deadline: Deadline) -> Result<Held<'_>, LockError> {
        self.lock_until(deadline)
    }
}

/// The proof that nobody writes to a segment; dropping it lets them.
///
/// If it is leaked, nobody writes until its process ends.
///
/// It cannot be sent to another thread:
///
/// ```compile_fail,E0277
/// fn send(reading: procession_shm::Reading<'static>) {
///     std::thread::spawn(move || drop(reading));
/// }
/// ```
#[must_use = "writers are let in when this is dropped"]
pub struct Reading<'a> {
    segment: &'a Segment,
    poisoned: bool,
    /// A process that was forked meanwhile is another one, and does not read.
    who: Identity,
    // A thread knows what it reads.
    _not_send: PhantomData<*const ()>,
}

impl<'a> Reading<'a> {
    /// For a reader that has just been counted.
    pub(crate) fn counted(segment: &'a Segment, who: Identity) -> Self {
        note(segment.key(), who);
        Self {
            segment,
            poisoned: segment.is_poisoned(),
            who,
            _not_send: PhantomData,
        }
    }

    /// Returns the segment that is read.
    pub fn segment(&self) -> &'a Segment {
        self.segment
    }

    /// Returns whether the segment was poisoned when reading began.
    pub fn poisoned(&self) -> bool {
        self.poisoned
    }

    /// Makes a typed guard of this one, inside of a [`Poisoned`](crate::Poisoned) if the segment is.
    ///
    /// # Errors
    ///
    /// [`AcquireError::Poisoned`](crate::AcquireError::Poisoned).
    pub fn into_guard<G>(self, wrap: impl FnOnce(Self) -> G) -> LockResult<G> {
        guarded(self.poisoned, wrap(self))
    }
}

impl Repair for Reading<'_> {
    fn clear_poison(&self) {
        self.segment.clear_poison();
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        if self.who != Identity::of_this_process() {
            return;
        }
        strike_out(self.segment.key(), self.who);
        // Overwritten memory has no count to be taken out of.
        let _ = readers::end_reading(self.segment, self.who);
    }
}

impl fmt::Debug for Reading<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading")
            .field("segment", &self.segment.name())
            .field("poisoned", &self.poisoned)
            .finish()
    }
}

thread_local! {
    /// What this thread reads, once for each guard; by whom, for a forked child has the list of its
    /// parent's thread.
    static READING: RefCell<Vec<(Name, Identity)>> = const { RefCell::new(Vec::new()) };
}

/// Whether a writer of the segment would wait for this thread.
pub(crate) fn is_read_by_this_thread(segment: &Segment, who: Identity) -> bool {
    let reads = |reading: &RefCell<Vec<_>>| reading.borrow().contains(&(segment.key(), who));
    READING.try_with(reads).unwrap_or(false)
}

/// Returns what this thread reads in this process.
pub(crate) fn read_by_this_thread() -> Vec<Name> {
    let who = Identity::of_this_process();
    let ours = |reading: &RefCell<Vec<(Name, Identity)>>| {
        let reading = reading.borrow();
        let ours = reading.iter().filter(|(_, by)| *by == who);
        ours.map(|&(name, _)| name).collect()
    };
    READING.try_with(ours).unwrap_or_default()
}

// A thread that is ending has no list any more: it is as if it did not read yet.

fn note(name: Name, who: Identity) {
    let _ = READING.try_with(|reading| reading.borrow_mut().push((name, who)));
}

fn strike_out(name: Name, who: Identity) {
    let _ = READING.try_with(|reading| {
        let mut reading = reading.borrow_mut();
        // The last one first: guards are mostly dropped in that order.
        if let Some(at) = reading.iter().rposition(|one| *one == (name, who)) {
            reading.swap_remove(at);
        }
    });
}
