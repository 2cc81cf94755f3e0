//! What a lock answers whose last holder did not put things in order.

use procession_os::robust::LockError;
use std::error::Error;
use std::fmt;

/// A guard, or the reason why there is none; in the [`Poisoned`] case both.
pub type LockResult<G> = Result<G, AcquireError<G>>;

/// Why taking a lock did not simply give a guard.
///
/// It contains a guard, which stays with its thread, so it is not an [`Error`] itself. `?` turns it
/// into [`anyhow::Error`] or a boxed [`Error`] all the same, and [`LockError::from`] into one that
/// other errors can have as their source. Each of these releases the lock and leaves the poison.
///
/// # Examples
///
/// Give up:
///
/// ```
/// use procession_shm::{LockError, Value};
///
/// fn count(hits: &Value<u64>) -> anyhow::Result<u64> {
///     let mut hits = hits.lock()?;
///     *hits += 1;
///     Ok(*hits)
/// }
///
/// let hits = Value::new(5)?;
/// assert_eq!(count(&hits)?, 6);
///
/// let same = hits.clone();
/// std::thread::spawn(move || std::mem::forget(same.lock().unwrap())).join().unwrap();
/// let error = count(&hits).unwrap_err();
/// assert_eq!(error.downcast_ref(), Some(&LockError::Poisoned));
/// # Ok::<(), anyhow::Error>(())
/// ```
///
/// Give up with an error of one's own:
///
/// ```
/// use procession_shm::{LockError, Value};
///
/// #[derive(Debug, thiserror::Error)]
/// #[error("cannot count")]
/// struct CountError(#[from] LockError);
///
/// fn count(hits: &Value<u64>) -> Result<u64, CountError> {
///     let mut hits = hits.lock().map_err(LockError::from)?;
///     *hits += 1;
///     Ok(*hits)
/// }
/// # assert_eq!(count(&Value::new(5)?)?, 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Go on with what the last holder left, whatever that is:
///
/// ```
/// use procession_shm::{AcquireError, Array};
///
/// let numbers = Array::from_slice(&[1, 2, 3])?;
/// let mut guard = numbers.lock().or_else(AcquireError::repaired)?;
/// guard.sort();
/// # drop(guard);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub enum AcquireError<G> {
    /// The lock is held, but a holder before died or panicked, and what it was changing may be
    /// half changed.
    Poisoned(Poisoned<G>),
    /// The lock is not held.
    Failed(LockError),
}

impl<G> AcquireError<G> {
    /// Gives the guard if there is one, and leaves the poison.
    ///
    /// # Errors
    ///
    /// Why the lock is not held.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::{AcquireError, Value};
    ///
    /// let value = Value::new(5)?;
    /// let same = value.clone();
    /// std::thread::spawn(move || std::mem::forget(same.lock().unwrap())).join().unwrap();
    /// let guard = value.lock().or_else(AcquireError::into_inner)?;
    /// assert_eq!(*guard, 5);
    /// drop(guard);
    /// assert!(value.is_poisoned(), "it still is");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_inner(self) -> Result<G, LockError> {
        match self {
            Self::Poisoned(poisoned) => Ok(poisoned.into_inner()),
            Self::Failed(error) => Err(error),
        }
    }

    /// Gives the guard if there is one, and clears the poison.
    ///
    /// # Errors
    ///
    /// Why the lock is not held.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::{AcquireError, Value};
    ///
    /// let value = Value::new(5)?;
    /// let same = value.clone();
    /// std::thread::spawn(move || std::mem::forget(same.lock().unwrap())).join().unwrap();
    /// let mut guard = value.lock().or_else(AcquireError::repaired)?;
    /// *guard = 6;
    /// drop(guard);
    /// assert!(!value.is_poisoned());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn repaired(self) -> Result<G, LockError>
    where
        G: Repair,
    {
        match self {
            Self::Poisoned(poisoned) => Ok(poisoned.repaired()),
            Self::Failed(error) => Err(error),
        }
    }
}

