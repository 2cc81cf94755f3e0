//! How a child process comes into being.
//!
//! - [`spawn`]: the executable is started afresh;
//! - [`fork_server`]: a helper that was started afresh once makes copies of itself;
//! - [`fork`]: this process makes a copy of itself.

pub(crate) mod fork;
pub(crate) mod fork_server;
pub(crate) mod spawn;

use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU8, Ordering};

/// How a child process comes into being.
///
/// # Examples
///
/// ```
/// use procession_process::{Process, StartMethod, start_method};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// assert_eq!(start_method(), StartMethod::ForkServer);
/// let process = Process::builder()
///     .start_method(StartMethod::Spawn)
///     .spawn(|| 3 + 4, ())?;
/// assert_eq!(process.join()?, 7);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum StartMethod {
    /// A helper process, started from the same executable when the first child is, makes a copy of
    /// itself for each child.
    ///
    /// As safe as [`Spawn`](Self::Spawn) and several times as fast: the helper has one thread and
    /// nothing of this process. The child gets this process's environment, working directory,
    /// standard streams and process group as they are at its start. When something else has changed
    /// that a process inherits, its [rights](crate#what-a-child-inherits) for example, the next start
    /// replaces the helper, and so takes as long as one by `Spawn`. A helper that dies is replaced,
    /// and its children live on: they are this process's own. Where the system or the C library does not allow such copies, children are
    /// started as by `Spawn`.
    #[default]
    ForkServer,
    /// The executable is started afresh. The child inherits the environment, the working
    /// directory, stdout and stderr, and no other open file.
    Spawn,
    /// This process makes a copy of itself, which has all that it has: memory, open files, and
    /// what a closure captures ([`Process::fork`](crate::Process::fork)). Random state is among it:
    /// two children of a thread that has made a `HashMap`, or has used `rand::rng()`, have the same
    /// hashing keys and the same generator until they seed it anew.
    ///
    /// Only a process with a single thread can be copied whole; otherwise starting is
    /// [`StartError::MultiThreaded`](crate::StartError::MultiThreaded).
    Fork,
}

impl StartMethod {
    /// All methods, the default first.
    pub const ALL: [Self; 3] = [Self::ForkServer, Self::Spawn, Self::Fork];
}

static CHOSEN: AtomicU8 = AtomicU8::new(0);

/// Returns how this process starts children whose builder does not say.
pub fn start_method() -> StartMethod {
    StartMethod::ALL[usize::from(CHOSEN.load(Ordering::Relaxed))]
}

/// Chooses how this process, and its children in turn, start children whose builder does not say.
///
/// # Examples
///
/// ```
/// use procession_process::{Process, StartMethod, set_start_method, start_method};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// set_start_method(StartMethod::Spawn);
/// assert_eq!(start_method(), StartMethod::Spawn);
/// assert_eq!(Process::spawn(start_method, ())?.join()?, StartMethod::Spawn);
/// # Ok(())
/// # }
/// ```
pub fn set_start_method(method: StartMethod) {
    CHOSEN.store(method as u8, Ordering::Relaxed);
}
