//! Where the state of a machine lies, and who may change it.
//!
//! The machines are written against [`Place`], so that the same code runs on shared memory and,
//! under loom, on a model of it.

use procession_os::robust::LockError;
use procession_os::wait::Deadline;

/// A state and the mutex that its several words are changed under.
pub trait Place {
    /// What lies there. All of it is atomic: single words are also read without the mutex.
    type State: Recover;
    /// The mutex, held.
    type Pass<'a>
    where
        Self: 'a;

    /// Returns the state, whose single words may be read without the mutex.
    fn state(&self) -> &Self::State;

    /// Takes the mutex. If somebody died while holding it, the state has recovered.
    ///
    /// # Errors
    ///
    /// Why the mutex was not taken.
    fn enter(&self, deadline: Deadline) -> Result<Self::Pass<'_>, LockError>;
}

/// A state that can be made sound after somebody died in the midst of changing it.
pub trait Recover {
    /// Makes a sound state of whatever any prefix of the stores of any change has left. It runs
    /// under the mutex, and again if it was itself cut short.
    fn recover(&self);
}