/// Gives the guard, inside of a [`Poisoned`] if what it guards is.
#[inline]
pub(crate) fn guarded<G>(poisoned: bool, guard: G) -> LockResult<G> {
    if poisoned {
        Err(AcquireError::Poisoned(Poisoned::new(guard)))
    } else {
        Ok(guard)
    }
}

impl<G> From<LockError> for AcquireError<G> {
    fn from(error: LockError) -> Self {
        Self::Failed(error)
    }
}

impl<G> fmt::Debug for AcquireError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Poisoned(poisoned) => fmt::Debug::fmt(poisoned, f),
            Self::Failed(error) => fmt::Debug::fmt(error, f),
        }
    }
}

impl<G> fmt::Display for AcquireError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Poisoned(poisoned) => poisoned.fmt(f),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

/// Drops the guard, if there is one, and leaves the poison.
impl<G> From<AcquireError<G>> for LockError {
    fn from(error: AcquireError<G>) -> Self {
        match error {
            AcquireError::Poisoned(_) => Self::Poisoned,
            AcquireError::Failed(error) => error,
        }
    }
}

// These are possible because `AcquireError` is not an `Error`, for which they exist already, but
// only without a guard that is borrowed from its lock.

/// Contains a [`LockError`].
impl<G> From<AcquireError<G>> for anyhow::Error {
    fn from(error: AcquireError<G>) -> Self {
        LockError::from(error).into()
    }
}

/// Contains a [`LockError`].
impl<G> From<AcquireError<G>> for Box<dyn Error + Send + Sync> {
    fn from(error: AcquireError<G>) -> Self {
        LockError::from(error).into()
    }
}

/// Contains a [`LockError`].
impl<G> From<AcquireError<G>> for Box<dyn Error> {
    fn from(error: AcquireError<G>) -> Self {
        LockError::from(error).into()
    }
}

/// The guard of a lock whose holder died, or panicked, while it held it.
///
/// The lock is held, and stays poisoned for the next ones until somebody declares the data sound:
/// with [`repaired`](Self::repaired), or with `clear_poison` of what is locked.
///
/// # Examples
///
/// ```
/// use std::panic::catch_unwind;
/// use procession_shm::{AcquireError, Value};
///
/// let value = Value::new(5)?;
/// let panic = || value.update(|_| panic!("half done"));
/// assert!(catch_unwind(panic).is_err());
///
/// let Err(AcquireError::Poisoned(mut poisoned)) = value.lock() else { panic!() };
/// **poisoned.get_mut() = 0;
/// drop(poisoned.repaired());
/// assert_eq!(*value.lock()?, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Poisoned<G> {
    guard: G,
}

impl<G> Poisoned<G> {
    /// Says that what `guard` guards is poisoned; for locks of other crates.
    #[doc(hidden)]
    pub fn new(guard: G) -> Self {
        Self { guard }
    }

    /// Gives the guard, and leaves the poison.
    pub fn into_inner(self) -> G {
        self.guard
    }

    /// Returns the guard by reference, to look at what was left.
    pub fn get_ref(&self) -> &G {
        &self.guard
    }

    /// Returns the guard by mutable reference, to put in order what was left.
    pub fn get_mut(&mut self) -> &mut G {
        &mut self.guard
    }

    /// Gives the guard, and clears the poison.
    pub fn repaired(self) -> G
    where
        G: Repair,
    {
        self.guard.clear_poison();
        self.guard
    }
}

impl<G> fmt::Debug for Poisoned<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        procession_os::words::write(f, "Poisoned", self)
    }
}

impl<G> fmt::Display for Poisoned<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        LockError::Poisoned.fmt(f)
    }
}

impl<G> Error for Poisoned<G> {}

/// A guard that can clear the poison of what it guards.
pub trait Repair {
    /// Declares what is guarded sound again.
    fn clear_poison(&self);
}

/// A guard with something beside it, as from waiting with a timeout.
impl<G: Repair, T> Repair for (G, T) {
    fn clear_poison(&self) {
        self.0.clear_poison();
    }
}
